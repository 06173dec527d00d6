"""Nodes, pods and claims of a cluster as what accelerators there are and who holds them. Pure.

What is read here was written by anybody who may label a node or make a pod: whatever has not the form it should have is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Literal

from ...gpus import mig
from ...gpus.stock import Allocation, Node, Resource, Sharing
from ...quantities import find
from . import labels as ours
from .amounts import total
from .kinds.fields import (
    annotation,
    controller,
    created_at,
    holds,
    label,
    mapping,
    metadata,
    name,
    seconds,
    sequence,
    spec_of,
    status,
    text,
)
from .resources import Manifest

PRICE = "mlk-jupyter.io/gpu-price-per-hour"
"""Annotation (or label) of a node: what one GPU of it costs an hour, a decimal number in the currency of the prices."""

_MIB = 1024**2
_LONGEST = 253
_MIG = re.compile(r"nvidia\.com/mig-(?P<profile>\d+g\.\d+gb(?:[.-][a-z.]+)?)")
_VENDORS = (
    ("nvidia.com/gpu", "nvidia"),
    ("nvidia.com/mig-", "nvidia"),
    ("amd.com/", "amd"),
    ("gpu.intel.com/", "intel"),
    ("habana.ai/gaudi", "habana"),
    ("google.com/tpu", "google"),
    ("aws.amazon.com/neuron", "aws"),
)
# Of Neuron the devices are counted: their cores are another name for the same silicon.
_NOT_COUNTED = ("aws.amazon.com/neuroncore", "gpu.intel.com/i915_monitoring", "gpu.intel.com/xe_monitoring")
_PRODUCTS = {
    "nvidia": ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator"),
    "amd": ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    "google": ("cloud.google.com/gke-tpu-accelerator",),
    "intel": ("gpu.intel.com/product",),
}
_NO_LABEL = {"habana": "Gaudi", "aws": "Neuron", "google": "TPU"}
_SPOT: tuple[tuple[str, frozenset[str], frozenset[str]], ...] = (
    # Label; values of spot capacity; values of what is none.
    ("karpenter.sh/capacity-type", frozenset({"spot"}), frozenset({"on-demand", "reserved"})),
    ("eks.amazonaws.com/capacityType", frozenset({"SPOT"}), frozenset({"ON_DEMAND", "CAPACITY_BLOCK"})),
    ("cloud.google.com/gke-spot", frozenset({"true"}), frozenset({"false"})),
    ("cloud.google.com/gke-preemptible", frozenset({"true"}), frozenset({"false"})),
    ("cloud.google.com/gke-provisioning", frozenset({"spot", "preemptible"}), frozenset({"standard"})),
    ("kubernetes.azure.com/scalesetpriority", frozenset({"spot"}), frozenset({"regular"})),
)
# Who started it, by the labels and annotations of those who start notebooks for people.
_OWNERS = ("hub.jupyter.org/username", "hub.jupyter.org/escaped-username", "notebooks.kubeflow.org/creator")
_NOTEBOOKS = (("component", "singleuser-server"), ("app.kubernetes.io/component", "singleuser-server"))
_KUBEFLOW = "notebook-name"


def kept_of_node(node: Manifest) -> Manifest:
    """What `nodes_of` reads of a node, so that a list of thousands need not be held whole."""
    found, spec = status(node), spec_of(node)
    return {
        "metadata": {
            "name": name(node),
            "labels": mapping(metadata(node).get("labels")),
            "annotations": {PRICE: annotation(node, PRICE)},
        },
        "spec": {
            "unschedulable": spec.get("unschedulable"),
            "taints": [one for one in sequence(spec.get("taints")) if isinstance(one, dict)],
        },
        "status": {
            "allocatable": mapping(found.get("allocatable")),
            "conditions": [
                one for one in map(mapping, sequence(found.get("conditions"))) if one.get("type") == "Ready"
            ],
        },
    }


def kept_of_pod(pod: Manifest) -> Manifest | None:
    """What `allocations_of` reads of a pod; None of one that holds no accelerator."""
    asked = requests_of(spec_of(pod))
    if not asked or status(pod).get("phase") in ("Succeeded", "Failed"):
        return None
    notes = (ours.SUBMITTED_BY, ours.CREATED_BY, *_OWNERS)
    wanted = (ours.JOB, ours.MANAGED_BY, *_OWNERS, _KUBEFLOW, *(key for key, _ in _NOTEBOOKS))
    return {
        "metadata": {
            **{key: metadata(pod).get(key) for key in ("name", "namespace", "creationTimestamp")},
            "labels": {key: label(pod, key) for key in wanted},
            "annotations": {key: annotation(pod, key) for key in notes},
            "ownerReferences": [controller(pod)],
        },
        "spec": {"nodeName": spec_of(pod).get("nodeName")},
        "status": {"startTime": status(pod).get("startTime")},
        "asked": asked,
    }


def nodes_of(nodes: Iterable[Manifest]) -> list[Node]:
    """The nodes, also those without an accelerator.

    Args: nodes: objects of the API, or what `kept_of_node` leaves of them.
    """
    return [_node(node) for node in nodes]


def allocations_of(pods: Iterable[Manifest]) -> list[Allocation]:
    """Who holds accelerators: pods that are placed and not over, also while they start.

    Args: pods: what `kept_of_pod` leaves of them.
    """
    return [one for pod in pods if text(spec_of(pod).get("nodeName")) for one in _allocations(pod)]


def requests_of(spec: Mapping[str, Any]) -> dict[str, int]:
    """Accelerators that a pod asks for. Args: spec: of the pod."""
    # Requests of extended resources equal their limits, and may be left out.
    asked = {**total(spec, "limits"), **total(spec, "requests")}
    counts = {resource: _whole(amount) for resource, amount in asked.items() if vendor_of(resource)}
    return {resource: count for resource, count in counts.items() if count}


def vendor_of(resource: str) -> str | None:
    """Whose accelerator a resource is; None for what is none."""
    if resource in _NOT_COUNTED:
        return None
    return next((vendor for start, vendor in _VENDORS if resource.startswith(start)), None)


def with_devices(
    nodes: Sequence[Node], slices: Iterable[Manifest], claims: Iterable[Manifest]
) -> tuple[list[Node], list[Allocation]]:
    """The nodes with what drivers offer on them (dynamic resource allocation), and who claims it.

    What a device plugin offers on a node already is not counted once more.

    Args: slices, claims: ResourceSlices and ResourceClaims of `resource.k8s.io/v1`.
    """
    by_name = {node.name: node for node in nodes}
    offered: dict[str, dict[tuple[str, str | None, int | None], int]] = {}
    places: dict[tuple[str, str, str], tuple[str, str]] = {}
    for driver, pool, node, devices in _newest(slices):
        there = by_name.get(node)
        if there is None or any(one.vendor == _driver_vendor(driver) for one in there.resources):
            continue
        for device in devices:
            attributes = mapping(device.get("attributes"))
            if mapping(attributes.get("type")).get("string") not in (None, "gpu"):
                continue  # slices and virtual functions of a GPU that is counted
            product = text(mapping(attributes.get("productName")).get("string")) or None
            memory = find(mapping(mapping(device.get("capacity")).get("memory")).get("value"))
            key = (driver, product, None if memory is None else int(memory))
            counts = offered.setdefault(node, {})
            counts[key] = counts.get(key, 0) + 1
            places[driver, pool, text(device.get("name"))] = node, _device_resource(driver, product)
    for node, counts in offered.items():
        more = [
            Resource(_device_resource(driver, product), count, product, _driver_vendor(driver), usable_bytes=memory)
            for (driver, product, memory), count in counts.items()
        ]
        by_name[node] = replace(by_name[node], resources=(*by_name[node].resources, *more))
    return list(by_name.values()), [one for claim in claims for one in _claimed(claim, places)]


def is_spot(labels: Mapping[str, Any]) -> bool | None:
    """Whether a node's labels say that it can be taken away at any time; None: they say nothing."""
    answers = [labels[key] in spot for key, spot, others in _SPOT if text(labels.get(key)) in spot | others]
    return None if not answers else any(answers)


def _newest(slices: Iterable[Manifest]) -> list[tuple[str, str, str, list[Manifest]]]:
    """Driver, pool, node and devices of the slices of each pool's newest generation."""
    found = []
    newest: dict[tuple[str, str], int] = {}
    for one in slices:
        spec = spec_of(one)
        pool, node, driver = mapping(spec.get("pool")), text(spec.get("nodeName")), text(spec.get("driver"))
        key, generation = (driver, text(pool.get("name"))), _whole(pool.get("generation")) or 0
        newest[key] = max(newest.get(key, 0), generation)
        found.append((key, generation, node, [mapping(device) for device in sequence(spec.get("devices"))]))
    return [(*key, node, devices) for key, generation, node, devices in found if node and generation == newest[key]]


def _claimed(claim: Manifest, places: Mapping[tuple[str, str, str], tuple[str, str]]) -> Iterable[Allocation]:
    """What a claim holds, for the pod that it is reserved for."""
    results = map(mapping, sequence(mapping(mapping(status(claim).get("allocation")).get("devices")).get("results")))
    held: dict[tuple[str, str], int] = {}
    for result in results:
        place = places.get((text(result.get("driver")), text(result.get("pool")), text(result.get("device"))))
        if place is not None and not result.get("adminAccess"):  # that one looks on, and keeps nobody off
            held[place] = held.get(place, 0) + 1
    user = next(map(mapping, sequence(status(claim).get("reservedFor"))), {})
    namespace, pod = text(metadata(claim).get("namespace")), text(user.get("name")) or None
    for (node, resource), count in held.items():
        who = pod or name(claim)
        yield Allocation(
            node, resource, count, "pod", f"{namespace}/{who}", who, namespace, pod, since=created_at(claim)
        )


def _device_resource(driver: str, product: str | None) -> str:
    """A driver may have several products on one node."""
    return driver if product is None else f"{driver} {product}"


def _driver_vendor(driver: str) -> str | None:
    return next((vendor for _, vendor in _VENDORS if vendor in driver), None)


def _node(node: Manifest) -> Node:
    labels = mapping(metadata(node).get("labels"))
    return Node(
        name=name(node)[:_LONGEST],
        resources=tuple(_resources(labels, mapping(status(node).get("allocatable")))),
        instance_type=_named(labels, "node.kubernetes.io/instance-type"),
        is_spot=is_spot(labels),
        is_ready=not sequence(status(node).get("conditions")) or holds(node, "Ready") is not None,
        is_cordoned=bool(spec_of(node).get("unschedulable")),
        price=annotation(node, PRICE) or _named(labels, PRICE),
        labels={key: value for key, value in labels.items() if isinstance(value, str)},
    )


def _resources(labels: Mapping[str, Any], allocatable: Mapping[str, Any]) -> Iterable[Resource]:
    for resource, amount in allocatable.items():
        vendor, count = vendor_of(str(resource)), _whole(amount)
        if vendor is not None and count:
            made = _nvidia if vendor == "nvidia" else _other
            yield made(str(resource), count, vendor, labels)


def _other(resource: str, count: int, vendor: str, labels: Mapping[str, Any]) -> Resource:
    memory = find(labels.get("amd.com/gpu.vram")) if vendor == "amd" else None
    product = _named(labels, *_PRODUCTS.get(vendor, ())) or _NO_LABEL.get(vendor)
    return Resource(resource, count, product, vendor, usable_bytes=None if memory is None else int(memory))


def _nvidia(resource: str, count: int, vendor: str, labels: Mapping[str, Any]) -> Resource:
    memory = _whole(labels.get("nvidia.com/gpu.memory"))  # MiB
    of_resource = _MIG.fullmatch(resource)
    profile = of_resource["profile"] if of_resource else _named(labels, "cloud.google.com/gke-gpu-partition-size")
    # Where every GPU of a node is cut alike (strategy `single`), the product says how.
    base, _, cut = (_named(labels, *_PRODUCTS[vendor]) or "").partition("-MIG-")
    profile = profile or cut.removesuffix("-SHARED") or None
    product = base.removesuffix("-SHARED") or None
    replicas, sharing = _sharing(resource, labels)
    if profile is None:
        usable = None if memory is None else memory * _MIB // (replicas if sharing == "mps" else 1)
        return Resource(resource, count, product, vendor, sharing, None, usable, 1 / replicas)
    told = _whole(labels.get(f"nvidia.com/mig-{profile}.memory"))
    if told is None and of_resource is None:
        told = memory  # strategy `single`: the label of the GPU is about the slice
    usable = mig.usable_bytes(profile, product) if told is None else told * _MIB
    return Resource(resource, count, product, vendor, "mig", profile, usable, mig.weight(profile, product) / replicas)


def _sharing(resource: str, labels: Mapping[str, Any]) -> tuple[int, Sharing]:
    """Shares of one device, and how they are made."""
    told = _named(labels, "nvidia.com/gpu.sharing-strategy", "cloud.google.com/gke-gpu-sharing-strategy")
    count = _named(labels, "nvidia.com/gpu.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu")
    replicas = max(1, _whole(count) or 1)
    if told == "mps" or labels.get("nvidia.com/mps.capable") == "true":
        return replicas, "mps"
    shared = told == "time-slicing" or resource.endswith(".shared") or replicas > 1
    return (replicas, "time-slicing") if shared else (1, "none")


def _allocations(pod: Manifest) -> Iterable[Allocation]:
    namespace, pod_name = text(metadata(pod).get("namespace")), name(pod)
    job = label(pod, ours.JOB) if label(pod, ours.MANAGED_BY) == ours.OURS else None
    notebook = any(label(pod, key) == value for key, value in _NOTEBOOKS) or label(pod, _KUBEFLOW) is not None
    holder: Literal["job", "kernel", "pod"] = "job" if job else "kernel" if notebook else "pod"
    told = (annotation(pod, key) or label(pod, key) for key in (ours.SUBMITTED_BY, ours.CREATED_BY, *_OWNERS))
    manager = text(controller(pod).get("name")) if holder == "pod" else ""
    for resource, count in mapping(pod.get("asked")).items():
        yield Allocation(
            node=text(spec_of(pod).get("nodeName")),
            resource=resource,
            count=count,
            holder=holder,
            id=job or f"{namespace}/{pod_name}",
            name=(job or manager or pod_name)[:_LONGEST],
            namespace=namespace,
            pod=pod_name,
            user=next((one[:_LONGEST] for one in told if one), None),
            since=seconds(status(pod).get("startTime")) or created_at(pod),
        )


def _named(labels: Mapping[str, Any], *keys: str) -> str | None:
    """The first of these labels that says something."""
    return next((found[:_LONGEST] for key in keys if (found := text(labels.get(key)))), None)


def _whole(value: object) -> int | None:
    amount = value if isinstance(value, Decimal) else find(value)
    return int(amount) if amount is not None and amount >= 0 and amount == amount.to_integral_value() else None
