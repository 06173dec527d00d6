"""Stops a kernel, unless something speaks against it until the last moment.

New cells are refused first; then it is looked once more; then the kernel says that all it was sent before has run. A
cell therefore runs whole or is refused, at whatever moment it is sent, and none is lost without a word. At last it is
compared with how it was when that began: looking and asking take seconds, in which a person may have come back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..threads import in_thread
from .kernels import Ended, KernelHost, Look
from .policy import Policy
from .signals import Signal
from .table import beginning, lives

logger = logging.getLogger(__name__)

Kind = Literal["idle", "idle_gpu", "hung", "input", "delegated", "age", "asked"]

FENCE_S = 10.0
SHUTDOWN_S = 30.0
_GONE = "Somebody else has ended it."
_USED = "It was used meanwhile."
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
    again: bool = False,
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
        again: its end has begun in an attempt before: it is not asked any more.

    Cells stay refused once the kernel is being ended, also when it does not end, unless it answers as before.
    """
    began = time.monotonic()
    before = host.look(kernel_id)
    if before is None:
        return Ended(stopped=False, why=_GONE, is_active=True)
    if not before.owned:
        return Ended(stopped=False, why="Another program has started it, and alone can end it.")
    host.refuse(kernel_id, why)
    fenced, ends = Ended(stopped=False), False
    try:
        if not await still_due():
            return Ended(stopped=False, why=_USED, is_active=True)
        if not again:
            fenced = await _fence(host, before, kind, policy.checkpoint == "list", fence_s)
        if fenced.is_active:
            return fenced
        if not again and kind not in ("asked", "age"):  # which end what is used, too
            now = host.look(kernel_id)
            if now is None or _is_back(before, now, kind, time.monotonic() - began):
                return Ended(stopped=False, why=_GONE if now is None else _USED, is_active=True)
        ends = True
        failed = await _end(host, before, shutdown_s)
        if failed is not None:
            ends = not await _answers(host, kernel_id, fence_s)
            return replace(fenced, why=failed, is_ending=ends)
    finally:
        if not ends:
            host.refuse(kernel_id, None)
    left = await _leftovers(leftovers, kernel_id)
    return replace(fenced, stopped=True, why="", ended=tuple(left or ()), knows_left=left is not None)


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
    return Ended(stopped=False, why_no_list="It was not idle, so that it could not be asked.")


def _is_back(before: Look, now: Look, kind: Kind, since_s: float) -> bool:
    """Whether somebody used the kernel, or was at its notebook, or the kernel did anything, since it was looked at
    before; what is no longer known may have happened.

    Args: since_s: how long ago that was, in seconds.
    """
    events = [(before.message, now.message), (before.presence, now.presence)]
    states: list[tuple[Signal[Any], Signal[Any]]] = [(before.pending, now.pending), (before.input, now.input)]
    if kind in ("hung", "input"):  # of others it means nothing: a thread prints, or a job that it waits for
        events.append((before.output, now.output))
    if kind in ("hung", "input") or before.execution.value == "busy":  # others were asked meanwhile, and answered
        states.append((before.execution, now.execution))
    return (
        before.pid != now.pid
        or any(new.age_s is not None and new.age_s < since_s for _, new in events)
        or any(old.value != new.value for old, new in states)
        or any(old.known and not new.known for old, new in (*events, *states))
    )


async def _end(host: KernelHost, before: Look, limit_s: float) -> str | None:
    """Why it did not end; None when it did."""
    began = None if before.pid is None else beginning(before.pid)  # at once: nothing may come in between
    try:
        await host.shutdown(before.kernel_id, limit_s)
    except asyncio.TimeoutError:
        return "It does not end."
    except Exception as error:
        logger.warning("Kernel %s could not be stopped", before.kernel_id, exc_info=True)
        return f"It could not be stopped: {error}"
    if before.pid is None or began is None:
        return None
    for _ in range(int(_GONE_S / _EVERY_S)):
        if not await in_thread(lives, before.pid, began):
            return None
        await asyncio.sleep(_EVERY_S)
    return f"Its process {before.pid} does not end."


async def _answers(host: KernelHost, kernel_id: str, limit_s: float) -> bool:
    try:
        return await host.answers(kernel_id, limit_s)
    except Exception:
        logger.debug("Whether kernel %s goes on is not known", kernel_id, exc_info=True)
        return False


async def _leftovers(leftovers: Callable[[], Awaitable[Sequence[str]]], kernel_id: str) -> Sequence[str] | None:
    """What was ended; None: it is not known what is left."""
    try:
        return await leftovers()
    except Exception:
        logger.warning("It is not known what kernel %s has left behind", kernel_id, exc_info=True)
        return None
