"""What is odd about one kernel, or about what somebody says of it, is no matter of the others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fake_host import Room

from mlk_jupyter.idle.folders import Folders
from mlk_jupyter.idle.kernels import Look
from mlk_jupyter.idle.policy import of_metadata
from mlk_jupyter.idle.showing import shown_of
from mlk_jupyter.server.kernel_memory import read_memory

HALF = "\udce9.csv"  # what os.listdir gives for a name that is no UTF-8


def test_text_that_no_file_can_hold_is_mended_where_it_enters(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    keep = {"asked": 1.0, "until": 2e9, "reason": f"waits for {HALF}", "pid": None}
    (folder / "keep-x.json").write_text(json.dumps(keep))
    (folder / "job-x.json").write_text(json.dumps({"job": HALF, "at": 1.0}))
    (folder / "wait-x.json").write_text(json.dumps({"job": HALF, "pid": None}))
    left = Folders(tmp_path).read(["a"])["a"]
    assert left.wishes[0].reason == "waits for ?.csv" and left.jobs == ("?.csv",) and left.waits_for == "?.csv"
    assert of_metadata({"mlk": {"idle": {HALF: [HALF]}}}) == {"?.csv": ["?.csv"]}
    told = json.dumps([[[HALF, HALF, 1, None, None]], 0])
    held = read_memory({"user_expressions": {"held": {"status": "ok", "data": {"text/plain": repr(told)}}}}).held
    assert held is not None and (held[0].name, held[0].type) == ("?.csv", "?.csv")


class _Odd(dict[str, object]):
    def get(self, *args: Any) -> Any:
        raise RuntimeError("odd")


@pytest.mark.parametrize("fails", ["look", "judge"])
def test_a_kernel_that_cannot_be_understood_lives_and_the_others_are_watched_on(fails: str, room: Room) -> None:
    async def scenario() -> None:
        room.host.start("good")
        room.host.start("bad", **({"spec_metadata": _Odd()} if fails == "judge" else {}))
        await room.watcher.look_again()
        looked = room.host.look

        def look(kernel_id: str) -> Look | None:
            if kernel_id == "bad":
                raise RuntimeError("odd")
            return looked(kernel_id)

        if fails == "look":
            room.host.look = look  # type: ignore[method-assign]
        await room.pass_by(6000)
        assert room.host.shut_down == ["good"]
        bad = room.watcher.kernel("bad")
        assert bad.verdict.state == "active" and "RuntimeError" in bad.verdict.because and bad.stops_at is None

    asyncio.run(scenario())


def test_who_fails_to_show_or_to_hear_holds_no_stop_up(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(*args: Any) -> None:
        raise UnicodeEncodeError("utf-8", HALF, 0, 1, "surrogates not allowed")

    def refuses(*args: Any) -> None:
        raise RuntimeError("deaf")

    async def scenario() -> None:
        room.watcher.looks.append(fails)
        room.watcher.hears.insert(0, refuses)
        room.host.start("a")
        await room.pass_by(800)
        assert room.host.shut_down == ["a"] and room.events == ["warned", "stopped"]

    asyncio.run(scenario())
    assert caplog.text.count("could not be shown") == 1


def test_a_kernel_that_cannot_be_shown_is_shown_as_unknown(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        room.host.start("a")
        await room.watcher.look_again()

    asyncio.run(scenario())
    kernel = room.watcher.kernel("a")
    kernel.verdict = None  # type: ignore[assignment]
    shown = shown_of(kernel, room.policy)
    assert shown.id == "a" and shown.state == "active" and "not known" in shown.words and shown.gpus is None
