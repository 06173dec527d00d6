"""What comes bit by bit out of the background, for `for` and for `async for`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Generic, TypeVar

from .background import background, run

T = TypeVar("T")


class Stream(Generic[T]):
    """Items as they come, until there are no more. `for` waits in its own thread, `async for` in its own loop.

    Args: pieces: gives several items at a time, so that many small ones do not cost a change of threads each.
    """

    def __init__(self, pieces: AsyncGenerator[Sequence[T], None]) -> None:
        self._pieces = pieces
        self._ready: deque[T] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while not self._ready:
            piece = run(self._next())
            if piece is None:
                raise StopIteration
            self._ready.extend(piece)
        return self._ready.popleft()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while not self._ready:
            piece = await asyncio.wrap_future(background().start(self._next()))
            if piece is None:
                raise StopAsyncIteration
            self._ready.extend(piece)
        return self._ready.popleft()

    def close(self) -> None:
        """Gives nothing more, and holds nothing more."""
        self._ready.clear()
        run(self._close())

    async def _next(self) -> Sequence[T] | None:
        try:
            return await self._pieces.__anext__()
        except StopAsyncIteration:
            return None

    async def _close(self) -> None:
        await self._pieces.aclose()
