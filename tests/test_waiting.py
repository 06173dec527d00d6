"""Waiting with a limit, and with cancellations that come at the worst moment."""

from __future__ import annotations

import asyncio
import time

import pytest

from mlk_jupyter.waiting import is_set_within, within


def test_a_cancellation_in_the_moment_of_success_is_not_lost() -> None:
    async def story() -> None:
        event = asyncio.Event()
        rounds = 0

        async def loop() -> None:
            nonlocal rounds
            while True:
                await is_set_within(10, event)
                event.clear()
                rounds += 1

        task = asyncio.create_task(loop())
        await asyncio.sleep(0.01)
        for turns in range(6):  # however far the news has come when the cancellation arrives
            event.set()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task}, timeout=5)
            assert task.cancelled(), turns
            task = asyncio.create_task(loop())
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(story())


def test_a_cancellation_in_the_moment_in_which_the_time_is_over_is_not_lost() -> None:
    async def story() -> None:
        async def loop() -> None:
            while True:
                await is_set_within(0.02, asyncio.Event())

        for turns in range(6):  # however far the timeout has come when the cancellation arrives
            task = asyncio.create_task(loop())
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # it waits now
            asyncio.get_running_loop().call_soon(time.sleep, 0.03)
            for _ in range(turns):
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0, task.cancel)
            await asyncio.wait({task}, timeout=5)
            assert task.cancelled(), turns

    asyncio.run(story())


def test_what_takes_too_long_is_cancelled_and_said() -> None:
    async def story() -> None:
        event = asyncio.Event()
        assert not await is_set_within(0.01, event)
        event.set()
        assert await is_set_within(None, event)
        never = asyncio.get_running_loop().create_future()
        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, never)
        assert never.cancelled()

    asyncio.run(story())


def test_what_is_waited_for_has_ended_when_the_wait_is_cancelled() -> None:
    async def story() -> None:
        ended = asyncio.Event()

        async def tidies_up() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.set()

        task = asyncio.create_task(within(60, tidies_up()))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() and ended.is_set()

    asyncio.run(story())


def test_results_and_errors_get_out() -> None:
    async def gives() -> int:
        return 7

    async def fails() -> None:
        raise KeyError("x")

    assert asyncio.run(within(5, gives())) == 7
    with pytest.raises(KeyError):
        asyncio.run(within(5, fails()))
