"""A local job's MLflow run: what its ranks are told, and what is put right after their end. MLflow itself is never
imported here, and what talks to it only when it is needed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import MlkError
from ...model import JobSpec, JobStatus, RunRef, RunState
from ...record.folder import JobFolder
from ...runs import environment as variables
from ...runs import recorder, store
from .environment import inherited
from .launch import Launch

_TICK_S = 0.25


class Recording:
    """One job's side of MLflow."""

    def __init__(self, folder: JobFolder, spec: JobSpec, launch: Launch) -> None:
        self._folder = folder
        self._spec = spec
        self._launch = launch
        self._base = {**inherited(os.environ), **launch.env}
        data_dir = folder.path.parent.parent
        self._artifacts = store.artifact_root(data_dir)
        self._uri = spec.env.get("MLFLOW_TRACKING_URI") or store.tracking_uri(data_dir, self._base)

    def environment(self, rank: int) -> dict[str, str]:
        """What one rank must find in its environment."""
        return variables.environment(
            self._spec,
            self._folder.id,
            rank,
            tracking_uri=self._uri,
            # A file of its own: it is created by ranks that nobody prepared it for, and one killed meanwhile spoils it.
            fallback=self._artifacts.with_name("mlflow-offline.db"),
            artifacts=self._artifacts,
            base=self._base,
        )

    @property
    def needs_preparing(self) -> bool:
        """Whether the store has to be created first: ranks that all create it at once would break it."""
        return self._spec.mlflow and self._launch.uses_mlflow and store.needs_preparing(self._uri)

    def prepare(self, go_on: Callable[[], bool]) -> str | None:
        """Creates the store; takes seconds, the first time on a machine.

        Args:    go_on: asked every quarter of a second; False gives up.
        Returns: why it could not be created, or None.
        """
        try:
            asyncio.run(_while(go_on, self._prepare()))
        except MlkError as error:
            return f"{error.title}: {error.detail} {error.hint}"
        return None

    def unsettled(self, opened: RunRef | None) -> RunRef:
        """What is known of the run of a job that is over, before `settle`. `opened`: the run its ranks told of."""
        if not self._spec.mlflow:
            return RunRef(state=RunState.OFF, text="Recording in MLflow was switched off for this job.")
        known = opened or RunRef(state=RunState.PENDING)
        return known.model_copy(update={"state": RunState.PENDING, "text": "The run is being completed."})

    def settle(self, status: JobStatus) -> RunRef:
        """Makes the run tell the truth about a job that is over. Never raises for MLflow's sake."""
        if not self._spec.mlflow:
            return self.unsettled(None)
        return asyncio.run(self._settle(status))

    async def _settle(self, status: JobStatus) -> RunRef:
        from ...runs.settle import settle  # brings an HTTP client: not while the job runs

        try:
            if store.needs_preparing(self._uri):
                await self._prepare()
        except MlkError as error:
            return RunRef(state=RunState.UNAVAILABLE, text=f"The run was not recorded. {error.detail}")
        return await settle(
            status,
            recorder.kept(self._folder.each_frame()),
            tracking_uri=self._uri,
            python=self._launch.python,
            directory=Path(self._launch.directory),
            artifacts=self._artifacts,
            base={**self._base, **self._spec.env},
        )

    async def _prepare(self) -> None:
        if await store.has_mlflow(self._launch.python):
            await store.prepare(self._uri, self._artifacts, self._launch.python)


async def _while(go_on: Callable[[], bool], work: Any) -> None:
    """Waits for `work` as long as `go_on` says so."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done() and go_on():
            await asyncio.wait({task}, timeout=_TICK_S)
    finally:
        if not task.done():
            task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()
