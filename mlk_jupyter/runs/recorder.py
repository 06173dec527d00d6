"""What remains to be done about a job's MLflow run once the job is over: decided here, and done here with MLflow.

`settle.py` starts this file as a script, in the interpreter that the ranks used, for stores that have no REST API. So
it imports the standard library and MLflow only (which needs Python 3.10). JSON comes in on
stdin, JSON goes out on stdout.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_MOST_POINTS = 10_000  # metrics copied from frames; MLflow takes about 15 s for 100,000
_MOST_RUNS = 100  # of one job: each is asked for
_MOST_METRICS = 1_000
_LONGEST_NAME = 250  # characters, MLflow's own limit
_WHOLE = 2**53  # for steps, and times in ms
_LONGEST_TEXT = 1_000  # characters of what a rank told of its run
_LONGEST_PARAM = 6000  # characters, MLflow's own limit


@dataclass
class Ended:
    """One job that is over, as far as its runs are concerned. Times in seconds since the epoch."""

    job_id: str
    run_name: str
    experiment: str | None
    experiment_id: str | None
    status: str  # FINISHED, FAILED or KILLED
    started_at: float
    finished_at: float
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)  # {key, value, timestamp in ms, step}
    opened: list[str] = field(default_factory=list)  # run ids, the job's own first
    closed: list[str] = field(default_factory=list)  # those of them that the ranks ended themselves


@dataclass
class Found:
    """One run as the store tells it."""

    run_id: str
    experiment_id: str
    run_name: str | None
    status: str
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


@dataclass
class Step:
    """What one run still lacks."""

    run_id: str
    status: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def the_jobs_own(ended: Ended, runs: list[Found]) -> Found | None:
    """Which of the runs is shown as the job's: the first that rank 0 opened."""
    by_id = {run.run_id: run for run in runs}
    for run_id in ended.opened:
        if run_id in by_id:
            return by_id[run_id]
    ranked = sorted(runs, key=lambda run: run.tags.get("mlk.job.rank") != "0")
    return ranked[0] if ranked else None


def steps(ended: Ended, runs: list[Found]) -> list[Step]:
    """What remains to be done about the runs that exist; nothing for those that are as they should be."""
    own = the_jobs_own(ended, runs)
    todo = []
    for run in runs:
        step = Step(run.run_id)
        if run.status in ("RUNNING", "SCHEDULED"):
            step.status = ended.status
        if own is not None and run.run_id == own.run_id:
            step.params = {key: value for key, value in ended.params.items() if key not in run.params}
            step.tags = {key: value for key, value in ended.tags.items() if key not in run.tags}
        if step != Step(run.run_id):
            todo.append(step)
    return todo


def params_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as MLflow keeps them: text, cut at its limit."""
    return {key: str(value)[:_LONGEST_PARAM] for key, value in values.items()}


def kept(frames: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of a job's frames those that concern runs, in their order, in bounded memory whatever they hold.

    Of very many metrics evenly many are left out; each last one stays.
    """
    runs: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    last: dict[str, dict[str, Any]] = {}
    every, seen = 1, 0
    for frame in frames:
        kind = frame.get("kind")
        if kind in ("run", "run_finished") and len(runs) < 2 * _MOST_RUNS and isinstance(frame.get("rank"), int):
            texts = {key: value[:_LONGEST_TEXT] for key, value in frame.items() if isinstance(value, str)}
            runs.append({**texts, "rank": frame["rank"]})
        elif kind == "metric" and frame.get("rank", 0) == 0 and _is_point(frame):
            name, point = frame["name"], {key: frame.get(key) for key in ("kind", "name", "value", "time", "step")}
            if name not in last and len(last) >= _MOST_METRICS:
                continue
            last[name] = point
            if seen % every == 0:
                points.append(point)
            if len(points) > _MOST_POINTS:
                points, every = points[::2], 2 * every
            seen += 1
    there = set(map(id, points))
    return [*runs, *points, *(point for point in last.values() if id(point) not in there)]


def points_of(frames: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The `metric` frames among those that were `kept`, as MLflow takes them."""
    return [
        {
            "key": frame["name"],
            "value": float(frame["value"]),
            "timestamp": int(frame["time"] * 1000),
            "step": int(frame.get("step") or 0),
        }
        for frame in frames
        if frame.get("kind") == "metric"
    ]


def _is_point(frame: Mapping[str, Any]) -> bool:
    name, value, step = (frame.get(field) for field in ("name", "value", "step"))
    named = isinstance(name, str) and len(name) <= _LONGEST_NAME
    whole = step is None or _is_number(step, _WHOLE)
    return named and whole and _is_number(value, sys.float_info.max) and _is_number(frame.get("time"), _WHOLE / 1000)


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= most


def record(ended: Ended, tracking_uri: str) -> dict[str, str | None]:
    """Makes the job's runs right by MLflow's own client.

    Returns: run_id, run_name, experiment, experiment_id of the job's run.
    Raises: whatever MLflow raises.
    """
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri)
    runs = _runs(client, ended)
    for step in steps(ended, runs):
        client.log_batch(
            step.run_id,
            params=[Param(key, value) for key, value in step.params.items()],
            tags=[RunTag(key, value) for key, value in step.tags.items()],
        )
        if step.status is not None:
            client.set_terminated(step.run_id, step.status, int(ended.finished_at * 1000))
    own = the_jobs_own(ended, runs)
    if own is None:
        experiment_id = ended.experiment_id or _experiment_id(client, ended.experiment or "Default")
        made = client.create_run(
            experiment_id, int(ended.started_at * 1000), {**ended.tags, "mlflow.runName": ended.run_name}
        )
        own = _found(made)
        client.log_batch(own.run_id, params=[Param(key, value) for key, value in ended.params.items()])
        for at in range(0, len(ended.metrics), 1000):
            client.log_batch(own.run_id, [Metric(**point) for point in ended.metrics[at : at + 1000]])
        client.set_terminated(own.run_id, ended.status, int(ended.finished_at * 1000))
    return {
        "run_id": own.run_id,
        "run_name": own.run_name,
        "experiment_id": own.experiment_id,
        "experiment": client.get_experiment(own.experiment_id).name,
    }


def _runs(client: Any, ended: Ended) -> list[Found]:
    """The runs of the job: those its ranks told of, and those that only bear its tag (child processes open some)."""
    from mlflow.exceptions import MlflowException

    found = {}
    for run_id in ended.opened:
        try:
            found[run_id] = _found(client.get_run(run_id))
        except MlflowException:  # deleted by the notebook
            continue
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    tagged = (
        client.search_runs(experiments, f"tags.`mlk.job.id` = '{ended.job_id}'", max_results=100) if experiments else []
    )
    for run in tagged:
        found.setdefault(run.info.run_id, _found(run))
    return list(found.values())


def _experiment_id(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another job of the same notebook was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def _found(run: Any) -> Found:
    info = run.info
    return Found(
        info.run_id, str(info.experiment_id), info.run_name, info.status, dict(run.data.tags), dict(run.data.params)
    )


def main() -> None:
    """The child process: `{"ended": ..., "tracking_uri": ...}` in; `{"run": ...}` or `{"error": sentence}` out."""
    os.nice(10)  # other jobs may be running; nobody waits for this
    task = json.load(sys.stdin)
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what MLflow prints must not mix with the answer
    try:
        said: dict[str, Any] = {"run": record(Ended(**task["ended"]), task["tracking_uri"])}
    except Exception as error:  # MLflow raises of every kind, and its parent has to tell a person
        lines = str(error).strip().splitlines() or [type(error).__name__]
        said = {"error": lines[0][:256]}
    json.dump(said, answer)
    answer.close()


def as_json(ended: Ended, tracking_uri: str) -> bytes:
    """What `main` reads."""
    return json.dumps({"ended": asdict(ended), "tracking_uri": tracking_uri}).encode()


if __name__ == "__main__":
    # Started by its path, this folder is first on the search path; its file names would hide other modules.
    sys.path.pop(0)
    main()
