"""One watch of the backend for all windows, running only while somebody looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from ..backends.base import Changes
from ..backends.many import Backends
from ..errors import MlkError
from ..model import JobSummary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

logger = logging.getLogger(__name__)

_FIRST_RETRY_S = 1.0
_LAST_RETRY_S = 15.0

Listener = Callable[[Changes | None, MlkError | None], None]
"""Called with what changed; with neither when everything did; with an error while the backend does not answer."""


class JobsWatcher:
    """All jobs as they are now. Owns one task, from the first `listen` to the last `leave`."""

    def __init__(self, backend: Backends) -> None:
        self._backend = backend
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self.jobs: dict[str, JobSummary] | None = None
        """By id; None until the first answer."""
        self.error: MlkError | None = None
        """Why the list may be stale."""

    @property
    def running(self) -> bool:
        return self._task is not None

    def listen(self, listener: Listener) -> None:
        """Calls `listener` at each change until it leaves."""
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="mlk watch of all jobs")

    async def leave(self, listener: Listener) -> None:
        """Ends calling `listener`; the last one ends the watch."""
        self._listeners.discard(listener)
        if self._listeners or self._task is None:
            return
        task, self._task = self._task, None
        self.jobs, self.error = None, None
        task.cancel()
        await asyncio.wait({task})

    async def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with aclosing(cast("AsyncGenerator[Changes]", self._backend.watch())) as changes:
                    first = True
                    async for change in changes:
                        self._apply(change, first=first)
                        first, retry_s = False, _FIRST_RETRY_S
            except MlkError as error:
                self._fail(error)
            except Exception:
                # The task must outlive a bug in one event: nobody would restart it, and windows would go stale.
                logger.exception("The watch of all jobs broke; it starts again in %s s", retry_s)
                self._fail(MlkError("The list of jobs broke off.", hint="The server's log says more."))
            await asyncio.sleep(retry_s)
            retry_s = min(_LAST_RETRY_S, retry_s * 2)

    def _apply(self, change: Changes, *, first: bool) -> None:
        if first or self.jobs is None:
            self.jobs = {}
        self.jobs.update((job.id, job) for job in change.changed)
        for job_id in change.removed:
            self.jobs.pop(job_id, None)
        self.error = None
        self._tell(None if first else change, None)

    def _fail(self, error: MlkError) -> None:
        self.error = error
        self._tell(None, error)

    def _tell(self, change: Changes | None, error: MlkError | None) -> None:
        for listener in list(self._listeners):
            listener(change, error)
