"""GPUs of this machine as NVML tells them. Blocking (a driver that wakes up takes seconds): call it in a thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .nvml import attempt, begin, sentence, text

NO_DRIVER_HINT = "Ask for 0 GPUs to run on the processor, or install NVIDIA's driver and check it with `nvidia-smi`."


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    index: int
    """As NVML and `nvidia-smi` count."""
    uuid: str
    name: str | None
    memory_bytes: int | None
    mig: bool = False
    """Split into MIG slices: the whole cannot be given to a job."""


@dataclass(frozen=True)
class Inventory:
    """The GPUs that a job may be given, and why there are no more."""

    gpus: list[Gpu] = field(default_factory=list)
    """Whole GPUs that this process may use."""
    split: list[Gpu] = field(default_factory=list)
    """GPUs left out because they are split into MIG slices."""
    why: str | None = None
    """A sentence about what is missing; None when nothing is."""
    hint: str | None = None
    """What a person can do about it."""


@dataclass(frozen=True)
class GpuUse:
    """What one GPU does now. None where the driver does not say."""

    uuid: str
    busy: float | None
    """Share of the last sampling period in which a kernel ran, 0-1."""
    memory_bytes: int | None
    """In use by all processes."""
    memory_total_bytes: int | None
    processes: int | None
    """Processes that compute on it, of any user."""


def inventory(nvml: Any | None = None, *, visible: str | None = None) -> Inventory:
    """What there is. Never raises: a missing or broken driver is a sentence in `why`.

    Args:
        nvml: stands in for the `pynvml` module; None imports it.
        visible: restricts as CUDA_VISIBLE_DEVICES does; None takes that variable of this process, so that a machine
            shared by a scheduler gives no more than it allotted.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    try:
        with _session(nvml) as library:
            every = [_gpu(library, index) for index in range(library.nvmlDeviceGetCount())]
    except Exception as error:  # pynvml raises classes it makes at import; a stub of it may raise anything
        return Inventory(why=sentence(error), hint=NO_DRIVER_HINT)
    if not every:
        return Inventory(why="NVIDIA's driver is loaded but shows no GPU.", hint=NO_DRIVER_HINT)
    allowed = every if visible is None else _restrict(every, visible)
    whole = [gpu for gpu in allowed if not gpu.mig]
    split = [gpu for gpu in allowed if gpu.mig]
    return Inventory(whole, split, *_missing(every, allowed, split, visible))


def use(nvml: Any | None = None) -> dict[str, GpuUse]:
    """What each GPU does now, by UUID. Empty without a driver; a figure that fails is None."""
    try:
        with _session(nvml) as library:
            readings = [_use(library, index) for index in range(library.nvmlDeviceGetCount())]
    except Exception:  # as in `inventory`, which says why
        return {}
    return {reading.uuid: reading for reading in readings}


@contextlib.contextmanager
def _session(nvml: Any | None) -> Iterator[Any]:
    library = begin(nvml)
    try:
        yield library
    finally:
        library.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = attempt(lambda: text(nvml.nvmlDeviceGetName(handle)))
    memory = attempt(lambda: int(nvml.nvmlDeviceGetMemoryInfo(handle).total))
    mig = attempt(lambda: nvml.nvmlDeviceGetMigMode(handle)[0] == 1)  # raises NotSupported where there is no MIG
    return Gpu(index, text(nvml.nvmlDeviceGetUUID(handle)), name, memory, bool(mig))


def _use(nvml: Any, index: int) -> GpuUse:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = attempt(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return GpuUse(
        uuid=text(nvml.nvmlDeviceGetUUID(handle)),
        busy=attempt(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
        memory_bytes=None if memory is None else int(memory.used),
        memory_total_bytes=None if memory is None else int(memory.total),
        processes=attempt(lambda: len(nvml.nvmlDeviceGetComputeRunningProcesses(handle))),
    )


def _restrict(gpus: list[Gpu], visible: str) -> list[Gpu]:
    """What CUDA_VISIBLE_DEVICES leaves over; as in CUDA, the first name that fits nothing ends the list."""
    left: list[Gpu] = []
    for name in (part.strip() for part in visible.split(",")):
        fits = [gpu for gpu in gpus if _is_named(gpu, name)]
        if len(fits) != 1 or fits[0] in left:
            break
        left.append(fits[0])
    return left


def _is_named(gpu: Gpu, name: str) -> bool:
    return gpu.index == int(name) if name.isdigit() else name.startswith("GPU-") and gpu.uuid.startswith(name)


def _missing(
    every: list[Gpu], allowed: list[Gpu], split: list[Gpu], visible: str | None
) -> tuple[str | None, str | None]:
    if split:
        which = ", ".join(str(gpu.index) for gpu in split)
        why = f"GPU {which} is split into MIG slices, which are not given to jobs."
        if len(split) > 1:
            why = f"GPUs {which} are split into MIG slices, which are not given to jobs."
        return why, "An administrator can switch MIG off with `nvidia-smi -i INDEX -mig 0`."
    if len(allowed) < len(every):
        return (
            f"CUDA_VISIBLE_DEVICES={visible!r} of this process leaves {len(allowed)} of {len(every)} GPUs.",
            "Start Jupyter with that variable unset, or ask your scheduler for more GPUs.",
        )
    return None, None
