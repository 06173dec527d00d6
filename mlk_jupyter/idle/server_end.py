"""The end of a whole server that nobody uses: when it is due, and how it ends.

A server is quiet while it runs no kernel, its terminals and other processes do nothing, and nobody is there. What is
not known speaks against its end. In mode `shadow` it is only told that it would have been ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from ..figures import duration
from .hub import Hub, HubRefused
from .policy import Policy

logger = logging.getLogger(__name__)

_GAP_INTERVALS = 3  # a tick that comes later than that was no tick: the machine was suspended, or the loop was blocked
_LONGEST_TICK_S, _SHORTEST_TICK_S = 15.0, 0.5
_TICKS_A_LIMIT = 8
_HUB_ENDS_S = 60.0

Event = Literal["server_warned", "server_active", "server_stopped", "server_would_stop"]


@dataclass(frozen=True, slots=True)
class Due:
    """What follows from all looks so far."""

    state: Literal["active", "quiet", "warned", "due"]
    because: str
    """What speaks against the end, or since when nothing does, for a person."""
    quiet_s: float = 0.0
    """Seconds since something last spoke against it."""
    stops_in_s: float | None = None
    """Seconds until the end; None: there is none in sight."""


class Surroundings(Protocol):
    """What a server knows of itself."""

    def kernels(self) -> int:
        """How many there are, in whatever state, also those that just begin."""
        ...

    def person_s(self) -> float | None:
        """Seconds since the newest sign of a person; None: there was none."""
        ...

    async def busy(self, policy: Policy) -> str | None:
        """What it does besides kernels: "terminal 1 runs python"; None: nothing. What is not known is something."""
        ...

    async def jobs(self) -> str | None:
        """Which jobs would end with it; None: none would. Asked only when nothing else speaks against the end."""
        ...

    async def tell(self, event: Event, words: str, deadline: float | None) -> None:
        """Tells people and the audit. Raises nothing, and takes a few seconds at most.

        Args: deadline: seconds from now until the end.
        """
        ...

    async def remember(self, words: str) -> None:
        """Writes down why, for the next start. Raises nothing."""
        ...

    async def forget(self) -> None:
        """Takes that back: it does not end after all. Raises nothing."""
        ...

    def exit(self) -> None:
        """Begins to end this process, as SIGTERM would."""
        ...


class Quietness:
    """Since when a server has been quiet, and whether it has been told so for long enough. Pure."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._before: float | None = None
        self._since = 0.0
        self._warned: float | None = None

    def step(self, at: float, busy: str | None, person_s: float | None, policy: Policy) -> Due:
        """One look.

        Args: at: monotonic seconds; busy: what speaks against the end; person_s: seconds since a person was there.
        """
        limit_s = policy.server_ttl_s
        is_torn = self._before is None or not 0 <= at - self._before <= _GAP_INTERVALS * self._interval_s
        self._before = at
        active = at if busy is not None or is_torn else at - person_s if person_s is not None else self._since
        if active > self._since or is_torn:
            self._since, self._warned = active, None
        quiet_s = at - self._since
        if not limit_s or busy is not None:
            self._warned = None
            return Due("active", busy or "it has no limit")
        words = f"no kernel runs, and nobody has used it for {duration(quiet_s)}"
        warn_s = min(policy.warn_s, limit_s)
        if quiet_s < limit_s - warn_s:
            return Due("quiet", words, quiet_s, limit_s - quiet_s)
        if self._warned is None:
            self._warned = at
        left_s = max(limit_s - quiet_s, warn_s - (at - self._warned))
        return Due("warned" if left_s > 0 else "due", words, quiet_s, max(0.0, left_s))


class ServerEnd:
    """Watches one server and ends it, at most once."""

    def __init__(
        self,
        surroundings: Surroundings,
        policy: Callable[[], Policy],
        *,
        clock: Callable[[], float],
        hub: Hub | None = None,
        interval_s: float | None = None,
        hub_ends_s: float = _HUB_ENDS_S,
    ) -> None:
        """Args: clock: monotonic seconds; interval_s: None: what fits the limit; hub_ends_s: how long the Hub may take
        to end this process, once it has said that it does so.
        """
        self._here = surroundings
        self._policy = policy
        self._clock = clock
        self._hub = hub
        self._hub_ends_s = hub_ends_s
        limit_s = policy().server_ttl_s
        fitting_s = max(_SHORTEST_TICK_S, min(_LONGEST_TICK_S, limit_s / _TICKS_A_LIMIT))
        self._interval_s = fitting_s if interval_s is None else interval_s
        self._quietness = Quietness(self._interval_s)
        self._told: set[Event] = set()
        """Since it was last in use."""

    async def run(self) -> None:
        """Looks again and again, until the server is being ended."""
        while True:
            try:
                if await self.tick():
                    return
            except Exception:  # nobody would begin it again; what cannot be looked at is not ended
                logger.exception("Whether this server is used could not be found out")
            await asyncio.sleep(self._interval_s)

    async def tick(self) -> bool:
        """One look, and what follows from it. Gives whether the server is being ended."""
        due = await self._look()
        is_enforced = self._policy().mode == "enforce"
        if due.state in ("active", "quiet"):
            if self._told:
                self._told.clear()
                words = due.because if due.state == "active" else "somebody uses it again"
                await self._here.tell("server_active", words, None)
            return False
        if is_enforced and "server_warned" not in self._told:
            logger.warning("This server is to be stopped in %s: %s", duration(due.stops_in_s or 0.0), due.because)
            await self._tell("server_warned", due)
        if due.state != "due":
            return False
        if not is_enforced:
            if "server_would_stop" not in self._told:
                await self._tell("server_would_stop", due)
            return False
        # Telling takes time, in which a person may have come back.
        since = self._clock()
        if (await self._look()).state != "due" or self._back(since) is not None:
            return False
        return await self.end(f"no kernel ran, and nobody had used it for {duration(due.quiet_s)}", since)

    async def end(self, words: str, since: float) -> bool:
        """Ends the server: by the Hub, which then knows that it is gone and frees what it paid for; without one, or
        where it refuses, by leaving. All of that takes a minute or more, in which somebody may come back: then it goes
        on.

        Args:  words: why, for a person; since: monotonic seconds of the look that said so.
        Gives: whether it ends.
        """
        logger.warning("This server is stopped: %s", words)
        await self._here.remember(words)
        await self._here.tell("server_stopped", words, None)
        if self._hub is not None and self._back(since) is None:
            try:
                await self._hub.stop_server()
                await asyncio.sleep(self._hub_ends_s)
                logger.warning("JupyterHub said that it stops this server, and did not: it leaves by itself")
            except HubRefused as error:
                logger.warning("JupyterHub did not stop this server (%s): it leaves by itself", error)
        if (back := self._back(since)) is not None:
            logger.warning("This server goes on: %s", back)
            self._step(back, self._policy())
            self._told.clear()
            await self._here.forget()
            await self._here.tell("server_active", back, None)
            return False
        self._here.exit()
        return True

    def _back(self, since: float) -> str | None:
        """Who came back since then; None: nobody. Waits for nothing, so that what follows on it is done at once."""
        if kernels := self._here.kernels():
            return _kernels_here(kernels)
        person_s = self._here.person_s()
        return None if person_s is None or self._clock() - person_s < since else "somebody uses it again"

    async def _tell(self, event: Event, due: Due) -> None:
        self._told.add(event)
        await self._here.tell(event, due.because, due.stops_in_s)

    async def _look(self) -> Due:
        policy = self._policy()
        kernels = self._here.kernels()
        if kernels or policy.mode == "off" or not policy.server_ttl_s:
            busy: str | None = _kernels_here(kernels) if kernels else "it has no limit"
        else:
            busy = await self._here.busy(policy)
        due = self._step(busy, policy)
        if due.state in ("warned", "due") and (jobs := await self._here.jobs()) is not None:
            due = self._step(jobs, policy)
        return due

    def _step(self, busy: str | None, policy: Policy) -> Due:
        return self._quietness.step(self._clock(), busy, self._here.person_s(), policy)


def _kernels_here(kernels: int) -> str:
    return f"{kernels} kernel{'s' if kernels != 1 else ''} here"
