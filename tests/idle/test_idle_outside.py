"""What a stopped kernel left behind is looked for whatever became of the samples before, or said not to be known."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_host import Room, eventually

from mlk_jupyter.idle import audit
from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.stopping import stop


def test_after_a_sample_that_came_too_late_what_is_left_is_looked_for_and_while_one_hangs_it_is_not_known(
    tmp_path: Path,
) -> None:
    room, goes_on = Room(tmp_path / "idle", sampling_s=0.05), threading.Event()
    room.usages.leftovers = lambda kernel_id: ["left"]  # type: ignore[method-assign]
    outside = room.watcher._outside
    outside._parts.end_leftovers = lambda found: [f"{one} (7)" for one in found]
    room.usages.before = lambda: goes_on.wait(20) and None

    async def scenario() -> None:
        room.host.start("a")
        await room.watcher.look_again()
        with pytest.raises(asyncio.TimeoutError):
            await outside.end_leftovers("a", asyncio.Lock())
        goes_on.set()
        await eventually(lambda: outside._sampling is not None and outside._sampling.done())
        assert await outside.end_leftovers("a", asyncio.Lock()) == ["left (7)"]
        await outside.rest()
        assert room.usages.closed

    asyncio.run(scenario())


def test_what_the_last_kernel_left_is_looked_for_before_the_watch_ends(tmp_path: Path) -> None:
    room, stopped = Room(tmp_path / "idle"), []

    async def end(host: Any, kernel_id: str, **more: Any) -> Ended:
        await host.shutdown(kernel_id, 1.0)
        room.watcher._wake.set()
        # The watch has looked, there is no kernel, and it waits.
        await eventually(lambda: not room.watcher.kernels and not room.watcher._wake.is_set())
        stopped.append(room.usages.closed)
        return Ended(stopped=True)

    room.stop = end  # type: ignore[method-assign]
    room.watcher = room.new()

    async def scenario() -> None:
        room.host.start("a")
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels)
        room.watcher.begin_stop("a")
        await eventually(lambda: room.usages.closed and not room.watcher.is_running)

    asyncio.run(scenario())
    assert stopped == [False]


def test_that_it_is_not_known_what_is_left_is_told(tmp_path: Path) -> None:
    room = Room(tmp_path / "idle")

    async def unknown() -> list[str]:
        raise asyncio.TimeoutError

    async def due() -> bool:
        return True

    async def end(host: Any, kernel_id: str, **more: Any) -> Ended:
        return await stop(host, kernel_id, still_due=due, policy=Policy(), leftovers=unknown, why="", kind="asked")

    room.stop = end  # type: ignore[method-assign]
    room.watcher = room.new()

    async def scenario() -> None:
        room.host.start("a", pid=None)
        await room.watcher.look_again()
        room.watcher.begin_stop("a")
        await room.settle()
        assert room.events == ["stopped"] and "what it has left behind on a GPU is not known" in room.happened[-1].words

    asyncio.run(scenario())
    assert "stopped" in [record["event"] for record in audit.read(room.folder)]
