from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mlk_jupyter.backends.choosing import NoCluster, choose
from mlk_jupyter.errors import BadInput


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLK_BACKEND", "MLK_CONTEXT", "MLK_NAMESPACE", "KUBERNETES_SERVICE_HOST", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLK_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("kubernetes", NoCluster, "MLK_BACKEND asks for Kubernetes"),
        ("lokal", BadInput, "Did you mean 'local'?"),
        ("docker", BadInput, "which is no backend"),
    ],
)
def test_a_backend_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, error: type[Exception], words: str
) -> None:
    monkeypatch.setenv("MLK_BACKEND", name)
    with pytest.raises(error, match=words):
        choose()


def test_this_machine_is_the_default_where_no_cluster_is_configured() -> None:
    choice = asyncio.run(choose().choice())
    assert choice.backend.name == "local"
    assert choice.why == "No cluster is configured, so jobs run on this machine."


def test_what_was_typed_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLK_BACKEND", "kubernetes")
    assert asyncio.run(choose("local").choice()).backend.name == "local"
