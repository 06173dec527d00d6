"""What can go wrong with a job that somebody waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MlkError


class JobFailed(MlkError):
    """The job failed, and no exception in it says why: it was killed, ran out of memory or time, never started.

    Attributes: job_id.
    """

    code, title, status = "job_failed", "The job failed", 409

    def __init__(self, job_id: str, why: str, advice: str | None = None) -> None:
        super().__init__(f"{job_id}: {why}", hint=advice or f"Read its log: mlk_jupyter.job({job_id!r}).logs().")
        self.job_id = job_id


class RemoteError(JobFailed):
    """An exception in the job, of a type that this process does not have; or the cause of one that it has.

    Attributes:
        ename:     name of its type.
        evalue:    its message.
        traceback: the job's own, as text.
        rank:      the process of the job that raised it first.
        cell:      the code cell, counted from 1; None outside of cells.
    """

    code, title = "remote_error", "The job raised an exception"

    def __init__(self, job_id: str, ename: str, evalue: str, traceback: str, rank: int, cell: int | None) -> None:
        where = f"rank {rank}" if cell is None else f"rank {rank}, cell {cell}"
        said = f"{ename}: {evalue}" if evalue else ename
        super().__init__(job_id, f"{said} ({where})" + (f"\n\n{traceback}" if traceback else ""))
        self.ename, self.evalue, self.traceback, self.rank, self.cell = ename, evalue, traceback, rank, cell


class JobStopped(MlkError):
    """Somebody stopped the job, so it has no result.

    Attributes: job_id.
    """

    code, title, status = "job_stopped", "The job was stopped", 409

    def __init__(self, job_id: str, why: str | None) -> None:
        super().__init__(
            f"{job_id}: {why or 'It was stopped.'}", hint=f"Its log is kept: mlk_jupyter.job({job_id!r}).logs()."
        )
        self.job_id = job_id


class ValuesMissing(MlkError):
    """The job succeeded, and some of its values did not come back.

    Attributes:
        job_id.
        problems: why, by name.
        values:   those that did come back, by name.
    """

    code, title, status = "values_missing", "Some values did not come back", 409

    def __init__(self, job_id: str, problems: Mapping[str, str], values: Mapping[str, Any]) -> None:
        said = " ".join(f"{name}: {why}" for name, why in problems.items())
        super().__init__(f"{job_id}: {said}", hint=f"The job's log is kept: mlk_jupyter.job({job_id!r}).logs().")
        self.job_id, self.problems, self.values = job_id, dict(problems), dict(values)


class StillGoing(MlkError, TimeoutError):
    """The job is not over yet, and goes on.

    Attributes: job_id, and phase, in which it was then.
    """

    code, title, status = "still_going", "The job is not over yet", 504

    def __init__(self, job_id: str, phase: str, why: str | None, timeout_s: float) -> None:
        super().__init__(
            f"After {timeout_s:g} s {job_id} is {phase}" + (f": {why}" if why else "."),
            hint=f"It goes on. Wait longer, or stop it: mlk_jupyter.job({job_id!r}).stop().",
        )
        self.job_id, self.phase = job_id, phase


class Detached(KeyboardInterrupt):
    """Somebody interrupted the waiting. The job goes on.

    Attributes: job_id; None when it was interrupted while the job was being submitted.
    """

    def __init__(self, text: str, job_id: str | None) -> None:
        super().__init__(text)
        self.job_id = job_id

    @classmethod
    def of(cls, job_id: str) -> Detached:
        """While waiting for a job."""
        return cls(f"{job_id} goes on. Come back to it with mlk_jupyter.job({job_id!r}).", job_id)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows: nothing went wrong, so no traceback."""
        return [str(self)]
