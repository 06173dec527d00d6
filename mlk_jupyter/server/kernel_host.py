"""jupyter_server's kernels as the watcher of idle ones sees them, and as it ends them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import Any, cast

import psutil
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_core.utils import ensure_async
from jupyter_server.gateway.managers import GatewayKernelManager
from tornado.web import HTTPError

from ..idle.kernels import Ended, Look
from ..idle.signals import Execution, Signal, unknown
from ..idle.table import age_of, beginning, lives
from ..record.fields import clean
from .kernel_frames import body
from .kernel_memory import REQUEST, read_memory
from .kernel_messages import KernelMessages, Moment, messages_of, pid_of
from .kernel_paths import KernelPaths
from .kernel_shell import ask
from .kernel_socket import CLASS, HeardKernelSocket, kept_for

logger = logging.getLogger(__name__)

_STATES: dict[str, Execution] = {
    "starting": "starting", "restarting": "starting", "autorestarting": "starting", "idle": "idle", "busy": "busy",
    "dead": "dead",
}  # fmt: skip
_COMES_UP_S = 30.0  # in which one that came up before does so again
_EARLIER_S = 2.0  # a state that is older than the process by more is that of a process before
_GRACE_S = 5.0  # beyond what the kernel manager itself needs before it kills
_KILL_S = 10.0


class NotOurKernel(Exception):
    """A kernel that is only shown here."""

    def __str__(self) -> str:
        return "another program has started it, and alone can end it"


class JupyterKernels:
    """The kernels of one server. Everything but `fence` and `shutdown` answers at once, from memory."""

    def __init__(self, serverapp: Any) -> None:
        self._app = serverapp
        self._manager = serverapp.kernel_manager
        self._paths = KernelPaths(serverapp.session_manager)
        self._begun: dict[str, tuple[int, float]] = {}
        self._activity: dict[str, Any] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, tuple[Look, int, float]] = {}
        """As they were before their end, with process and its beginning, for those that may outlive it."""

    def kernel_ids(self) -> Sequence[str]:
        known = cast("Sequence[str]", self._manager.list_kernel_ids())
        return [*known, *(one for one in list(self._ended) if one not in known and self._outlived(one) is not None)]

    def look(self, kernel_id: str) -> Look | None:
        kernel = self._kernel(kernel_id)
        if kernel is None:
            self._begun.pop(kernel_id, None)
            self._activity.pop(kernel_id, None)
            return self._outlived(kernel_id)
        local = _is_local(kernel)
        pid = pid_of(kernel) if local else None
        messages = messages_of(kernel)
        _overhear(kernel, messages)
        self._catch_up(kernel_id, kernel, messages, pid)
        spec = getattr(kernel, "kernel_spec", None) if local else None
        deaf = self._why_deaf(kernel_id, messages, local)
        now = time.monotonic()
        return Look(
            kernel_id=kernel_id,
            name=clean(str(kernel.kernel_name or "")),
            language=clean(str(getattr(spec, "language", None) or "")) or None,
            path=self._paths.of(kernel_id),
            started=self._started(kernel_id, pid),
            pid=pid,
            local=local,
            spec_metadata=dict(getattr(spec, "metadata", None) or {}),
            execution=execution_of(kernel, messages, now, pid),
            message=unknown(deaf) if deaf else _newest(messages.message, now),
            pending=unknown(deaf) if deaf else _pending(messages, now),
            presence=_newest(messages.presence, now),
            output=_newest(messages.output, now),
            input=unknown(deaf) if deaf else _input(messages, now),
            owned=bool(getattr(kernel, "owns_kernel", True)),
        )

    def present(self, kernel_id: str, kind: str) -> None:
        """A person moved the pointer or pressed a key at a window that shows this kernel."""
        kernel = self._kernel(kernel_id)
        if kernel is not None:
            messages_of(kernel).presence = (kind, time.monotonic())

    def refuse(self, kernel_id: str, why: str | None) -> None:
        kernel = self._kernel(kernel_id)
        if kernel is not None:
            messages_of(kernel).refuse(why, pid_of(kernel))

    async def fence(self, kernel_id: str, *, list_memory: bool, limit_s: float) -> Ended:
        kernel = self._kernel(kernel_id)
        if kernel is None:
            return Ended(stopped=False, why="The kernel is gone.")
        messages = messages_of(kernel)
        used, pid = messages.message, pid_of(kernel)
        if messages.cells or messages.was_refused:
            return Ended(stopped=False, why="A cell was sent.", is_active=True)
        if isinstance(kernel, GatewayKernelManager):
            return Ended(stopped=False, why_no_list="The kernel runs behind a gateway.")
        if not kernel.ready.done():
            return Ended(stopped=False, why="It has not started yet.", is_active=True)
        lists = list_memory and getattr(kernel.kernel_spec, "language", None) == "python"
        answer = await ask(kernel, REQUEST if lists else None, limit_s)
        if messages.cells or messages.message != used or pid_of(kernel) != pid:
            return Ended(stopped=False, why="It was used meanwhile.", is_active=True)
        if answer is None:
            return Ended(stopped=False, why=f"It did not answer within {limit_s:g} s.", is_active=True)
        if lists:
            return read_memory(answer)
        asked = "It is no Python kernel." if list_memory else "It was not asked for."
        return Ended(stopped=False, why_no_list=asked)

    async def answers(self, kernel_id: str, limit_s: float) -> bool:
        kernel = self._kernel(kernel_id)
        if kernel is None or kernel_id in self._ending:
            return False
        if isinstance(kernel, GatewayKernelManager):
            return True
        return kernel.ready.done() and await ask(kernel, None, limit_s) is not None

    async def shutdown(self, kernel_id: str, limit_s: float) -> None:
        """Ends a kernel: as jupyter_server does it, and by SIGKILL where that takes longer than `limit_s`, or than what
        its kernel manager is configured to give it.

        Raises: asyncio.TimeoutError; NotOurKernel; or what the kernel manager raises.
        """
        before = self.look(kernel_id)
        kernel = self._kernel(kernel_id)
        if kernel is None:
            if before is not None and before.pid is not None:  # one of `_outlived`, just now
                with contextlib.suppress(psutil.Error):
                    psutil.Process(before.pid).kill()
            return
        if not getattr(kernel, "owns_kernel", True):
            raise NotOurKernel  # the manager would forget it, and say that it is gone
        if before is not None and before.pid is not None and (began := beginning(before.pid)) is not None:
            self._ended[kernel_id] = (before, before.pid, began)
        task = self._ending.get(kernel_id)
        if task is None or task.done():
            # Never cancelled: a kernel manager that is cut off in the middle of it can neither end nor use its kernel.
            task = asyncio.create_task(self._shut_down(kernel_id, kernel), name=f"mlk end of kernel {kernel_id}")
            self._ending[kernel_id] = task
            task.add_done_callback(lambda _: self._ending.pop(kernel_id, None))
        limit_s = max(limit_s, getattr(kernel, "shutdown_wait_time", 0.0) + _GRACE_S)
        await asyncio.wait({task}, timeout=limit_s)
        if not task.done() and getattr(kernel, "has_kernel", False):
            logger.warning("Kernel %s did not end within %g s and is killed", kernel_id, limit_s)
            await ensure_async(kernel.signal_kernel(signal.SIGKILL))
            await asyncio.wait({task}, timeout=_KILL_S)
        if not task.done():
            raise asyncio.TimeoutError
        task.result()

    async def _shut_down(self, kernel_id: str, kernel: Any) -> None:
        """Ends a kernel for good, also where somebody restarts it in this very moment: jupyter_server would forget the
        kernel and leave the process that was started."""
        local = _is_local(kernel)
        launched, kernel._launch_args = getattr(kernel, "_launch_args", None), None  # without which no restart begins
        try:
            if local:
                await _settled(kernel.ready)  # one that has begun already
            await _maybe(self._manager.shutdown_kernel(kernel_id))
            while local and kernel_id in self._manager:  # with pending kernels the manager only begins to end it
                await _settled(kernel.ready)
                kernel.ready.result()
                await asyncio.sleep(0.01)  # its own task removes it after that
        except Exception as error:
            # Two who end a kernel at once resolve the same future, in which one of them fails after the deed.
            of_two = isinstance(error, asyncio.InvalidStateError)
            if not of_two and kernel_id in self._manager:
                kernel._launch_args = launched
                raise
        if local and kernel.has_kernel:
            with contextlib.suppress(asyncio.InvalidStateError):
                await ensure_async(kernel.shutdown_kernel(now=True))
        if kernel_id in self._manager:
            self._manager.remove_kernel(kernel_id)

    def _kernel(self, kernel_id: str) -> Any | None:
        try:
            return self._manager.get_kernel(kernel_id)
        except (KeyError, HTTPError):
            return None

    def _outlived(self, kernel_id: str) -> Look | None:
        """A kernel that the manager has forgotten while its process goes on, with all that this holds."""
        ended = self._ended.get(kernel_id)
        if ended is None:
            return None
        before, pid, began = ended
        if not lives(pid, began):
            del self._ended[kernel_id]
            return None
        why: Signal[Any] = unknown("its end has begun, but its process goes on")
        return replace(before, execution=why, message=why, pending=why, presence=why, output=why, input=why)

    def _catch_up(self, kernel_id: str, kernel: Any, messages: KernelMessages, pid: int | None) -> None:
        """Takes in what happened while nobody heard it."""
        messages.change(getattr(kernel, "execution_state", None))
        kept = kept_for(self._manager, kernel_id)
        messages.hear_buffer(kept)
        messages.settle(pid)
        # The last activity of a busy kernel also moves when a window opens: worth something without windows only.
        activity = getattr(kernel, "last_activity", None)
        before = self._activity.get(kernel_id, activity)
        self._activity[kernel_id] = activity
        if kept is None and not messages.had_window and messages.state[0] == "busy" and activity != before:
            messages.output = ("output", time.monotonic())
        messages.had_window = bool(messages.windows)

    def _started(self, kernel_id: str, pid: int | None) -> float | None:
        """Seconds since the epoch, as psutil has them; looked up once a process."""
        if pid is None:
            return None
        known = self._begun.get(kernel_id)
        if known is None or known[0] != pid:
            try:
                known = (pid, psutil.Process(pid).create_time())
            except psutil.Error:
                return None
            self._begun[kernel_id] = known
        return known[1]

    def _why_deaf(self, kernel_id: str, messages: KernelMessages, local: bool) -> str | None:
        """Why nothing is known by messages; None where all of them are heard."""
        found = self._app.web_app.settings.get(CLASS)
        if not (isinstance(found, type) and issubclass(found, HeardKernelSocket)):
            return "another extension has taken over the connections to kernels"
        connections = getattr(self._manager, "_kernel_connections", {}).get(kernel_id, 0)
        if local and connections > len(messages.windows):
            return "a window is connected past this extension"
        return None


def _overhear(kernel: Any, messages: KernelMessages) -> None:
    """Listens along where the manager hears all that a kernel publishes; once for each of its processes."""
    stream = getattr(kernel, "_activity_stream", None)
    heard = getattr(stream, "_recv_callback", None)
    if stream is None or heard is None or hasattr(heard, "mlk_overhears"):
        return

    def hear(parts: list[bytes]) -> None:
        try:
            messages.overhear(body(parts), pid_of(kernel))
        except Exception:
            logger.debug("A message was passed over", exc_info=True)
        heard(parts)

    hear.mlk_overhears = True  # type: ignore[attr-defined]
    stream.on_recv(hear)


def _is_local(kernel: Any) -> bool:
    """Whether this server has started it as a process of this machine, or is about to."""
    if isinstance(kernel, GatewayKernelManager) or not getattr(kernel, "owns_kernel", True):
        return False
    provisioner = getattr(kernel, "provisioner", None)
    return provisioner is None or isinstance(provisioner, LocalProvisioner)


def execution_of(kernel: Any, messages: KernelMessages, now: float, pid: int | None) -> Signal[Execution]:
    """What the server says of it, where that is of this process. Args: now: monotonic seconds."""
    said, since = messages.state
    # A gateway's kernel never says that it is ready.
    ready = None if isinstance(kernel, GatewayKernelManager) else getattr(kernel, "ready", None)
    if ready is not None and not ready.done():
        return Signal("starting", now - since)
    if ready is not None and (ready.cancelled() or ready.exception() is not None):
        return Signal("dead", now - since)
    state = _STATES.get(said)
    if state in ("busy", "starting") and messages.came_up and not messages.cells and pid is not None:
        # One that died and was restarted by itself says little or nothing before it is used.
        age_s = now - since
        begun_s = age_of(pid) if state == "busy" else age_s
        if begun_s is not None and (state == "starting" or begun_s + _EARLIER_S < age_s):
            return Signal("starting" if begun_s < _COMES_UP_S else "idle", begun_s)
    return unknown(f"the server says {said!r}") if state is None else Signal(state, now - since)


def _newest(moment: Moment | None, now: float) -> Signal[str]:
    return Signal() if moment is None else Signal(moment[0], now - moment[1])


def _pending(messages: KernelMessages, now: float) -> Signal[int]:
    sent = [cell.at for cell in messages.cells.values()]
    return Signal(len(sent), now - min(sent) if sent else None)


def _input(messages: KernelMessages, now: float) -> Signal[bool]:
    return Signal(False) if messages.input is None else Signal(True, now - messages.input[1])


async def _maybe(answer: Any) -> None:
    if isinstance(answer, Awaitable):
        await answer


async def _settled(ready: Any) -> None:
    await asyncio.wait({ready if asyncio.isfuture(ready) else asyncio.wrap_future(ready)})
