"""What the handlers and topics of one server share. Each thing is made when it is first asked for."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from .limits import Slots, TokenBuckets

if TYPE_CHECKING:
    from ..backends.many import Backends

T = TypeVar("T")
_REPLAYS_AT_ONCE = 4


class Settings(Protocol):
    """What can be configured."""

    default_backend: str
    default_image: str
    submissions_per_minute: int
    concurrent_preparations: int
    concurrent_requests: int
    followers_per_user: int
    access_check_s: float


class Services:
    """Of one server, from its start to `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[Callable[[Services], Any], Any] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []

    @property
    def access_check_s(self) -> float:
        """After how many seconds it is asked again whether an open websocket may stay."""
        return self._settings.access_check_s

    @functools.cached_property
    def backend(self) -> Backends:
        """Where jobs run: all the places there are."""
        from ..backends.choosing import choose

        return choose(self._settings.default_backend or None, image=self._settings.default_image or None)

    @functools.cached_property
    def submissions(self) -> TokenBuckets:
        return TokenBuckets(self._settings.submissions_per_minute)

    @functools.cached_property
    def preparations(self) -> Slots:
        return Slots(self._settings.concurrent_preparations, "notebooks can be prepared", "Wait for the ones before.")

    @functools.cached_property
    def requests(self) -> Slots:
        return Slots(self._settings.concurrent_requests, "requests are worked on", "Wait for the ones before.")

    @functools.cached_property
    def followers(self) -> Slots:
        return Slots(self._settings.followers_per_user, "logs can be followed", "Close a log that is open elsewhere.")

    @functools.cached_property
    def replays(self) -> asyncio.Semaphore:
        """Held by whoever builds a notebook or its curves out of a job's frames, all of which it has in memory."""
        return asyncio.Semaphore(_REPLAYS_AT_ONCE)

    def the(self, make: Callable[[Services], T]) -> T:
        """The one that `make(services)` gives, for as long as the server lives: the state of a feature."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Has something closed as the server ends; the last first."""
        self._closers.append(close)

    async def close(self) -> None:
        """Ends what was started. Jobs go on: they do not belong to this server."""
        while self._closers:
            await self._closers.pop()()
        if "backend" in self.__dict__:
            await self.backend.close()


class Recent(Generic[T]):
    """An answer that is given again for some seconds instead of asking anew."""

    def __init__(self, lasts_s: float, ask: Callable[[], Awaitable[T]]) -> None:
        self._lasts_s = lasts_s
        self._ask = ask
        self._known: tuple[float, T] | None = None

    async def get(self) -> T:
        now = time.monotonic()
        if self._known is None or now - self._known[0] > self._lasts_s:
            self._known = (now, await self._ask())
        return self._known[1]

    def forget(self) -> None:
        """The next one asks anew."""
        self._known = None
