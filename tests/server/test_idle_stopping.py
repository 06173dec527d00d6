"""Stopping real kernels of a real jupyter_server: a cell runs whole or is refused, and what is asked to live, lives."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from idle_stop import WHY, runs, seen, stopped
from kernel_window import V1, KernelWindow, Message, kinds
from tornado.httpclient import HTTPClientError

from mlk_jupyter.idle.kernels import Ended
from mlk_jupyter.server.kernel_host import JupyterKernels

Open = Callable[..., Awaitable[KernelWindow]]


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
    results = [m["content"]["data"] for m in await window.run("x") if m["header"]["msg_type"] == "execute_result"]
    assert [data["text/plain"] for data in results] == ["1"]


@pytest.mark.parametrize("kind", ["idle", "delegated", "hung", "input"])
@pytest.mark.parametrize("how", ["pointer", "key", "complete_request", "inspect_request"])
async def test_a_kernel_whose_person_comes_back_after_the_last_sample_lives(
    host: JupyterKernels, kernel: str, open_window: Open, kind: str, how: str
) -> None:
    window = await open_window(kernel)
    await window.run("x = 1")

    async def back() -> bool:
        if how in ("pointer", "key"):
            host.present(kernel, how)
        else:
            await window.done(await window.send(how, {"code": "x", "cursor_pos": 1, "detail_level": 0}))
        return True  # the sample that says so was taken before

    pid = seen(host, kernel).pid
    ended = await stopped(host, kernel, kind, still_due=back)
    assert not ended.stopped and ended.is_active and ended.why == "It was used meanwhile."
    assert "execute_result" in kinds(await window.run("x")) and seen(host, kernel).pid == pid


async def test_a_person_who_is_there_keeps_no_kernel_that_a_person_stops(host: JupyterKernels, kernel: str) -> None:
    async def back() -> bool:
        host.present(kernel, "key")
        return True

    assert (await stopped(host, kernel, "asked", still_due=back)).stopped


CELL = """
import time
with open({path!r}, "a") as file:
    file.write("begun {number}\\n"); file.flush()
    time.sleep(0.02)
    file.write("done {number}\\n")
"""


@pytest.mark.slow
@pytest.mark.parametrize("beside", ["nothing", "interrupt", "restart"])
@pytest.mark.parametrize("chance", range(6))
async def test_a_cell_sent_at_any_moment_of_a_stop_runs_whole_or_is_refused(
    host: JupyterKernels,
    kernel: str,
    open_window: Open,
    jp_root_dir: Path,
    jp_serverapp: Any,
    jp_fetch: Any,
    beside: str,
    chance: int,
) -> None:
    """From two windows, one of each protocol. What a person interrupts or restarts may end half done, by their will."""
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

    async def disturb() -> None:
        await asyncio.sleep(dice.random() * 0.25)
        if beside != "nothing":
            address = ("api", "kernels", kernel, beside)
            with contextlib.suppress(HTTPClientError):  # the kernel may be gone
                await jp_fetch(*address, method="POST", allow_nonstandard_methods=True)

    ended, *_ = await asyncio.gather(stop_it(), disturb(), *(send(windows[n % 2], n) for n in range(4)))
    answered: dict[str, Message] = {}
    for window in windows:
        last = await window.execute("2")  # after which all that was sent through this window is answered
        await window.until(lambda message, last=last: last in replies([message]))  # type: ignore[misc]
        answered.update(replies(window.seen))
    lines = path.read_text().splitlines()
    for message_id, number in sent.items():
        whole = [f"begun {number}" in lines, f"done {number}" in lines]
        answer = answered.get(message_id, {"status": "none"})
        if answer.get("ename") == "KernelIsBeingStopped":
            assert whole == [False, False]
        elif answer["status"] == "ok":
            assert whole == [True, True]
        else:
            assert beside != "nothing", (answer, ended)
    assert ended.stopped == (kernel not in jp_serverapp.kernel_manager)
    assert ended.stopped or answered[last]["status"] == "ok"
