"""What NVML says of GPUs, and what is said where it says nothing, fails, hangs, or means a whole GPU that is split."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from standin_kernel import until

from mlk_jupyter.gpus.devices import Device, Devices

GIB = 1024**3


class NVMLError_NotSupported(Exception):
    """As pynvml's, which are made at import."""


class NVMLError_LibraryNotFound(Exception):
    pass


class Driver:
    """A driver with whole GPUs of these percentages; `split` has its slices' instead. `broken` functions raise."""

    def __init__(self, *busy: int, split: dict[int, list[float]] | None = None) -> None:
        self.busy = list(busy)
        self.split = split or {}
        self.broken: dict[str, Exception] = {}
        self.noted: list[tuple[int, int]] = []
        self.processes: list[tuple[int, int | None]] = [(100, 3 * GIB)]
        self.hopper = True
        self.sessions = 0
        self.samples = 0
        self.answers = threading.Event()
        self.answers.set()

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in self.broken:
            raise self.broken[name]
        return super().__getattribute__(name)

    def nvmlInit(self) -> None:
        self.sessions += 1

    def nvmlShutdown(self) -> None:
        self.sessions -= 1

    def nvmlDeviceGetCount(self) -> int:
        self.answers.wait()
        return len(self.busy)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if self.busy[index] < 0:
            raise NVMLError_NotSupported("GPU is lost")
        return index

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return f"GPU-{handle}"

    def nvmlDeviceGetMinorNumber(self, index: int) -> int:
        return index + 4

    def nvmlDeviceGetMigMode(self, index: int) -> tuple[int, int]:
        return (1, 1) if index in self.split else (0, 0)

    def nvmlDeviceGetUtilizationRates(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=self.busy[index])

    def nvmlDeviceGetSamples(self, index: int, kind: int, since: int) -> tuple[int, list[SimpleNamespace]]:
        newer = [(at, value) for at, value in self.noted if at > since]
        if not newer:
            raise NVMLError_NotSupported("NotFound")
        return 0, [SimpleNamespace(timeStamp=at, sampleValue=SimpleNamespace(uiVal=value)) for at, value in newer]

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> SimpleNamespace:
        return SimpleNamespace(used=5 * GIB, total=80 * GIB)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in self.processes]

    def nvmlDeviceGetMaxMigDeviceCount(self, index: int) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, index: int, at: int) -> tuple[int, int]:
        self.split[index][at]
        return index, at

    def nvmlDeviceGetGpuInstanceId(self, handle: tuple[int, int]) -> int:
        return handle[1] + 1

    def nvmlDeviceGetComputeInstanceId(self, handle: tuple[int, int]) -> int:
        return 0

    def nvmlGpmQueryDeviceSupport(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(isSupportedDevice=int(self.hopper))

    def nvmlGpmSampleAlloc(self) -> dict[str, Any]:
        self.samples += 1
        return {}

    def nvmlGpmSampleFree(self, sample: dict[str, Any]) -> None:
        self.samples -= 1

    def nvmlGpmMigSampleGet(self, index: int, instance: int, sample: dict[str, Any]) -> dict[str, Any]:
        sample["busy"] = self.split[index][instance - 1]
        return sample

    def c_nvmlGpmMetricsGet_t(self) -> SimpleNamespace:
        return SimpleNamespace(metrics=[SimpleNamespace(nvmlReturn=0, value=float("nan"))])

    def nvmlGpmMetricsGet(self, asked: SimpleNamespace) -> None:
        asked.metrics[0].value = asked.sample2["busy"]


Open = Callable[..., Devices]


@pytest.fixture
def opened() -> Iterator[Open]:
    made: list[tuple[Driver, Devices]] = []

    def begin(driver: Driver, **options: Any) -> Devices:
        made.append((driver, Devices(driver, **options)))
        return made[-1][1]

    yield begin
    for driver, devices in made:
        driver.answers.set()
        devices.close()
        until(lambda driver=driver: driver.sessions == 0)


def test_a_whole_gpu_is_told_with_use_memory_and_processes(opened: Open) -> None:
    whole = Device("GPU-0", 4, None, 0.71, None, 5 * GIB, {100: 3 * GIB}, memory_total_bytes=80 * GIB)
    assert opened(Driver(71)).read().devices == (whole,)


def test_one_session_serves_all_readings_until_it_is_closed(opened: Open) -> None:
    driver = Driver(0)
    devices = opened(driver)
    devices.read()
    devices.read()
    assert driver.sessions == 1
    devices.close()
    assert driver.sessions == 0 and not [one for one in threading.enumerate() if one.name == "mlk nvml"]


def test_work_between_two_readings_is_seen_once(opened: Open) -> None:
    driver = Driver(0)
    devices = opened(driver)
    driver.noted = [(1, 0), (2, 93), (3, 0)]
    assert devices.read().devices[0].busy == 0.93
    driver.noted += [(4, 0)]
    assert devices.read().devices[0].busy == 0.0


@pytest.mark.parametrize("error", [NVMLError_LibraryNotFound(), ImportError("pynvml"), RuntimeError("driver mismatch")])
def test_a_driver_that_is_missing_or_broken_is_a_sentence(opened: Open, error: Exception) -> None:
    driver = Driver(0)
    driver.broken["nvmlInit"] = error
    reading = opened(driver).read()
    assert reading.devices == () and reading.why and not reading.why.endswith(".")


def test_a_driver_that_fails_in_between_is_asked_anew(opened: Open) -> None:
    driver = Driver(50)
    devices = opened(driver)
    assert devices.read().devices
    driver.broken["nvmlDeviceGetCount"] = RuntimeError("Driver/library version mismatch")
    assert devices.read().why == "NVIDIA's driver does not answer: Driver/library version mismatch"
    del driver.broken["nvmlDeviceGetCount"]
    assert devices.read().devices[0].busy == 0.5 and driver.sessions == 1


def test_a_driver_that_hangs_is_waited_for_once_and_by_one_thread(opened: Open) -> None:
    driver = Driver(50)
    devices = opened(driver, limit_s=0.05)
    driver.answers.clear()
    assert devices.read().why == "NVIDIA's driver did not answer within 0.05 s"
    for _ in range(5):
        why = devices.read().why
        assert why is not None and why.startswith("NVIDIA's driver has not answered for")
    assert len([one for one in threading.enumerate() if one.name == "mlk nvml"]) == 1
    driver.answers.set()
    until(lambda: devices.read().devices)


def test_a_session_that_hangs_as_it_is_closed_ends_when_the_driver_answers(opened: Open) -> None:
    driver = Driver(50)
    devices = opened(driver, limit_s=0.05)
    driver.answers.clear()
    devices.read()
    devices.close()
    assert driver.sessions == 1
    driver.answers.set()
    until(lambda: driver.sessions == 0)


def test_one_lost_gpu_does_not_hide_the_others(opened: Open) -> None:
    assert [device.minor for device in opened(Driver(-1, 30)).read().devices] == [5]
    assert opened(Driver(-1)).read().why == "NVIDIA's driver does not answer: GPU is lost"


def test_a_figure_that_the_driver_refuses_is_unknown_and_not_zero(opened: Open) -> None:
    driver = Driver(50)
    names = ("UtilizationRates", "Samples", "MemoryInfo", "ComputeRunningProcesses", "MinorNumber")
    driver.broken = {f"nvmlDeviceGet{name}": NVMLError_NotSupported() for name in names}
    assert opened(driver).read().devices == (
        Device("GPU-0", None, None, None, "NVIDIA's driver does not tell the use of this GPU", None, None),
    )


def test_slices_are_measured_between_two_readings(opened: Open) -> None:
    driver = Driver(0, split={0: [0.0, 80.0]})
    devices = opened(driver)
    assert [(one.slice, one.busy, one.why) for one in devices.read().devices] == [
        ((1, 0), None, "not measured yet"),
        ((2, 0), None, "not measured yet"),
    ]
    assert [one.busy for one in devices.read().devices] == [0.0, 0.8]
    assert driver.samples == 2
    devices.close()
    assert driver.samples == 0


def test_slices_of_older_gpus_are_unknown(opened: Open) -> None:
    driver = Driver(0, split={0: [50.0]})
    driver.hopper = False
    (only,) = opened(driver).read().devices
    assert only.busy is None and only.why == "the use of MIG slices can be measured on Hopper GPUs and newer ones only"


@pytest.mark.parametrize("broken", ["nvmlGpmMigSampleGet", "nvmlGpmMetricsGet", "nvmlGpmSampleAlloc"])
def test_slices_whose_use_the_driver_refuses_are_unknown(opened: Open, broken: str) -> None:
    driver = Driver(0, split={0: [50.0]})
    devices = opened(driver)
    devices.read()
    driver.broken[broken] = NVMLError_NotSupported()
    (only,) = devices.read().devices
    assert only.busy is None and only.why == "NVIDIA's driver does not tell the use of this MIG slice"


def test_a_slice_whose_use_is_no_number_is_unknown(opened: Open) -> None:
    devices = opened(Driver(0, split={0: [float("nan")]}))
    devices.read()
    (only,) = devices.read().devices
    assert only.busy is None
