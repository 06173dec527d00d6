"""One collection of the cluster, kept in memory by LIST, then WATCH, for as long as somebody wants it.

The rules, each one learnt from a client that got it wrong:
- objects are known by uid; what is older than what is known, or comes after its end, changes nothing;
- a watch that ends is taken up where it stopped; only a version that the server forgot (410, 504) costs a new list;
- what a new list lacks is told as deleted; a whole list is taken every 10 min, in case something was lost;
- a refused login or right is said, and asked about rarely; all else is tried again with back-off, for ever;
- a watch that ends at once without a word is an error, else a broken server is asked a thousand times a second;
- an exception that nobody thought of is logged, and the loop starts again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ....errors import BackendUnavailable, MlkError
from ....model.api import WatchState
from ....waiting import is_set_within
from ..api.api_errors import Expired, Forbidden, NotFoundInCluster, ServerTrouble, Throttled
from ..api.connection import Event, Listing
from ..api.decoding import Keep
from ..timing import Times

_logger = logging.getLogger(__name__)
_AT_ONCE = 200
"""Objects that are told of before others get their turn on the event loop."""


class Source(Protocol):
    """Where the objects of one collection come from."""

    async def list(self) -> Listing:
        """All objects, each cut down to what is kept of it."""
        ...

    def watch(self, version: str, timeout_s: float) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """What changes after `version`, whole."""
        ...

    @property
    def pause_s(self) -> float:
        """For how long the server asked not to be asked."""
        ...


class Reflector:
    """Keeps `objects`, by uid. Owns one task, from `async with` to its end."""

    def __init__(
        self,
        name: str,
        source: Source,
        keep: Keep,
        *,
        on_change: Callable[[dict[str, Any] | None, dict[str, Any] | None], None],
        on_state: Callable[[], None] = lambda: None,
        times: Times | None = None,
        chance: random.Random | None = None,
    ) -> None:
        """on_change gets (before, after) of one object; None: not there. on_state: `state` or `why` changed."""
        self.name = name
        self.objects: dict[str, dict[str, Any]] = {}
        self.state = WatchState.CONNECTING
        self.why: str | None = None
        self.heard_at = time.time()
        """When the server last said something, in seconds since the epoch."""
        self.settled = asyncio.Event()
        """Set once a list came, or was refused."""
        self._source, self._keep = source, keep
        self._on_change, self._on_state = on_change, on_state
        self._times, self._chance = times or Times(), chance or random.Random()
        self._backoff = Backoff(self._times.first_wait_s, self._times.longest_wait_s, self._chance)
        self._failures = self._expiries = 0
        self._version: str | None = None
        self._listed_version: int | None = None
        self._relist_at = 0.0
        self._gone: dict[str, None] = {}
        self._uids: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._round: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Reflector:
        self._task = asyncio.create_task(self._run(), name=f"reflector of {self.name}")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def retry(self) -> None:
        """Tries now what waits to be tried again."""
        self._wake.set()

    def reconnect(self) -> None:
        """Takes up the watch anew: the machine slept, or the network changed, and the connection may be dead."""
        self._wake.set()
        if self._round is not None:
            self._round.cancel()

    def forget(self, uid: str) -> None:
        """Drops an object from memory without telling anybody; it comes back when it changes."""
        dropped = self.objects.pop(uid, None)
        if dropped is not None:
            self._uids.pop(_name(dropped), None)

    async def _run(self) -> None:
        """Ends only when it is cancelled."""
        while True:
            self._round = asyncio.create_task(self._list_and_watch(), name=f"watch of {self.name}")
            try:
                await asyncio.wait({self._round})
            finally:
                if not self._round.done():
                    self._round.cancel()
                    await asyncio.wait({self._round})
            error = None if self._round.cancelled() else self._round.exception()
            pause_s = self._pause_after(error) if error is not None else 0.0
            if pause_s > 0:
                self._wake.clear()
                await is_set_within(pause_s, self._wake)

    async def _list_and_watch(self) -> None:
        if self._version is None or time.monotonic() >= self._relist_at:
            await self._replace_all()
        started_at, heard = time.monotonic(), False
        length_s = min(self._chance.uniform(*self._times.watch_s), max(0.0, self._relist_at - started_at))
        lives: asyncio.TimerHandle | None = None
        try:
            async with self._source.watch(self._version or "", length_s) as events:
                if self._failures == 0:
                    self._say(WatchState.LIVE, None)
                lives = asyncio.get_running_loop().call_later(self._times.short_s, self._works)
                async for event in events:
                    heard = True
                    self._works()
                    self._apply(event)
        finally:
            if lives is not None:
                lives.cancel()
        if not heard and time.monotonic() - started_at < min(self._times.short_s, length_s):
            raise ServerTrouble("The cluster ends each watch at once, without a word.", hint="It is tried again.")

    def _works(self) -> None:
        self._failures = self._expiries = 0
        self._backoff.reset()
        self.heard_at = time.time()
        self._say(WatchState.LIVE, None)

    def _pause_after(self, error: BaseException) -> float:
        """Takes note of what went wrong; seconds until the next try."""
        if isinstance(error, Expired):
            self._version = None
            self._expiries += 1
            if self._expiries == 1:  # a restart of the API server alone does this: no error to show
                return 0.0
        else:
            self._failures += 1
        wait_s = self._backoff.next()
        if isinstance(error, (Throttled, ServerTrouble)):
            wait_s = max(wait_s, (error.retry_after_s or 0.0) * self._chance.uniform(1.0, 1.1))
        wait_s = max(wait_s, self._source.pause_s)
        if isinstance(error, (Forbidden, NotFoundInCluster)):
            self._version = None
            self._refused(error)
            return self._times.recheck_s * self._chance.uniform(0.95, 1.05)
        if isinstance(error, MlkError):
            if not isinstance(error, (BackendUnavailable, Expired)):
                self._refused(error)
                return max(wait_s, self._times.longest_wait_s / 2)
            if (
                self._failures > 1 or self._expiries > 2 or not self.settled.is_set()
            ):  # a watch that comes back at once is nobody's business
                self._say(WatchState.RECONNECTING, f"{self._since()}: {error.detail}")
        else:
            _logger.error("The watch of %s failed and starts again", self.name, exc_info=error)
            self._version = None
            self._say(WatchState.RECONNECTING, f"{self._since()}: watching failed by a fault of its own; see the log.")
        return wait_s

    def _refused(self, error: MlkError) -> None:
        self._say(WatchState.REFUSED, error.detail)
        self.settled.set()

    def _since(self) -> str:
        return f"Nothing new of {self.name} since {time.strftime('%H:%M', time.gmtime(self.heard_at))} UTC"

    def _say(self, state: WatchState, why: str | None) -> None:
        if (state, why) != (self.state, self.why):
            self.state, self.why = state, why
            self._on_state()

    async def _replace_all(self) -> None:
        listing = await self._source.list()
        self.heard_at = time.time()
        before, self.objects = self.objects, {_uid(one): one for one in listing.items}
        self._uids = {_name(one): uid for uid, one in self.objects.items()}
        self._version, self._listed_version = listing.version, _number(listing.version)
        self._relist_at = time.monotonic() + self._times.relist_s * self._chance.uniform(0.9, 1.0)
        self._gone.clear()
        self.settled.set()
        for number, (old, new) in enumerate(_changes(before, self.objects)):
            self._on_change(old, new)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    def _apply(self, event: Event) -> None:
        version = _version(event.object)
        number, known = _number(version), _number(self._version or "")
        if version and (number is None or known is None or number > known):
            self._version = version
        uid = _uid(event.object)
        if event.type == "DELETED":
            self._remove(uid)
        elif event.type in ("ADDED", "MODIFIED") and not self._stale(uid, number):
            self._put(uid, event.object)

    def _stale(self, uid: str, number: int | None) -> bool:
        if uid in self._gone:
            return True
        if number is None:
            return False
        if self._listed_version is not None and number <= self._listed_version:
            return True
        stored = self.objects.get(uid)
        stored_number = _number(_version(stored)) if stored is not None else None
        return stored_number is not None and number <= stored_number

    def _put(self, uid: str, whole: dict[str, Any]) -> None:
        kept = self._keep(whole)
        if kept is None:
            return
        name = _name(kept)
        namesake = self._uids.get(name)
        if namesake is not None and namesake != uid:
            self._remove(namesake)  # only one object bears a name: the end of the one before was lost
        before = self.objects.get(uid)
        self.objects[uid], self._uids[name] = kept, uid
        self._on_change(before, kept)

    def _remove(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > 20_000:
            del self._gone[next(iter(self._gone))]
        before = self.objects.pop(uid, None)
        if before is not None:
            if self._uids.get(_name(before)) == uid:
                del self._uids[_name(before)]
            self._on_change(before, None)


def _changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """What a new list tells: (before, after) of each object that came, changed or went. What is forgotten meanwhile is
    not told any more."""
    for uid in before.keys() - after.keys():
        yield before[uid], None
    for uid in list(after):
        new, old = after.get(uid), before.get(uid)
        if new is not None and (old is None or _version(old) != _version(new)):
            yield old, new


def _metadata(one: dict[str, Any]) -> dict[str, Any]:
    """Where an object says which one it is; what is kept of it may say so itself."""
    metadata = one.get("metadata")
    return metadata if isinstance(metadata, dict) else one


def _uid(one: dict[str, Any]) -> str:
    return str(_metadata(one).get("uid", ""))


def _name(one: dict[str, Any]) -> str:
    return str(_metadata(one).get("name", ""))


def _version(one: dict[str, Any]) -> str:
    return str(_metadata(one).get("resourceVersion", ""))


def _number(version: str) -> int | None:
    return int(version) if version.isdigit() else None


class Backoff:
    """Gives 0.2 s to 15 s, doubling, each between half of that and the whole. Never gives up."""

    def __init__(self, first_s: float = 0.2, most_s: float = 15.0, chance: random.Random | None = None) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._chance = chance or random.Random()
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now."""
        whole = min(self._most_s, self._first_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return whole * self._chance.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked: the next wait is a short one again."""
        self._tries = 0
