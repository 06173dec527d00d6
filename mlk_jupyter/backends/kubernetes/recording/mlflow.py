"""The MLflow run of a job on a cluster: what its pods are told, and what is put right after their end.

Pods can reach a tracking server (http or https) and nothing of this machine: no SQLite file, no server on localhost.
Where there is none, the ranks keep their runs to themselves, and the job's run is made here after the end out of the
metrics that came with the frames.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ....errors import MlkError
from ....model import JobSpec, JobStatus, RunRef, RunState
from ....record.folder import JobFolder, data_dir
from ....runs import environment as variables
from ....runs import recorder, store
from .records import frames_of_all

_BACKEND = "kubernetes"
_CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
# What holds in a pod as it does here; paths and ways to log in do not.
_SHARED = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_WORKSPACE",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "JUPYTERHUB_USER",
)


def mlflow_environment(spec: JobSpec, job_id: str, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of every pod, the same for all ranks: each puts its own number into its runs' tags.

    Never a name, password or token: these come out of Secrets that the spec names (`env_from`).

    Args: base: where this machine's MLflow settings are; None means this process' environment.
    """
    chosen = _settings(os.environ if base is None else base)
    uri = tracking_uri(spec, chosen)
    if uri is None:
        spec = spec.model_copy(update={"env": {**spec.env, "MLFLOW_TRACKING_URI": ""}})
    found = variables.environment(
        spec, job_id, 0, tracking_uri=uri or "", backend=_BACKEND, base={**chosen, "MLFLOW_TRACKING_URI": uri or ""}
    )
    if not spec.mlflow:
        return found
    if uri is None:
        del found["MLFLOW_TRACKING_URI"]
        found["MLK_MLFLOW"] = "frames"
    for name in _CREDENTIALS:
        found.pop(name, None)
    return found


def tracking_uri(spec: JobSpec, base: Mapping[str, str] | None = None) -> str | None:
    """The tracking server that pods can reach, without name and password; None where there is none."""
    chosen = os.environ if base is None else base
    uri = spec.env.get("MLFLOW_TRACKING_URI") or chosen.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri or not store.is_http(uri) or _is_here(uri):
        return None
    return store.without_credentials(uri)


class Recording:
    """One job's side of MLflow. MLflow itself is never imported here."""

    def __init__(self, folder: JobFolder, spec: JobSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._base = dict(os.environ)
        self._data_dir = data_dir()
        self._server = tracking_uri(spec, self._base)

    def seen(self, opened: RunRef | None) -> RunRef | None:
        """What to show of a run that the ranks told of: one that lives in a pod alone is none."""
        if not self._spec.mlflow:
            return RunRef(state=RunState.OFF, text="Recording in MLflow was switched off for this job.")
        if opened is not None and self._server is None and not _is_server(opened.tracking_uri):
            text = "The pods reach no MLflow server: the run is made from the job's metrics when it is over."
            return RunRef(state=RunState.PENDING, text=text)
        return opened

    def unsettled(self, opened: RunRef | None) -> RunRef:
        """What is known of the run of a job that is over, before `settle`."""
        if not self._spec.mlflow:
            return RunRef(state=RunState.OFF, text="Recording in MLflow was switched off for this job.")
        known = self.seen(opened) or RunRef(state=RunState.PENDING)
        return known.model_copy(update={"state": RunState.PENDING, "text": "The run is being completed."})

    async def settle(self, status: JobStatus) -> RunRef:
        """Makes the run tell the truth about a job that is over. Never raises for MLflow's sake."""
        if not self._spec.mlflow:
            return self.unsettled(None)
        from ....runs.settle import settle  # brings an HTTP client: not while the job runs

        uri = self._server or store.tracking_uri(self._data_dir, self._base)
        artifacts = store.artifact_root(self._data_dir)
        try:
            if store.needs_preparing(uri) and await store.has_mlflow():
                await store.prepare(uri, artifacts, sys.executable)
        except MlkError as error:
            return RunRef(state=RunState.UNAVAILABLE, text=f"The run was not recorded. {error.detail}")
        frames = await asyncio.get_running_loop().run_in_executor(None, self._frames, status.attempt)
        base = {**self._base, **self._spec.env, "MLFLOW_TRACKING_URI": uri}
        return await settle(
            status, frames, tracking_uri=uri, directory=self._folder.path, artifacts=artifacts, base=base
        )

    def _frames(self, attempt: int) -> list[dict[str, Any]]:
        return recorder.kept(self._of_runs(attempt))

    def _of_runs(self, attempt: int) -> Iterator[dict[str, Any]]:
        """The frames that concern runs: of all attempts those of runs on a server, of the last one the metrics."""
        kept_to_itself: set[str] = set()
        for newest, frame in frames_of_all(self._folder, attempt):
            kind, run_id = frame.get("kind"), str(frame.get("run_id"))
            if kind == "run" and self._server is None and not _is_server(frame.get("tracking_uri")):
                kept_to_itself.add(run_id)
            elif (kind == "metric" and newest) or (kind in ("run", "run_finished") and run_id not in kept_to_itself):
                yield frame


def _settings(base: Mapping[str, str]) -> dict[str, str]:
    """What of this machine's MLflow settings holds in a pod, too. What the spec names comes on top."""
    return {name: base[name] for name in _SHARED if name in base}


def _is_server(uri: Any) -> bool:
    return isinstance(uri, str) and store.is_http(uri)


def _is_here(uri: str) -> bool:
    """Whether an address means the machine of whoever asks: in a pod, the pod itself."""
    host = (urlsplit(uri).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
