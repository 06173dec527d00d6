"""Which backends a call means, and what is known of their jobs. All of it lives in the background's loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import MlkError
from ..threads import in_thread
from .background import Background, background

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..backends.many import Backends

logger = logging.getLogger(__name__)

# What `choose` and the backends read: a notebook may set these at any time.
_VARIABLES = ("MLK_BACKEND", "MLK_CONTEXT", "MLK_NAMESPACE", "MLK_IMAGE", "MLK_DATA_DIR", "KUBECONFIG", "HOME")
_LINGER_S = 10.0  # whoever polls finds the watch still going on
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 15.0


@dataclass(frozen=True)
class Where:
    """Which backends somebody means: what they named, and the variables that decide the rest."""

    backend: str | None
    context: str | None
    namespace: str | None
    surroundings: tuple[str | None, ...]

    @classmethod
    def of(cls, backend: str | None = None, context: str | None = None, namespace: str | None = None) -> Where:
        """What is meant now."""
        return cls(backend, context, namespace, tuple(os.environ.get(name) for name in _VARIABLES))


class News:
    """The jobs of one backend, watched while somebody listens to one of them: their records are filled meanwhile."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def listening(self, job_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something changed in the job."""
        event = asyncio.Event()
        self._listeners.setdefault(job_id, set()).add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name=f"news of {self._backend.name}")
        try:
            yield event
        finally:
            self._listeners[job_id].discard(event)
            if not self._listeners[job_id]:
                del self._listeners[job_id]
            if not self._listeners:
                asyncio.get_running_loop().call_later(_LINGER_S, self._end_if_unheard)

    async def close(self) -> None:
        """Ends the watch."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def _end_if_unheard(self) -> None:
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        retry_s = _FIRST_RETRY_S
        while True:
            try:
                async with contextlib.aclosing(self._backend.watch()) as every:  # type: ignore[type-var]
                    async for changes in every:
                        retry_s = _FIRST_RETRY_S
                        for job_id in [*(job.id for job in changes.changed), *changes.removed]:
                            for event in self._listeners.get(job_id, ()):
                                event.set()
            except MlkError as error:
                logger.info("The jobs of %s cannot be watched now: %s", self._backend.name, error.detail)
            except Exception:
                # Nobody would restart it, and whoever waits for a job would wait for ever.
                logger.exception("The watch of %s broke; it starts again in %s s", self._backend.name, retry_s)
            await asyncio.sleep(retry_s)
            retry_s = min(_LAST_RETRY_S, retry_s * 2)


class Places:
    """All backends that this process used so far, each chosen once."""

    def __init__(self) -> None:
        self._chosen: dict[Where, asyncio.Future[Backends]] = {}
        self._news: dict[int, News] = {}

    async def backends(self, where: Where) -> Backends:
        """The backends that are meant.

        Raises: BadInput, NoCluster, NoKubernetesPackage.
        """
        choosing = self._chosen.get(where)
        if choosing is None:
            choosing = self._chosen[where] = asyncio.ensure_future(in_thread(_choose, where))
        try:
            return await asyncio.shield(choosing)
        except MlkError:
            self._chosen.pop(where, None)  # it may have been mended when somebody asks again
            raise

    def news(self, backend: Backend) -> News:
        """What happens to the jobs of a backend."""
        return self._news.setdefault(id(backend), News(backend))

    async def close(self) -> None:
        """Closes all of them. Jobs go on."""
        for news in self._news.values():
            await news.close()
        for choosing in self._chosen.values():
            if choosing.done() and not choosing.cancelled() and choosing.exception() is None:
                await choosing.result().close()


_places: tuple[Background, Places] | None = None


def places() -> Places:
    """Those of this process; to be called in the background's loop."""
    global _places
    there = background()
    if _places is None or _places[0] is not there:
        _places = there, Places()
        there.at_end(_places[1].close)
    return _places[1]


def _choose(where: Where) -> Backends:
    from ..backends.choosing import choose

    return choose(where.backend, context=where.context, namespace=where.namespace)
