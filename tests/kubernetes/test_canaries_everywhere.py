"""Secrets of every kind on a person's machine, and all that `mlk` says, writes and sends: they must not meet."""

from __future__ import annotations

import base64
import json
import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusterjobs import IMAGE
from kube.cluster import FakeCluster

from mlk_jupyter.cli import main

BY_VARIABLE = (
    "JUPYTER_TOKEN", "JPY_API_TOKEN", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_OAUTH_CLIENT_SECRET", "EG_AUTH_TOKEN",
    "KERNEL_GATEWAY_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET",
    "GITHUB_TOKEN", "HF_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY", "DB_PASSWORD", "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
)  # fmt: skip
BY_URL = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PIP_INDEX_URL", "DATABASE_URL", "GIT_REMOTE", "FTP_PROXY")
BY_FILE = (
    ".env", "id_ed25519", "server.pem", "tls.key", ".netrc", "kubeconfig.yaml", "credentials.json", "token.txt",
    ".aws/credentials", ".git/config", "terraform.tfvars",
)  # fmt: skip


class Canaries:
    """Values that stand in one place each, and are found wherever else they turn up, plain or as base64."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def at(self, place: str) -> str:
        value = f"canary{len(self.places):02d}x{'7f3a91c5' * 2}"
        self.places[place] = value
        return value

    def found_in(self, text: str) -> list[str]:
        """The places whose secrets stand there."""
        return [place for place, value in self.places.items() if any(form in text for form in _forms(value))]


def _forms(value: str) -> list[str]:
    # In base64 a text looks different at each of three offsets; its middle is the same whatever stands around it.
    coded = [base64.b64encode(b"\0" * shift + value.encode()).decode()[4:-4] for shift in range(3)]
    return [value, *coded]


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def work(
    kube_cluster: FakeCluster, data_dir: Path, tmp_path: Path, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A person's folder and environment: the login of the tests' cluster, and secrets of other things."""
    others = tmp_path / "others.yaml"
    others.write_text(yaml.safe_dump(other_logins(tmp_path, canaries)))
    own = yaml.safe_load(kube_cluster.kubeconfig.read_text())
    for number, user in enumerate(own["users"]):
        for key, value in user["user"].items():
            if key in ("token", "client-key-data"):
                canaries.places[f"own kubeconfig {number} {key}"] = value
    kubeconfig = os.pathsep.join((str(kube_cluster.kubeconfig), str(others)))
    settings = {"HOME": str(tmp_path), "MLK_DATA_DIR": str(data_dir), "MLK_USER": "ada", "KUBECONFIG": kubeconfig}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in BY_VARIABLE:
        monkeypatch.setenv(name, canaries.at(name))
    for name in BY_URL:
        monkeypatch.setenv(name, f"https://{canaries.at(name + ' user')}:{canaries.at(name)}@example.invalid/p")
    folder = tmp_path / "work"
    for name in BY_FILE:
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / name).write_text(canaries.at(name))
    (folder / "data" / "table.csv").write_text("1,2\n")
    monkeypatch.chdir(folder)
    return folder


def other_logins(folder: Path, canaries: Canaries) -> dict[str, Any]:
    """Contexts of other clusters, each with another way in."""
    token_file = folder / "a-token"
    token_file.write_text(canaries.at("tokenFile"))
    oidc = {name: canaries.at(f"oidc {name}") for name in ("id-token", "refresh-token", "client-secret")}
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "false",
        "env": [{"name": "SECRET", "value": canaries.at("plugin env")}],
        "args": [f"--password={canaries.at('plugin argument')}"],
    }
    users = {
        "token": {"token": canaries.at("token")},
        "file": {"tokenFile": str(token_file)},
        "password": {"username": "ada", "password": canaries.at("password")},
        "oidc": {"auth-provider": {"name": "oidc", "config": {"idp-issuer-url": "https://127.0.0.1:9", **oidc}}},
        "plugin": {"exec": plugin},
    }
    server = f"https://{canaries.at('server user')}:{canaries.at('server password')}@127.0.0.1:9"
    proxy = f"http://{canaries.at('proxy user')}:{canaries.at('proxy password')}@127.0.0.1:9"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "away", "cluster": {"server": server, "proxy-url": proxy}}],
        "users": [{"name": name, "user": user} for name, user in users.items()],
        "contexts": [{"name": f"by-{name}", "context": {"cluster": "away", "user": name}} for name in users],
    }


def notebook_with(make_notebook: Callable[..., Any], canaries: Canaries) -> dict[str, Any]:
    """A notebook that was run before, whose outputs and metadata hold secrets."""
    made: dict[str, Any] = make_notebook("import os\nprint('ran')")
    text = canaries.at("an old output")
    made["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    return made


def test_a_canary_is_found_plain_and_in_base64_wherever_it_begins(canaries: Canaries) -> None:
    value = canaries.at("here")
    for before in ("", "a", "ab", "abc"):
        text = f"{before}{value}:after"
        assert canaries.found_in(text) == canaries.found_in(base64.b64encode(text.encode()).decode()) == ["here"]
    assert canaries.found_in("canary00") == []


def test_none_of_forty_secrets_is_said_written_sent_or_stored(
    kube_cluster: FakeCluster,
    data_dir: Path,
    work: Path,
    canaries: Canaries,
    make_notebook: Callable[..., Any],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    (work / "work.ipynb").write_text(json.dumps(notebook_with(make_notebook, canaries)))
    said: list[str] = []

    def mlk(*arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        code = main(list(arguments))
        out, err = capfd.readouterr()
        said.append(out + err)
        assert code in codes, said[-1]
        return out

    carried = ("work.ipynb", "--file", "data")
    cluster = ("--backend", "kubernetes", "--image", IMAGE)
    mlk("render", *carried, *cluster)
    mlk("render", "rbac", "--namespace", "team", "--user", "ada")
    mlk("orphans")
    for where in (cluster, ("--backend", "local")):
        ran = json.loads(mlk("run", *carried, *where, "--no-mlflow", "--json").splitlines()[-1])
        for command in (("show",), ("show", "--json"), ("logs",), ("open",)):
            mlk(command[0], ran["id"], *command[1:])
    mlk("jobs", "--json")
    for name in ("token", "file", "password", "oidc", "plugin"):
        mlk("jobs", "--context", f"by-{name}", codes=(0, 1, 2))

    assert len(canaries.places) >= 40
    assert canaries.found_in("".join(said)) == [], "said"
    assert canaries.found_in(caplog.text + "".join(str(record.__dict__) for record in caplog.records)) == [], "logged"
    for file in (file for file in data_dir.rglob("*") if file.is_file()):
        assert canaries.found_in(file.read_bytes().decode("latin-1")) == [], file
    bundles = list(data_dir.rglob("bundle.pyz"))
    assert len(bundles) == 2
    carrying = 0
    for path in bundles:  # what stands there is compressed, here as in the cluster
        with zipfile.ZipFile(path) as bundle:
            carrying += any(name.endswith("data/table.csv") for name in bundle.namelist())
            for name in bundle.namelist():
                assert canaries.found_in(f"{name} {bundle.read(name).decode('latin-1')}") == [], name
    assert carrying == 1  # on this machine a job runs in the folder itself
    store = kube_cluster.store
    for resource in store.resources():
        assert canaries.found_in(json.dumps(store.peek_all(resource))) == [], resource
    assert canaries.found_in(str(kube_cluster.requests)) == [], "in an address"
