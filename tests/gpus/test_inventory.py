"""What NVML shows becomes GPUs for jobs, or the reason why there are none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlk_jupyter.gpus import inventory, use

GIB = 1024**3


class NVMLError(Exception):
    """As pynvml's, which has subclasses made at import."""


class NVMLError_LibraryNotFound(NVMLError):
    pass


class NVMLError_DriverNotLoaded(NVMLError):
    pass


class NVMLError_NotSupported(NVMLError):
    pass


class Nvml:
    """A driver with `count` GPUs; `split` are in MIG mode, `broken` names functions that fail."""

    def __init__(
        self, count: int = 0, *, split: tuple[int, ...] = (), broken: tuple[str, ...] = (), error: Any = None
    ) -> None:
        self._count, self._split, self._broken, self._error = count, split, broken, error
        self.open = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in self._broken:
            raise NVMLError_NotSupported(name)
        return super().__getattribute__(name)

    def nvmlInit(self) -> None:
        if self._error is not None:
            raise self._error
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return self._count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, index: int) -> bytes:
        return f"GPU-{'abcdef'[index]}000".encode()

    def nvmlDeviceGetName(self, index: int) -> str:
        return "NVIDIA H200"

    def nvmlDeviceGetMemoryInfo(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(total=141 * GIB, used=3 * GIB)

    def nvmlDeviceGetMigMode(self, index: int) -> tuple[int, int]:
        return (1, 1) if index in self._split else (0, 0)

    def nvmlDeviceGetUtilizationRates(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=71, memory=20)

    def nvmlDeviceGetComputeRunningProcesses(self, index: int) -> list[int]:
        return [1, 2]


@pytest.fixture(autouse=True)
def nothing_is_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_every_gpu_is_named_with_its_memory() -> None:
    nvml = Nvml(2)
    there = inventory(nvml)
    assert [(gpu.index, gpu.uuid, gpu.name, gpu.memory_bytes) for gpu in there.gpus] == [
        (0, "GPU-a000", "NVIDIA H200", 141 * GIB),
        (1, "GPU-b000", "NVIDIA H200", 141 * GIB),
    ]
    assert there.why is None and nvml.open == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NVMLError_LibraryNotFound("x"), "no NVIDIA driver"),
        (NVMLError_DriverNotLoaded("x"), "not loaded"),
        (ModuleNotFoundError("pynvml"), "nvidia-ml-py is not installed"),
        (NVMLError("GPU is lost"), "GPU is lost"),
        (OSError("cannot open shared object"), "cannot open shared object"),
    ],
)
def test_without_a_working_driver_there_are_no_gpus_and_a_reason_with_the_way_out(error: Exception, words: str) -> None:
    there = inventory(Nvml(2, error=error))
    assert there.gpus == []
    assert there.why is not None and words in there.why
    assert there.hint is not None and "0 GPUs" in there.hint
    assert use(Nvml(2, error=error)) == {}


def test_a_driver_without_gpus_says_so() -> None:
    there = inventory(Nvml(0))
    assert there.gpus == [] and there.why == "NVIDIA's driver is loaded but shows no GPU."


def test_a_gpu_split_into_slices_is_not_given_to_jobs() -> None:
    there = inventory(Nvml(3, split=(1,)))
    assert [gpu.index for gpu in there.gpus] == [0, 2]
    assert [gpu.index for gpu in there.split] == [1]
    assert there.why is not None and there.why.startswith("GPU 1 is split into MIG slices")


@pytest.mark.parametrize(
    ("visible", "left"),
    [
        ("1,0", [1, 0]),
        ("GPU-b", [1]),
        ("GPU-c000,GPU-a000", [2, 0]),
        ("", []),
        ("-1", []),
        ("0,7,1", [0]),
        ("0,0", [0]),
        ("NoDevFiles", []),
        ("GPU-", []),
    ],
)
def test_cuda_visible_devices_of_the_server_restricts_its_jobs(
    visible: str, left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    there = inventory(Nvml(3))
    assert [gpu.index for gpu in there.gpus] == left
    assert there.why is not None and f"leaves {len(left)} of 3" in there.why


def test_a_figure_that_the_driver_refuses_is_unknown_and_not_zero() -> None:
    broken = ("nvmlDeviceGetMigMode", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo")
    nvml = Nvml(1, broken=broken)
    assert inventory(nvml).gpus[0].memory_bytes is None
    reading = use(nvml)["GPU-a000"]
    assert (reading.busy, reading.memory_bytes, reading.processes) == (None, None, 2)


def test_use_tells_share_memory_and_processes() -> None:
    reading = use(Nvml(1))["GPU-a000"]
    assert (reading.busy, reading.memory_bytes, reading.memory_total_bytes) == (0.71, 3 * GIB, 141 * GIB)
