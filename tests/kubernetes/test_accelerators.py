"""What GPUs a cluster has and who holds them, asked with all rights, few, and none."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from preflight_cases import node, pod, quota
from scripted import Scripted

from mlk_jupyter.backends.kubernetes.accelerators import DECLARED, Accelerators, declared_nodes
from mlk_jupyter.backends.kubernetes.api.api_errors import error_of
from mlk_jupyter.backends.kubernetes.hardware import Inventory
from mlk_jupyter.backends.kubernetes.resources import NODES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from mlk_jupyter.backends.kubernetes.rights.access import Access, Question
from mlk_jupyter.backends.kubernetes.rights.discovery import Served
from mlk_jupyter.errors import BadInput
from mlk_jupyter.gpus.attribution import attribute
from mlk_jupyter.gpus.stock import Stock

H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
BUSY = (
    'DCGM_FI_PROF_GR_ENGINE_ACTIVE{{gpu="0",UUID="GPU-{0}",modelName="NVIDIA H100 80GB HBM3",hostname="{0}",'
    'container="worker",namespace="team-a",pod="mine"}} 0.5\n'
)
METRICS = "/api/v1/namespaces/gpu-operator/pods/dcgm-{}:9400/proxy/metrics"
FORBIDDEN = error_of(403, {"message": "pods is forbidden", "reason": "Forbidden"})


def exporter(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"dcgm-{name}", "namespace": "gpu-operator", "labels": {"app": "nvidia-dcgm-exporter"}},
        "spec": {"nodeName": name, "containers": [{"ports": [{"name": "metrics", "containerPort": 9400}]}]},
        "status": {"phase": "Running"},
    }


def documents(**more: Any) -> dict[str, Any]:
    return {
        "/api/v1/nodes": [node("a", gpus=8, labels=H100), node("b", gpus=8, labels=H100, unschedulable=True)],
        "/api/v1/pods": [pod("mine", "a", gpus=1), pod("theirs", "a", gpus=4), exporter("a"), exporter("b")],
        "/api/v1/namespaces/team-a/pods": [pod("mine", "a", gpus=1)],
        METRICS.format("a"): BUSY.format("a"),
        METRICS.format("b"): "# nothing\n",
        **more,
    }


def access(*refused: tuple[str, str | None]) -> Access:
    """All rights but some of `nodes`, `pods` and `pods/proxy`, beyond the namespace."""
    asked = (
        ("list", NODES, None),
        ("list", PODS, None),
        ("get", PODS, "proxy"),
        ("list", RESOURCE_SLICES, None),
        ("list", RESOURCE_CLAIMS, None),
    )
    answers = {
        Question(verb, resource.group, resource.plural, sub): (resource.plural, sub) not in refused
        for verb, resource, sub in asked
    }
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    return Access("team-a", everything, complete=True, answers=answers)


def stock(connection: Scripted, rights: Access | None = None, served: Served | None = None) -> Stock:
    there = Accelerators(connection, Inventory(connection), "team-a")  # type: ignore[arg-type]
    return asyncio.run(there.stock("k", "The cluster", served or Served(), rights or access()))


def test_with_all_rights_nodes_holders_and_use_are_known() -> None:
    there = stock(Scripted(documents()))
    assert [(one.name, one.resources[0].total, one.is_cordoned) for one in there.nodes] == [
        ("a", 8, False),
        ("b", 8, True),
    ]
    assert {(one.pod, one.count) for one in there.allocations} == {("mine", 1), ("theirs", 4)}
    assert there.is_whole and there.why is None
    held = attribute(there).held
    assert [round(one.busy.value, 2) for one in held.values() if one.busy] == [0.5]
    assert there.sources[0].answers


def test_a_pod_of_the_exporter_that_does_not_answer_is_told_and_the_others_count() -> None:
    there = stock(Scripted(documents(**{METRICS.format("b"): error_of(503, {"message": "no endpoints"})})))
    assert there.uses and there.sources[0].answers
    assert there.sources[0].why is not None and there.sources[0].why.startswith("1 of 2 pods did not answer")


def test_a_page_of_a_login_instead_of_figures_is_no_figure() -> None:
    page = "<html>DCGM_FI_DEV_FB_USED{ log in</html>"
    there = stock(Scripted(documents(**{METRICS.format("a"): page, METRICS.format("b"): page})))
    assert not there.uses


def test_without_the_right_to_the_exporter_what_is_missing_is_named() -> None:
    connection = Scripted(documents())
    there = stock(connection, access(("pods", "proxy")))
    assert not there.uses and "pods/proxy" in (there.sources[0].why or "")
    assert not any(kind == "text" for kind, _ in connection.calls)


@pytest.mark.parametrize("how", ["known", "found out"])
def test_without_the_right_to_all_pods_only_the_own_ones_are_seen_and_it_is_said(how: str) -> None:
    refused = [("pods", None)] if how == "known" else []
    connection = Scripted(documents() if refused else documents(**{"/api/v1/pods": FORBIDDEN}))
    there = stock(connection, access(*refused))
    assert [one.pod for one in there.allocations] == ["mine"]
    assert not there.is_whole and "Only pods of team-a" in (there.why or "") and there.hint is not None
    assert ("list", "/api/v1/pods") not in connection.calls if refused else True


def test_without_the_right_to_nodes_the_quota_says_what_there_is() -> None:
    hard = {"requests.nvidia.com/gpu": "4", "limits.nvidia.com/gpu": "1", "nvidia.com/gpu": "2", "pods": "9"}
    connection = Scripted(documents(**{"/api/v1/namespaces/team-a/resourcequotas": [quota(hard)]}))
    there = stock(connection, access(("nodes", None), ("pods", None)))
    (only,) = there.nodes
    assert [(one.name, one.total) for one in only.resources] == [("nvidia.com/gpu", 4)]
    assert [one.node for one in there.allocations] == [only.name]
    assert not there.is_whole and "right to list nodes" in (there.why or "")


def test_without_any_right_nothing_is_known_and_nothing_fails() -> None:
    there = stock(Scripted({"/api/v1/namespaces/team-a/pods": FORBIDDEN}), access(("nodes", None), ("pods", None)))
    assert (list(there.nodes), list(there.allocations), there.is_whole) == ([], [], False)


def test_an_administrator_may_write_the_nodes_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps({"items": [node("a", gpus=2, labels=H100)]}))
    monkeypatch.setenv(DECLARED, str(path))
    there = stock(Scripted(documents()), access(("nodes", None)))
    assert [(one.name, one.resources[0].product) for one in there.nodes] == [("a", "NVIDIA-H100-80GB-HBM3")]
    assert not there.is_whole


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"items": [1]}', "[" * 100_000])
def test_a_list_of_nodes_that_is_none_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text(text)
    with pytest.raises(BadInput, match=DECLARED):
        declared_nodes(tmp_path / "nodes.json")


def test_devices_of_drivers_count_where_no_device_plugin_offers_them() -> None:
    device = {
        "attributes": {"type": {"string": "gpu"}, "productName": {"string": "NVIDIA H200"}},
        "capacity": {"memory": {"value": "141Gi"}},
    }
    pool = {"name": "c", "generation": 2, "resourceSliceCount": 1}
    slices = [
        {
            "spec": {
                "driver": "gpu.nvidia.com",
                "nodeName": "c",
                "pool": pool,
                "devices": [{"name": f"gpu-{at}", **device} for at in range(2)],
            }
        },
        {
            "spec": {
                "driver": "gpu.nvidia.com",
                "nodeName": "c",
                "pool": {**pool, "generation": 1},
                "devices": [{"name": "old", **device}],
            }
        },
    ]
    result = {"driver": "gpu.nvidia.com", "pool": "c", "device": "gpu-1"}
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": [{"resource": "pods", "name": "train"}]}
    claims = [{"metadata": {"name": "train-gpu", "namespace": "team-a"}, "status": status}]
    connection = Scripted(
        documents(
            **{
                "/api/v1/nodes": [node("a", gpus=8), node("c")],
                "/apis/resource.k8s.io/v1/resourceslices": slices,
                "/apis/resource.k8s.io/v1/resourceclaims": claims,
            }
        )
    )
    there = stock(connection, served=Served(dra=True))
    by_name = {one.name: one for one in there.nodes}
    (offered,) = by_name["c"].resources
    assert (offered.total, offered.product, offered.vendor) == (2, "NVIDIA H200", "nvidia")
    assert len(by_name["a"].resources) == 1
    (held,) = (one for one in there.allocations if one.node == "c")
    assert (held.resource, held.count, held.id, held.name) == (offered.name, 1, "team-a/train", "train")


def test_devices_of_drivers_are_not_asked_for_without_the_rights() -> None:
    connection = Scripted(documents())
    stock(connection, access(("resourceslices", None)), Served(dra=True))
    assert not any("resource.k8s.io" in path for _, path in connection.calls)


def test_a_prometheus_that_is_configured_wrongly_is_one_source_less() -> None:
    connection = Scripted(documents())
    wrong = BadInput("MLK_PROMETHEUS_URL is no address.", hint="Correct it.")
    there = Accelerators(connection, Inventory(connection), "team-a", wrong)  # type: ignore[arg-type]
    found = asyncio.run(there.stock("k", "The cluster", Served(), access()))
    assert found.nodes and found.uses
    assert [(one.name, one.answers) for one in found.sources] == [("Prometheus", False), ("dcgm-exporter", True)]
