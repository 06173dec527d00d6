"""The MLflow run of a job of this machine, with MLflow's own store."""

from __future__ import annotations

import os
import signal

import pytest
from machine_jobs import FOREVER, Jobs, wait_for

from mlk_jupyter.model import Phase, RunState

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_store_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)


def run_statuses(jobs: Jobs) -> dict[str, str]:
    """Status of each run in the store, by id."""
    import sqlite3

    with sqlite3.connect(jobs.backend._data_dir / "mlflow.db") as store:
        return dict(store.execute("select run_uuid, status from runs"))


@pytest.mark.timeout(300)
def test_every_end_of_a_job_is_told_to_its_run(jobs: Jobs) -> None:
    good = jobs.submit("import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 0.5)", mlflow=True)
    status = jobs.until_settled(good)
    assert status.phase is Phase.SUCCEEDED and status.run is not None
    assert status.run.state is RunState.RECORDED and status.run.experiment == "a"
    assert [metric.name for metric in status.metrics] == ["loss"]
    assert run_statuses(jobs) == {status.run.run_id: "FINISHED"}

    silent = jobs.submit("print('no MLflow here')", mlflow=True)
    status = jobs.until_settled(silent)
    assert status.run is not None and run_statuses(jobs)[str(status.run.run_id)] == "FINISHED"

    open_run = "import mlflow\nmlflow.start_run()"
    killed = jobs.submit(open_run, FOREVER, mlflow=True)
    owner = jobs.until_running(killed, cell=2).owner
    assert owner is not None
    os.kill(int(owner["pid"]), signal.SIGKILL)
    status = jobs.until_over(killed)
    assert status.phase is Phase.FAILED and status.run is not None and status.run.run_id
    wait_for(lambda: run_statuses(jobs)[str(status.run.run_id)] == "FAILED", lambda: run_statuses(jobs))

    stopped = jobs.submit(open_run, FOREVER, mlflow=True)
    jobs.until_running(stopped, cell=2)
    jobs.stop(stopped)
    status = jobs.until_settled(stopped)
    assert status.run is not None and run_statuses(jobs)[str(status.run.run_id)] == "KILLED"
    assert len(run_statuses(jobs)) == 4


def test_a_job_without_mlflow_touches_no_store(jobs: Jobs) -> None:
    status = jobs.until_over(jobs.submit("1", mlflow=False))
    assert status.run is not None and status.run.state is RunState.OFF
    assert not (jobs.backend._data_dir / "mlflow.db").exists()
