"""After a job's end its run tells the truth: over REST and in a SQLite store alike."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ended_jobs import free_port, job

from mlk_jupyter.model import JobStatus, Phase, RunRef, RunState
from mlk_jupyter.runs.client import Run, TrackingServer
from mlk_jupyter.runs.credentials import Credentials
from mlk_jupyter.runs.local_server import LocalServer
from mlk_jupyter.runs.recorder import Ended, Found, Step, kept, points_of, steps, the_jobs_own
from mlk_jupyter.runs.settle import settle
from mlk_jupyter.runs.store import artifact_root, tracking_uri

METRICS = [
    {
        "kind": "metric",
        "rank": 0,
        "time": 1_790_000_020.0 + step,
        "name": "loss",
        "value": 1.0 - step / 10,
        "step": step,
    }
    for step in range(5)
]


def settled(status: JobStatus, frames: Sequence[Mapping[str, Any]], uri: str, **options: Any) -> RunRef:
    return asyncio.run(settle(status, frames, tracking_uri=uri, base=dict(os.environ), **options))


def opened(run: Run, rank: int = 0) -> dict[str, Any]:
    return {
        "kind": "run",
        "rank": rank,
        "run_id": run.run_id,
        "experiment_id": run.experiment_id,
        "run_name": run.run_name,
    }


def runs_of(url: str, job_id: str) -> list[Run]:
    async def read() -> list[Run]:
        async with TrackingServer(Credentials.of(url, {})) as server:
            return await server.runs_of_job(job_id)

    return asyncio.run(read())


def open_run(url: str, job_id: str | None = None, rank: int = 0, **params: str) -> Run:
    async def write() -> Run:
        async with TrackingServer(Credentials.of(url, {})) as server:
            tags = {} if job_id is None else {"mlk.job.id": job_id, "mlk.job.rank": str(rank)}
            run = await server.create_run("0", "of the notebook", 1_790_000_011, tags)
            await server.log(run.run_id, params=params)
            return run

    return asyncio.run(write())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "status"),
    [(Phase.SUCCEEDED, "FINISHED"), (Phase.FAILED, "FAILED"), (Phase.STOPPED, "KILLED")],
)
def test_a_job_whose_notebook_opened_no_run_gets_one_and_only_one(
    mlflow_server: str, phase: Phase, status: str
) -> None:
    over = job(f"silent-{status.lower()}", phase, parameters={"lr": 0.1, "layers": [1, 2]})
    first = settled(over, METRICS, mlflow_server)
    again = settled(over, METRICS, mlflow_server)
    assert first == again
    assert (first.state, first.experiment, first.run_name) == (RunState.RECORDED, "digits", "Digits")
    (run,) = runs_of(mlflow_server, over.id)
    assert run.run_id == first.run_id and run.status == status
    assert (run.started_at, run.ended_at) == (1_790_000_010, 1_790_000_070)
    assert run.params == {"lr": "0.1", "layers": "[1, 2]"}
    assert run.metrics == {"loss": pytest.approx(0.6)}
    assert run.tags["mlflow.source.type"] == "NOTEBOOK" and run.tags["mlk.job.name"] == "Digits"


@pytest.mark.slow
def test_a_run_left_open_by_a_killed_rank_gets_the_jobs_status_and_what_it_lacks(mlflow_server: str) -> None:
    run = open_run(mlflow_server, lr="0.1")
    over = job("killed", Phase.FAILED, parameters={"lr": 0.2, "hidden": 64})
    ref = settled(over, [opened(run), *METRICS], mlflow_server)
    assert ref.run_id == run.run_id
    (seen,) = runs_of(mlflow_server, "killed")
    assert (seen.status, seen.ended_at) == ("FAILED", 1_790_000_070)
    assert seen.params == {"lr": "0.1", "hidden": "64"}, "what the notebook logged itself is not contradicted"


@pytest.mark.slow
def test_runs_of_child_processes_and_other_ranks_are_closed_and_rank_0s_is_the_jobs(mlflow_server: str) -> None:
    others = open_run(mlflow_server, "children", rank=1)
    own = open_run(mlflow_server, "children", rank=0)
    ref = settled(job("children", Phase.STOPPED), [], mlflow_server)
    assert ref.run_id == own.run_id
    assert {run.run_id: run.status for run in runs_of(mlflow_server, "children")} == {
        own.run_id: "KILLED",
        others.run_id: "KILLED",
    }


def test_a_run_that_the_rank_ended_itself_needs_no_server_and_no_process() -> None:
    run = {
        "kind": "run",
        "rank": 0,
        "run_id": "r1",
        "experiment_id": "3",
        "experiment": "digits",
        "run_name": "calm-fox",
    }
    done = {"kind": "run_finished", "rank": 0, "run_id": "r1", "status": "FINISHED"}
    nowhere = f"http://user:secret@127.0.0.1:{free_port()}"
    assert settled(job("calm"), [run, done], nowhere) == RunRef(
        state=RunState.RECORDED,
        tracking_uri=nowhere.replace("user:secret@", ""),
        experiment="digits",
        experiment_id="3",
        run_id="r1",
        run_name="calm-fox",
    )


def test_a_run_in_a_store_that_the_notebook_chose_is_left_to_it() -> None:
    run = {"kind": "run", "rank": 0, "run_id": "r1", "tracking_uri": "https://u:p@elsewhere.example/"}
    ref = settled(job("elsewhere"), [run], f"http://127.0.0.1:{free_port()}")
    assert (ref.state, ref.run_id, ref.tracking_uri) == (RunState.RECORDED, "r1", "https://elsewhere.example/")


def test_a_server_that_is_down_costs_a_sentence() -> None:
    ref = settled(job("down"), METRICS, f"http://user:secret@127.0.0.1:{free_port()}")
    assert ref.state is RunState.UNAVAILABLE
    assert ref.text is not None and ref.text.startswith("The run was not recorded. 127.0.0.1:")
    assert "secret" not in ref.model_dump_json()


def test_switched_off_is_off() -> None:
    assert settled(job("off", mlflow=False), METRICS, "http://127.0.0.1:9").state is RunState.OFF


def test_an_interpreter_without_mlflow_is_said_with_its_name(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    ref = settled(job("bare"), [], tracking_uri(tmp_path, {}), python=str(python))
    assert ref.state is RunState.UNAVAILABLE and ref.text is not None
    assert f"not installed for {python}" in ref.text
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_in_a_sqlite_store_the_same_happens_without_a_server(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri, artifacts = tracking_uri(tmp_path, {}), artifact_root(tmp_path)
    options = {"artifacts": artifacts, "directory": tmp_path}
    silent = job("silent", parameters={"lr": 0.1})
    first = settled(silent, METRICS, uri, **options)
    assert first.state is RunState.RECORDED, first.text
    assert settled(silent, METRICS, uri, **options) == first

    # A rank that is killed with its run open: opened by MLflow itself, in a process that does not say farewell.
    open_it = "import mlflow, os; run = mlflow.start_run(); print(run.info.run_id, flush=True); os._exit(9)"
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "MLFLOW_EXPERIMENT_NAME": "digits", "GIT_PYTHON_REFRESH": "quiet"}
    rank = subprocess.run([sys.executable, "-c", open_it], env=env, capture_output=True, text=True, cwd=tmp_path)
    run_id = rank.stdout.split()[-1]
    killed = settled(job("killed", Phase.STOPPED), [{"kind": "run", "rank": 0, "run_id": run_id}], uri, **options)
    assert (killed.run_id, killed.experiment_id) == (run_id, first.experiment_id)

    async def read() -> list[list[Run]]:
        local = LocalServer(uri, artifacts, log=tmp_path / "server.log")
        try:
            server = await local.ready()
            return [await server.runs_of_job("silent"), await server.runs_of_job("killed")]
        finally:
            await local.stop()

    (made,), (closed,) = asyncio.run(read())
    assert (made.run_id, made.status, made.params, made.ended_at) == (
        first.run_id,
        "FINISHED",
        {"lr": "0.1"},
        1_790_000_070,
    )
    assert made.metrics == {"loss": pytest.approx(0.6)}
    assert (closed.run_id, closed.status) == (run_id, "KILLED")
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.slow
def test_a_store_that_cannot_be_read_is_said_in_mlflows_words(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "mlflow.db").write_bytes(b"not a database at all" * 100)
    ref = settled(job("torn"), [], tracking_uri(tmp_path, {}), artifacts=artifact_root(tmp_path))
    assert ref.state is RunState.UNAVAILABLE
    assert ref.text is not None and "not a database" in ref.text


def _ended(**fields: Any) -> Ended:
    return Ended("j", "name", "e", None, "KILLED", 1.0, 2.0, **fields)


def _run(run_id: str, status: str = "FINISHED", rank: str | None = "0", **params: str) -> Found:
    return Found(run_id, "0", None, status, {} if rank is None else {"mlk.job.rank": rank}, params)


def test_a_run_that_is_as_it_should_be_is_not_touched() -> None:
    ended = _ended(tags={"mlk.job.rank": "0"}, params={"a": "1"})
    assert steps(ended, [_run("r", a="2")]) == []


def test_only_the_jobs_own_run_gets_its_parameters() -> None:
    ended = _ended(params={"a": "1"}, opened=["r"])
    assert steps(ended, [_run("nested", "RUNNING"), _run("r", "RUNNING")]) == [
        Step("nested", status="KILLED"),
        Step("r", status="KILLED", params={"a": "1"}),
    ]


def test_of_many_runs_the_first_that_rank_0_told_of_is_the_jobs() -> None:
    runs = [_run("c", rank="1"), _run("b"), _run("a")]
    assert the_jobs_own(_ended(opened=["gone", "a", "b"]), runs) == runs[2]
    assert the_jobs_own(_ended(), runs) == runs[1]
    assert the_jobs_own(_ended(), []) is None


def test_very_many_points_are_thinned_and_each_last_one_stays() -> None:
    frames = [{"kind": "metric", "rank": 0, "time": 1.0, "name": "x", "value": n, "step": n} for n in range(45_001)]
    frames += [{"kind": "metric", "rank": 0, "time": 1.0, "name": "rare", "value": 7, "step": None}]
    points = points_of(kept(frames))
    assert len(points) <= 10_002
    assert [point["value"] for point in points if point["key"] == "x"][-1] == 45_000
    assert points[-1] == {"key": "rare", "value": 7.0, "timestamp": 1000, "step": 0}


def test_points_of_other_ranks_and_values_that_are_not_known_are_left_out() -> None:
    frames = [
        {"kind": "metric", "rank": 1, "time": 1.0, "name": "x", "value": 1.0},
        {"kind": "metric", "rank": 0, "time": 1.0, "name": "x", "value": None},
        {"kind": "progress", "rank": 0, "time": 1.0},
    ]
    assert points_of(kept(frames)) == []
