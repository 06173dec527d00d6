"""Stopping real kernels of a real jupyter_server: a cell runs whole or is refused, and what is asked to live, lives."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from kernel_window import V1, KernelWindow, Message, kinds

from mlk_jupyter.idle.kernels import Ended, Look
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.stopping import stop
from mlk_jupyter.server.kernel_host import JupyterKernels

Open = Callable[..., Awaitable[KernelWindow]]
WHY = "This kernel is being stopped: it was idle for 1 h."


def seen(host: JupyterKernels, kernel_id: str) -> Look:
    look = host.look(kernel_id)
    assert look is not None
    return look


async def stopped(host: JupyterKernels, kernel_id: str, kind: Any = "idle", **more: Any) -> Ended:
    async def yes() -> bool:
        return True

    async def none() -> list[str]:
        return []

    asked = {"still_due": yes, "leftovers": none, "policy": Policy(), "why": WHY, **more}
    return await stop(host, kernel_id, kind=kind, **asked)


def runs(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def replies(messages: list[Message]) -> dict[str, Message]:
    """Answers to cells, by the ids of these."""
    return {m["parent_header"]["msg_id"]: m["content"] for m in messages if m["header"]["msg_type"] == "execute_reply"}


@pytest.mark.parametrize("protocol", [V1, None], ids=["v1", "json"])
async def test_an_idle_kernel_is_stopped_and_a_cell_sent_after_is_refused_in_words(
    host: JupyterKernels, kernel: str, open_window: Open, protocol: str | None
) -> None:
    window = await open_window(kernel, protocol)
    await window.run("data = [0] * 100_000; small = 1; import os\ndef f(): pass")
    pid = seen(host, kernel).pid
    ended = await stopped(host, kernel)
    assert ended.stopped and not runs(pid) and host.look(kernel) is None
    assert ended.held is not None and [held.name for held in ended.held] == ["data", "small"]
    assert ended.held[0].bytes is not None and ended.held[0].bytes > 800_000
    answers = await window.run("small")
    assert kinds(answers) == ["status", "error", "execute_reply", "status"]
    error = answers[1]["content"]
    assert error["ename"] == "KernelIsBeingStopped" and error["evalue"] == f"This cell has not run. {WHY}"
    assert answers[2]["content"]["status"] == "error"


async def test_a_kernel_that_was_used_in_the_last_moment_lives_and_takes_cells_again(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    window = await open_window(kernel)
    await window.run("x = 1")

    async def still_due() -> bool:
        refused = await window.run("x = 2")
        assert replies(refused).popitem()[1]["status"] == "error"
        return True

    ended = await stopped(host, kernel, still_due=still_due)
    assert not ended.stopped and ended.is_active

    async def no() -> bool:
        return False

    assert (await stopped(host, kernel, still_due=no)).is_active
    assert "1" in str([m["content"] for m in await window.run("x") if m["header"]["msg_type"] == "execute_result"])


CELL = """
import time
with open({path!r}, "a") as file:
    file.write("begun {number}\\n"); file.flush()
    time.sleep(0.02)
    file.write("done {number}\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("chance", range(20))
async def test_a_cell_sent_at_any_moment_of_a_stop_runs_whole_or_is_refused(
    host: JupyterKernels, kernel: str, open_window: Open, jp_root_dir: Path, jp_serverapp: Any, chance: int
) -> None:
    """From two windows, one of each protocol."""
    dice = random.Random(chance)
    windows = [await open_window(kernel, V1), await open_window(kernel, None)]
    for window in windows:
        await window.run("1")
    path = jp_root_dir / "ran.txt"
    path.touch()
    sent: dict[str, int] = {}

    async def send(window: KernelWindow, number: int) -> None:
        await asyncio.sleep(dice.random() * 0.25)
        sent[await window.execute(CELL.format(path=str(path), number=number))] = number

    async def stop_it() -> Ended:
        await asyncio.sleep(dice.random() * 0.1)
        return await stopped(host, kernel)

    senders = [send(windows[number % 2], number) for number in range(4)]
    ended, *_ = await asyncio.gather(stop_it(), *senders)
    answered: dict[str, Message] = {}
    while len(answered) < len(sent):
        for window in windows:
            mine = {message_id for message_id in sent if message_id not in answered}
            if any(message["parent_header"].get("msg_id") in mine for message in window.seen):
                answered.update({key: said for key, said in replies(window.seen).items() if key in sent})
        if len(answered) < len(sent):
            reads = [asyncio.ensure_future(window.read()) for window in windows]
            await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            for read in reads:
                read.cancel()
    lines = path.read_text().splitlines()
    for message_id, number in sent.items():
        status = answered[message_id]["status"]
        whole = [f"begun {number}" in lines, f"done {number}" in lines]
        assert whole == ([True, True] if status == "ok" else [False, False]), (status, ended)
    assert ended.stopped == (kernel not in jp_serverapp.kernel_manager)
