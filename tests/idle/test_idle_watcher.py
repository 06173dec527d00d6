"""The watcher stops what does nothing, and never what it may not stop: by a clock that the test turns."""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_host import IDLE, Room, eventually

from mlk_jupyter.idle import audit
from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.refusals import NoSuchKernel, NotOurs
from mlk_jupyter.idle.signals import Signal
from mlk_jupyter.idle.watched import next_look_s

DAY = 86_400.0


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
                milder: dict[str, object] = {"mlk": {"idle": {"mode": "shadow"}}}
                room.host.looks["a"] = replace(room.host.looks["a"], spec_metadata=milder)
                room.clock.turn(1.0)
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


def test_a_kernel_that_was_restarted_begins_anew_and_keeps_its_lease(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        assert room.events == ["warned"]
        room.wish("a", 1200.0)
        room.host.start("a", pid=999)
        await room.pass_by(15)
        kernel = room.watcher.kernel("a")
        assert kernel.lease is not None and not kernel.warned
        await room.pass_by(1185)
        assert room.begun == 0
        assert "lease" in room.events and "resumed" in room.events

    run(scenario())


def test_a_stop_that_fails_is_tried_again_later_and_told_each_time(room: Room) -> None:
    room.fails = [Ended(stopped=False, why="it does not end"), RuntimeError("no"), Ended(False, why="no"), Ended(False)]

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(620)
        assert room.begun == 1
        await room.pass_by(1200)
        assert room.begun == 4 and room.events == ["warned", *["failed"] * 4]
        await room.pass_by(2000)
        assert room.begun == 4
        room.fails = [Ended(False), Ended(False)]
        await room.pass_by(2 * 3600, 40.0)
        assert room.begun == 6  # each hour
        room.host.use("a")
        await room.pass_by(15)
        assert room.events[-1] == "resumed"

    run(scenario())


def test_a_kernel_whose_end_has_begun_stays_failed_and_is_ended_again_until_it_is_restarted(room: Room) -> None:
    half_done = Ended(stopped=False, why="Its process 7 does not end.", is_ending=True)
    room.fails = [half_done, half_done, half_done]

    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(620)
        room.host.use("a")
        await room.pass_by(30)
        kernel = room.watcher.kernel("a")
        assert room.events == ["warned", "failed", "failed"] and kernel.failures == 2
        assert kernel.failed_why == "Its process 7 does not end."
        room.host.start("a", pid=999)
        await room.pass_by(300)
        assert room.begun == 2 and kernel.ending is None and room.events[-1] == "resumed"

    run(scenario())


def test_a_kernel_that_another_program_has_started_is_not_even_tried_to_stop(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a", local=False, owned=False, pid=None)
        await room.watcher.look_again()
        with pytest.raises(NotOurs):
            room.watcher.begin_stop("a")
        assert room.begun == 0

    run(scenario())


def test_a_kernel_that_others_end_is_forgotten_with_its_folder(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        room.wish("a", 5.0)
        del room.host.looks["a"]
        await room.pass_by(15)
        assert room.watcher.kernels == {} and room.events == ["warned", "resumed"]
        assert not (room.folder / "kernels" / "a").exists()

    run(scenario())


def test_many_are_stopped_at_the_same_time(room: Room) -> None:
    under_way: set[str] = set()
    all_are = asyncio.Event()

    async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
        under_way.add(kernel_id)
        if len(under_way) == 20:
            all_are.set()
        assert await still_due()
        await all_are.wait()
        await host.shutdown(kernel_id, 1.0)
        return Ended(stopped=True)

    room.stop = stop  # type: ignore[method-assign]
    room.watcher = room.new()

    async def scenario() -> None:
        for number in range(20):
            room.host.start(f"k{number}")
        await room.pass_by(615)
        assert len(room.host.shut_down) == 20

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


def test_who_only_asks_how_things_are_brings_no_look_forward(room: Room) -> None:
    samples: list[int] = []
    room.usages.before = lambda: samples.append(1)

    async def scenario() -> None:
        room.host.start("a")
        room.watcher.notice()
        await eventually(lambda: "a" in room.watcher.kernels and not room.watcher._looking.locked())
        for _ in range(20):
            room.watcher.notice()
            room.watcher.person(["a", "gone"])
            async with room.watcher._looking:
                await asyncio.sleep(0)
        assert len(samples) == 1
        room.host.start("b")
        room.watcher.notice()
        await eventually(lambda: "b" in room.watcher.kernels)
        assert len(samples) == 2
        await room.watcher.close()

    run(scenario())


def test_a_person_at_a_kernel_that_is_warned_of_is_seen_at_once(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(570)
        assert room.events == ["warned"]
        room.watcher.notice()
        await eventually(lambda: not room.watcher._looking.locked() and not room.watcher._wake.is_set())
        room.clock.turn(1.0)
        room.host.use("a")
        room.watcher.person(["a"])
        await eventually(lambda: room.events == ["warned", "resumed"])
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


def test_what_is_due_before_the_next_look_is_looked_at_in_time(room: Room) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.pass_by(555)
        room.clock.turn(14.0)
        await room.watcher.look_again()
        assert next_look_s(room.watcher.kernels.values(), 15.0) == 15.0
        room.clock.turn(14.0)
        await room.watcher.look_again()
        room.clock.turn(14.0)
        await room.watcher.look_again()
        assert room.watcher.kernel("a").verdict.state == "warned"
        stops_in_s = room.watcher.kernel("a").verdict.stops_in_s
        assert stops_in_s is not None and next_look_s(room.watcher.kernels.values(), 15.0) == min(15.0, stops_in_s)

    run(scenario())


def test_unknown_kernels_are_refused(room: Room) -> None:
    with pytest.raises(NoSuchKernel):
        room.watcher.begin_stop("a")


def test_others_have_their_turn_while_two_hundred_kernels_are_judged(room: Room) -> None:
    judged: list[int] = []
    over = asyncio.Event()

    async def beat() -> None:
        while not over.is_set():
            samples = [kernel.sample for kernel in room.watcher.kernels.values()]
            judged.append(sum(sample is not None and sample.at == room.clock.monotonic for sample in samples))
            await asyncio.sleep(0)

    async def scenario() -> None:
        for number in range(200):
            room.host.start(f"k{number}")
        await room.pass_by(45)
        room.clock.turn(15.0)
        beating = asyncio.create_task(beat())
        await room.watcher.look_again()
        over.set()
        await beating

    run(scenario())
    assert judged[0] == 0 and judged[-1] > 180
    assert max(after - before for before, after in itertools.pairwise(judged)) <= 20
