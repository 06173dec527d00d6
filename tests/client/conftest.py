"""The Python face on this machine and on the tests' cluster, each test in a data directory of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from endjobs import end_jobs
from kube.cluster import FakeCluster

_CLUSTER = pytest.param("kubernetes", marks=pytest.mark.slow)


@pytest.fixture
def here(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, from which jobs run on this machine."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in ("MLK_CONTEXT", "MLK_NAMESPACE", "MLK_IMAGE", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLK_BACKEND", "local")
    yield work
    end_jobs(data_dir)


@pytest.fixture(params=["local", _CLUSTER])
def anywhere(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, from which jobs run on this machine, and then in a cluster."""
    if request.param == "local":
        yield here
        return
    with FakeCluster(nodes=[{"name": name, "gpus": 4} for name in ("node-a", "node-b")]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        monkeypatch.setenv("MLK_BACKEND", "kubernetes")
        monkeypatch.setenv("MLK_IMAGE", "local/torch:1")
        yield here
        assert cluster.controllers is not None
        assert cluster.controllers.failures == []


@pytest.fixture
def interrupt() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, as it does at a prompt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
