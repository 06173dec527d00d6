"""The figures of one small cluster, told by every generation of exporter: what a naive sum gets wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.backends.kubernetes.gpu_objects import allocations_of, kept_of_pod, nodes_of
from mlk_jupyter.gpus.attribution import BUSY, Attributed, attribute, board_power_w, memory_bytes
from mlk_jupyter.gpus.exposition import uses
from mlk_jupyter.gpus.stock import Allocation, Stock

DATA = Path(__file__).parent / "data"
MIB = 1024**2


def modern(text: str, node: str) -> str:
    return text


def exported(text: str, node: str) -> str:
    """As Prometheus stores it without honorLabels: the plain labels are the exporter's own."""
    text = re.sub(r'\b(namespace|pod|container)="', r'exported_\1="', text)
    own = f'namespace="gpu-operator",pod="nvidia-dcgm-exporter-{node}",container="exporter",'
    return re.sub(r"^(\w+)\{", rf"\1{{{own}", text, flags=re.MULTILINE)


def honoured(text: str, node: str) -> str:
    """As Prometheus stores it with honorLabels: a GPU that nobody holds bears the exporter's own pod."""
    own = f',namespace="gpu-operator",pod="nvidia-dcgm-exporter-{node}",container="exporter"}}'
    return "\n".join(
        line.replace("}", own) if "{" in line and "pod=" not in line else line for line in text.splitlines()
    )


def first_generation(text: str, node: str) -> str:
    """dcgm-exporter 1.x: other names of metrics and labels. It knew the busy share of whole GPUs only."""
    names = {
        "DCGM_FI_DEV_GPU_UTIL": "dcgm_gpu_utilization",
        "DCGM_FI_DEV_FB_USED": "dcgm_fb_used",
        "DCGM_FI_DEV_FB_FREE": "dcgm_fb_free",
        "DCGM_FI_DEV_POWER_USAGE": "dcgm_power_usage",
    }
    for new, old in names.items():
        text = text.replace(new, old)
    text = re.sub(r'\b(namespace|pod|container)="', lambda match: f'{_old(match[1])}="', text).replace("UUID=", "uuid=")
    return "\n".join(line for line in text.splitlines() if "DCGM_FI" not in line.split("{")[0])


def _old(name: str) -> str:
    return {"pod": "pod_name", "namespace": "pod_namespace", "container": "container_name"}[name]


GENERATIONS: list[Any] = [
    pytest.param("", modern, id="hostname"),
    pytest.param(".legacy", modern, id="Hostname"),
    pytest.param("", exported, id="exported labels"),
    pytest.param("", honoured, id="honoured labels"),
    pytest.param(".legacy", first_generation, id="1.x names"),
]


def node(name: str, labels: dict[str, str], **resources: int) -> dict[str, Any]:
    allocatable = {"cpu": "16", "memory": "64Gi", **{key: str(value) for key, value in resources.items()}}
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": allocatable}}


def pod(namespace: str, name: str, on: str, resource: str, count: int = 1) -> dict[str, Any]:
    limits = {"resources": {"limits": {resource: str(count)}}}
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "spec": {"nodeName": on, "containers": [limits]},
        "status": {"phase": "Running", "startTime": "2026-12-01T00:00:00Z"},
    }


NODES = [
    node(
        "gpu-a",
        {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"},
        **{"nvidia.com/gpu": 2},
    ),
    node(
        "gpu-b",
        {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/mig.strategy": "mixed"},
        **{"nvidia.com/mig-3g.71gb": 1, "nvidia.com/mig-1g.18gb": 2, "nvidia.com/gpu": 0},
    ),
    node(
        "gpu-c",
        {
            "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
            "nvidia.com/gpu.replicas": "4",
            "nvidia.com/gpu.sharing-strategy": "time-slicing",
        },
        **{"nvidia.com/gpu": 4},
    ),
]
PODS = [
    pod("ml-team", "train-a-worker-0", "gpu-a", "nvidia.com/gpu"),
    pod("ml-team", "nb-alice", "gpu-b", "nvidia.com/mig-3g.71gb"),
    pod("ml-team", "nb-bob", "gpu-b", "nvidia.com/mig-1g.18gb"),
    pod("edu", "nb-1", "gpu-c", "nvidia.com/gpu"),
    pod("edu", "nb-2", "gpu-c", "nvidia.com/gpu"),
]


def allocations(pods: list[dict[str, Any]]) -> list[Allocation]:
    return allocations_of([kept for one in pods if (kept := kept_of_pod(one)) is not None])


def stock(suffix: str, generation: Callable[[str, str], str]) -> Stock:
    found = []
    for name in ("gpu-a", "gpu-b", "gpu-c"):
        text = (DATA / f"dcgm_{name}{suffix}.prom").read_text()
        found += uses(generation(text, name), at=100.0)
    return Stock("k", "The cluster", 100.0, nodes_of(NODES), allocations(PODS), found)


def holder(there: Stock, found: Attributed, name: str) -> Any:
    (number,) = (at for at, one in enumerate(there.allocations) if one.pod == name)
    return found.held[number]


@pytest.mark.parametrize(("suffix", "generation"), GENERATIONS)
def test_power_is_each_board_once_and_shared_memory_that_of_the_device(
    suffix: str, generation: Callable[[str, str], str]
) -> None:
    there = stock(suffix, generation)
    power, memory = board_power_w(there.uses), memory_bytes(use for use in there.uses if use.node == "gpu-c")
    assert power is not None and round(power) == 970  # the sum of all rows is 1,488
    assert memory == 15_360 * MIB  # the sum of all rows is 30,720


@pytest.mark.parametrize(("suffix", "generation"), GENERATIONS)
def test_what_is_free_is_what_the_scheduler_has_given_to_nobody(
    suffix: str, generation: Callable[[str, str], str]
) -> None:
    there = stock(suffix, generation)
    held: dict[tuple[str | None, str], int] = {}
    for one in there.allocations:
        held[one.node, one.resource] = held.get((one.node, one.resource), 0) + one.count
    free = {
        (place.name, one.name): one.total - held.get((place.name, one.name), 0)
        for place in there.nodes
        for one in place.resources
    }
    assert free == {
        ("gpu-a", "nvidia.com/gpu"): 1,
        ("gpu-b", "nvidia.com/mig-3g.71gb"): 0,
        ("gpu-b", "nvidia.com/mig-1g.18gb"): 1,
        ("gpu-c", "nvidia.com/gpu"): 2,
    }
    found = attribute(there)
    assert [one.id.partition("-")[2][:8] for one in found.devices if one.state == "free"] == ["a0000002", "a0000003"]
    assert not found.strangers and not found.outside and not found.false_zeros


@pytest.mark.parametrize(("suffix", "generation"), GENERATIONS[:4])
def test_one_slice_is_held_and_idle(suffix: str, generation: Callable[[str, str], str]) -> None:
    there = stock(suffix, generation)
    found = attribute(there)
    busy = {one.pod: holder(there, found, str(one.pod)).busy.value for one in there.allocations}
    assert [name for name, share in busy.items() if share < BUSY] == ["nb-bob"]
    assert busy["train-a-worker-0"] == pytest.approx(0.873214)
    # Each of two sharers of a GPU that is 55 % busy has half of that.
    assert busy["nb-1"] == busy["nb-2"] == pytest.approx(0.275)


def test_the_use_of_a_slice_is_unknown_where_only_that_of_the_gpu_is_told() -> None:
    there = stock(".legacy", first_generation)
    found = attribute(there)
    assert holder(there, found, "nb-bob").busy is None
    assert holder(there, found, "nb-bob").memory_bytes.value == 5_120 * MIB
    assert holder(there, found, "train-a-worker-0").busy.value == pytest.approx(0.96)


def test_sharers_that_use_nothing_of_a_gpu_that_is_full_are_false_zeros() -> None:
    text = (DATA / "dcgm_gpu-c.prom").read_text()
    blind = re.sub(r"^(DCGM_FI_DEV_FB_USED\{.*pod_uid.*\}) \d+$", r"\1 0", text, flags=re.MULTILINE)
    there = Stock("k", "", 0.0, nodes_of(NODES), allocations(PODS), uses(blind, at=0.0))
    assert len(attribute(there).false_zeros) == 1


def test_a_busy_gpu_that_nobody_holds_is_used_past_the_scheduler() -> None:
    text = (DATA / "dcgm_gpu-a.prom").read_text()
    there = Stock("k", "", 0.0, nodes_of(NODES), allocations(PODS[1:]), uses(text, at=0.0))
    found = attribute(there)
    assert [one[:12] for one in found.outside] == ["GPU-a0000001"]
    assert found.strangers == ["ml-team/train-a-worker-0"]


def test_where_not_all_is_seen_nothing_is_called_free() -> None:
    text = (DATA / "dcgm_gpu-a.prom").read_text()
    there = Stock("k", "", 0.0, nodes_of(NODES), (), uses(text, at=0.0), is_whole=False)
    assert {one.state for one in attribute(there).devices} == {"unknown"}
