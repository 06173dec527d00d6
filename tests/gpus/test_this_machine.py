"""This machine as a node: whole GPUs and slices, and whose they are."""

from __future__ import annotations

import os

from mlk_jupyter.gpus.attribution import attribute
from mlk_jupyter.gpus.devices import Device, Reading
from mlk_jupyter.gpus.stock import Stock
from mlk_jupyter.gpus.this_machine import Holder, holder_of, stock

GIB = 1024**3


def gpu(uuid: str, product: str = "NVIDIA H200", **more: object) -> Device:
    return Device(uuid, 0, busy=0.5, memory_bytes=GIB, memory_total_bytes=141 * GIB, product=product, **more)  # type: ignore[arg-type]


def shown(*devices: Device, granted: dict[str, str] | None = None, **processes: str) -> Stock:
    def who(pid: int) -> Holder | None:
        return Holder("kernel", processes[f"p{pid}"], processes[f"p{pid}"]) if f"p{pid}" in processes else None

    return stock(Reading(devices, pids_are_ours=True), granted or {}, at=100.0, who=who)


def test_products_count_apart_and_a_job_holds_what_it_was_given() -> None:
    there = shown(
        gpu("GPU-0"), gpu("GPU-1"), gpu("GPU-2", "NVIDIA L4"), granted={"GPU-1": "digits-1", "GPU-2": "digits-1"}
    )
    assert {one.name: one.total for one in there.nodes[0].resources} == {"NVIDIA H200": 2, "NVIDIA L4": 1}
    assert {(one.resource, one.count, one.id) for one in there.allocations} == {
        ("NVIDIA H200", 1, "digits-1"),
        ("NVIDIA L4", 1, "digits-1"),
    }
    assert {one.id: one.state for one in attribute(there).devices} == {
        "GPU-0": "outside",  # busy, and nobody that is known holds it
        "GPU-1": "held",
        "GPU-2": "held",
    }


def test_a_kernel_holds_a_slice_by_its_process_and_has_what_the_slice_does() -> None:
    slice_ = gpu("MIG-9", parent="GPU-0", profile="1g.18gb", processes={7: None, 8: None})
    there = shown(slice_, p7="kernel-1")
    (held,) = there.allocations
    assert (held.holder, held.id, held.resource, held.devices) == (
        "kernel",
        "kernel-1",
        "NVIDIA H200 1g.18gb",
        ("GPU-0/MIG-9",),
    )
    (known,) = attribute(there).held.values()
    assert known.busy is not None and known.busy.value == 0.5


def test_without_a_driver_nothing_is_known_and_why_is_said() -> None:
    there = stock(Reading(why="This machine has no NVIDIA driver"), {}, at=0.0)
    assert there.why == "This machine has no NVIDIA driver." and there.hint and not there.sources[0].answers


def test_a_process_that_is_nobodys_is_itself_and_one_that_is_gone_nobody() -> None:
    own = holder_of(os.getpid())
    assert own is not None and own.kind == "process" and own.id == str(os.getpid())
    assert holder_of(2**22 + 1) is None
