"""Which GPUs a kernel holds and whether what is measured is about it. Unknown wherever somebody else might be meant."""

from __future__ import annotations

from typing import Any

import pytest

from mlk_jupyter.gpus.devices import Device, Reading
from mlk_jupyter.idle.holding import NONE, GpuUsage, computes, gpu_usage

GIB = 1024**3
CUDA = frozenset({"nvidia0", "nvidia-uvm"})
BOTH = frozenset({"nvidia0", "nvidia1", "nvidia-uvm"})
LOOKS = frozenset({"nvidia0"})
MINE = {10: CUDA}


def gpu(minor: int | None = 0, busy: float | None = 0.0, processes: Any = None, **fields: Any) -> Device:
    why = "the driver says nothing" if busy is None else None
    return Device(f"GPU-{minor}", minor, busy=busy, why=why, memory_bytes=5 * GIB, processes=processes, **fields)


def usage(
    *devices: Device,
    mine: Any = MINE,
    others: Any = None,
    host: bool = False,
    why: str | None = None,
    minors: Any = None,
) -> GpuUsage:
    reading = Reading(devices, why, host, minors or {})
    return gpu_usage(mine, lambda: reading, lambda: others or {})


def test_whoever_only_looks_at_a_gpu_does_not_hold_it() -> None:
    assert computes(CUDA) and not computes(LOOKS) and not computes({"nvidia-uvm"}) and not computes({"nvidia-cap1"})
    assert usage(gpu(busy=0.9), mine={10: LOOKS}) == NONE


def test_a_kernel_without_a_gpu_has_nothing_that_could_be_busy_and_nobody_is_asked() -> None:
    def nobody() -> Any:
        raise AssertionError

    assert gpu_usage({10: frozenset()}, nobody, nobody) == NONE
    assert NONE.gpus.value == 0 and NONE.gpu_busy.known and NONE.gpu_busy.value is None


@pytest.mark.parametrize("busy", [0.0, 0.4])
def test_use_of_a_whole_gpu_that_it_has_alone_is_its_own(busy: float) -> None:
    found = usage(gpu(busy=busy), gpu(1, busy=0.9))
    assert (found.gpus.value, found.gpu_busy.value, found.gpu_memory.value) == (1, busy, 5 * GIB)


def test_the_busiest_of_several_counts() -> None:
    found = usage(gpu(busy=0.0), gpu(1, busy=0.3), mine={10: BOTH})
    assert (found.gpus.value, found.gpu_busy.value, found.gpu_memory.value) == (2, 0.3, 10 * GIB)


def test_two_processes_on_one_gpu_hold_one() -> None:
    assert usage(gpu(), mine={10: CUDA, 11: CUDA}).gpus.value == 1


@pytest.mark.parametrize(
    ("others", "processes", "words"),
    [
        ({20: CUDA}, None, "another process uses the same GPU"),
        ({20: CUDA, 21: CUDA}, None, "2 other processes use the same GPU"),
        ({}, {7001: None, 7002: None}, "another process uses the same GPU"),
    ],
    ids=["seen here", "two seen here", "told by NVML with numbers of the host"],
)
def test_use_of_a_shared_gpu_is_unknown(others: Any, processes: Any, words: str) -> None:
    found = usage(gpu(busy=0.9, processes=processes), others=others)
    assert found.gpus.value == 1 and found.gpu_busy.why == words
    assert found.gpu_memory.why == "other processes use the same GPU"


def test_a_shared_gpu_on_which_nothing_runs_is_known_to_be_unused() -> None:
    found = usage(gpu(busy=0.0), others={20: CUDA})
    assert found.gpu_busy.known and found.gpu_busy.value == 0.0


def test_somebody_on_another_gpu_shares_nothing() -> None:
    assert usage(gpu(busy=0.9), others={21: frozenset({"nvidia1", "nvidia-uvm"})}).gpu_busy.value == 0.9


def test_where_the_numbers_of_processes_are_ours_only_gpus_with_memory_of_its_count() -> None:
    devices = gpu(busy=0.0, processes={10: 3 * GIB}), gpu(1, busy=0.9, processes={99: GIB})
    found = usage(*devices, mine={10: BOTH}, host=True)
    assert (found.gpus.value, found.gpu_busy.value, found.gpu_memory.value) == (1, 0.0, 3 * GIB)
    found = usage(*devices, mine={10: BOTH}, host=False)
    assert found.gpus.value == 2


def test_where_the_numbers_are_ours_another_users_process_is_seen() -> None:
    found = usage(gpu(busy=0.9, processes={10: 3 * GIB, 99: GIB}), host=True)
    assert found.gpu_busy.why == "another process uses the same GPU" and found.gpu_memory.value == 3 * GIB


def test_a_driver_that_says_nothing_leaves_use_unknown_and_not_the_number() -> None:
    found = usage(why="NVIDIA's driver has not answered for 40 s")
    assert found.gpus.value == 1
    assert found.gpu_busy.why == found.gpu_memory.why == "NVIDIA's driver has not answered for 40 s"


def test_a_figure_that_is_missing_makes_use_unknown_unless_another_gpu_clearly_works() -> None:
    assert usage(gpu(busy=None), gpu(1, busy=0.02), mine={10: BOTH}).gpu_busy.why == "the driver says nothing"
    assert usage(gpu(busy=None), gpu(1, busy=0.8), mine={10: BOTH}).gpu_busy.value == 0.8


def test_a_gpu_that_nvml_does_not_show_is_unknown() -> None:
    found = usage(gpu(3))
    assert found.gpus.value == 1 and found.gpu_busy.why == "NVML does not show the GPU of /dev/nvidia0"


def test_the_only_gpu_needs_no_number() -> None:
    assert usage(gpu(None, busy=0.4)).gpu_busy.value == 0.4


def test_open_files_that_may_not_be_read_leave_everything_unknown() -> None:
    found = usage(gpu(busy=0.0), mine={10: CUDA, 11: PermissionError(13, "Permission denied")})
    assert {found.gpus.why, found.gpu_busy.why, found.gpu_memory.why} == {
        "which devices one of its processes holds open cannot be read (Permission denied)"
    }


def test_other_makers_gpus_are_said_to_be_unknown() -> None:
    assert usage(mine={10: frozenset({"kfd"})}).gpus.why == "it holds an AMD GPU, whose use cannot be measured"


MINORS = {12: (0, 1, None), 13: (0, 1, 0), 21: (0, 2, None), 22: (0, 2, 0)}


def mig(instance: int, busy: float | None) -> Device:
    return Device(f"MIG-{instance}", 0, (instance, 0), busy, None, 2 * GIB)


def test_of_a_split_gpu_the_slice_whose_files_are_open_counts() -> None:
    mine = {10: CUDA | {"nvidia-cap21", "nvidia-cap22"}}
    found = usage(mig(1, 0.9), mig(2, 0.0), mine=mine, minors=MINORS)
    assert (found.gpus.value, found.gpu_busy.value, found.gpu_memory.value) == (1, 0.0, 2 * GIB)


def test_the_only_slice_that_is_seen_is_the_one() -> None:
    assert usage(mig(1, 0.3)).gpu_busy.value == 0.3


def test_of_several_slices_none_is_guessed() -> None:
    found = usage(mig(1, 0.9), mig(2, 0.0))
    assert found.gpus.value == 1 and found.gpu_busy.why == "which MIG slice it uses is not known"


def test_somebody_on_another_slice_shares_nothing() -> None:
    mine, other = {10: CUDA | {"nvidia-cap12"}}, {20: CUDA | {"nvidia-cap21"}}
    assert usage(mig(1, 0.9), mig(2, 0.5), mine=mine, others=other, minors=MINORS).gpu_busy.value == 0.9
    assert not usage(mig(1, 0.9), mig(2, 0.5), mine=mine, others=mine | {20: mine[10]}, minors=MINORS).gpu_busy.known
