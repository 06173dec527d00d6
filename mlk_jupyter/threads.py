"""Blocking work off the event loop, in a bounded pool of threads that ends when nobody has asked for a second.

Not `asyncio.to_thread`: the loop's own pool keeps its threads for as long as the server lives. Not anyio's: in a loop
that runs for ever, as a server's does, each call of it looks through all tasks for one that the thread may end with;
with those of 1,000 live jobs, a call holds the loop for up to a millisecond.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")

_MOST = 32  # most of it waits for a disk, and some for a name server or a login plug-in that takes its time
_IDLE_S = 1.0


class _Pool:
    """The threads of one event loop."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(_MOST, thread_name_prefix="mlk")
        self.callers = 0
        self.calls = 0


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()


async def in_thread(work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
    """What `work(*args, **keywords)` gives.

    When the caller is cancelled, work that has begun goes on to its own end; work that still waits for a thread is not
    done.
    """
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is None:
        pool = _pools[loop] = _Pool()
    pool.callers += 1
    pool.calls += 1
    try:
        return await loop.run_in_executor(pool.threads, functools.partial(work, *args, **keywords))
    finally:
        pool.callers -= 1
        if not pool.callers and not loop.is_closed():
            loop.call_later(_IDLE_S, _end_if_idle, pool, pool.calls)


def _end_if_idle(pool: _Pool, calls: int) -> None:
    if pool.calls == calls:
        del _pools[asyncio.get_running_loop()]
        pool.threads.shutdown(wait=False)
