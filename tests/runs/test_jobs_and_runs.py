"""Real jobs on this machine and what MLflow holds of them afterwards."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ended_jobs import free_port

from mlk_jupyter.backends.local import LocalBackend
from mlk_jupyter.bundle import build
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RunState
from mlk_jupyter.runs.store import artifact_root, prepare, tracking_uri

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

OPEN = "import mlflow\nrun = mlflow.start_run()\nmlflow.log_metric('loss', 0.5, step=3)"
KILLED = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"


class Machine:
    """This machine's backend with a data directory of its own."""

    def __init__(self, data_dir: Path, work: Path, make_notebook: Callable[..., dict[str, Any]]) -> None:
        self.backend, self._work, self._make = LocalBackend(data_dir), work, make_notebook
        self._submitted: list[str] = []

    def submit(self, name: str, *cells: str, **spec: Any) -> str:
        asked = JobSpec(**{"name": name, "notebook": f"work/{name}.ipynb", **spec})
        bundle = build(self._make(*cells), asked, self._work)
        job = asyncio.run(self.backend.submit(asked, bundle, request_id=uuid.uuid4().hex)).id
        self._submitted.append(job)
        return job

    def over(self, job: str) -> JobStatus:
        """The job once it has ended and its run is settled."""
        deadline = time.monotonic() + 300
        while True:
            status = asyncio.run(self.backend.job(job))
            if status.phase.final and status.run is not None and status.run.state is not RunState.PENDING:
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.2)

    def clean_up(self) -> None:
        for job in self._submitted:
            asyncio.run(self.backend.delete(job))


@pytest.fixture
def machine(
    data_dir: Path, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    pytest.importorskip("mlflow")
    (tmp_path / "work").mkdir()
    asyncio.run(prepare(tracking_uri(data_dir), artifact_root(data_dir)))
    made = Machine(data_dir, tmp_path / "work", make_notebook)
    yield made
    made.clean_up()


def test_however_a_job_ends_its_run_says_so(machine: Machine, data_dir: Path, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri(data_dir))
    killed = machine.over(machine.submit("killed", OPEN, KILLED))
    assert killed.phase is Phase.FAILED and killed.run is not None
    run = client.get_run(killed.run.run_id)
    assert (run.info.status, run.data.metrics, run.data.tags["mlk.job.id"]) == ("FAILED", {"loss": 0.5}, killed.id)
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "killed"
    assert experiment.artifact_location == f"{artifact_root(data_dir)}/{experiment.experiment_id}"

    other = "import mlflow\nmlflow.set_experiment('chosen by the notebook')\nmlflow.log_metric('loss', 0.25)"
    chosen = machine.over(machine.submit("chooses", other))
    assert chosen.phase is Phase.SUCCEEDED and chosen.run is not None
    run = client.get_run(chosen.run.run_id)
    assert (run.info.status, chosen.run.experiment) == ("FINISHED", "chosen by the notebook")

    silent = machine.over(machine.submit("silent", "lr = 0.1", "print(lr)"))
    assert silent.phase is Phase.SUCCEEDED and silent.run is not None
    assert silent.run.state is RunState.RECORDED, silent.run.text
    assert client.get_run(silent.run.run_id).info.status == "FINISHED"

    off = machine.over(machine.submit("off", "print('no run')", mlflow=False))
    assert off.phase is Phase.SUCCEEDED and off.run is not None and off.run.state is RunState.OFF
    everything = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert {run.data.tags["mlk.job.id"] for run in everything} == {killed.id, chosen.id, silent.id}
    assert len(everything) == 3
    assert not (tmp_path / "work" / "mlruns").exists()


def test_a_tracking_server_that_is_down_fails_no_job_and_is_told(
    machine: Machine, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    logs = machine.submit("logs", OPEN, "mlflow.log_metric('loss', 0.4, step=4)\nprint('went on')")
    silent = machine.submit("silent", "print('went on')")
    for job in (logs, silent):
        status = machine.over(job)
        assert status.phase is Phase.SUCCEEDED, status.reason
        assert "went on" in machine.backend.folder(job).executed.read_text()
    told = asyncio.run(machine.backend.job(logs))
    assert any("does not answer" in notice for notice in told.notices), told.notices
    assert told.run is not None and told.run.tracking_uri == f"sqlite:///{data_dir}/mlflow-offline.db"
    run = asyncio.run(machine.backend.job(silent)).run
    assert run is not None and run.state is RunState.UNAVAILABLE
    assert run.text is not None and "was not recorded" in run.text
    assert os.environ["MLFLOW_TRACKING_URI"] == run.tracking_uri
