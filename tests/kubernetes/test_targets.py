"""Which cluster is meant: kubeconfig files as kubectl merges them, contexts, namespaces, a pod's own cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.backends.kubernetes.api import targets as module
from mlk_jupyter.backends.kubernetes.api.kubeconfig import BrokenKubeconfig, UnknownContext, read_kubeconfig
from mlk_jupyter.backends.kubernetes.api.proxies import proxy_for
from mlk_jupyter.backends.kubernetes.api.targets import configured, targets


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster of this machine's own gets in."""
    for name in ("KUBECONFIG", "MLK_CONTEXT", "MLK_NAMESPACE", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "SERVICE_ACCOUNT", tmp_path / "serviceaccount")


def kubeconfig(path: Path, *names: str, current: str | None = None, **cluster: Any) -> Path:
    """A file with a context, a cluster and a user of each name; the namespace of context `x` is `x-ns`."""
    content = {
        "contexts": [{"name": n, "context": {"cluster": n, "user": n, "namespace": f"{n}-ns"}} for n in names],
        "clusters": [{"name": n, "cluster": {"server": f"https://{n}.{path.stem}:6443", **cluster}} for n in names],
        "users": [{"name": n, "user": {"token": f"{n}-{path.stem}"}} for n in names],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | ({"current-context": current} if current else {})), encoding="utf-8")
    return path


def in_a_pod(monkeypatch: pytest.MonkeyPatch, namespace: str = "team") -> None:
    module.SERVICE_ACCOUNT.mkdir(parents=True)
    (module.SERVICE_ACCOUNT / "token").write_text("t\n")
    (module.SERVICE_ACCOUNT / "namespace").write_text(namespace)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")


def test_without_a_kubeconfig_and_outside_a_pod_there_is_no_cluster() -> None:
    assert not configured() and targets() == []


def test_the_usual_file_is_read_where_nothing_names_another(tmp_path: Path) -> None:
    kubeconfig(tmp_path / "home" / ".kube" / "config", "a", current="a")
    assert configured() and [one.context for one in targets()] == ["a"]


def test_the_current_context_comes_first_and_each_brings_its_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "one", "a", "b", "c", current="b")))
    found = targets()
    assert [(one.context, one.namespace) for one in found] == [("b", "b-ns"), ("a", "a-ns"), ("c", "c-ns")]
    assert "current" in found[0].why and found[0].server == "https://b.one:6443"


def test_files_are_merged_as_kubectl_does_and_the_first_to_say_something_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = kubeconfig(tmp_path / "one", "a"), kubeconfig(tmp_path / "two", "a", "b", current="b")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(one), str(tmp_path / "missing"), "", str(two)]))
    assert {one.context: one.server for one in targets()} == {"b": "https://b.two:6443", "a": "https://a.one:6443"}
    assert targets()[0].context == "b"


def test_paths_in_a_file_are_meant_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kubeconfig(tmp_path / "deep" / "config", "a", current="a", **{"certificate-authority": "pki/ca.crt"})
    monkeypatch.setenv("KUBECONFIG", str(path))
    read = read_kubeconfig()
    assert read is not None
    assert read.context("a").cluster["certificate-authority"] == str(tmp_path / "deep" / "pki" / "ca.crt")


def test_flags_and_variables_choose_context_and_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "one", "a", "b", current="a")))
    assert (targets("b", "mine")[0].context, targets("b", "mine")[0].namespace) == ("b", "mine")
    assert [one.namespace for one in targets("b", "mine")] == ["mine", "a-ns"]
    monkeypatch.setenv("MLK_CONTEXT", "b")
    monkeypatch.setenv("MLK_NAMESPACE", "theirs")
    assert (targets()[0].context, targets()[0].namespace) == ("b", "theirs")
    assert targets("a", "mine")[0].namespace == "mine"


def test_a_context_that_does_not_exist_is_answered_with_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "one", "a", "b", current="a")))
    with pytest.raises(UnknownContext) as caught:
        targets("prod")
    assert "'prod'" in caught.value.detail and "a, b" in caught.value.detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{unclosed", "not valid YAML in line"),
        ("- a\n- b\n", "no kubeconfig"),
        ("contexts: x\ncurrent-context: a\n", "`contexts` is no list"),
        ("contexts: [{context: {}}]\n", "has no name"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: gone}}]\n", "cluster 'gone'"),
        (
            "current-context: a\ncontexts: [{name: a, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]\n",
            "no server address",
        ),
    ],
    ids=["yaml", "list", "contexts", "nameless", "dangling", "server"],
)
def test_a_broken_file_is_named_with_what_is_wrong(
    content: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(BrokenKubeconfig) as caught:
        targets()
    assert words in caught.value.detail and str(path) in caught.value.detail and caught.value.hint


def test_a_context_beside_that_is_broken_does_not_spoil_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kubeconfig(tmp_path / "one", "a", current="a")
    content = json.loads(path.read_text())
    content["contexts"].append({"name": "broken", "context": {"cluster": "gone", "user": "gone"}})
    path.write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert [one.context for one in targets()] == ["a"]


def test_a_pod_sees_its_own_cluster_and_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_pod(monkeypatch)
    [target] = targets()
    assert configured() and target.in_cluster and target.context is None
    assert (target.server, target.namespace) == ("https://10.0.0.1:443", "team")


def test_an_address_of_ipv6_is_put_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_pod(monkeypatch)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert targets()[0].server == "https://[fd00::1]:443"


def test_in_a_pod_a_kubeconfig_goes_before_its_own_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_pod(monkeypatch)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "one", "a", "b", current="a")))
    assert [one.context for one in targets()] == ["a", None, "b"]


def test_secrets_are_not_in_what_a_context_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "one", "a", current="a")))
    read = read_kubeconfig()
    assert read is not None and "a-one" not in repr(read) + repr(read.context("a")) + repr(targets())


def test_looking_for_clusters_imports_no_client_library() -> None:
    code = (
        "import sys; from mlk_jupyter.backends.kubernetes.api.targets import configured, targets;"
        "configured(); targets();"
        "print([name for name in ('kubernetes', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("https://api.example.com:6443", "", "http://proxy:3128"),
        ("https://api.example.com", "example.com", None),
        ("https://api.example.com", ".example.com", None),
        ("https://example.com", ".example.com", "http://proxy:3128"),
        ("https://api.example.com", "other.com, api.example.com:443", None),
        ("https://api.example.com", "api.example.com:6443", "http://proxy:3128"),
        ("https://10.1.2.3:6443", "10.0.0.0/8", None),
        ("https://11.1.2.3:6443", "10.0.0.0/8", "http://proxy:3128"),
        ("https://[fd00::1]:6443", "fd00::/8", None),
        ("https://api.example.com", "*", None),
        ("https://127.0.0.1:6443", "", None),
        ("https://localhost:6443", "", None),
        ("http://api.example.com", "", None),
    ],
)
def test_proxies_are_taken_and_left_out_as_kubectl_does(
    url: str, no_proxy: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == proxy
