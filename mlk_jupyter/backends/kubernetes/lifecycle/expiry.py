"""Removes stopped jobs that are kept no longer and that the cluster does not remove by itself: see `removal.stop`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ..api.api_errors import ApiError
from ..cluster import Cluster
from ..job_status import expires_at
from ..resources import Objects
from .removal import expire

logger = logging.getLogger(__name__)

_RETRY_S = 300.0


class Expiry:
    """Knows of each such job when it is due. Owns a task while some are being removed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._due_at: dict[str, float] = {}  # by the cluster's clock
        self._task: asyncio.Task[None] | None = None

    def note(self, objects: Objects) -> None:
        """A job is as this says."""
        due_at = expires_at(objects)
        if due_at is not None:
            self._due_at[objects.job_id] = due_at
        else:
            self._due_at.pop(objects.job_id, None)

    def remove_due(self, objects: Callable[[str], Objects | None]) -> None:
        """Begins to remove what is due. `objects`: of one job, as they are now."""
        now = self._cluster.connection.clock()
        due = [job_id for job_id, at in self._due_at.items() if at <= now]
        if due and (self._task is None or self._task.done()):
            known = [found for found in map(objects, due) if found is not None]
            self._due_at.update(dict.fromkeys(due, now + _RETRY_S))
            self._task = asyncio.create_task(self._remove(known), name="removal of stopped jobs")

    async def close(self) -> None:
        """Ends the task. What it was at is removed by whoever looks next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._due_at.clear()

    async def _remove(self, some: list[Objects]) -> None:
        for objects in some:
            if expires_at(objects) is None:  # somebody was faster
                self._due_at.pop(objects.job_id, None)
                continue
            try:
                await expire(self._cluster.connection, objects, self._cluster.namespace)
            except ApiError as error:
                logger.warning("%s was stopped long ago and cannot be removed: %s", objects.job_id, error.detail)
                return
