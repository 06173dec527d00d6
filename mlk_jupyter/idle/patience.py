"""Blocking work that may hang, a disk above all, without holding whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec

from ..threads import in_thread

P = ParamSpec("P")


class Patience:
    """Work of one kind: one thread at a time, also where it hangs."""

    def __init__(self, limit_s: float = 5.0) -> None:
        """Args: limit_s: how long its end is waited for."""
        self._limit_s = limit_s
        self._under_way: asyncio.Future[object] | None = None

    async def do(self, work: Callable[P, object], *args: P.args, **keywords: P.kwargs) -> bool:
        """Does it in a thread. Gives whether it is done: not while it hangs, or an earlier one does.

        Raises: what `work` raises in time.
        """
        if self._under_way is not None and not self._under_way.done():
            return False
        self._under_way = asyncio.ensure_future(in_thread(work, *args, **keywords))
        self._under_way.add_done_callback(_taken)
        done, _ = await asyncio.wait({self._under_way}, timeout=self._limit_s)
        if done:
            self._under_way.result()
        return bool(done)


def _taken(future: asyncio.Future[object]) -> None:
    """Nobody waits any more for one that comes too late."""
    if not future.cancelled():
        future.exception()
