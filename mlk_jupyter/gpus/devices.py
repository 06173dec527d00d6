"""What the GPUs of this machine do, by NVML: never asked twice at once, and never waited for longer than a limit."""

from __future__ import annotations

import contextlib
import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .nvml import attempt, begin, sentence, text

_LIMIT_S = 5.0  # a driver that wakes up takes up to three
_GRAPHICS_UTIL = 1  # NVML_GPM_METRIC_GRAPHICS_UTIL: share of time in which anything ran, in percent
_GPM_VERSION = 1
_MOST_SLICES = 8  # into which a GPU is split, where the driver does not say
_MINORS = Path("/proc/driver/nvidia-caps/mig-minors")
_MINOR = re.compile(r"gpu(\d+)/gi(\d+)(?:/ci(\d+))?/access (\d+)")
_FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO: a constant of Linux


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU, or one MIG slice of it."""

    uuid: str
    minor: int | None
    """The number in the name of its device file, /dev/nvidia0: not always the index that `nvidia-smi` shows."""
    slice: tuple[int, int] | None = None
    """Its GPU instance and compute instance; None for a whole GPU."""
    busy: float | None = None
    """Share of the time since the last reading, 0-1, in which anything ran on it; the highest that the driver noted."""
    why: str | None = None
    """Why `busy` is not known."""
    memory_bytes: int | None = None
    """In use by all processes."""
    processes: Mapping[int, int | None] | None = None
    """Those that compute on it, of any user, and the bytes of each; None where the driver does not say. In a container
    the numbers are those of the host, or there are none."""
    product: str | None = None
    """As the driver names the GPU."""
    parent: str | None = None
    """Of a slice, the UUID of its GPU."""
    profile: str | None = None
    """Of a slice, e.g. `1g.18gb`."""
    memory_total_bytes: int | None = None
    power_w: float | None = None
    """Of the whole board, also for a slice."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that NVML says at one moment."""

    devices: tuple[Device, ...] = ()
    why: str | None = None
    """Why it says nothing."""
    pids_are_ours: bool = False
    """Whether its numbers of processes are those that this process sees."""
    minors: Mapping[int, tuple[int, int, int | None]] = field(default_factory=dict)
    """The numbers in the names of MIG device files, nvidia-cap3: GPU, GPU instance, compute instance."""


class Devices:
    """NVML's session, kept open between readings.

    Args:
        nvml:    stands in for the `pynvml` module; None imports it.
        limit_s: how long one reading may take.
        clock:   monotonic seconds.
        boards:  whether to ask for the boards' product and power, too.
    """

    def __init__(
        self,
        nvml: Any | None = None,
        *,
        limit_s: float = _LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
        pids_are_ours: bool | None = None,
        boards: bool = False,
    ) -> None:
        self._boards = boards
        self._given, self._limit_s, self._clock = nvml, limit_s, clock
        self._pids_are_ours = _sees_all_pids() if pids_are_ours is None else pids_are_ours
        self._nvml: Any = None
        self._since: dict[str, int] = {}  # of each GPU: time of the newest figure that was read
        self._slices: dict[str, Any] = {}  # of each MIG slice: GPM's sample of the last reading
        self._thread: threading.Thread | None = None
        self._asked = 0.0
        self._closed = False

    def read(self) -> Reading:
        """What the GPUs have done since the last reading. Blocking, for `limit_s` at most; never raises."""
        if self._thread is not None and self._thread.is_alive():
            return Reading(why=f"NVIDIA's driver has not answered for {self._clock() - self._asked:.0f} s")
        found: list[Reading] = []
        self._asked = self._clock()
        # A daemon: what hangs in the driver can be neither ended nor waited for, also not when the server ends.
        self._thread = threading.Thread(target=self._work, args=(found,), name="mlk nvml", daemon=True)
        self._thread.start()
        self._thread.join(self._limit_s)
        if not found:
            return Reading(why=f"NVIDIA's driver did not answer within {self._limit_s:g} s")
        return found[0]

    def close(self) -> None:
        """Ends the session; where the driver hangs, as soon as it answers."""
        self._closed = True
        if self._thread is not None:
            self._thread.join(self._limit_s)
        if self._nvml is not None and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._end, name="mlk nvml", daemon=True)
            self._thread.start()
            self._thread.join(self._limit_s)

    def _work(self, found: list[Reading]) -> None:
        try:
            if self._nvml is None:
                self._nvml = begin(self._given)
            found.append(Reading(tuple(self._all()), None, self._pids_are_ours, _minors()))
        except Exception as error:  # pynvml's classes are made at import; a driver that was updated begins anew
            found.append(Reading(why=sentence(error).rstrip(".")))
            self._end()
        if self._closed:
            self._end()

    def _end(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            for sample in self._slices.values():
                attempt(lambda sample=sample: nvml.nvmlGpmSampleFree(sample))  # type: ignore[misc]
            attempt(lambda: nvml.nvmlShutdown())
        self._slices.clear()
        self._since.clear()

    def _all(self) -> list[Device]:
        """Every GPU but those that have failed. Raises: what the driver raises, where that is all of them."""
        devices: list[Device] = []
        failed: Exception | None = None
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                devices += self._gpu(index)
            except Exception as error:  # "GPU is lost": the others answer
                failed = error
        if failed is not None and not devices:
            raise failed
        return devices

    def _gpu(self, index: int) -> list[Device]:
        """One GPU, or its slices."""
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        minor = attempt(lambda: int(nvml.nvmlDeviceGetMinorNumber(handle)))
        uuid, board = text(nvml.nvmlDeviceGetUUID(handle)), self._board(handle)
        if attempt(lambda: nvml.nvmlDeviceGetMigMode(handle)[0] == 1):
            count = attempt(lambda: int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)))
            slices = (self._slice(handle, minor, at) for at in range(_MOST_SLICES if count is None else count))
            return [replace(one, **board, parent=uuid) for one in slices if one is not None]
        busy = self._whole_busy(handle, uuid)
        why = None if busy is not None else "NVIDIA's driver does not tell the use of this GPU"
        used, total = _memory(nvml, handle)
        whole = Device(uuid, minor, None, busy, why, used, _processes(nvml, handle), memory_total_bytes=total)
        return [replace(whole, **board)]

    def _board(self, handle: Any) -> dict[str, Any]:
        """What is known of a board, whole or cut into slices: where it is wanted, for some drivers take their time."""
        nvml = self._nvml
        if not self._boards:
            return {}
        return {
            "product": attempt(lambda: text(nvml.nvmlDeviceGetName(handle))),
            "power_w": attempt(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        }

    def _whole_busy(self, handle: Any, uuid: str) -> float | None:
        """The highest of the figures that the driver has noted meanwhile; it keeps some 20 s of them."""
        nvml, since = self._nvml, self._since.get(uuid, 0)
        now = attempt(lambda: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        kind = getattr(nvml, "NVML_GPU_UTILIZATION_SAMPLES", 1)
        noted = attempt(lambda: nvml.nvmlDeviceGetSamples(handle, kind, since)[1]) or []  # raises where there are none
        figures = [float(sample.sampleValue.uiVal) for sample in noted if sample.timeStamp > since]
        self._since[uuid] = max([since, *(sample.timeStamp for sample in noted)])
        if now is not None:
            figures.append(now)
        return min(max(figures), 100.0) / 100 if figures else None

    def _slice(self, parent: Any, minor: int | None, at: int) -> Device | None:
        nvml = self._nvml
        handle = attempt(lambda: nvml.nvmlDeviceGetMigDeviceHandleByIndex(parent, at))
        if handle is None:
            return None
        uuid = attempt(lambda: text(nvml.nvmlDeviceGetUUID(handle))) or f"MIG {minor}/{at}"
        gpu_instance = attempt(lambda: int(nvml.nvmlDeviceGetGpuInstanceId(handle)))
        compute_instance = attempt(lambda: int(nvml.nvmlDeviceGetComputeInstanceId(handle)))
        busy, why = self._slice_busy(parent, uuid, gpu_instance)
        instances = (-1 if gpu_instance is None else gpu_instance, -1 if compute_instance is None else compute_instance)
        used, total = _memory(nvml, handle)
        # "NVIDIA H200 MIG 1g.18gb"
        name = attempt(lambda: text(nvml.nvmlDeviceGetName(handle))) or ""
        profile = name.rpartition("MIG ")[2] if "MIG " in name else None
        processes = _processes(nvml, handle)
        return Device(uuid, minor, instances, busy, why, used, processes, profile=profile, memory_total_bytes=total)

    def _slice_busy(self, parent: Any, uuid: str, gpu_instance: int | None) -> tuple[float | None, str | None]:
        """The share of a slice's time between two readings, by GPM: other figures are of the whole GPU."""
        nvml = self._nvml
        supported = attempt(lambda: bool(nvml.nvmlGpmQueryDeviceSupport(parent).isSupportedDevice))
        if not supported or gpu_instance is None:
            return None, "the use of MIG slices can be measured on Hopper GPUs and newer ones only"
        sample = attempt(lambda: nvml.nvmlGpmSampleAlloc())
        if sample is None or attempt(lambda: nvml.nvmlGpmMigSampleGet(parent, gpu_instance, sample) or True) is None:
            if sample is not None:
                attempt(lambda: nvml.nvmlGpmSampleFree(sample))
            return None, "NVIDIA's driver does not tell the use of this MIG slice"
        last, self._slices[uuid] = self._slices.get(uuid), sample
        if last is None:
            return None, "not measured yet"
        busy = attempt(lambda: _between(nvml, last, sample))
        attempt(lambda: nvml.nvmlGpmSampleFree(last))
        return (None, "NVIDIA's driver does not tell the use of this MIG slice") if busy is None else (busy, None)


def _between(nvml: Any, first: Any, second: Any) -> float | None:
    asked = nvml.c_nvmlGpmMetricsGet_t()
    asked.version = getattr(nvml, "NVML_GPM_METRICS_GET_VERSION", _GPM_VERSION)
    asked.numMetrics, asked.sample1, asked.sample2 = 1, first, second
    asked.metrics[0].metricId = getattr(nvml, "NVML_GPM_METRIC_GRAPHICS_UTIL", _GRAPHICS_UTIL)
    nvml.nvmlGpmMetricsGet(asked)
    metric = asked.metrics[0]
    if metric.nvmlReturn != 0 or not math.isfinite(metric.value):
        return None
    return float(min(max(metric.value, 0.0), 100.0)) / 100


def _memory(nvml: Any, handle: Any) -> tuple[int | None, int | None]:
    """In use, and in all."""
    info: Any = attempt(lambda: nvml.nvmlDeviceGetMemoryInfo(handle))
    return attempt(lambda: int(info.used)), attempt(lambda: int(info.total))


def _processes(nvml: Any, handle: Any) -> dict[int, int | None] | None:
    return attempt(
        lambda: {int(one.pid): one.usedGpuMemory for one in nvml.nvmlDeviceGetComputeRunningProcesses(handle)}
    )


def _sees_all_pids() -> bool:
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()) == _FIRST_PID_NAMESPACE
    return False


def _minors() -> dict[int, tuple[int, int, int | None]]:
    """What each device file of a MIG slice gives access to."""
    found: dict[int, tuple[int, int, int | None]] = {}
    with contextlib.suppress(OSError):
        for gpu, instance, compute, minor in _MINOR.findall(_MINORS.read_text()):
            found[int(minor)] = (int(gpu), int(instance), int(compute) if compute else None)
    return found
