"""An IPython in this process, as a person has it after `%load_ext mlk_jupyter`, and a job to show in one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from kube.cluster import FakeCluster
from recordedjob import Notebook, Recorded, until
from shells import Shell
from traitlets.config import Config

import mlk_jupyter
from mlk_jupyter.errors import JobNotFound
from mlk_jupyter.magics import feed

_CLUSTER = pytest.param("kubernetes", marks=pytest.mark.slow)


@pytest.fixture
def folder(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, from which jobs run on this machine; whatever is left running is ended."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in ("MLK_CONTEXT", "MLK_NAMESPACE", "MLK_IMAGE", "KUBECONFIG", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLK_BACKEND", "local")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    yield work
    _end_jobs("local")


@pytest.fixture
def shell(folder: Path) -> Iterator[Shell]:
    """A shell with our magics; jobs run on this machine."""
    yield from _shell()


@pytest.fixture(params=["local", _CLUSTER])
def anywhere(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell whose jobs run on this machine, and then in a cluster."""
    if request.param == "local":
        yield from _shell()
        return
    with FakeCluster(nodes=[{"name": name, "gpus": 4} for name in ("node-a", "node-b")]) as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        monkeypatch.setenv("MLK_BACKEND", "kubernetes")
        monkeypatch.setenv("MLK_IMAGE", "local/torch:1")
        yield from _shell()
        _end_jobs("kubernetes")
        monkeypatch.delenv("KUBECONFIG")
        assert cluster.controllers is not None
        assert cluster.controllers.failures == []


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Recorded]:
    """One that runs; no display follows it beyond its test."""
    made = Recorded(tmp_path / "digits-0a1b")
    yield made
    made.error = None
    if made.folder.path.exists():
        made.end()
    until(lambda: not feed._feeds)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A kernel's shell whose outputs are kept."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.kernel = object()
    shell.display_pub = CapturingDisplayPublisher()
    yield Notebook(shell.display_pub)
    InteractiveShell.clear_instance()


def _end_jobs(backend: str) -> None:
    for job in mlk_jupyter.jobs(backend=backend):
        with contextlib.suppress(JobNotFound):
            job.delete()


def _shell() -> Iterator[Shell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(colors="nocolor", config=Config(HistoryManager={"enabled": False}))
    made.run_line_magic("load_ext", "mlk_jupyter")
    yield Shell(made)
    InteractiveShell.clear_instance()
