"""What the watcher asks of whoever runs the kernels, and what it gets; `server` has jupyter_server's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .signals import Execution, Signal, unknown

TAG = "MLK_KERNEL_ID"
"""Bears the id of the kernel in the environment of its process and of all that this starts, however far it goes."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process, which a number alone does not name: numbers are given again."""

    pid: int
    created: float
    """Seconds since the epoch, as `psutil.Process.create_time` gives them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a server knows of one of its kernels without asking anybody; the signals are those of a `Sample`."""

    kernel_id: str
    name: str
    """Its kernelspec."""
    language: str | None
    path: str | None
    """Notebook or console of its session."""
    started: float | None
    """Seconds since the epoch."""
    pid: int | None
    """None for one that is not a process of this machine's, or not yet."""
    local: bool
    """Started by this server, as a process of this machine."""
    spec_metadata: dict[str, object]
    execution: Signal[Execution]
    message: Signal[str]
    pending: Signal[int]
    presence: Signal[str]
    output: Signal[str]
    input: Signal[bool]
    owned: bool = True
    """False for one that another program has started, which alone can end it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of one kernel use; the signals are those of a `Sample`."""

    cpu: Signal[float]
    io: Signal[float]
    stopped: Signal[bool]
    gpus: Signal[int]
    gpu_busy: Signal[float]
    gpu_memory: Signal[int]


@dataclass(frozen=True, slots=True)
class HeldVariable:
    """A name of a kernel's memory: its type, size in bytes, shape and device where it has them. Never its value."""

    name: str
    type: str
    bytes: int | None
    shape: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt to stop a kernel went."""

    stopped: bool
    why: str = ""
    """Why it was not: "a cell was sent", "it does not end"."""
    is_active: bool = False
    """It was not stopped because something spoke against it; else it could not be."""
    is_ending: bool = False
    """It was not stopped, but its end has begun: it takes no cells any more."""
    held: tuple[HeldVariable, ...] | None = None
    held_more: int = 0
    why_no_list: str | None = None
    ended: tuple[str, ...] = ()
    """Processes that had left the kernel and held a GPU, as "name (pid)"."""
    knows_left: bool = True
    """False: there may be more of these, which nobody could look for."""


def unseen(kernel_id: str, before: Look | None, why: str) -> Look:
    """A kernel that could not be looked at: nothing is known of what it does. Args: before: what it was."""
    nothing: Signal[Any] = unknown(why)
    if before is None:
        before = Look(
            kernel_id, "", None, None, None, None, True, {}, nothing, nothing, nothing, nothing, nothing, nothing
        )
    return replace(
        before, execution=nothing, message=nothing, pending=nothing, presence=nothing, output=nothing, input=nothing
    )


class KernelHost(Protocol):
    """Whoever runs the kernels."""

    def kernel_ids(self) -> Sequence[str]:
        """Of all kernels there are."""
        ...

    def look(self, kernel_id: str) -> Look | None:
        """What is known of one; None when it is gone. Called on the event loop; waits for nothing."""
        ...

    def refuse(self, kernel_id: str, why: str | None) -> None:
        """Answers new cells of this kernel with an error that says `why` instead of running them; None ends that."""
        ...

    async def fence(self, kernel_id: str, *, list_memory: bool, limit_s: float) -> Ended:
        """Waits until all that was sent to the kernel before has run: its shell answers in order.

        Gives `stopped=False`; `is_active` where it did not answer in `limit_s` or has run a cell meanwhile; with
        `list_memory` also what is in its memory.
        """
        ...

    async def answers(self, kernel_id: str, limit_s: float) -> bool:
        """Whether a kernel that could not be ended runs cells as before."""
        ...

    async def shutdown(self, kernel_id: str, limit_s: float) -> None:
        """Ends it. Raises: asyncio.TimeoutError, or what the kernel manager raises."""
        ...
