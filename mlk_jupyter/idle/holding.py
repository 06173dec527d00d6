"""Which GPUs a kernel's processes hold, and how far what NVML says of these is about them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from ..gpus.devices import Device, Reading
from .signals import Signal, unknown

_GPU = re.compile(r"nvidia(\d+)")
_CAPABILITY = re.compile(r"nvidia-cap(\d+)")
_UNIFIED_MEMORY = "nvidia-uvm"
_OTHERS = {"kfd": "an AMD GPU", "dxg": "a GPU of Windows"}
_SURE = 0.5  # so busy a GPU counts, although the use of another is not known


def computes(opened: Collection[str]) -> bool:
    """Whether a process with these device files holds GPU memory: CUDA opens a GPU's file and that of unified memory.

    The GPU's alone is also held by whoever only looks: `nvidia-smi`, or MLflow as it records system metrics.
    """
    return _UNIFIED_MEMORY in opened and any(_GPU.fullmatch(name) for name in opened)


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """The three signals of a `Usage` that are about GPUs."""

    gpus: Signal[int]
    gpu_busy: Signal[float]
    gpu_memory: Signal[int]


NONE = GpuUsage(Signal(0, 0.0), Signal(None), Signal(0, 0.0))
"""Of a kernel that holds no GPU: there is nothing that could be busy, and that is known."""


def gpu_usage(
    opened: Mapping[int, Collection[str] | OSError],
    reading: Callable[[], Reading],
    others: Callable[[], Mapping[int, Collection[str]]],
) -> GpuUsage:
    """What a kernel holds and how busy that is.

    Args:
        opened: the device files of each of its processes, or why they cannot be read.
        reading: asked where it holds any.
        others: the same of all other processes that are seen to hold a GPU; asked where one is busy.
    """
    held = [files for files in opened.values() if not isinstance(files, OSError)]
    failed = next((files for files in opened.values() if isinstance(files, OSError)), None)
    foreign = next((title for name, title in _OTHERS.items() if any(name in files for files in held)), None)
    if foreign is not None:
        why = f"it holds {foreign}, whose use cannot be measured"
        return GpuUsage(unknown(why), unknown(why), unknown(why))
    held = [files for files in held if computes(files)]
    if not held and failed is None:
        return NONE
    now = reading()
    devices = _held(held, opened, now)
    if failed is not None and not (now.pids_are_ours and _listed(opened, now)):
        why = f"which devices one of its processes holds open cannot be read ({failed.strerror or failed})"
        return GpuUsage(unknown(why), unknown(why), unknown(why))
    if isinstance(devices, str):
        count = len({name for files in held for name in files if _GPU.fullmatch(name)})
        return GpuUsage(Signal(count, 0.0), unknown(devices), unknown(devices))
    tenants = _Tenants(opened, others, now)
    return GpuUsage(Signal(len(devices), 0.0), _busy(devices, tenants), _memory(devices, tenants, opened, now))


def _held(held: Iterable[Collection[str]], opened: Collection[int], reading: Reading) -> list[Device] | str:
    """The devices that these processes hold, or why it is not known what NVML calls them."""
    # CUDA opens the files of all GPUs that it may use: only NVML tells on which it has memory.
    if reading.pids_are_ours and (listed := _listed(opened, reading)):
        return listed
    if reading.why is not None:
        return reading.why
    found: dict[str, Device] = {}
    for files in held:
        slices = {reading.minors.get(int(cap[1])) for cap in map(_CAPABILITY.fullmatch, files) if cap}
        for minor in sorted(int(gpu[1]) for gpu in map(_GPU.fullmatch, files) if gpu):
            fitting = _of_minor(minor, reading.devices)
            if not fitting:
                return f"NVML does not show the GPU of /dev/nvidia{minor}"
            if fitting[0].slice is not None:
                fitting = _allowed(minor, fitting, slices)
                if len(fitting) != 1:
                    return "which MIG slice it uses is not known"
            found.update({device.uuid: device for device in fitting})
    return list(found.values())


def _listed(mine: Collection[int], reading: Reading) -> list[Device]:
    return [device for device in reading.devices if any(pid in (device.processes or {}) for pid in mine)]


def _of_minor(minor: int, devices: Collection[Device]) -> list[Device]:
    fitting = [device for device in devices if device.minor == minor]
    unnamed = [device for device in devices if device.minor is None]
    return fitting or (unnamed if len(unnamed) == len(devices) == 1 else [])


def _allowed(minor: int, slices: list[Device], open_: Collection[tuple[int, int, int | None] | None]) -> list[Device]:
    """Those of a GPU's slices whose device files are open; where none is, all that this server sees."""
    named = [
        device
        for device in slices
        if device.slice is not None and {(minor, *device.slice), (minor, device.slice[0], None)} & set(open_)
    ]
    return named or slices


class _Tenants:
    """Who else holds the devices that a kernel holds."""

    def __init__(
        self,
        opened: Mapping[int, Collection[str] | OSError],
        others: Callable[[], Mapping[int, Collection[str]]],
        reading: Reading,
    ) -> None:
        self._mine, self._ask, self._reading = opened, others, reading
        self._others: list[Collection[str]] | None = None

    def on(self, device: Device) -> int:
        """How many processes beside the kernel's compute on it, as far as is known."""
        if self._reading.pids_are_ours and device.processes is not None:
            return sum(1 for pid in device.processes if pid not in self._mine)
        if self._others is None:
            self._others = list(self._ask().values())
        seen = sum(1 for files in self._others if _may_use(files, device, self._reading))
        own = sum(
            1
            for files in self._mine.values()
            if not isinstance(files, OSError) and computes(files) and _may_use(files, device, self._reading)
        )
        # Numbers of another namespace cannot be compared, but counted: some are of processes that cannot be seen here.
        return max(seen, len(device.processes or ()) - own)


def _may_use(files: Collection[str], device: Device, reading: Reading) -> bool:
    """Whether a process that computes and has these device files open may do so on a device."""
    if device.minor is not None and f"nvidia{device.minor}" not in files:
        return False
    if device.slice is None or device.minor is None:
        return True
    open_ = {reading.minors.get(int(cap[1])) for cap in map(_CAPABILITY.fullmatch, files) if cap} - {None}
    return not open_ or bool({(device.minor, *device.slice), (device.minor, device.slice[0], None)} & open_)


def _busy(devices: Collection[Device], tenants: _Tenants) -> Signal[float]:
    """The busiest of them."""
    figures, why = [0.0], None
    for device in devices:
        if device.busy is None:
            why = device.why or "the use of its GPU is not known"
        elif device.busy > 0 and (count := tenants.on(device)):  # of an idle one it does not matter who shares it
            one = "another process uses" if count == 1 else f"{count} other processes use"
            why = f"{one} the same GPU"
        else:
            figures.append(device.busy)
    if why is not None and max(figures) < _SURE:
        return unknown(why)
    return Signal(max(figures), 0.0)


def _memory(devices: Collection[Device], tenants: _Tenants, mine: Collection[int], reading: Reading) -> Signal[int]:
    total = 0
    for device in devices:
        own = [size for pid, size in (device.processes or {}).items() if pid in mine]
        if reading.pids_are_ours and own and None not in own:
            total += sum(size for size in own if size is not None)
        elif device.memory_bytes is None:
            return unknown("NVIDIA's driver does not tell the memory in use")
        elif tenants.on(device):
            return unknown("other processes use the same GPU")
        else:
            total += device.memory_bytes
    return Signal(total, 0.0)
