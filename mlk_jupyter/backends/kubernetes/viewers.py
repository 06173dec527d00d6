"""Tells everybody who looks what changed. Nobody is waited for: what a slow one has not taken yet is merged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from ...model import JobSummary
from ..base import Changes


class Viewers:
    """Whoever follows the list of jobs. `jobs` gives the list as it is now."""

    def __init__(self, jobs: Callable[[], Mapping[str, JobSummary]]) -> None:
        self._jobs = jobs
        self._every: set[_Viewer] = set()

    def __bool__(self) -> bool:
        return bool(self._every)

    def tell(self, changed: Iterable[str]) -> None:
        """These jobs changed, came or went."""
        names = set(changed)
        for viewer in self._every:
            viewer.pending |= names
            viewer.wake.set()

    async def follow(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed, for as long as it is iterated."""
        viewer = _Viewer()
        self._every.add(viewer)
        try:
            known = set(self._jobs())
            yield Changes(changed=newest_first(self._jobs()))
            while True:
                await viewer.wake.wait()
                viewer.wake.clear()
                pending, viewer.pending = viewer.pending, set()
                jobs = self._jobs()
                changed = {name: jobs[name] for name in pending if name in jobs}
                removed = sorted(name for name in pending if name in known and name not in jobs)
                known.update(changed)
                known.difference_update(removed)
                if changed or removed:
                    yield Changes(changed=newest_first(changed), removed=removed)
        finally:
            self._every.discard(viewer)


class _Viewer:
    def __init__(self) -> None:
        self.pending: set[str] = set()
        self.wake = asyncio.Event()


def newest_first(jobs: Mapping[str, JobSummary]) -> list[JobSummary]:
    return sorted(jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)
