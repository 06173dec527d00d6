"""One namespace of one cluster as this process knows it: the connection, what is served and allowed, and who asks."""

from __future__ import annotations

import asyncio
import dataclasses
import getpass
import os
import socket
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import MlkError
from ...gpus.stock import Stock
from ...threads import in_thread
from ...waiting import within
from .accelerators import Accelerators
from .api.api_errors import ApiError
from .api.connection import Connection
from .api.targets import Target
from .hardware import Hardware, Inventory
from .kinds.registry import BUILT_IN, kinds
from .rights.access import Access, Reviewer
from .rights.discovery import Discovery, Served
from .timing import Limits
from .watch.holdings import Snapshot
from .watch.informer import snapshot

if TYPE_CHECKING:
    from ...gpus.prometheus import Prometheus

_QUEUES_S = 60.0  # queues come and go about as often as teams


@dataclass(frozen=True)
class Offer:
    """What a cluster serves that this person can use, and what they may do there."""

    served: Served
    access: Access


class Cluster:
    """Connected to by the first question; holds nothing open before."""

    def __init__(self, target: Target, user: str | None = None, limits: Limits | None = None) -> None:
        self.target = target
        self.namespace = target.namespace
        self.user = user or user_name()
        self._limits = limits
        self._accelerators: Accelerators | None = None
        self._prometheus: Prometheus | None = None
        self._queues: tuple[float, list[str]] | None = None

    @property
    def title(self) -> str:
        """For people: the context, or the server's name."""
        return self.target.context or urlsplit(self.target.server).hostname or "The cluster"

    @cached_property
    def connection(self) -> Connection:
        return Connection(self.target, self._limits)

    async def offer(self, *, doubted: bool = False) -> Offer:
        """What is served and allowed, some minutes old at most.

        Args: doubted: a call was refused that should be allowed.
        Raises: ApiError when the cluster does not answer.
        """
        served = await self._discovery.served()
        access = await self._reviewer.access(self.namespace, served, doubted=doubted)
        # Kubernetes' own Jobs do as well where another kind is not allowed.
        allowed = [name for name in served.kinds if name in BUILT_IN or not access.refuses(kinds()[name].rules())]
        return Offer(dataclasses.replace(served, kinds=tuple(allowed)), access)

    async def hardware(self, access: Access, fresh_s: float = 60.0) -> Hardware:
        """What the nodes have, as far as it may be seen; so many seconds old at most."""
        return await self._inventory.hardware(access, fresh_s)

    async def stock(self, backend: str) -> Stock:
        """What accelerators it has, who holds them and what they do. Raises: ApiError."""
        offer = await self.offer()
        if self._accelerators is None:
            # Its certificates are files, and httpx takes 50 ms to import.
            try:
                asked: Prometheus | MlkError | None = await in_thread(_prometheus)
            except MlkError as error:  # one source less: what the cluster has is known without
                asked = error
            self._prometheus = None if isinstance(asked, MlkError) else asked
            self._accelerators = Accelerators(self.connection, self._inventory, self.namespace, asked)
        return await self._accelerators.stock(backend, self.title, offer.served, offer.access)

    async def queues(self, offer: Offer) -> list[str]:
        """Names of the Kueue LocalQueues; empty where there are none, or where they may not be seen."""
        queues = offer.served.local_queues
        if queues is None or offer.access.may("list", queues) is False:
            return []
        if self._queues is None or time.monotonic() - self._queues[0] > _QUEUES_S:
            try:
                listing = await self.connection.list(queues.path(self.namespace))
            except ApiError:
                return self._queues[1] if self._queues else []
            self._queues = (time.monotonic(), sorted(str(item["metadata"]["name"]) for item in listing.items))
        return self._queues[1]

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """What the cluster holds now of all jobs of this user, or of one.

        Raises: ApiError.
        """
        served = (await self.offer()).served
        return await snapshot(
            self.connection, user=self.user, job_id=job_id, kinds=served.resources, workloads=served.workloads
        )

    async def addresses(self, host: str | None) -> dict[str, list[str]]:
        """IP addresses of a host, for rules that know no names; empty when it has none or they are not known here."""
        if host is None:
            return {}
        try:
            found = await within(3.0, in_thread(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError, asyncio.TimeoutError):
            return {}
        return {host: sorted({str(info[4][0]) for info in found})}

    async def close(self) -> None:
        """Closes the connection, if one was opened."""
        if self._prometheus is not None:
            await self._prometheus.close()
        if "connection" in self.__dict__:
            await self.connection.close()

    @cached_property
    def _discovery(self) -> Discovery:
        return Discovery(self.connection)

    @cached_property
    def _inventory(self) -> Inventory:
        return Inventory(self.connection)

    @cached_property
    def _reviewer(self) -> Reviewer:
        return Reviewer(self.connection)


def _prometheus() -> Prometheus | None:
    from ...gpus.prometheus import prometheus_of

    return prometheus_of(os.environ)


class NoName(MlkError):
    """The system has no name for whoever runs this."""

    code, title, status = "no_user_name", "Your name is not known", 500

    def __init__(self) -> None:
        super().__init__(
            "This process' user has no name, so jobs cannot be told from those of others.", hint="Set MLK_USER."
        )


def user_name() -> str:
    """Who submits jobs: MLK_USER, JupyterHub's user, else this system's.

    Raises: NoName.
    """
    named = os.environ.get("MLK_USER") or os.environ.get("JUPYTERHUB_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:  # a container's user id without a name
        raise NoName() from error
