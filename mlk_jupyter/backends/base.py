"""What every backend promises. The faces know this protocol and nothing behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from ..bundle import Bundle
from ..errors import MlkError
from ..follow.broadcast import Changes
from ..gpus.stock import Stock
from ..model import JobSpec, JobStatus, JobSummary
from ..model.api import BackendInfo, Orphan, Preflight
from ..record.folder import JobFolder


class Refused(MlkError):
    """The preflight found an error; nothing was created."""

    code, title, status = "refused", "This job cannot be submitted", 422

    def __init__(self, preflight: Preflight) -> None:
        errors = [finding for finding in preflight.findings if finding.level == "error"]
        hints = [finding.hint for finding in errors if finding.hint]
        detail = " ".join(finding.text for finding in errors)
        fields = {finding.field: finding.text for finding in reversed(errors) if finding.field}
        super().__init__(detail, hint=" ".join(hints) or "Change the job.", fields=fields)
        self.preflight = preflight


@dataclass(frozen=True)
class Carriage:
    """What a backend can carry to where the ranks run."""

    limit_bytes: int
    """Most bytes of a bundle."""
    byte_code: bool
    """Whether the bundle brings its worker compiled: ranks start sooner, and it is larger."""
    files: bool = True
    """Whether modules and files go along; not where the ranks run in the notebook's own folder."""


@runtime_checkable
class Backend(Protocol):
    """A place where jobs run. All methods may raise `BackendUnavailable`; those naming a job, `JobNotFound`."""

    name: str
    kind: Literal["local", "kubernetes"]
    carriage: Carriage
    image: str | None
    """Image of jobs that name none; None where jobs have none, or must name one."""

    async def info(self) -> BackendInfo:
        """What this place is and has."""
        ...

    async def stock(self) -> Stock:
        """What accelerators this place has, who holds them and what they do."""
        ...

    async def preflight(self, spec: JobSpec, bundle: Bundle) -> Preflight:
        """All that speaks against the job, and what it will use. Creates nothing."""
        ...

    async def render(self, spec: JobSpec, bundle: Bundle) -> str | None:
        """What submitting this would create, as YAML for `kubectl apply`; None where no object is created."""
        ...

    async def submit(
        self, spec: JobSpec, bundle: Bundle, *, request_id: str, submitted_by: str | None = None
    ) -> JobStatus:
        """Creates the job, or returns the one that the same `request_id` created before.

        Args:   submitted_by: who does, where several people do.
        Raises: Refused when the preflight finds an error.
        """
        ...

    async def jobs(self) -> list[JobSummary]:
        """All jobs, newest first."""
        ...

    async def newest(self, count: int) -> tuple[list[JobSummary], int]:
        """The first so many of these, and how many there are; may be much faster."""
        ...

    async def job(self, job_id: str) -> JobStatus:
        """One job whole."""
        ...

    def watch(self) -> AsyncIterator[Changes]:
        """The first item holds all jobs; each later one what changed. Holds resources only while iterated."""
        ...

    def folder(self, job_id: str) -> JobFolder:
        """The job's record on this machine, being filled while the job runs."""
        ...

    async def stop(self, job_id: str) -> None:
        """Asks a job to stop and keeps its record; nothing happens to one that is over."""
        ...

    async def delete(self, job_id: str) -> None:
        """Stops a job if it runs, waits for its end, and removes its record."""
        ...

    def look(self, job_id: str, rank: int | None = None) -> None:
        """Says that somebody looks at a job, or at the log of one of its ranks, so that its folder is being filled.

        Holds for some seconds, so whoever goes on looking says it again. Does nothing where folders fill by themselves.
        """
        ...

    async def orphans(self) -> list[Orphan]:
        """Objects of ours whose job is gone."""
        ...

    async def remove_orphans(self) -> list[Orphan]:
        """Removes them; gives those that it removed."""
        ...

    async def resume(self) -> None:
        """Goes on with the records of jobs that were not over when this machine last looked, if nobody else does."""
        ...

    async def close(self) -> None:
        """Ends whatever this backend started in this process. Jobs go on."""
        ...
