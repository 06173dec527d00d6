"""What the handlers and topics of one server share. Each thing is made when it is first asked for."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from ..errors import MlkError
from .limits import Slots, TokenBuckets

if TYPE_CHECKING:
    from ..backends.many import Backends
    from ..idle.policy import Configured

T = TypeVar("T")
_REPLAYS_AT_ONCE = 4
_FINISH_S = 5.0  # whoever stops servers (JupyterHub, Kubernetes, systemd) kills one that takes longer than 10 s or 30 s
_CUT_OFF_S = 1.0


class ServerStopping(MlkError):
    """The server is ending."""

    code, title, status = "server_stopping", "This server is being stopped", 503


class Settings(Protocol):
    """What can be configured."""

    default_backend: str
    default_image: str
    submissions_per_minute: int
    concurrent_preparations: int
    concurrent_requests: int
    followers_per_user: int
    access_check_s: float
    running_jobs_are_activity: bool
    serverapp: Any

    def idle_traits(self) -> Mapping[str, str]:
        """What is configured of the policy for idle kernels, by the traits' names."""

    def note_activity(self) -> None:
        """Says to whoever stops idle servers that this one is not."""

    def kernel_specs(self) -> Any:
        """The manager of kernelspecs of this server."""


class Services:
    """Of one server, from its start to `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[Callable[[Services], Any], Any] = {}
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._under_way: set[asyncio.Task[Any]] = set()
        self._is_closing = False

    @property
    def access_check_s(self) -> float:
        """After how many seconds it is asked again whether an open websocket may stay."""
        return self._settings.access_check_s

    @property
    def running_jobs_are_activity(self) -> bool:
        """Whether a job that runs on this machine counts as activity of the server."""
        return self._settings.running_jobs_are_activity

    @property
    def serverapp(self) -> Any:
        """The `ServerApp` that runs this."""
        return self._settings.serverapp

    def idle_traits(self) -> Mapping[str, str]:
        """What is configured of the policy for idle kernels, by the traits' names."""
        return self._settings.idle_traits()

    @functools.cached_property
    def idle_policy(self) -> Configured:
        """The policy for idle kernels, by the environment and Jupyter's configuration, as the server began with it."""
        from ..idle.policy import configured

        return configured(os.environ, self.idle_traits())

    def note_activity(self) -> None:
        """Says to whoever stops idle servers that this one is not."""
        self._settings.note_activity()

    @functools.cached_property
    def backend(self) -> Backends:
        """Where jobs run: all the places there are."""
        from ..backends.choosing import choose

        return choose(
            self._settings.default_backend or None,
            image=self._settings.default_image or None,
            kernels=self._settings.kernel_specs,
        )

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

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """One request, which the end of the server waits for.

        Raises: ServerStopping.
        """
        task = asyncio.current_task()
        if self._is_closing or task is None:
            raise ServerStopping("It takes no more requests.", hint="Jobs go on running. Start the server again.")
        self._under_way.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._is_closing:
                raise
            raise ServerStopping("This was cut off.", hint="Look at the list of jobs before you try again.") from None
        finally:
            self._under_way.discard(task)

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Has something closed as the server ends; the last first."""
        self._closers.append(close)

    async def close(self, finish_s: float = _FINISH_S) -> None:
        """Ends what was started. Jobs go on: they do not belong to this server.

        What is under way is cut off after `finish_s`. Left behind it would keep the process for ever: a task that reads
        by anyio's threads, as the contents manager's do, holds its thread until it is over.
        """
        self._is_closing = True
        for limit_s in (finish_s, _CUT_OFF_S):
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=limit_s)
            for task in self._under_way:
                task.cancel()
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
