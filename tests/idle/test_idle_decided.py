"""What is written down and told of a stop is what it was decided by, not what a dying kernel looks like."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_host import IDLE, Room

from mlk_jupyter.idle import audit
from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.showing import stopped_of
from mlk_jupyter.idle.signals import Signal, unknown
from mlk_jupyter.idle.watched import Watched


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path / "idle", policy=Policy(mode="enforce", ttl_s=600.0, warn_s=60.0, price_per_hour=3.6))


@pytest.mark.parametrize("outcome", ["stopped", "aborted"])
def test_what_is_seen_while_a_kernel_dies_decides_nothing(outcome: str, room: Room) -> None:
    told: list[str] = []
    lives_at: list[float | None] = []

    async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
        assert await still_due()
        room.host.looks["a"] = replace(room.host.looks["a"], execution=Signal("dead", 0.0), pid=None)
        room.usages.usages["a"] = replace(IDLE, gpus=unknown("it is dying"), cpu=Signal(90.0, 0.0))
        room.clock.turn(1.0)
        await room.watcher.look_again()
        lives_at.append(room.watcher.kernel("busy").cost_per_hour)
        if outcome == "aborted":
            return Ended(stopped=False, is_active=True, why="it was used")
        await host.shutdown(kernel_id, 30.0)
        return Ended(stopped=True)

    async def notice(kernel: Watched, ended: Ended, kind: str) -> None:
        told.append(stopped_of(kernel, ended, kind, 0.0).words)

    async def scenario() -> None:
        room.host.start("a")
        room.host.start("busy")
        room.usages.usages["busy"] = replace(IDLE, cpu=Signal(90.0, 0.0))
        room.stop = stop  # type: ignore[method-assign]
        room.watcher = room.new()
        room.watcher.stops.append(notice)
        await room.pass_by(615)
        assert room.events == ["warned", outcome]
        if outcome == "aborted":
            assert room.watcher.kernel("a").decided is None, "it may be kept again"

    asyncio.run(scenario())
    assert lives_at == [1.8]
    if outcome == "stopped":
        (record,) = (one for one in audit.read(room.folder) if one["event"] == "stopped")
        assert record["verdict"]["state"] == "due" and record["cost_per_hour"] == 1.8
        assert record["signals"]["gpus"]["value"] == 0 and record["signals"]["execution"]["value"] == "idle"
        assert told == [record["words"]] == ["was idle for 10 min"]


def test_a_lease_that_comes_before_the_end_is_decided_takes_the_stop_back(room: Room) -> None:
    async def stop(host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
        room.wish("a", 3600.0)
        room.clock.turn(1.0)
        assert not await still_due() and room.watcher.kernel("a").decided is None
        return Ended(stopped=False, is_active=True, why="it is kept")

    async def scenario() -> None:
        room.host.start("a")
        room.stop = stop  # type: ignore[method-assign]
        room.watcher = room.new()
        await room.pass_by(615)
        assert "aborted" in room.events and room.host.shut_down == []

    asyncio.run(scenario())
