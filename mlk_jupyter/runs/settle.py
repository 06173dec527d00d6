"""After a job's end: one run that tells the truth, whatever became of the ranks that should have written it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import MlkError
from ..model import JobStatus, Phase, RunRef, RunState
from ..waiting import within
from . import recorder
from .client import Run, RunMissing, TrackingAnswer, TrackingServer
from .credentials import Credentials
from .environment import experiment_name, tags
from .recorder import Ended, Found
from .store import ARTIFACT_ROOT_VARIABLE, has_mlflow, is_http, prepare, without_credentials

_CHILD_LIMIT_S = 120.0
_REST_LIMIT_S = 20.0
_STATUS = {Phase.SUCCEEDED: "FINISHED", Phase.FAILED: "FAILED", Phase.STOPPED: "KILLED"}


async def settle(
    status: JobStatus,
    frames: Sequence[Mapping[str, Any]],
    *,
    tracking_uri: str,
    parameters: Mapping[str, Any] | None = None,
    python: str = sys.executable,
    directory: Path | None = None,
    artifacts: Path | None = None,
    base: Mapping[str, str] | None = None,
) -> RunRef:
    """Makes the run of a job that is over right, and says what became of it. Doing it again changes nothing.

    A run that the ranks ended themselves needs nothing, and no process or connection is made. One left open gets the
    job's status; where none was opened, one is made with the job's times, parameters and metrics.

    Args:
        status:       the job; its phase is final, and without `finished_at` it ended now.
        frames:       those of all ranks that `recorder.kept` keeps.
        tracking_uri: where the ranks' runs went (MLFLOW_TRACKING_URI of `environment`).
        parameters:   all of the notebook's parameters; None means those of the spec.
        python:       the interpreter of the ranks; MLflow is looked for there when the store is no server.
        directory:    the ranks' working directory, from which relative paths in the URI count.
        artifacts:    where a new experiment in a SQLite store keeps its files.
        base:         the environment that holds the credentials; None means this process'.
    Returns: a RunRef that is `recorded`, `off`, or `unavailable` with a sentence. Never raises for MLflow's sake.
    """
    if not status.spec.mlflow:
        return RunRef(state=RunState.OFF, text="Recording in MLflow was switched off for this job.")
    inherited = os.environ if base is None else base
    ended = _ended(status, frames, status.spec.parameters if parameters is None else parameters, inherited)
    shown = without_credentials(tracking_uri)
    told = _as_the_rank_said(frames, shown)
    if told is not None and (told.tracking_uri != shown or set(ended.opened) <= set(ended.closed)):
        return told  # in order, or in a store that the notebook chose: that one is the notebook's own affair
    try:
        if is_http(tracking_uri):
            said = await within(_REST_LIMIT_S, _over_rest(ended, Credentials.of(tracking_uri, inherited)))
        else:
            said = await _in_a_child(ended, tracking_uri, python, directory, artifacts, inherited)
    except asyncio.TimeoutError:
        return _unavailable(f"MLflow at {shown} took longer than {_REST_LIMIT_S:.0f} s.", shown)
    except (MlkError, ValueError) as error:
        return _unavailable(str(error), shown)
    return RunRef(state=RunState.RECORDED, tracking_uri=shown, **said)


def _unavailable(why: str, shown: str) -> RunRef:
    return RunRef(state=RunState.UNAVAILABLE, text=f"The run was not recorded. {why}", tracking_uri=shown)


def _ended(
    status: JobStatus, frames: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], base: Mapping[str, str]
) -> Ended:
    """What the recorder needs to know, out of the job's record."""
    opened = sorted(
        (frame for frame in frames if frame.get("kind") == "run" and frame.get("run_id")),
        key=lambda frame: frame.get("rank", 0),  # stable: of one rank's runs the first comes first
    )
    finished_at = status.finished_at or time.time()
    return Ended(
        job_id=status.id,
        run_name=status.name,
        experiment=experiment_name(status.spec, base),
        experiment_id=status.spec.env.get("MLFLOW_EXPERIMENT_ID") or base.get("MLFLOW_EXPERIMENT_ID") or None,
        status=_STATUS[status.phase],
        started_at=min(status.started_at or status.created_at, finished_at),
        finished_at=finished_at,
        tags=tags(status.spec, status.id, 0, status.backend, {**base, **status.spec.env}),
        params=recorder.params_of(parameters),
        metrics=recorder.points_of(frames),
        opened=list(dict.fromkeys(str(frame["run_id"]) for frame in opened)),
        closed=[
            str(frame["run_id"]) for frame in frames if frame.get("kind") == "run_finished" and frame.get("run_id")
        ],
    )


def _as_the_rank_said(frames: Sequence[Mapping[str, Any]], shown: str) -> RunRef | None:
    """The job's run by the ranks' own account; None when they opened none."""
    opened = [frame for frame in frames if frame.get("kind") == "run" and frame.get("run_id")]
    if not opened:
        return None
    first = min(opened, key=lambda frame: frame.get("rank", 0))
    elsewhere = first.get("tracking_uri")
    return RunRef(
        state=RunState.RECORDED,
        tracking_uri=without_credentials(elsewhere) if elsewhere else shown,
        experiment=first.get("experiment"),
        experiment_id=first.get("experiment_id"),
        run_id=first["run_id"],
        run_name=first.get("run_name"),
    )


async def _over_rest(ended: Ended, credentials: Credentials) -> dict[str, str | None]:
    async with TrackingServer(credentials) as server:
        runs = {run.run_id: run for run in await server.runs_of_job(ended.job_id)}
        for run_id in ended.opened:
            if run_id not in runs:
                try:
                    runs[run_id] = await server.run(run_id)
                except RunMissing:  # deleted by the notebook
                    continue
        found = [_found(run) for run in runs.values()]
        for step in recorder.steps(ended, found):
            await server.log(step.run_id, params=step.params, tags=step.tags)
            if step.status is not None:
                await server.set_status(step.run_id, step.status, ended.finished_at)
        own = recorder.the_jobs_own(ended, found)
        if own is None:
            own = await _made(server, ended)
        experiment = await server.experiment(own.experiment_id)
        return {
            "run_id": own.run_id,
            "run_name": own.run_name,
            "experiment_id": own.experiment_id,
            "experiment": experiment.name,
        }


async def _made(server: TrackingServer, ended: Ended) -> Found:
    experiment_id = ended.experiment_id or await _experiment_id(server, ended.experiment or "Default")
    run = await server.create_run(experiment_id, ended.run_name, ended.started_at, ended.tags)
    await server.log(run.run_id, params=ended.params, metrics=ended.metrics)
    await server.set_status(run.run_id, ended.status, ended.finished_at)
    return _found(run)


async def _experiment_id(server: TrackingServer, name: str) -> str:
    experiment = await server.experiment_by_name(name)
    if experiment is None:
        try:
            return await server.create_experiment(name)
        except TrackingAnswer:  # another job of the same notebook was faster
            experiment = await server.experiment_by_name(name)
            if experiment is None:
                raise
    return experiment.experiment_id


def _found(run: Run) -> Found:
    return Found(run.run_id, run.experiment_id, run.run_name, run.status, run.tags, run.params)


class RecorderFailed(MlkError):
    """The process that records a run in a store without REST API did not manage to."""

    code, title, status = "mlflow_recorder_failed", "The MLflow run could not be recorded", 500


async def _in_a_child(
    ended: Ended,
    tracking_uri: str,
    python: str,
    directory: Path | None,
    artifacts: Path | None,
    base: Mapping[str, str],
) -> dict[str, str | None]:
    hint = "The job and its notebook are not affected."
    if not await has_mlflow(python):
        raise RecorderFailed(f"MLflow is not installed for {python}.", hint="Install it with `pip install mlflow`.")
    if artifacts is not None:
        await prepare(tracking_uri, artifacts, python)
    environment = {
        **base,
        # What the first `import mlflow` would do beside importing: look for git, report its use.
        "GIT_PYTHON_REFRESH": "quiet",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **({ARTIFACT_ROOT_VARIABLE: str(artifacts)} if artifacts is not None else {}),
    }
    for name in ("MLFLOW_RUN_ID", "MLFLOW_RUN_CONTEXT"):
        environment.pop(name, None)
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            recorder.__file__,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=environment,
        )
    except OSError as error:
        raise RecorderFailed(f"{python}: {error.strerror or error}.", hint=hint) from error
    try:
        out, err = await within(_CHILD_LIMIT_S, process.communicate(recorder.as_json(ended, tracking_uri)))
    except asyncio.TimeoutError as error:
        raise RecorderFailed(f"MLflow took longer than {_CHILD_LIMIT_S:.0f} s.", hint=hint) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _answer(out, err, hint)


def _answer(out: bytes, err: bytes, hint: str) -> dict[str, str | None]:
    try:
        said = json.loads(out)
    except ValueError as error:
        lines = err.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise RecorderFailed(f"The recording process said: {lines[-1][:256]}", hint=hint) from error
    if "run" not in said:
        raise RecorderFailed(f"MLflow said: {said.get('error')}", hint=hint)
    return {name: said["run"].get(name) for name in ("run_id", "run_name", "experiment_id", "experiment")}
