"""The watcher stops what does nothing, and never what it may not stop: by a clock that the test turns."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_host import IDLE, Room, eventually

from mlk_jupyter.idle import audit
from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.refusals import NoSuchKernel
from mlk_jupyter.idle.signals import Signal

DAY = 86_400.0


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLK_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "idle")


def run(test: Any) -> None:
    asyncio.run(test)


def test_an_idle_kernel_is_warned_of_and_then_stopped_once(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(800)
        assert room.events == ["warned", "stopped"]
        assert room.host.shut_down == ["a"] and not room.watcher.kernels

    run(scenario())
    decisions = [record for record in audit.read(room.folder) if record["event"] in ("warned", "stopped")]
    assert [record["event"] for record in decisions] == ["warned", "stopped"]
    assert all(set(record["signals"]) >= {"cpu", "message"} and record["policy"] for record in decisions)


def test_what_is_used_again_is_no_longer_warned_of(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        assert room.events == ["warned"]
        room.host.use("a")
        await room.pass_by(300)
        assert room.events == ["warned", "resumed"] and room.host.shut_down == []

    run(scenario())


def test_work_that_shows_only_when_it_is_looked_once_more_saves_a_kernel(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")

        async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
            room.usages.usages["a"] = replace(IDLE, cpu=Signal(90.0, 0.0))
            room.clock.turn(1.0)
            assert not await still_due()
            return Ended(stopped=False, is_active=True, why="it works")

        room.stop = stop  # type: ignore[method-assign]
        room.watcher = room.new()
        await room.pass_by(615)
        assert room.events == ["warned", "aborted"] and room.host.shut_down == []

    run(scenario())


class TestInShadow:
    @pytest.fixture
    def room(self, tmp_path: Path) -> Room:
        return Room(tmp_path / "idle", policy=Policy(mode="shadow", ttl_s=600.0, warn_s=60.0))

    def test_nothing_is_ever_stopped_and_each_time_it_would_be_is_told_once(self, room: Room) -> None:
        async def never(kernel_id: str, limit_s: float) -> None:
            raise AssertionError("shadow shuts nothing down")

        room.host.shutdown = never  # type: ignore[method-assign]

        async def scenario() -> None:
            room.host.start("a")
            await room.pass_by(2000)
            assert room.events == ["warned", "would_stop"] and room.begun == 0
            room.host.use("a")
            await room.pass_by(900)
            assert room.events == ["warned", "would_stop", "resumed", "warned", "would_stop"] and room.begun == 0

        run(scenario())

    def test_a_stop_that_nobody_asked_for_cannot_even_be_begun(self, room: Room) -> None:
        async def scenario() -> None:
            room.host.start("a")
            await room.watcher.look_again()
            with pytest.raises(RuntimeError, match="only be watched"):
                room.watcher._begin(room.watcher.kernel("a"), asked=False)

        run(scenario())

    def test_a_person_may_stop_one_all_the_same(self, room: Room) -> None:
        async def scenario() -> None:
            room.host.start("a", execution=Signal("busy", 1.0))
            await room.watcher.look_again()
            room.watcher.begin_stop("a")
            await room.settle()
            assert room.host.shut_down == ["a"] and room.happened[-1].kind == "asked"

        run(scenario())

    def test_a_mode_that_becomes_milder_while_a_kernel_is_being_stopped_ends_that(self, tmp_path: Path) -> None:
        room = Room(tmp_path / "idle")

        async def scenario() -> None:
            room.host.start("a")

            async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
                room.watcher.set_setting({"mode": "shadow"})
                assert not await still_due()
                return Ended(stopped=False, is_active=True)

            room.stop = stop  # type: ignore[method-assign]
            room.watcher = room.new()
            await room.pass_by(615)
            assert room.events == ["warned", "aborted"]

        run(scenario())


def test_with_the_mode_off_nothing_runs(tmp_path: Path) -> None:
    room = Room(tmp_path / "idle", policy=Policy(mode="off"))

    async def scenario() -> None:
        room.host.start("a")
        room.watcher.notice()
        assert not room.watcher.is_running

    run(scenario())


def test_kernels_of_others_are_never_stopped(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a", local=False, pid=None)
        await room.pass_by(4000)
        assert room.events == [] and room.host.shut_down == []

    run(scenario())


@pytest.mark.parametrize("jump_s", [DAY, -DAY])
def test_a_wall_clock_that_jumps_stops_nothing_and_ends_no_lease(jump_s: float, room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        room.host.start("b")
        await room.watcher.look_again()
        wish(room, "b", 3600.0)
        await room.pass_by(60)
        room.clock.wall += jump_s
        await room.pass_by(300)
        assert room.events == ["lease"]
        await room.pass_by(450)
        assert room.host.shut_down == ["a"]
        lease = room.watcher.kernel("b").lease
        assert lease is not None and lease.left_s == pytest.approx(3600 - 810 + 15, abs=30)

    run(scenario())


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


def test_a_kernel_that_was_restarted_begins_anew_and_keeps_its_lease(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        assert room.events == ["warned"]
        wish(room, "a", 1200.0)
        room.host.start("a", pid=999)
        await room.pass_by(15)
        kernel = room.watcher.kernel("a")
        assert kernel.lease is not None and not kernel.warned
        await room.pass_by(1185)
        assert room.begun == 0
        assert "lease" in room.events and "resumed" in room.events

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


def test_a_stop_that_fails_is_tried_again_later_and_told_each_time(room: Room) -> None:
    room.fails = [Ended(stopped=False, why="it does not end"), RuntimeError("no"), Ended(False, why="no"), Ended(False)]

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(620)
        assert room.begun == 1
        await room.pass_by(1200)
        assert room.begun == 4 and room.events == ["warned", *["failed"] * 4]
        await room.pass_by(3000)
        assert room.begun == 4
        room.host.use("a")
        await room.pass_by(15)
        assert room.events[-1] == "resumed"

    run(scenario())


def test_a_kernel_that_others_end_is_forgotten_with_its_folder(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        wish(room, "a", 5.0)
        del room.host.looks["a"]
        await room.pass_by(15)
        assert room.watcher.kernels == {} and room.events == ["warned", "resumed"]
        assert not (room.folder / "kernels" / "a").exists()

    run(scenario())


def test_many_are_stopped_at_the_same_time(room: Room) -> None:
    at_once = [0, 0]

    async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
        at_once[0] += 1
        at_once[1] = max(at_once)
        assert await still_due()
        await asyncio.sleep(0.05)
        at_once[0] -= 1
        await host.shutdown(kernel_id, 1.0)
        return Ended(stopped=True)

    room.stop = stop  # type: ignore[method-assign]
    room.watcher = room.new()

    async def scenario() -> None:
        for number in range(20):
            room.host.start(f"k{number}")
        await room.pass_by(615)
        assert len(room.host.shut_down) == 20 and at_once[1] == 20

    run(scenario())


def test_the_watch_lives_as_long_as_a_kernel_does(room: Room) -> None:
    async def scenario() -> None:
        room.watcher.notice()
        assert not room.watcher.is_running
        room.host.start("a")
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels)
        del room.host.looks["a"]
        room.watcher.notice()
        await eventually(lambda: not room.watcher.is_running)
        await eventually(lambda: room.usages.closed)
        room.host.start("b")
        room.watcher.notice()
        await eventually(lambda: "b" in room.watcher.kernels)
        await room.watcher.close()
        assert not room.watcher.is_running
        room.watcher.notice()
        assert not room.watcher.is_running

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


def test_a_kernel_that_only_waits_for_its_job_is_delegated(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a", execution=Signal("busy", 30.0))
        room.unfinished = {"train-1"}
        folder = room.folder / "kernels" / "a"
        folder.mkdir(parents=True)
        (folder / "wait-1.json").write_text(json.dumps({"job": "train-1", "pid": None}))
        (folder / "job-train-1.json").write_text(json.dumps({"job": "train-1", "at": 1.0}))
        await room.pass_by(300)
        kernel = room.watcher.kernel("a")
        assert kernel.verdict.kind == "delegated" and kernel.sample.jobs.value == ("train-1",)  # type: ignore[union-attr]

    run(scenario())


def test_a_disk_that_takes_nothing_changes_nothing(room: Room) -> None:
    room.folder.parent.mkdir(exist_ok=True)
    room.folder.write_text("no folder")

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(630)
        assert room.host.shut_down == ["a"]

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


def test_what_is_due_before_the_next_look_is_looked_at_in_time(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(555)
        room.clock.turn(14.0)
        await room.watcher.look_again()
        assert room.watcher._interval_s() == 15.0
        room.clock.turn(14.0)
        await room.watcher.look_again()
        room.clock.turn(14.0)
        await room.watcher.look_again()
        assert room.watcher.kernel("a").verdict.state == "warned"
        stops_in_s = room.watcher.kernel("a").verdict.stops_in_s
        assert stops_in_s is not None and room.watcher._interval_s() == min(15.0, stops_in_s)

    run(scenario())


def test_unknown_kernels_are_refused(room: Room) -> None:
    with pytest.raises(NoSuchKernel):
        room.watcher.begin_stop("a")


def test_two_hundred_kernels_hold_the_event_loop_for_a_moment_only(room: Room) -> None:
    async def scenario() -> float:
        for number in range(200):
            room.host.start(f"k{number}")
        await room.pass_by(45)
        longest = 0.0
        over = asyncio.Event()

        async def beat() -> None:
            nonlocal longest
            while not over.is_set():
                at = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - at)

        beating = asyncio.create_task(beat())
        await room.pass_by(15)
        over.set()
        await beating
        return longest

    assert (
        asyncio.run(scenario()) < 0.2
    )  # seconds of the loop's own CPU time in one step; 50 ms is what it is built for


def wish(room: Room, kernel_id: str, seconds: float, holder: str = "panel") -> None:
    folder = room.folder / "kernels" / kernel_id
    folder.mkdir(parents=True, exist_ok=True)
    said = {"asked": room.clock.wall, "until": room.clock.wall + seconds, "reason": "", "pid": None, "created": None}
    (folder / f"keep-{holder}.json").write_text(json.dumps(said))
