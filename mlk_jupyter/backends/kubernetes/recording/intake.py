"""What the logs of a job bring, on its way into the folder: collected on the event loop, written by a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ....record.writer import FolderWriter
from .positions import Positions
from .stamps import Position

_T = TypeVar("_T")

_MOST_BYTES = 1024 * 1024  # of text that waits to be written, before its readers are held up


@dataclass(frozen=True)
class Batch:
    """What came up to one moment."""

    pieces: list[tuple[int, bytes]]
    """(source, text), in the order in which they came."""
    positions: Mapping[str, Position]
    """How far each log was read then."""


class Intake:
    """One attempt's way into its folder.

    Args: on_full: called when so much waits that it should be written at once.
    """

    def __init__(self, writer: FolderWriter, positions: Positions, on_full: Callable[[], None]) -> None:
        self.writer = writer
        self._positions, self._on_full = positions, on_full
        self._pieces: list[tuple[int, bytes]] = []
        self._bytes = 0
        self._room = asyncio.Event()
        self._room.set()

    # On the event loop

    def add(self, source: int, data: bytes) -> None:
        """More of a log came. `positions` of the next `cut` cover it."""
        self._pieces.append((source, data))
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES:
            self._room.clear()
            self._on_full()

    async def room(self) -> None:
        """Waits until more may come."""
        await asyncio.sleep(0)  # a long log leaves the loop to others
        await self._room.wait()

    def cut(self, positions: Mapping[str, Position]) -> Batch:
        """All that came since the last time."""
        batch = Batch(self._pieces, positions)
        self._pieces, self._bytes = [], 0
        self._room.set()
        return batch

    # In a thread

    def write(self, batch: Batch) -> OSError | None:
        """Writes it all down, as far as it can be; what spoke against the rest."""
        trouble = None
        for source, data in batch.pieces:
            try:
                self.writer.feed(source, data)
            except OSError as error:
                trouble = error
        return trouble

    def snap(self, batch: Batch) -> bool:
        """Writes a snapshot of the moment of `batch`, which was written just now.

        Returns: whether it could be true: no frame is half read.
        Raises:  OSError.
        """
        if self.writer.pending:
            return False
        self.writer.rest()
        self._positions.write(self._positions.snapshot(batch.positions, self.writer.sizes(), self.writer.highest()))
        return True


async def whole(work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` gives. It is waited for even when we are cancelled: the folder is ours only until then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
