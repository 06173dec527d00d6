"""What makes the cluster live: controllers, scheduler and kubelets, woken by changes of the store."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from ..kubelet import Image, Kubelets
from ..scheduler import Scheduler
from ..store import Event, Store
from .base import Controller, Create, World
from .claims import ClaimController
from .job import JobController
from .job_set import JobSetController
from .kueue import KueueController
from .levers import Levers
from .nodes import NodeController
from .ttl import TtlController

_logger = logging.getLogger(__name__)


class Controllers:
    """All components of the cluster but the API server. Start and close it in the loop that serves the API.

    Args:
        create: creates an object as an API request would, with defaults and admission; pods, Jobs and Services go
            through it. Raises `Problem`.
        folder: the pods' files. Belongs to the caller, who removes it after `close`.
        images: by full name (`*` at the end is a wildcard); others cannot be pulled.
        speed: how many times faster than the real ones the components act.
    """

    def __init__(
        self,
        store: Store,
        create: Create,
        folder: Path,
        *,
        images: Mapping[str, Image] | None = None,
        speed: float = 20.0,
    ) -> None:
        self.world = World(store, create, folder, speed)
        self.kubelets = Kubelets(self.world, images)
        self.logs = self.kubelets.logs
        """The provider of `pods/log`: see `kube.pod_logs.PodLogs`."""
        self.scheduler = Scheduler(self.world)
        self.nodes = NodeController(self.world)
        self.kueue = KueueController(self.world)
        self.levers = Levers(self.world, self.kubelets, self.nodes, self.kueue)
        self._all: list[Controller] = [
            JobController(self.world),
            JobSetController(self.world),
            self.kueue,
            TtlController(self.world),
            ClaimController(self.world),
            self.nodes,
            self.scheduler,
            self.kubelets,
        ]
        self._events: deque[Event] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def failures(self) -> list[BaseException]:
        """Bugs that controllers met; none in a good test."""
        return self.world.failures

    def add(self, controller: Controller) -> None:
        """One more component, for objects that are created from now on. Call it in the loop."""
        self._all.append(controller)

    async def start(self) -> None:
        """Begin with what the store holds, and follow it."""
        self._loop = self.levers.loop = asyncio.get_running_loop()
        with self.world.store.lock:
            self._unsubscribe = self.world.store.subscribe(self._hear)
            for resource in self.world.store.resources():
                for found in self.world.store.peek_all(resource):
                    self._events.append(Event(0, "ADDED", resource, found, None))
        self._drain()

    async def close(self) -> None:
        """Stop all components; the pods' processes are gone when it returns."""
        self._unsubscribe()
        for controller in self._all:
            await controller.close()

    def _hear(self, event: Event) -> None:
        self._events.append(event)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        while self._events:
            event = self._events.popleft()
            for controller in self._all:
                try:
                    controller.notice(event)
                except Exception as error:
                    self.world.failures.append(error)
                    _logger.exception("%s could not follow a change", type(controller).__name__)


__all__ = ["Controllers", "Image", "Levers", "World"]
