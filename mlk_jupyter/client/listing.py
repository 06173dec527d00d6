"""Finding jobs again: from any process, also after the one that submitted them is gone."""

from __future__ import annotations

from ..library import find
from .background import run
from .handle import Job
from .places import Where, places


def job(
    name_or_id: str, *, backend: str | None = None, context: str | None = None, namespace: str | None = None
) -> Job:
    """The job with this id, else the newest of this name, else the only one whose id begins so.

    Args:    backend, context, namespace: as for `train`.
    Raises:  JobNotFound with the closest names; SeveralJobs when several ids begin so.
    """
    where = Where.of(backend, context, namespace)

    async def found() -> Job:
        return Job(await find(await places().backends(where), name_or_id), where)

    return run(found())


def jobs(*, backend: str | None = None, context: str | None = None, namespace: str | None = None) -> list[Job]:
    """All jobs of this machine and of its clusters, newest first.

    Args: backend, context, namespace: as for `train`.
    """
    where = Where.of(backend, context, namespace)

    async def found() -> list[Job]:
        return [Job(summary, where) for summary in await (await places().backends(where)).jobs()]

    return run(found())
