"""Blocking work off the event loop, in a thread that ends with it: nothing is held while nobody asks."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
    """What `work(*args, **keywords)` gives. When the caller is cancelled, the work goes on to its own end.

    Not `asyncio.to_thread`: the loop's own pool keeps its threads for as long as the server lives.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlk")
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, functools.partial(work, *args, **keywords))
    finally:
        pool.shutdown(wait=False)
