"""What is known of a kernel by the messages of its windows: real kernels in a real jupyter_server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from idle_stop import seen, stopped
from kernel_window import V1, KernelWindow, kinds
from socket_window import eventually

from mlk_jupyter.server.kernel_frames import read_request
from mlk_jupyter.server.kernel_host import JupyterKernels

Open = Callable[..., Awaitable[KernelWindow]]


@pytest.mark.parametrize("protocol", [V1, None], ids=["v1", "json"])
async def test_a_cell_is_a_persons_message_and_pending_until_it_is_answered(
    host: JupyterKernels, kernel: str, open_window: Open, protocol: str | None
) -> None:
    look = seen(host, kernel)
    assert look.message.known and look.message.value is None and look.pending.value == 0
    window = await open_window(kernel, protocol)
    sent = await window.execute("input('name')")
    await window.until(lambda message: message["header"]["msg_type"] == "input_request")
    look = seen(host, kernel)
    assert look.message.value == "execute_request" and look.pending.value == 1 and look.execution.value == "busy"
    assert look.input.value is True and look.input.age_s is not None and look.output.value is not None
    await window.send("input_reply", {"value": "a", "status": "ok"}, "stdin")
    await window.done(sent)
    look = seen(host, kernel)
    assert look.message.value == "input_reply" and look.pending.value == 0 and look.input.value is False


@pytest.mark.parametrize("protocol", [V1, None], ids=["v1", "json"])
async def test_what_pages_and_extensions_send_of_themselves_is_no_use_by_a_person(
    host: JupyterKernels, kernel: str, open_window: Open, protocol: str | None
) -> None:
    """In the order in which a page that is opened sends it, and what widgets, inspectors and debuggers add."""
    window = await open_window(kernel, protocol)
    comm = {"comm_id": "a", "target_name": "nobody", "data": {}}
    inspector = {"code": "1", "user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
    for kind, content, channel in (
        ("debug_request", {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}, "control"),
        ("kernel_info_request", {}, "shell"),
        ("history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 5}, "shell"),
        ("create_subshell_request", {}, "control"),
        ("list_subshell_request", {}, "control"),
        ("is_complete_request", {"code": "1"}, "shell"),
        ("execute_request", {**inspector, "silent": True}, "shell"),
        ("execute_request", {**inspector, "silent": False, "store_history": False}, "shell"),
        ("comm_info_request", {}, "shell"),
    ):
        await window.done(await window.send(kind, content, channel))
    for kind, content in (("comm_open", comm), ("comm_msg", {"comm_id": "b", "data": {}}), ("usage_request", {})):
        await window.send(kind, content, "control" if kind == "usage_request" else "shell")
    await window.done(await window.send("comm_info_request"))
    look = seen(host, kernel)
    assert look.message.known and look.message.value is None and look.pending.value == 0
    for kind, content in (
        ("complete_request", {"code": "i", "cursor_pos": 1}),
        ("inspect_request", {"code": "int", "cursor_pos": 1, "detail_level": 0}),
    ):
        await window.done(await window.send(kind, content))
        assert seen(host, kernel).message.value == kind


@pytest.mark.parametrize("protocol", [V1, None], ids=["v1", "json"])
def test_what_is_no_message_is_read_as_none(protocol: str | None) -> None:
    """Not given to a real server: its own reader counts to whatever number a frame begins with."""
    for number in (0, 3, 6, 7, 2**32, 2**64 - 1):
        raw = number.to_bytes(8, "little") * 9 + b'{"msg_type": "execute_request"}'
        for frame in (raw, raw[:20], raw[:1], b"", "", "execute_request", "[" * 9999 + "execute_request", None, 7):
            assert read_request(frame, protocol) is None


async def test_frames_that_nobody_can_read_pass_and_are_noted_nowhere(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    for protocol, frames in (
        (V1, [b"\0" * 64 + b"execute_request", "execute_request"]),
        (None, ["execute_request", '{"header": "execute_request"}', "[" * 5000 + "execute_request"]),
    ):
        for raw in frames:
            window = await open_window(kernel, protocol)
            await window.connection.write_message(raw, binary=isinstance(raw, bytes))
            window.close()
    look = seen(host, kernel)
    assert look.message.value is None and look.pending.value == 0
    window = await open_window(kernel)
    assert "execute_reply" in kinds(await window.run("1"))


async def test_a_second_window_counts_as_the_first_does(host: JupyterKernels, kernel: str, open_window: Open) -> None:
    first, second = await open_window(kernel), await open_window(kernel)
    await first.run("1")
    sent = await second.execute("input()")
    await second.until(lambda message: message["header"]["msg_type"] == "input_request")
    assert seen(host, kernel).pending.value == 1
    second.close()
    await eventually(lambda: host._manager._kernel_connections[kernel] == 1)
    assert seen(host, kernel).pending.value == 1  # its window is gone; the cell is not
    look = seen(host, kernel)
    assert look.input.value is True
    await host._manager.interrupt_kernel(kernel)
    await first.until(lambda message: message["parent_header"].get("msg_id") == sent and _is_idle(message))
    look = seen(host, kernel)
    assert look.pending.value == 0 and look.input.value is False


async def test_a_cell_whose_window_went_is_pending_until_it_is_over(
    host: JupyterKernels, kernel: str, open_window: Open, jp_root_dir: Path
) -> None:
    window = await open_window(kernel)
    await window.execute("import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)")
    await window.until(lambda message: message["header"]["msg_type"] == "execute_input")
    window.close()
    await eventually(lambda: host._manager._kernel_connections[kernel] == 0)
    assert seen(host, kernel).pending.value == 1
    (jp_root_dir / "go").touch()
    await eventually(lambda: seen(host, kernel).pending.value == 0)


async def test_a_cell_that_comes_past_all_windows_is_somebodys_and_pending_until_it_is_over(
    host: JupyterKernels, kernel: str, open_window: Open, jp_serverapp: Any, jp_root_dir: Path
) -> None:
    window = await open_window(kernel)
    inspects = {"code": "1", "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    await window.done(await window.send("execute_request", inspects))
    assert seen(host, kernel).message.value is None
    known = jp_serverapp.kernel_manager.get_kernel(kernel)
    client = known.client()
    client.start_channels()
    try:
        client.execute("pass", silent=True)
        client.execute("import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)")
        await eventually(lambda: seen(host, kernel).pending.value == 1)
        look = seen(host, kernel)
        assert look.message.value == "execute_request" and look.message.age_s is not None
        (jp_root_dir / "go").touch()
        await eventually(lambda: seen(host, kernel).pending.value == 0)
    finally:
        client.stop_channels()


async def test_a_cell_that_comes_past_all_windows_in_the_last_moment_saves_its_kernel(
    host: JupyterKernels, kernel: str, jp_serverapp: Any
) -> None:
    client = jp_serverapp.kernel_manager.get_kernel(kernel).client()
    client.start_channels()
    seen(host, kernel)
    try:

        async def agent() -> bool:
            client.execute("1")
            await eventually(lambda: seen(host, kernel).message.value is not None)
            return True

        ended = await stopped(host, kernel, still_due=agent)
        assert not ended.stopped and ended.is_active
    finally:
        client.stop_channels()


def _is_idle(message: dict[str, Any]) -> bool:
    return message["header"]["msg_type"] == "status" and message["content"]["execution_state"] == "idle"


async def test_neither_a_page_nor_a_reconnect_renews_what_a_hung_cell_said(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    window = await open_window(kernel, V1, "laptop")
    await window.execute("print('once')\nimport time\ntime.sleep(999)")
    await window.until(lambda message: message["header"]["msg_type"] == "stream")
    assert seen(host, kernel).output.age_s is not None
    window.close()
    await eventually(lambda: host._manager._kernel_connections[kernel] == 0)
    seen(host, kernel)
    for protocol, session in ((V1, "laptop"), (None, "another page")):
        opened = time.monotonic()
        page = await open_window(kernel, protocol, session)
        await page.done(await page.send("kernel_info_request", channel="control"))
        await page.send("comm_open", {"comm_id": "a", "target_name": "nobody", "data": {}})
        await page.send("history_request", {"output": False, "raw": True, "hist_access_type": "tail", "n": 5})
        look = seen(host, kernel)
        # Whatever the page does, no later output is known than that of the cell.
        assert look.output.age_s is not None and time.monotonic() - look.output.age_s < opened
        assert look.pending.value == 1 and look.message.value == "execute_request"
        assert look.execution.value == "busy"


async def test_what_a_cell_prints_while_no_window_is_there_keeps_it_from_counting_as_hung(
    host: JupyterKernels, kernel: str, open_window: Open, jp_serverapp: Any, jp_root_dir: Path
) -> None:
    code = "import time, pathlib\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\nprint(1)\ntime.sleep(999)"
    for buffers in (True, False):
        jp_serverapp.kernel_manager.buffer_offline_messages = buffers
        (jp_root_dir / "go").unlink(missing_ok=True)
        window = await open_window(kernel)
        await window.execute(code)
        await window.until(lambda message: message["header"]["msg_type"] == "execute_input")
        window.close()
        await eventually(lambda: host._manager._kernel_connections[kernel] == 0)
        for _ in range(2):  # the first look still takes in what the window was there for
            before = seen(host, kernel).output
        assert before.age_s is not None
        begun = time.monotonic() - before.age_s
        (jp_root_dir / "go").touch()
        await eventually(lambda begun=begun: time.monotonic() - (seen(host, kernel).output.age_s or 0) > begun + 0.001)
        await jp_serverapp.kernel_manager.interrupt_kernel(kernel)
        await eventually(lambda: seen(host, kernel).execution.value == "idle")
        await eventually(lambda: seen(host, kernel).pending.value == 0)
