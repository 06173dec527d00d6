"""Blocking work beside an event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mlk_jupyter.threads import in_thread


def ours() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("mlk")}


def test_results_and_errors_get_out() -> None:
    def fails() -> None:
        raise KeyError("x")

    assert asyncio.run(in_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(KeyError):
        asyncio.run(in_thread(fails))


def test_many_calls_at_once_share_few_threads() -> None:
    go_on = threading.Event()

    def work(number: int) -> tuple[int, str]:
        go_on.wait(30)
        return number, threading.current_thread().name

    async def story() -> list[tuple[int, str]]:
        every = [asyncio.ensure_future(in_thread(work, number)) for number in range(200)]
        await asyncio.sleep(0)  # all of them have asked
        go_on.set()
        return await asyncio.gather(*every)

    done = asyncio.run(story())
    assert [number for number, _ in done] == list(range(200))
    assert 1 < len({name for _, name in done}) <= 32


def test_calls_one_after_the_other_share_threads_which_end_when_nobody_asks() -> None:
    before = ours()

    async def story() -> None:
        assert len({await in_thread(threading.current_thread) for _ in range(100)}) <= 32
        for _ in range(600):
            if not ours() - before:
                break
            await asyncio.sleep(0.05)
        assert not ours() - before
        assert await in_thread(int, "7") == 7

    asyncio.run(story())


def test_work_that_has_begun_outlives_its_caller_and_work_that_waits_is_not_done() -> None:
    begun, go_on = threading.Semaphore(0), threading.Event()
    done: list[int] = []

    def work(number: int) -> None:
        begun.release()
        go_on.wait(30)
        done.append(number)

    async def story() -> None:
        callers = [asyncio.ensure_future(in_thread(work, number)) for number in range(100)]
        await asyncio.sleep(0)
        for _ in range(32):
            assert begun.acquire(timeout=30)
        for caller in callers:
            caller.cancel()
        await asyncio.wait(callers)
        go_on.set()
        assert await in_thread(int, "7") == 7

    asyncio.run(story())
    limit = time.monotonic() + 30
    while len(done) < 32 and time.monotonic() < limit:
        time.sleep(0.01)
    assert sorted(done) == list(range(32))
