"""What is known of a kernel at one moment: signals, each with a value, its age, or why it is unknown. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")

Execution = Literal["starting", "idle", "busy", "dead"]


@dataclass(frozen=True, slots=True)
class Signal(Generic[T]):
    """One signal. Unknown is None, never zero; unknown never counts as idle."""

    value: T | None = None
    age_s: float | None = None
    """Seconds since what it tells of happened (an event) or became so (a state). None: never, or not known."""
    why: str | None = None
    """Why it is unknown, in words; None where it is known."""

    @property
    def known(self) -> bool:
        """Whether it can be relied on."""
        return self.why is None


def unknown(why: str) -> Signal[Any]:
    """A signal that says nothing."""
    return Signal(None, None, why)


@dataclass(frozen=True, slots=True)
class Sample:
    """All signals of one kernel, taken together."""

    at: float
    """Monotonic seconds."""
    execution: Signal[Execution]
    """State of the kernel; its age: how long it has been in it."""
    message: Signal[str]
    """Newest message by which a person (not a page) used the kernel: `execute_request` that is not silent,
    `input_reply`, `complete_request`, `inspect_request`. Known with no value and no age: there was none yet."""
    pending: Signal[int]
    """Cells that were sent through this server and not answered yet."""
    presence: Signal[str]
    """Newest sign of a person at a window that shows this kernel: `pointer` or `key`."""
    output: Signal[str]
    """Newest message of the kernel while it was busy; keeps a busy kernel from counting as hung, and nothing else."""
    input: Signal[bool]
    """Whether `input()` waits for an answer; its age: since when."""
    cpu: Signal[float]
    """CPU of the kernel's processes since the sample before, in percent of one core: its children, also those that
    left its process group or its session, but no job of ours that it started."""
    io: Signal[float]
    """Bytes a second that these processes read and wrote by system calls since the sample before. Known with no value:
    this system does not count them (macOS)."""
    stopped: Signal[bool]
    """Whether the kernel's process is suspended (SIGSTOP)."""
    gpus: Signal[int]
    """GPUs, or MIG slices, that its processes hold open."""
    gpu_busy: Signal[float]
    """Share of the time since the sample before, 0-1, in which these worked: the busiest. Unknown where tenants share a
    busy GPU; known with no value where none is held."""
    gpu_memory: Signal[int]
    """Bytes of GPU memory that its processes hold."""
    jobs: Signal[tuple[str, ...]]
    """Ids of unfinished jobs that the kernel submitted."""
    waits_for: Signal[str]
    """Id of the unfinished job that the running cell does nothing but wait for."""
    local: bool = True
    """False for kernels of a gateway and of other owners: not sampled, and never stopped by what they use."""


NAMES = (
    "execution", "message", "pending", "presence", "output", "input", "cpu", "io", "stopped", "gpus", "gpu_busy",
    "gpu_memory", "jobs", "waits_for",
)  # fmt: skip
"""Of the signals of a sample, in the order in which they are shown. A lease, shown after them, is not measured;
terminals are no kernel's, and keep the whole server (`idle.terminals`)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from all samples so far."""

    state: Literal["starting", "active", "quiet", "warned", "due", "dead"]
    """`due`: the deadline of a warning has passed and nothing spoke against it."""
    kind: Literal["idle", "idle_gpu", "hung", "input", "delegated", "age"] | None = None
    """Of a quiet kernel: why it counts as one, and so which limit it has."""
    because: str = ""
    """In words for a person: "computes in the background (CPU 98 % of a core)", "idle, holds 1 GPU unused"."""
    quiet_s: float | None = None
    """Seconds since it last did anything."""
    limit_s: float | None = None
    """How long it may be quiet; None: for ever."""
    stops_in_s: float | None = None
    """Seconds until it is due; None: it is not going to be."""
    leased_s: float | None = None
    """Seconds that its lease still has."""
    used: tuple[str, ...] = field(default=())
    """Names of the signals that decided."""
