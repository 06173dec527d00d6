"""Waiting for at most so long, in tasks that must end when they are cancelled.

Not `asyncio.wait_for`: before Python 3.12 it drops a cancellation that comes in the moment in which what it waits for
is there. Not `anyio.move_on_after` either: on Python 3.10 it drops one that comes in the moment in which the time is
over. A loop around either then goes on for ever, and whoever waits for its end does too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(limit_s: float | None, what: Awaitable[T]) -> T:
    """What `what` gives. None: however long it takes.

    Raises: asyncio.TimeoutError when it takes longer; it has been cancelled and has ended then.
    """
    task = asyncio.ensure_future(what)
    try:
        await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task})
        raise
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        raise asyncio.TimeoutError
    return task.result()


async def is_set_within(limit_s: float | None, event: asyncio.Event) -> bool:
    """Whether an event came to be set before so many seconds were over. None: however long it takes."""
    try:
        await within(limit_s, event.wait())
    except asyncio.TimeoutError:
        return event.is_set()
    return True
