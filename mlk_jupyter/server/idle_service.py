"""The idle kernels of one server, for its handlers and for the topic `kernels`."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import BaseModel

from ..idle.refusals import NoSuchKernel, NoSuchNotice
from ..model.kernels import (
    AppliedSettings,
    Explained,
    IdleSettings,
    IdleTotals,
    Kernels,
    KernelState,
    LeaseRequest,
    PolicyView,
    Presence,
)
from .features import Encoded, Kind
from .services import Services


class IdleService:
    """What is known of the kernels of one server, and what a person may do about them."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.listeners: set[Callable[[], None]] = set()

    def kernels(self) -> Kernels:
        """All kernels as they are now."""
        return Kernels(
            kernels=[],
            totals=IdleTotals(saved_limit_s=3 * 86400.0),
            policy=PolicyView(mode="shadow", values={}),
            now=time.time(),
        )

    def explain(self, kernel_id: str) -> Explained:
        """Why a kernel is in its state. Raises: NoSuchKernel."""
        raise NoSuchKernel(kernel_id)

    async def keep(self, kernel_id: str, asked: LeaseRequest) -> KernelState:
        """Leases a kernel. Raises: NoSuchKernel."""
        raise NoSuchKernel(kernel_id)

    async def release(self, kernel_id: str) -> KernelState:
        """Ends the lease that `keep` gave. Raises: NoSuchKernel."""
        raise NoSuchKernel(kernel_id)

    async def stop(self, kernel_id: str) -> KernelState:
        """Begins to stop a kernel, because a person says so. Raises: NoSuchKernel."""
        raise NoSuchKernel(kernel_id)

    def present(self, presence: Presence) -> None:
        """A person is there. Kernels that are gone are passed over."""

    async def dismiss(self, kernel_id: str) -> None:
        """Takes the notice of a stopped kernel away. Raises: NoSuchNotice."""
        raise NoSuchNotice(kernel_id)

    async def apply(self, settings: IdleSettings) -> AppliedSettings:
        """Keeps a person's settings and goes by them from now on."""
        return AppliedSettings(values={})


class KernelsFeed:
    """All kernels, whole each time something about them changed."""

    due: float | None = None

    def __init__(self, service: IdleService, call: Callable[[], None]) -> None:
        self._service, self._call = service, call
        self._sent: BaseModel | None = None
        service.listeners.add(call)

    async def next(self) -> tuple[Kind, Encoded | BaseModel] | None:
        found = self._service.kernels()
        if self._sent is not None and found == self._sent.model_copy(update={"now": found.now}):
            return None
        first, self._sent = self._sent is None, found
        return ("snapshot" if first else "delta"), found

    async def close(self) -> None:
        self._service.listeners.discard(self._call)
