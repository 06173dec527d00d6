"""What this process knows of jobs and places, for the Tab key."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from ..client.background import background
from ..client.places import Where, places
from .completion import Kept, Known
from .profiles import profiles


@lru_cache(maxsize=1)
def known() -> Known:
    """The one of this process."""
    no_jobs: list[str] = []
    no_values: dict[str, list[str]] = {}
    return Known(
        jobs=Kept(lambda: background().start(_jobs()), no_jobs),
        places=Kept(lambda: background().start(_places()), no_values),
        profiles=lambda: list(profiles()),
    )


async def _jobs() -> list[str]:
    """Names and ids, newest first."""
    backends = await places().backends(Where.of())
    return list(dict.fromkeys(text for job in await backends.jobs() for text in (job.name, job.id)))


async def _places() -> dict[str, list[str]]:
    backends = await places().backends(Where.of())
    infos = await backends.infos()
    return {
        "backend": [info.name for info in infos],
        "namespace": _each(info.namespace for info in infos),
        "context": _each(info.context for info in infos),
        "queue": _each(queue for info in infos for queue in info.queues),
        "gpu_type": _each(name for info in infos if info.kind == "kubernetes" for name in info.gpu_names),
        "image": _each(info.image for info in infos),
    }


def _each(found: Iterable[str | None]) -> list[str]:
    """Those that are known, once each."""
    return list(dict.fromkeys(one for one in found if one))
