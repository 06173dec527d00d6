"""Clocks that jump, disks and samplers that hang, looks that break: none of it stops a kernel."""

from __future__ import annotations

import asyncio
import errno
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from fake_host import Room, eventually

from mlk_jupyter.idle import audit, folders, inside, savings
from mlk_jupyter.idle.folders import Folders
from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.idle.patience import Patience
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.stopping import stop

DAY = 86_400.0


def run(test: Any) -> None:
    asyncio.run(test)


@pytest.mark.parametrize("jump_s", [DAY, -DAY])
def test_a_wall_clock_that_jumps_stops_nothing_and_ends_no_lease(jump_s: float, room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        room.host.start("b")
        await room.watcher.look_again()
        room.wish("b", 3600.0)
        await room.pass_by(60)
        room.clock.wall += jump_s
        await room.pass_by(300)
        assert room.events == ["lease"]
        await room.pass_by(450)
        assert room.host.shut_down == ["a"]
        lease = room.watcher.kernel("b").lease
        assert lease is not None and lease.left_s == pytest.approx(3600 - 810 + 15, abs=30)

    run(scenario())


def test_a_clock_that_was_set_ends_no_process(room: Room) -> None:
    async def leftovers() -> list[str]:
        return []

    async def due() -> bool:
        return True

    with subprocess.Popen(["sleep", "600"]) as process:
        room.host.start("a", pid=process.pid, started=psutil.Process(process.pid).create_time() - 3.0)
        ended = asyncio.run(
            stop(room.host, "a", still_due=due, policy=Policy(), leftovers=leftovers, why="", kind="asked")
        )
        process.kill()
    assert not ended.stopped and ended.why == f"Its process {process.pid} does not end."


def test_a_server_that_stood_still_for_hours_stops_nothing_when_it_goes_on(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        room.clock.turn(8 * 3600.0)
        await room.pass_by(500)
        assert room.host.shut_down == [] and room.begun == 0
        await room.pass_by(200)
        assert room.host.shut_down == ["a"]

    run(scenario())


def test_a_server_that_begins_again_warns_of_nothing_at_its_first_look(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(585)
        assert room.events == ["warned"]
        room.watcher = room.new()
        await room.pass_by(500)
        assert room.begun == 0 and room.events == ["warned"]

    run(scenario())


def test_a_sampler_that_hangs_leaves_kernels_alone_and_costs_one_thread(tmp_path: Path) -> None:
    room = Room(tmp_path / "idle", sampling_s=0.05)
    gate = threading.Event()
    calls: list[float] = []

    def hang() -> None:
        calls.append(time.monotonic())
        gate.wait(30)

    room.usages.before = hang

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(900)
        assert len(calls) == 1 and room.begun == 0
        sample = room.watcher.kernel("a").sample
        assert sample is not None and not sample.cpu.known and "earlier look" in (sample.cpu.why or "")
        gate.set()
        await eventually(lambda: room.watcher._outside._sampling.done())  # type: ignore[union-attr]
        await room.pass_by(30)
        assert room.watcher.kernel("a").sample.cpu.known  # type: ignore[union-attr]

    try:
        run(scenario())
    finally:
        gate.set()


def test_one_that_raises_is_unknown_and_asked_again(room: Room) -> None:
    def fail() -> None:
        raise OSError("no /proc")

    room.usages.before = fail

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(900)
        assert room.begun == 0 and room.events == []

    run(scenario())


def test_a_look_that_breaks_does_not_end_the_watch(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        broken = room.host.look

        def look(kernel_id: str) -> Any:
            room.host.look = broken  # type: ignore[method-assign]
            raise RuntimeError("a bug")

        room.host.look = look  # type: ignore[method-assign]
        room.watcher.notice()
        await eventually(lambda: room.host.look == broken)
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels)
        await room.watcher.close()

    run(scenario())


def test_kernels_are_watched_while_what_was_saved_is_still_being_read(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    read_savings = savings.read_savings

    def hang(folder: Path, now: float) -> savings.Savings:
        gate.wait(30)
        return read_savings(folder, now)

    monkeypatch.setattr(savings, "read_savings", hang)

    async def scenario() -> None:
        room.host.start("a")
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels)
        await room.pass_by(630)
        assert room.host.shut_down == ["a"]
        gate.set()
        await room.watcher.close()

    try:
        run(scenario())
    finally:
        gate.set()
    events = [record["event"] for record in audit.read(room.folder) if record["event"] != "sample"]
    assert events == ["server_start", "warned", "stopped", "server_stop"]


def test_a_disk_that_takes_nothing_changes_nothing(room: Room) -> None:
    room.folder.parent.mkdir(exist_ok=True)
    room.folder.write_text("no folder")

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(630)
        assert room.host.shut_down == ["a"]

    run(scenario())


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_was_left_for_kernels_and_cannot_be_read_stops_none(
    error: int, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, limit_bytes: int = 0) -> bytes:
        raise OSError(error, "a ticket has run out")

    async def scenario() -> None:
        room.host.start("a")
        room.wish("a", 3600.0)
        with monkeypatch.context() as disk:
            disk.setattr(folders, "read_regular", fail)
            await room.pass_by(900)
            assert room.begun == 0 and room.events == []
        await room.pass_by(300)
        assert room.events == ["lease"]

    run(scenario())


def test_a_disk_that_tells_nothing_at_the_last_check_leaves_a_kernel_alone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(errno.ESTALE, "stale")

    async def scenario() -> None:
        room.host.start("a")

        async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
            monkeypatch.setattr(Folders, "read", fail)
            room.clock.turn(1.0)
            assert not await still_due()
            return Ended(stopped=False, is_active=True)

        room.stop = stop  # type: ignore[method-assign]
        room.watcher = room.new()
        await room.pass_by(615)
        assert room.events[-1] == "aborted"

    run(scenario())


def test_a_person_keeps_a_kernel_also_when_the_disk_is_full(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(inside, "wish", full)
    monkeypatch.setattr(inside, "release", full)

    async def scenario() -> None:
        room.host.start("a")
        room.wish("a", 60.0)
        await room.pass_by(30)
        await room.watcher.keep("a", 3600.0, "over lunch")
        await room.pass_by(3000)
        lease = room.watcher.kernel("a").lease
        assert lease is not None and lease.reason == "over lunch" and lease.left_s == pytest.approx(600)
        assert room.events == ["lease"]
        await room.watcher.release("a")
        assert room.watcher.kernel("a").lease is None
        room.wish("a", 9000.0, holder="block")
        await room.pass_by(15)
        await room.watcher.release("a")
        assert room.watcher.kernel("a").lease is not None, "a block of code is no person"

    run(scenario())


def test_what_a_person_took_back_is_over_also_where_the_disk_still_holds_it(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*args: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(inside, "wish", lambda kernel, holder, seconds, reason: room.wish(kernel, seconds, holder))
    monkeypatch.setattr(inside, "release", read_only)

    async def scenario() -> None:
        room.host.start("a")
        await room.watcher.look_again()
        await room.watcher.keep("a", 3600.0, "")
        await room.pass_by(30)
        assert room.watcher.kernel("a").kept is None, "it is on the disk, where others may end it"
        await room.watcher.release("a")
        await room.pass_by(30)
        assert room.watcher.kernel("a").lease is None and room.events == ["lease", "released"]

    run(scenario())


def test_only_this_person_may_look_into_what_is_written(tmp_path: Path) -> None:
    room = Room(tmp_path / "data" / "idle")

    async def scenario() -> None:
        room.host.start("a")
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels)
        await room.watcher.close()

    run(scenario())
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "data").rglob("*"))


def test_a_disk_that_hangs_while_a_lease_is_written_down_is_waited_for_once(room: Room) -> None:
    gate, begun = threading.Event(), []

    async def scenario() -> None:
        patience = Patience(limit_s=0.05)

        def hang() -> None:
            begun.append(1)
            gate.wait(30)

        assert [await patience.do(hang) for _ in range(3)] == [False, False, False]
        gate.set()
        await eventually(lambda: patience._under_way.done())  # type: ignore[union-attr]
        assert await patience.do(hang) and len(begun) == 2

    try:
        run(scenario())
    finally:
        gate.set()


def test_a_look_that_hangs_while_a_kernel_is_being_stopped_leaves_it_alone(tmp_path: Path) -> None:
    room = Room(tmp_path / "idle", sampling_s=0.05)

    async def scenario() -> None:
        room.host.start("a")

        async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
            async with room.watcher._looking:  # as a look does that waits for something
                assert not await still_due()
            return Ended(stopped=False, is_active=True)

        room.stop = stop  # type: ignore[method-assign]
        room.watcher = room.new()
        await room.pass_by(615)
        assert room.events[-1] == "aborted" and room.host.shut_down == []

    run(scenario())
