"""What a rank must find in its environment so that its MLflow runs are the job's. Pure but for the default `base`."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ..model import JobSpec
from .store import ARTIFACT_ROOT_VARIABLE, sqlite_path

TAG_JOB_ID = "mlk.job.id"
TAG_JOB_NAME = "mlk.job.name"
TAG_JOB_RANK = "mlk.job.rank"
TAG_JOB_BACKEND = "mlk.job.backend"

# One more try and 10 s a try: enough for a busy server, short enough that a dead one holds no cell up for minutes
# (MLflow's own defaults, 7 tries of 120 s, hold one for a quarter of an hour).
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def environment(
    spec: JobSpec,
    job_id: str,
    rank: int,
    *,
    tracking_uri: str,
    fallback: Path | None = None,
    artifacts: Path | None = None,
    backend: str = "local",
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Variables to set for one rank, on top of `base`. They agree with `spec.env`, so the order of the two is free.

    Args:
        rank:         number in the whole job.
        tracking_uri: where runs go unless `spec.env` names another place.
        fallback:     SQLite file that takes the runs while a tracking server does not answer (MLK_MLFLOW_FALLBACK);
                      None means a temporary one.
        artifacts:    where a new experiment in a SQLite store keeps its files; None means ./mlruns, as MLflow has it.
        backend:      name of the backend, for the tag.
        base:         the environment that the rank inherits; None means this process'.

    With `spec.mlflow` off it is MLK_MLFLOW=off alone: the rank then leaves MLflow as it would be without us.
    """
    if not spec.mlflow:
        return {"MLK_MLFLOW": "off"}
    inherited = os.environ if base is None else base
    chosen = {**inherited, **spec.env}  # what a person decided, the job's own words last
    uri = spec.env.get("MLFLOW_TRACKING_URI") or tracking_uri
    variables = {
        "MLK_MLFLOW": "on",
        "MLFLOW_TRACKING_URI": uri,
        "MLFLOW_RUN_CONTEXT": _context(spec, job_id, rank, backend, chosen),
        # Without the git program GitPython, which MLflow imports, fills the first cell with a warning.
        "GIT_PYTHON_REFRESH": chosen.get("GIT_PYTHON_REFRESH") or "quiet",
    }
    experiment = experiment_name(spec, inherited)
    if experiment is not None:
        variables["MLFLOW_EXPERIMENT_NAME"] = experiment
        if not chosen.get("MLFLOW_EXPERIMENT_NAME"):
            variables["MLK_MLFLOW_EXPERIMENT"] = experiment  # by default: what the notebook's code names goes before
    if fallback is not None:
        variables["MLK_MLFLOW_FALLBACK"] = str(fallback)
    if artifacts is not None and (sqlite_path(uri) is not None or fallback is not None):
        variables[ARTIFACT_ROOT_VARIABLE] = str(artifacts)
    for name, value in _PATIENCE.items():
        variables[name] = chosen.get(name) or value
    # A run id is consumed by whoever opens a run first. One that this process merely inherited belongs to another
    # job, and of the ranks only the first may end the run: the last word of any other would be final.
    if "MLFLOW_RUN_ID" in chosen:
        variables["MLFLOW_RUN_ID"] = spec.env.get("MLFLOW_RUN_ID", "") if rank == 0 else ""
    return variables


def experiment_name(spec: JobSpec, base: Mapping[str, str] | None = None) -> str | None:
    """The experiment that runs go to unless the notebook chooses: the notebook's name without its ending.

    None when a person named one by its id (MLFLOW_EXPERIMENT_ID): MLflow refuses an id and another name together.
    """
    chosen = {**(os.environ if base is None else base), **spec.env}
    if chosen.get("MLFLOW_EXPERIMENT_NAME"):
        return chosen["MLFLOW_EXPERIMENT_NAME"]
    if chosen.get("MLFLOW_EXPERIMENT_ID"):
        return None
    return PurePosixPath(spec.notebook.replace("\\", "/")).stem or spec.name


def tags(spec: JobSpec, job_id: str, rank: int, backend: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags that tie a run to its job, and say where it came from in MLflow's own words."""
    found = {
        TAG_JOB_ID: job_id,
        TAG_JOB_NAME: spec.name,
        TAG_JOB_RANK: str(rank),
        TAG_JOB_BACKEND: backend,
        "mlflow.source.type": "NOTEBOOK",
        "mlflow.source.name": spec.notebook,
    }
    user = _user(os.environ if base is None else base)
    if user:
        found["mlflow.user"] = user
    return found


def _context(spec: JobSpec, job_id: str, rank: int, backend: str, chosen: Mapping[str, str]) -> str:
    try:
        own = json.loads(chosen.get("MLFLOW_RUN_CONTEXT") or "{}")
    except ValueError:
        own = {}  # MLflow would only warn about it in every run
    if not isinstance(own, dict):
        own = {}
    return json.dumps({**own, **tags(spec, job_id, rank, backend, chosen)}, sort_keys=True)


def _user(chosen: Mapping[str, str]) -> str | None:
    named = chosen.get("JUPYTERHUB_USER")  # not MLFLOW_TRACKING_USERNAME: half of a login is nobody else's to read
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user id without a name
        return None
