"""Nodes and pods as a cluster's API gives them, into resources and allocations."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.backends.kubernetes.gpu_objects import allocations_of, is_spot, kept_of_pod, nodes_of, requests_of
from mlk_jupyter.gpus import mig
from mlk_jupyter.gpus.stock import Allocation, Resource

MIB = 1024**2
GPU = "nvidia.com/gpu"


def held_by(*pods: dict[str, Any]) -> list[Allocation]:
    return allocations_of([kept for one in pods if (kept := kept_of_pod(one)) is not None])


def resources(labels: dict[str, str], **allocatable: str) -> list[Resource]:
    amounts = {key.replace("__", "/"): value for key, value in allocatable.items()}
    (found,) = nodes_of([{"metadata": {"name": "n", "labels": labels}, "status": {"allocatable": amounts}}])
    return list(found.resources)


@pytest.mark.parametrize(
    ("labels", "allocatable", "expected"),
    [
        (
            {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"},
            {GPU: "8"},
            Resource(GPU, 8, "NVIDIA-H100-80GB-HBM3", "nvidia", usable_bytes=81559 * MIB),
        ),
        (
            {
                "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
                "nvidia.com/gpu.replicas": "4",
                "nvidia.com/gpu.memory": "23034",
                "nvidia.com/gpu.sharing-strategy": "time-slicing",
            },
            {GPU: "4"},
            Resource(GPU, 4, "NVIDIA-L4", "nvidia", "time-slicing", None, 23034 * MIB, 0.25),
        ),
        (
            {
                "nvidia.com/gpu.product": "NVIDIA-L4",
                "nvidia.com/gpu.replicas": "2",
                "nvidia.com/gpu.memory": "23034",
                "nvidia.com/gpu.sharing-strategy": "mps",
            },
            {"nvidia.com/gpu.shared": "2"},
            Resource("nvidia.com/gpu.shared", 2, "NVIDIA-L4", "nvidia", "mps", None, 11517 * MIB, 0.5),
        ),
        (
            {"nvidia.com/gpu.product": "NVIDIA-H200", "nvidia.com/gpu.replicas": "1"},
            {"nvidia.com/mig-1g.18gb": "7"},
            Resource("nvidia.com/mig-1g.18gb", 7, "NVIDIA-H200", "nvidia", "mig", "1g.18gb", 16 * 1024 * MIB, 1 / 7),
        ),
        (
            {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-3g.40gb", "nvidia.com/gpu.memory": "40192"},
            {GPU: "2"},
            Resource(GPU, 2, "NVIDIA-A100-SXM4-80GB", "nvidia", "mig", "3g.40gb", 40192 * MIB, 0.5),
        ),
        (
            {
                "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
                "cloud.google.com/gke-gpu-partition-size": "1g.10gb",
            },
            {GPU: "7"},
            Resource(GPU, 7, "nvidia-h100-80gb", "nvidia", "mig", "1g.10gb", int(9.75 * 1024) * MIB, 1 / 7),
        ),
        (
            {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"},
            {"amd.com/gpu": "8"},
            Resource("amd.com/gpu", 8, "AMD_Instinct_MI300X_OAM", "amd", usable_bytes=192 * 10**9),
        ),
        (
            {"cloud.google.com/gke-tpu-accelerator": "tpu-v5p-slice"},
            {"google.com/tpu": "4"},
            Resource("google.com/tpu", 4, "tpu-v5p-slice", "google"),
        ),
        ({}, {"habana.ai/gaudi": "8"}, Resource("habana.ai/gaudi", 8, "Gaudi", "habana")),
        (
            {},
            {"aws.amazon.com/neuron": "16", "aws.amazon.com/neuroncore": "32"},
            Resource("aws.amazon.com/neuron", 16, "Neuron", "aws"),
        ),
    ],
    ids=["whole", "time-slicing", "mps", "mig mixed", "mig single", "gke mig", "amd", "tpu", "gaudi", "neuron"],
)
def test_what_a_node_offers(labels: dict[str, str], allocatable: dict[str, str], expected: Resource) -> None:
    (found,) = resources(labels, **{"cpu": "8", **allocatable})
    assert found == expected


@pytest.mark.parametrize("amount", ["0", "-1", "0.5", "many", "", None, {}])
def test_what_is_no_number_of_devices_is_no_resource(amount: Any) -> None:
    assert resources({}, **{GPU: amount}) == []


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"karpenter.sh/capacity-type": "spot"}, True),
        ({"karpenter.sh/capacity-type": "on-demand"}, False),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, True),
        ({"cloud.google.com/gke-preemptible": "true"}, True),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, True),
        ({"karpenter.sh/capacity-type": "whatever"}, None),
        ({}, None),
    ],
)
def test_spot_is_what_a_label_says_and_unknown_without(labels: dict[str, str], expected: bool | None) -> None:
    assert is_spot(labels) is expected


def test_a_pod_asks_for_what_runs_together_or_before() -> None:
    def container(count: int, **more: Any) -> dict[str, Any]:
        return {"resources": {"limits": {GPU: str(count)}}, **more}

    assert requests_of({"containers": [container(2), container(1)]}) == {GPU: 3}
    assert requests_of({"containers": [container(1)], "initContainers": [container(4)]}) == {GPU: 4}
    sidecar = container(1, restartPolicy="Always")
    assert requests_of({"containers": [container(1)], "initContainers": [sidecar]}) == {GPU: 2}
    assert requests_of({"containers": [container(1)], "initContainers": [sidecar, container(3)]}) == {GPU: 4}
    # A sidecar that starts after an init container does not run beside it.
    assert requests_of({"containers": [container(0)], "initContainers": [container(3), sidecar]}) == {GPU: 3}
    assert requests_of({"containers": [{"resources": {"requests": {GPU: "1"}, "limits": {GPU: "1"}}}]}) == {GPU: 1}


def pod(phase: str = "Running", node: str | None = "n", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "team", **metadata},
        "spec": {"nodeName": node, "containers": [{"resources": {"limits": {GPU: "2"}}}]},
        "status": {"phase": phase, "startTime": "2026-12-01T00:00:00Z"},
    }


@pytest.mark.parametrize(
    ("found", "held"),
    [(pod(), 1), (pod("Pending"), 1), (pod("Pending", None), 0), (pod("Succeeded"), 0), (pod("Failed"), 0)],
    ids=["runs", "starts", "waits", "succeeded", "failed"],
)
def test_a_pod_holds_from_its_placement_to_its_end(found: dict[str, Any], held: int) -> None:
    assert len(held_by(found)) == held


def test_whose_a_pod_is() -> None:
    ours = {"app.kubernetes.io/managed-by": "mlk-jupyter", "mlk-jupyter.io/job": "digits-0123456789"}
    of_hub = {"component": "singleuser-server", "hub.jupyter.org/username": "ada"}
    owner = [{"name": "trainer", "kind": "PyTorchJob", "controller": True}]
    found = held_by(
        *[
            pod(labels=ours, annotations={"mlk-jupyter.io/created-by": "eve"}),
            pod(labels=of_hub),
            pod(ownerReferences=owner),
            pod(labels={"mlk-jupyter.io/job": "forged"}),
        ]
    )
    assert [(one.holder, one.id, one.name, one.user) for one in found] == [
        ("job", "digits-0123456789", "digits-0123456789", "eve"),
        ("kernel", "team/p", "p", "ada"),
        ("pod", "team/p", "trainer", None),
        ("pod", "team/p", "p", None),
    ]


@pytest.mark.parametrize(
    ("profile", "product", "weight"),
    [
        ("1g.18gb", "NVIDIA-H200", 1 / 7),
        ("1g.35gb", "NVIDIA-H200", 0.25),
        ("2g.35gb", "NVIDIA H200", 2 / 7),
        ("3g.71gb", "NVIDIA-H200", 0.5),
        ("4g.71gb", "NVIDIA-H200", 4 / 7),
        ("7g.141gb", "NVIDIA-H200", 1.0),
        ("1g.6gb", "NVIDIA-A30", 0.25),
        ("2g.12gb", "NVIDIA-A30", 0.5),
        ("1g.10gb.me", "NVIDIA-H100-80GB-HBM3", 1 / 7),
        ("1g.9gb", None, 1 / 7),
    ],
)
def test_the_weight_of_a_slice(profile: str, product: str | None, weight: float) -> None:
    assert mig.weight(profile, product) == pytest.approx(weight)


def test_so_many_slices_as_fit_weigh_no_more_than_the_gpu() -> None:
    for product in ("NVIDIA-A30", "NVIDIA-A100-SXM4-80GB", "NVIDIA-H100-80GB-HBM3", "NVIDIA-H200", "NVIDIA-B200"):
        for one in mig.profiles(product):
            assert one.most * mig.weight(one.name, product) <= 1 + 1e-9, (product, one.name)


def test_the_memory_of_a_slice_is_what_a_program_can_use() -> None:
    assert mig.usable_bytes("1g.18gb", "NVIDIA-H200") == 16 * 1024**3
    assert mig.usable_bytes("1g.18gb", "NVIDIA-GH200-144G-HBM3e") == int(17.5 * 1024**3)
    assert mig.usable_bytes("3g.72gb", "NVIDIA-GH200-144G-HBM3e") is None
    assert mig.usable_bytes("1g.18gb", "unheard of") is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "status",
                    "labels",
                    "containers",
                    "resources",
                    "limits",
                    GPU,
                    "allocatable",
                    "name",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), anything))
def test_no_object_however_it_is_made_keeps_the_others_from_being_seen(odd: dict[str, Any]) -> None:
    assert len(nodes_of([odd])) == 1
    assert held_by(odd, pod())[-1].count == 2
