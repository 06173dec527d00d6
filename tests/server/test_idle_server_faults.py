"""Kernels that hang, die, restart, belong to others or go away while they are being stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from idle_stop import runs, seen, stopped
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.gateway.managers import GatewayKernelManager
from kernel_window import KernelWindow, kinds
from socket_window import eventually

from mlk_jupyter.server.kernel_host import JupyterKernels

Open = Callable[..., Awaitable[KernelWindow]]

HOLDS_THE_GIL = (
    "print('said', flush=True); import re; re.match(r'(a+)+$', 'a' * 99 + 'b')"  # it is busy first, and says so
)


async def hang(host: JupyterKernels, kernel: str, window: KernelWindow, code: str) -> None:
    """Begins a cell that does not end."""
    await window.execute(code)
    await eventually(lambda: seen(host, kernel).execution.value == "busy")


async def test_a_suspended_kernel_answers_nothing_and_so_is_only_stopped_as_hung(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    await (await open_window(kernel)).run("1")
    pid = seen(host, kernel).pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    ended = await stopped(host, kernel, "idle", fence_s=0.5)
    assert not ended.stopped and ended.is_active and "did not answer" in ended.why
    ended = await stopped(host, kernel, "hung")
    assert ended.stopped and not runs(pid) and ended.held is None and ended.why_no_list


@pytest.mark.parametrize("code", [HOLDS_THE_GIL, "import time; time.sleep(999)"], ids=["c-call", "sleep"])
async def test_a_hung_cell_is_stopped_as_hung_and_never_as_idle(
    host: JupyterKernels, kernel: str, open_window: Open, code: str
) -> None:
    window = await open_window(kernel)
    await hang(host, kernel, window, code)
    pid = seen(host, kernel).pid
    ended = await stopped(host, kernel, "idle_gpu")
    assert not ended.stopped and ended.is_active
    ended = await stopped(host, kernel, "hung")
    assert ended.stopped and not runs(pid)


async def test_a_cell_that_waits_for_input_is_stopped_unless_it_is_answered_in_the_last_moment(
    host: JupyterKernels, kernel: str, open_window: Open
) -> None:
    window = await open_window(kernel)

    async def asks() -> str:
        sent = await window.execute("input()")
        await window.until(lambda message: message["header"]["msg_type"] == "input_request")
        return sent

    sent = await asks()

    async def answered() -> bool:
        await window.send("input_reply", {"value": "a", "status": "ok"}, "stdin")
        await window.done(sent)
        return True

    ended = await stopped(host, kernel, "input", still_due=answered)
    assert not ended.stopped and ended.is_active
    await asks()
    pid = seen(host, kernel).pid
    assert (await stopped(host, kernel, "input")).stopped and not runs(pid)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["restart", "death"])
@pytest.mark.parametrize("kind", ["idle", "hung"])
async def test_a_kernel_that_begins_anew_while_it_is_being_stopped_lives_and_takes_cells(
    host: JupyterKernels, kernel: str, open_window: Open, jp_fetch: Any, how: str, kind: str
) -> None:
    window = await open_window(kernel)
    await window.run("1")
    before = seen(host, kernel)

    async def anew() -> bool:
        if how == "restart":
            await jp_fetch("api", "kernels", kernel, "restart", method="POST", allow_nonstandard_methods=True)
        else:
            assert before.pid is not None
            os.kill(before.pid, signal.SIGKILL)
        await eventually(lambda: seen(host, kernel).pid not in (None, before.pid))
        return True

    ended = await stopped(host, kernel, kind, still_due=anew)
    assert not ended.stopped and ended.is_active and ended.why == "It was restarted."
    after = seen(host, kernel)
    assert runs(after.pid) and after.pending.value == 0 and after.input.value is False
    assert after.started is not None and before.started is not None and after.started > before.started
    assert "execute_result" in kinds(await (await open_window(kernel)).run("1"))


async def test_a_restart_in_the_moment_of_the_end_leaves_no_process_behind(
    host: JupyterKernels, kernel: str, jp_serverapp: Any
) -> None:
    manager = jp_serverapp.kernel_manager
    known = manager.get_kernel(kernel)
    stopping = asyncio.ensure_future(stopped(host, kernel))
    await eventually(lambda: known.shutting_down)
    await asyncio.gather(stopping, manager.restart_kernel(kernel), return_exceptions=True)
    assert stopping.result().stopped and kernel not in manager
    assert not known.has_kernel and not runs(known.provisioner.pid)


async def test_a_kernel_that_somebody_ends_meanwhile_is_not_counted_as_stopped(
    host: JupyterKernels, kernel: str, jp_serverapp: Any
) -> None:
    async def gone() -> bool:
        await jp_serverapp.kernel_manager.shutdown_kernel(kernel)
        return True

    ended = await stopped(host, kernel, still_due=gone)
    assert not ended.stopped and ended.is_active
    assert (await stopped(host, kernel)).is_active
    assert host.look(kernel) is None and kernel not in host.kernel_ids()
    host.refuse(kernel, "gone")
    host.present(kernel, "key")


async def test_two_who_stop_a_kernel_at_once_end_it_once(host: JupyterKernels, kernel: str) -> None:
    both = await asyncio.gather(stopped(host, kernel), stopped(host, kernel))
    assert any(ended.stopped for ended in both) and host.look(kernel) is None


@pytest.mark.slow
async def test_suspended_kernels_are_ended_beside_each_other(host: JupyterKernels, jp_serverapp: Any) -> None:
    manager = jp_serverapp.kernel_manager
    kernels = [await manager.start_kernel(kernel_name="python3") for _ in range(8)]
    pids = [seen(host, kernel).pid for kernel in kernels]
    managers = [manager.get_kernel(kernel) for kernel in kernels]
    for pid in pids:
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    all_ended = asyncio.gather(*(stopped(host, kernel, "hung") for kernel in kernels))
    await eventually(lambda: all(kernel.shutting_down for kernel in managers))
    assert all(runs(pid) for pid in pids)  # the last one's end has begun before the first one's is over
    assert all(ended.stopped for ended in await all_ended) and not any(runs(pid) for pid in pids)


class NeverReady:
    """A kernel manager whose kernel is pending for ever, and the manager that has it."""

    kernel_name, execution_state, owns_kernel, provisioner = "python3", "starting", True, None
    kernel_spec, has_kernel, shutting_down, shutdown_wait_time = None, False, False, -99.0

    def __init__(self) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def get_kernel(self, kernel_id: str) -> NeverReady:
        return self

    def __contains__(self, kernel_id: str) -> bool:
        return not self.ready.done()

    async def shutdown_kernel(self, kernel_id: str) -> None:
        await self.ready  # as jupyter_client does


async def test_a_kernel_that_never_gets_ready_is_starting_for_ever_and_says_that_it_does_not_end(
    jp_serverapp: Any,
) -> None:
    pending = NeverReady()
    host = JupyterKernels(SimpleNamespace(kernel_manager=pending, session_manager=None, web_app=jp_serverapp.web_app))
    look = seen(host, "a")
    assert look.execution.value == "starting" and look.pid is None and look.started is None and look.path is None
    ended = await stopped(host, "a", "age", shutdown_s=0)
    assert not ended.stopped and not ended.is_active and ended.is_ending and ended.why == "It does not end."
    ended = await stopped(host, "a", "age", shutdown_s=0)  # a second time it waits for the same end
    assert ended.why == "It does not end."
    pending.ready.set_result(None)
    await host.shutdown("a", 20)


async def test_a_kernel_that_takes_longer_than_it_is_given_is_killed(jp_serverapp: Any) -> None:
    class Stubborn(NeverReady):
        provisioner, has_kernel = LocalProvisioner(), True

        async def shutdown_kernel(self, kernel_id: str) -> None:
            await ended.wait()

        async def signal_kernel(self, signum: int) -> None:
            signals.append(signum)
            self.has_kernel = False
            ended.set()

        def __contains__(self, kernel_id: str) -> bool:
            return False

    signals, ended, stubborn = [], asyncio.Event(), Stubborn()
    stubborn.ready.set_result(None)
    host = JupyterKernels(SimpleNamespace(kernel_manager=stubborn, session_manager=None, web_app=jp_serverapp.web_app))
    await host.shutdown("a", 0)
    assert signals == [signal.SIGKILL]


async def test_a_kernel_whose_end_fails_before_it_begins_takes_cells_again(
    host: JupyterKernels, kernel: str, open_window: Open, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(kernel_id: str) -> None:
        raise OSError("no file descriptors")

    window = await open_window(kernel)
    await window.run("x = 1")
    with monkeypatch.context() as broken:
        broken.setattr(jp_serverapp.kernel_manager, "shutdown_kernel", fails)
        ended = await stopped(host, kernel, "asked")
    assert not ended.stopped and not ended.is_active and not ended.is_ending and "descriptors" in ended.why
    assert "execute_result" in kinds(await window.run("x"))
    assert (await stopped(host, kernel)).stopped


async def test_a_kernel_that_outlives_its_end_is_shown_until_its_process_has_ended(jp_serverapp: Any) -> None:
    class Forgetful(NeverReady):
        provisioner: Any = SimpleNamespace(pid=None)

        def list_kernel_ids(self) -> list[str]:
            return [] if forgotten else ["a"]

        def get_kernel(self, kernel_id: str) -> NeverReady:
            if forgotten:
                raise KeyError(kernel_id)
            return self

        def __contains__(self, kernel_id: str) -> bool:
            return not forgotten

        async def shutdown_kernel(self, kernel_id: str) -> None:
            forgotten.append(kernel_id)

    forgotten: list[str] = []
    manager = Forgetful()
    manager.provisioner = LocalProvisioner()
    manager.ready.set_result(None)
    process = await asyncio.create_subprocess_exec("sleep", "600")
    try:
        manager.provisioner.pid = process.pid
        host = JupyterKernels(
            SimpleNamespace(kernel_manager=manager, session_manager=None, web_app=jp_serverapp.web_app)
        )
        ended = await stopped(host, "a", "age", fence_s=0.1)
        assert not ended.stopped and ended.is_ending and ended.why == f"Its process {process.pid} does not end."
        assert host.kernel_ids() == ["a"] and seen(host, "a").pid == process.pid
        assert not seen(host, "a").message.known
        assert (await stopped(host, "a", "age", again=True)).stopped
        await process.wait()
        assert host.kernel_ids() == [] and host.look("a") is None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_kernels_of_others_are_shown_and_never_taken_for_ours(
    host: JupyterKernels, jp_serverapp: Any, tmp_path: Path, open_window: Open
) -> None:
    folder = tmp_path / "connections"
    folder.mkdir()
    other = AsyncKernelManager(kernel_name="python3", connection_file=str(folder / "kernel-a.json"))
    await other.start_kernel()
    try:
        jp_serverapp.kernel_manager.external_connection_dir = str(folder)
        (kernel,) = host.kernel_ids()
        look = seen(host, kernel)
        assert not look.local and not look.owned and look.pid is None and look.started is None
        ended = await stopped(host, kernel, "asked")
        assert not ended.stopped and "Another program" in ended.why
        assert await other.is_alive() and host.kernel_ids() == [kernel]
        assert "execute_result" in kinds(await (await open_window(kernel)).run("1"))
    finally:
        await other.shutdown_kernel(now=True)


async def test_a_kernel_behind_a_gateway_is_not_local(host: JupyterKernels, jp_serverapp: Any) -> None:
    manager = jp_serverapp.kernel_manager
    far = GatewayKernelManager(parent=manager)
    far.kernel_id, far.execution_state = "far", "idle"
    manager._kernels["far"] = far
    try:
        look = seen(host, "far")
        assert not look.local and look.pid is None and look.execution.value == "idle"
        ended = await host.fence("far", list_memory=True, limit_s=1)
        assert not ended.is_active and ended.why_no_list
    finally:
        del manager._kernels["far"]
