"""Stops a kernel, unless something speaks against it until the last moment.

New cells are refused first; then it is looked once more; then the kernel says that all it was sent before has run. A
cell therefore runs whole or is refused, at whatever moment it is sent, and none is lost without a word.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal

import psutil

from ..threads import in_thread
from .kernels import Ended, KernelHost, Look
from .policy import Policy

logger = logging.getLogger(__name__)

Kind = Literal["idle", "idle_gpu", "hung", "input", "delegated", "age", "asked"]

FENCE_S = 10.0
SHUTDOWN_S = 30.0
_GONE = "Somebody else has ended it."
_GONE_S = 5.0
_EVERY_S = 0.05


async def stop(
    host: KernelHost,
    kernel_id: str,
    *,
    still_due: Callable[[], Awaitable[bool]],
    policy: Policy,
    leftovers: Callable[[], Awaitable[Sequence[str]]],
    why: str,
    kind: Kind = "idle",
    fence_s: float = FENCE_S,
    shutdown_s: float = SHUTDOWN_S,
) -> Ended:
    """Ends a kernel and what it left behind.

    Args:
        still_due: samples once more and says whether the kernel may still be stopped.
        leftovers: ends processes that had left the kernel and hold a GPU; gives each as "name (pid)".
        why: what a person whose cell is refused is told: a sentence.
        kind: why it counts as quiet. A kernel that is `idle` or `idle_gpu` has to answer before it is stopped; of one
            that cannot (hung, in `input()`, suspended), it is only asked whether anything has changed.

    Cells stay refused once the kernel is being ended, also when it does not end: it will not run them.
    """
    before = host.look(kernel_id)
    if before is None:
        return Ended(stopped=False, why=_GONE, is_active=True)
    host.refuse(kernel_id, why)
    ends = False
    try:
        if not await still_due():
            return Ended(stopped=False, why="It was used meanwhile.", is_active=True)
        fenced = await _fence(host, before, kind, policy.checkpoint == "list", fence_s)
        if fenced.is_active:
            return fenced
        ends = True
        failed = await _end(host, before, shutdown_s)
        if failed is not None:
            return replace(fenced, stopped=False, why=failed)
    finally:
        if not ends:
            host.refuse(kernel_id, None)
    return replace(fenced, stopped=True, why="", ended=tuple(await _leftovers(leftovers, kernel_id)))


async def _fence(host: KernelHost, before: Look, kind: Kind, list_memory: bool, limit_s: float) -> Ended:
    """That nothing runs any more; for a kernel that cannot say so, that it is as it was."""
    must_answer = kind in ("idle", "idle_gpu")
    now = host.look(before.kernel_id)
    if now is None:
        return Ended(stopped=False, why=_GONE, is_active=True)
    if now.pid != before.pid:
        return Ended(stopped=False, why="It was restarted.", is_active=True)
    if now.execution.value == "idle" and kind not in ("hung", "input"):
        said = await host.fence(before.kernel_id, list_memory=list_memory, limit_s=limit_s)
        if host.look(before.kernel_id) is None:
            return Ended(stopped=False, why=_GONE, is_active=True)
        if not said.is_active or must_answer:
            return said
        return replace(said, is_active=False, why="", why_no_list=said.why)
    if must_answer and now.execution.value == "busy":
        return Ended(stopped=False, why="A cell runs.", is_active=True)
    if kind in ("hung", "input") and _has_changed(before, now):
        return Ended(stopped=False, why="It was used meanwhile.", is_active=True)
    return Ended(stopped=False, why_no_list="It was not idle, so that it could not be asked.")


def _has_changed(before: Look, now: Look) -> bool:
    """Whether anything has happened in between: an age that is smaller than it was, another process, another state."""
    pairs = [(before.message, now.message), (before.output, now.output), (before.presence, now.presence)]
    newer = any(new.age_s is not None and (old.age_s is None or new.age_s < old.age_s) for old, new in pairs)
    return newer or (before.pid, before.execution.value, before.pending.value, before.input.value) != (
        now.pid, now.execution.value, now.pending.value, now.input.value,
    )  # fmt: skip


async def _end(host: KernelHost, before: Look, limit_s: float) -> str | None:
    """Why it did not end; None when it did."""
    try:
        await host.shutdown(before.kernel_id, limit_s)
    except asyncio.TimeoutError:
        return "It does not end."
    except Exception as error:
        logger.warning("Kernel %s could not be stopped", before.kernel_id, exc_info=True)
        return f"It could not be stopped: {error}"
    if before.pid is None or before.started is None:
        return None
    for _ in range(int(_GONE_S / _EVERY_S)):
        if not await in_thread(_runs, before.pid, before.started):
            return None
        await asyncio.sleep(_EVERY_S)
    return f"Its process {before.pid} does not end."


def _runs(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def _leftovers(leftovers: Callable[[], Awaitable[Sequence[str]]], kernel_id: str) -> Sequence[str]:
    try:
        return await leftovers()
    except Exception:
        logger.warning("What kernel %s left behind is not known", kernel_id, exc_info=True)
        return ()
