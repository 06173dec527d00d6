"""The magics in a real kernel: interrupts, restarts, a running event loop."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

_LIMIT_S = 90.0
FOREVER = "import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.02)"


class Kernel:
    """A kernel with our magics, as a notebook has one."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(folder), env={**os.environ, "JPY_SESSION_NAME": str(folder / "study.ipynb")})
        self._client = self._connected()

    def _connected(self) -> BlockingKernelClient:
        client = self._manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=_LIMIT_S)
        return client

    def begin(self, cell: str) -> str:
        """Starts a cell; gives the id of its request."""
        return self._client.execute(cell)

    def until(self, request: str, words: str) -> str:
        """What a cell has shown by the time that it shows these words."""
        shown = ""
        end = time.monotonic() + _LIMIT_S
        while words not in shown:
            shown += self._next(request, end)
        return shown

    def ended(self, request: str) -> tuple[dict[str, Any], str]:
        """A cell's reply, and all that it shows from now on, as text."""
        shown, end = "", time.monotonic() + _LIMIT_S
        while True:
            piece = self._next(request, end)
            if piece == _IDLE:
                break
            shown += piece
        while True:
            reply = self._client.get_shell_msg(timeout=_LIMIT_S)
            if reply["parent_header"].get("msg_id") == request:
                return reply["content"], shown

    def run(self, cell: str) -> str:
        """What a cell shows."""
        return self.ended(self.begin(cell))[1]

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._client = self._connected()

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def _next(self, request: str, end: float) -> str:
        try:
            message = self._client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        except Empty:
            raise AssertionError("The kernel says nothing.") from None
        content = message["content"]
        if message["parent_header"].get("msg_id") != request:
            return ""
        if message["msg_type"] == "status":
            return _IDLE if content["execution_state"] == "idle" else ""
        if message["msg_type"] == "stream":
            return str(content["text"])
        if message["msg_type"] == "error":
            return "\n".join(content["traceback"])
        return str(content.get("data", {}).get("text/plain", "")) + "\n"


_IDLE = "\0idle"


@pytest.fixture
def kernel(folder: Path) -> Iterator[Kernel]:
    made = Kernel(folder)
    try:
        made.run("%load_ext mlk_jupyter")
        yield made
    finally:
        made.close()


@pytest.mark.timeout(300)
def test_an_interrupt_detaches_and_a_restart_loses_nothing(kernel: Kernel) -> None:
    request = kernel.begin(f"%%k8s_train --no-mlflow\n{FOREVER}")
    kernel.until(request, "Running")
    kernel.interrupt()
    reply, shown = kernel.ended(request)
    assert reply["status"] == "error" and reply["ename"] == "Detached"  # so that "run all" stops here
    assert "goes on" in shown and "mlk_jupyter.job(" in shown and "Traceback" not in shown
    job = kernel.run("_.id").strip().strip("'")
    assert job.startswith("study-")
    kernel.restart()
    kernel.run("%load_ext mlk_jupyter\nimport mlk_jupyter as mlk")
    assert job in kernel.run("%k8s_jobs") and "Running" in kernel.run("%k8s_jobs")
    assert "here" in kernel.run("%k8s_logs study")
    assert "Running" in kernel.run("mlk.job('study').status().phase.value")
    assert "Stopping" in kernel.run("%k8s_stop study")
    assert "Stopped" in kernel.run("mlk.job('study').wait(60).phase.value")


@pytest.mark.timeout(300)
def test_following_a_log_ends_with_an_interrupt_and_the_job_goes_on(kernel: Kernel) -> None:
    kernel.run(f"%%k8s_train --no-mlflow --detach\n{FOREVER}")
    request = kernel.begin("%k8s_logs study --follow")
    kernel.until(request, "here")
    kernel.interrupt()
    reply, shown = kernel.ended(request)
    assert reply["ename"] == "Detached" and "goes on" in shown
    listed = kernel.run("%k8s_jobs")  # its first line may be read before its status says that it runs
    assert "Running" in listed or "Starting" in listed


@pytest.mark.timeout(300)
def test_cells_in_the_kernels_running_loop_wait_without_a_deadlock(kernel: Kernel) -> None:
    kernel.run("import asyncio\nticks = []\nasync def tick():\n    while True:\n        ticks.append(1)\n"
               "        await asyncio.sleep(0.01)\nticking = asyncio.ensure_future(tick())")  # fmt: skip
    shown = kernel.run("%%k8s_train --no-mlflow --pull answer\nimport mlk_jupyter\nanswer = 42\nmlk_jupyter.result(7)")
    assert "Succeeded" in shown
    assert "(42, 7, True)" in kernel.run("before = len(ticks)\ngiven = await _\n(answer, given, len(ticks) >= before)")


@pytest.mark.timeout(300)
def test_the_tab_key_and_the_help_of_a_notebook_know_the_magics(kernel: Kernel) -> None:
    client = kernel._client
    line = "%%k8s_train --wor"
    matches = client.complete(f"{line}\nx = 1", len(line), reply=True, timeout=_LIMIT_S)["content"]
    assert matches["matches"] == ["--workers"] and matches["cursor_end"] == len(line)
    found = client.inspect("%%k8s_train", reply=True, timeout=_LIMIT_S)["content"]
    assert "--workers N" in found["data"]["text/plain"]
