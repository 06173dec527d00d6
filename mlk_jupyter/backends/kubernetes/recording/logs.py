"""Reads one container's log to its end, whatever becomes of the connection: nothing twice, and gaps said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ....errors import MlkError
from ....waiting import is_set_within
from ..timing import RecordingTiming
from .stamps import Position, Stamps

_log = logging.getLogger(__name__)

_PIECE_BYTES = 64 * 1024  # taken in at once: a few milliseconds
_SURE = 2  # times that a log must be said to be gone, one after the other


class LogSource(Protocol):
    """Where logs come from: a connection to a cluster."""

    def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        since: str | None,
        follow: bool,
        previous: bool = False,
        limit_bytes: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The log with timestamps, in pieces. Raises an MlkError of the HTTP status for any other answer."""
        ...


class LogFollower:
    """One container's log, fed on as it comes.

    Args:
        position: how far it was read before.
        feed:     gets new text, in order; `position` covers it when it is called, so that both can be written down.
        notice:   gets sentences for a person.
        room:     is awaited between two pieces; by default others get their turn.
    """

    def __init__(
        self,
        connection: LogSource,
        namespace: str,
        pod: str,
        container: str,
        position: Position,
        feed: Callable[[bytes], None],
        notice: Callable[[str], None],
        *,
        room: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
        timing: RecordingTiming | None = None,
    ) -> None:
        self._connection = connection
        self._namespace, self._pod, self._container = namespace, pod, container
        self.position = position
        self._feed = feed
        self._notice = notice
        self._room, self._timing = room, timing or RecordingTiming()
        self._ended = asyncio.Event()
        self._gone = False
        self._pause_s = 0.0
        self._quiet_s = self._timing.quiet_s
        self._said: set[str] = set()
        self._came_to_an_end = False  # the latest answer, and nothing was lost since as far as can be seen

    def container_ended(self) -> None:
        """The cluster says that the container has terminated: once its log is read to its end, that is all."""
        self._ended.set()

    def pod_gone(self) -> None:
        """The pod was removed: what was not read by now will hardly be had any more."""
        self._gone = True
        self._ended.set()

    async def run(self) -> None:
        """Reads until the container has ended and its log was read whole, or is gone. Never raises for the cluster's
        sake; what `feed` raises gets out."""
        missing = 0
        while not self.position.whole:
            ended = self._ended.is_set()
            before = self.position
            retry_s: float | None = None
            try:
                await self._read(follow=not ended)
                self._came_to_an_end, missing = True, 0
                # Between the cluster and here a broken stream can look like a finished one. Two in a row do not.
                if ended and self.position == before:
                    self.position = Position(before.time, before.lines, before.bytes, whole=True)
                    self._feed(b"")
                    return
            except (MlkError, OSError, asyncio.TimeoutError) as error:
                status = error.status if isinstance(error, MlkError) else None
                missing = missing + 1 if status == 404 else 0
                if missing >= _SURE or (status == 404 and self._gone):
                    self._give_up()
                    return
                self._came_to_an_end = self._came_to_an_end and status == 404
                if ended and status in (400, 422):  # such a container has no log, not even an empty one
                    self.position = Position(before.time, before.lines, before.bytes, whole=True)
                    self._feed(b"")
                    return
                retry_s = self._delay_asked(error)
                _log.debug("log of %s: %s", self._pod, error)
            if self.position != before:
                self._pause_s = 0.0
            await self._pause(retry_s)

    async def _read(self, *, follow: bool) -> None:
        """One request, to its end. Raises: asyncio.TimeoutError when it says nothing for too long."""
        stamps = Stamps(self.position)
        source = self._connection.log(
            self._namespace, self._pod, self._container, since=self.position.since, follow=follow
        )
        patience = self._patience if follow else lambda: self._timing.quiet_s
        async with source as pieces, contextlib.aclosing(_until_silence(pieces, self._ended, patience)) as heard:
            async for piece in heard:
                for at in range(0, len(piece), _PIECE_BYTES):
                    await self._take(stamps, stamps.feed(piece[at : at + _PIECE_BYTES]))
        if not follow:
            await self._take(stamps, stamps.close())

    async def _take(self, stamps: Stamps, new: bytes) -> None:
        if stamps.gap is not None:
            since, until = stamps.gap
            self._tell(f"The log of {self._pod} is not whole: what it said between {since} and {until} may be missing.")
        if stamps.trouble is not None:
            self._tell(f"Instead of the log of {self._pod} its node said: {stamps.trouble}")
        if new:
            self._came_to_an_end = False
            self._quiet_s = self._timing.quiet_s
            self.position = stamps.position
            self._feed(new)
            await self._room()

    def _patience(self) -> float:
        """Seconds to wait for the next piece."""
        if self._ended.is_set():
            return self._timing.last_words_s
        patience, self._quiet_s = self._quiet_s, min(self._timing.longest_quiet_s, self._quiet_s * 2)
        return patience

    def _give_up(self) -> None:
        if not self._came_to_an_end:  # a pod is often removed as soon as it has ended
            until = f"after {self.position.time} " if self.position.time else ""
            self._tell(f"{self._pod} is gone and its log with it: what it said {until}is not in this record.")
        self.position = Position(self.position.time, self.position.lines, self.position.bytes, whole=True)
        self._feed(b"")

    def _delay_asked(self, error: Exception) -> float | None:
        """How long to wait by what went wrong; None for the usual, growing pause."""
        if isinstance(error, MlkError) and error.status == 403:
            self._tell(f"The log of {self._pod} may not be read. {error.detail} {error.hint}")
            return self._timing.forbidden_s
        asked = getattr(error, "retry_after_s", None)
        return float(asked) if isinstance(asked, (int, float)) else None

    async def _pause(self, asked_s: float | None) -> None:
        """Waits a growing time, or at least as long as was asked for; the container's end cuts the former short."""
        self._pause_s = min(self._timing.longest_s, max(self._timing.shortest_s, self._pause_s * 2))
        delay = self._pause_s * random.uniform(0.5, 1.0)
        if asked_s is not None:
            await asyncio.sleep(max(asked_s, delay))
        elif self._ended.is_set():
            await asyncio.sleep(delay)
        else:
            await is_set_within(delay, self._ended)

    def _tell(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._notice(text)


async def _until_silence(
    pieces: AsyncIterator[bytes], ended: asyncio.Event, patience: Callable[[], float]
) -> AsyncGenerator[bytes, None]:
    """The pieces of an answer, each within the seconds that `patience` gives; asked anew when `ended` comes to be set.

    Raises: asyncio.TimeoutError when the patience is at its end.
    """
    coming: asyncio.Future[bytes] | None = None
    end = asyncio.ensure_future(ended.wait())
    try:
        while True:
            coming = coming or asyncio.ensure_future(pieces.__anext__())
            for_both = not end.done()
            waiting: set[asyncio.Future[Any]] = {coming, end} if for_both else {coming}
            await asyncio.wait(waiting, timeout=patience(), return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                try:
                    piece = coming.result()
                except StopAsyncIteration:
                    return
                coming = None
                yield piece
            elif not (for_both and end.done()):
                raise asyncio.TimeoutError
    finally:
        tasks: set[asyncio.Future[Any]] = {end} if coming is None else {end, coming}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
