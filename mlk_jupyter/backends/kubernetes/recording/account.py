"""The status of a job as its recorder keeps it: what its objects say and what its frames say, in one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from ....model import JobStatus, Phase, Reason, RunState, Step
from ....record.folder import JobFolder
from ....record.ledger import Ledger
from ....record.replay import Replay
from ....record.writer import FolderWriter
from ....threads import in_thread
from ..status.read import Reading
from ..status.submitted import SubmittedJob
from . import merging
from .intake import whole
from .mlflow import Recording


class Account(Ledger):
    """A ledger that brings both together, and tells of each new status. Reads the folder when it is made.

    Args: on_change: gets each new status.
    """

    def __init__(
        self,
        folder: JobFolder,
        job: SubmittedJob,
        backend: str,
        mlflow: Recording,
        on_change: Callable[[JobStatus], None],
    ) -> None:
        super().__init__(folder, folder.read_status() or merging.first_status(job, backend, folder))
        self._job, self._mlflow, self._on_change = job, mlflow, on_change
        self._told = self.status

    def merge(self, reading: Reading, replay: Replay, writer: FolderWriter) -> None:
        """Takes both as they are now. One that is over is said to be so by `end`."""
        for text in [*self._job.notices, *reading.notices, *replay.notices]:
            self.notice(text)
        fields = merging.changes(self.status, reading, replay, writer.sample, writer.last_line)
        self.update(**fields, run=self._mlflow.seen(replay.run()) or self.status.run)
        if reading.phase.final:
            self.update(
                reason=Reason(code=Step.READING_LOGS.value, text="It is over; the rest of its logs is being read.")
            )
        else:
            self._enter_phase(reading, merging.reason_of(self._job.spec, reading, replay, writer.last_line))

    def end(self, reading: Reading, replay: Replay, writer: FolderWriter) -> None:
        """The job is over, and all that is known of it was read."""
        self.merge(reading, replay, writer)
        reason = merging.reason_of(self._job.spec, reading, replay, writer.last_line)
        self.update(
            finished_at=reading.finished_at or time.time(),
            error=reason.text if reason is not None and reading.phase is Phase.FAILED else None,
            failure=merging.failure_of(reading, replay),
            run=self._mlflow.unsettled(replay.run()),
        )
        self._enter_phase(reading, reason)

    def _enter_phase(self, reading: Reading, reason: Reason | None) -> None:
        timeline = merging.timeline_of(self.status.timeline, reading, reading.phase, time.time())
        self.update(phase=reading.phase, reason=reason, timeline=timeline)

    def tell(self) -> None:
        """Tells of what is new since the last time."""
        if self.status is not self._told:
            self._told = self.status
            self._on_change(self._told)

    async def settle(self) -> None:
        """Completes the MLflow run of a job that is over; may take seconds."""
        if self.status.run is not None and self.status.run.state is not RunState.PENDING:
            return
        self.update(run=await self._mlflow.settle(self.status))
        with contextlib.suppress(OSError):  # said already: that it is over, and why
            await whole(in_thread(self.save))
        self.tell()
