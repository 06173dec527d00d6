"""Nodes and pods of a cluster, as its API gives them, into what accelerators there are and who holds them. Pure.

What is read here was written by anybody who may label a node or make a pod: whatever has not the form it should have is
left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from ..quantities import find
from . import mig
from .stock import Allocation, Node, Resource, Sharing

PRICE = "mlk-jupyter.io/gpu-price-per-hour"
"""Annotation (or label) of a node: what one GPU of it costs an hour, a decimal number in the currency of the prices."""

_JOB, _USER, _MANAGED_BY = "mlk-jupyter.io/job", "mlk-jupyter.io/user", "app.kubernetes.io/managed-by"
_CREATED_BY = ("mlk-jupyter.io/submitted-by", "mlk-jupyter.io/created-by")
_INDEX = "batch.kubernetes.io/job-completion-index"
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
_DRIVERS = (("nvidia", "nvidia"), ("amd", "amd"), ("intel", "intel"), ("google", "google"), ("habana", "habana"))
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


def kept_of_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """What `nodes_of` reads of a node, so that a list of thousands need not be held whole."""
    metadata, spec, status = _map(node.get("metadata")), _map(node.get("spec")), _map(node.get("status"))
    return {
        "metadata": {
            "name": metadata.get("name"),
            "labels": _map(metadata.get("labels")),
            "annotations": {PRICE: _map(metadata.get("annotations")).get(PRICE)},
        },
        "spec": {"unschedulable": spec.get("unschedulable"), "taints": _list(spec.get("taints"))},
        "status": {
            "allocatable": _map(status.get("allocatable")),
            "conditions": [one for one in _list(status.get("conditions")) if one.get("type") == "Ready"],
        },
    }


def kept_of_pod(pod: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `allocations_of` reads of a pod; None of one that holds no accelerator."""
    metadata, spec, status = _map(pod.get("metadata")), _map(pod.get("spec")), _map(pod.get("status"))
    asked = requests_of(spec)
    if not asked or status.get("phase") in ("Succeeded", "Failed"):
        return None
    labels, annotations = _map(metadata.get("labels")), _map(metadata.get("annotations"))
    wanted = (_JOB, _USER, _MANAGED_BY, _INDEX, *_OWNERS, "notebook-name", *(name for name, _ in _NOTEBOOKS))
    return {
        "metadata": {
            **{name: metadata.get(name) for name in ("name", "namespace", "uid", "creationTimestamp")},
            "labels": {name: labels[name] for name in wanted if name in labels},
            "annotations": {name: annotations[name] for name in (*_CREATED_BY, *_OWNERS) if name in annotations},
            "ownerReferences": [one for one in _list(metadata.get("ownerReferences")) if one.get("controller")],
        },
        "spec": {"nodeName": spec.get("nodeName")},
        "status": {"startTime": status.get("startTime")},
        "asked": asked,
    }


def nodes_of(nodes: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The nodes, also those without an accelerator.

    Args: nodes: objects of the API, or what `kept_of_node` leaves of them.
    """
    return [_node(node) for node in nodes]


def allocations_of(pods: Iterable[Mapping[str, Any] | None]) -> list[Allocation]:
    """Who holds accelerators: pods that are placed and not over, also while they start.

    Args: pods: objects of the API, or what `kept_of_pod` leaves of them.
    """
    found: list[Allocation] = []
    for pod in pods:
        kept = pod if pod is None or "asked" in pod else kept_of_pod(pod)
        if kept is not None and _text(_map(kept.get("spec")).get("nodeName")):
            found += _allocations(kept)
    return found


def requests_of(spec: Mapping[str, Any]) -> dict[str, int]:
    """Accelerators that a pod asks for, as the scheduler counts: what runs together, or the most that runs before it.

    Args: spec: of a pod.
    """
    together: dict[str, int] = {}
    before: dict[str, int] = {}
    for container in _list(spec.get("containers")):
        _add(together, _asked(container))
    sidecars: dict[str, int] = {}
    for container in _list(spec.get("initContainers")):
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            asked = {}
        for name in {*asked, *sidecars}:
            before[name] = max(before.get(name, 0), asked.get(name, 0) + sidecars.get(name, 0))
    _add(together, sidecars)
    whole = {name: max(together.get(name, 0), before.get(name, 0)) for name in {*together, *before}}
    return {name: count for name, count in whole.items() if count > 0}


def vendor_of(resource: str) -> str | None:
    """Whose accelerator a resource is; None for what is none."""
    if resource in _NOT_COUNTED:
        return None
    return next((vendor for start, vendor in _VENDORS if resource.startswith(start)), None)


@dataclass(frozen=True, slots=True)
class Dra:
    """Devices that drivers offer and claims hold (dynamic resource allocation), of one node and driver."""

    node: str
    driver: str
    product: str | None
    memory_bytes: int | None
    total: int
    held: int


def with_devices(nodes: Sequence[Node], devices: Sequence[Dra]) -> list[Node]:
    """The nodes with what drivers offer on them, unless a device plugin offers the same already."""
    by_name = {node.name: node for node in nodes}
    for one in devices:
        node = by_name.get(one.node)
        if node is not None and not any(resource.vendor == _driver_vendor(one.driver) for resource in node.resources):
            extra = Resource(
                one.driver, one.total, one.product, _driver_vendor(one.driver), usable_bytes=one.memory_bytes
            )
            by_name[one.node] = replace(node, resources=(*node.resources, extra))
    return list(by_name.values())


def devices_of(slices: Iterable[Mapping[str, Any]], claims: Iterable[Mapping[str, Any]]) -> list[Dra]:
    """ResourceSlices and ResourceClaims of `resource.k8s.io/v1` as numbers by node, driver and product."""
    held: dict[tuple[str, str], set[str]] = {}
    for claim in claims:
        allocation = _map(_map(_map(claim.get("status")).get("allocation")).get("devices"))
        for result in _list(allocation.get("results")):
            if result.get("adminAccess"):
                continue  # looks on, and keeps nobody off
            key = (str(result.get("driver")), str(result.get("pool")))
            held.setdefault(key, set()).add(str(result.get("device")))
    newest: dict[tuple[str, str], int] = {}
    for one in slices:
        spec = _map(one.get("spec"))
        pool = _map(spec.get("pool"))
        key = (str(spec.get("driver")), str(pool.get("name")))
        newest[key] = max(newest.get(key, 0), _whole(pool.get("generation")) or 0)
    found: dict[tuple[str, str, str | None, int | None], tuple[int, int]] = {}
    for one in slices:
        spec = _map(one.get("spec"))
        pool, node = _map(spec.get("pool")), _text(spec.get("nodeName"))
        driver, key = _text(spec.get("driver")), (str(spec.get("driver")), str(pool.get("name")))
        if node is None or driver is None or (_whole(pool.get("generation")) or 0) < newest[key]:
            continue
        for device in _list(spec.get("devices")):
            attributes = _map(device.get("attributes"))
            kind = _map(attributes.get("type")).get("string")
            if kind not in (None, "gpu"):
                continue  # slices and virtual functions of a GPU that is counted
            product = _text(_map(attributes.get("productName")).get("string"))
            memory = find(_map(_map(device.get("capacity")).get("memory")).get("value"))
            group = (node, driver, product, None if memory is None else int(memory))
            total, taken = found.get(group, (0, 0))
            found[group] = (total + 1, taken + (str(device.get("name")) in held.get(key, ())))
    return [Dra(node, driver, product, memory, *counts) for (node, driver, product, memory), counts in found.items()]


def _driver_vendor(driver: str) -> str | None:
    return next((vendor for part, vendor in _DRIVERS if part in driver), None)


def is_spot(labels: Mapping[str, Any]) -> bool | None:
    """Whether a node's labels say that it can be taken away at any time; None: they say nothing."""
    answers = [labels[label] in spot for label, spot, others in _SPOT if _is_one_of(labels.get(label), spot | others)]
    return None if not answers else any(answers)


def _is_one_of(value: object, values: frozenset[str]) -> bool:
    return isinstance(value, str) and value in values


def _node(node: Mapping[str, Any]) -> Node:
    metadata, spec, status = _map(node.get("metadata")), _map(node.get("spec")), _map(node.get("status"))
    labels, allocatable = _map(metadata.get("labels")), _map(status.get("allocatable"))
    ready = [one.get("status") for one in _list(status.get("conditions")) if one.get("type") == "Ready"]
    cpu, memory = find(allocatable.get("cpu")), find(allocatable.get("memory"))
    price = _map(metadata.get("annotations")).get(PRICE) or labels.get(PRICE)
    return Node(
        name=_text(metadata.get("name")) or "",
        resources=tuple(_resources(labels, allocatable)),
        cores=None if cpu is None else float(cpu),
        memory_bytes=None if memory is None else int(memory),
        instance_type=_text(labels.get("node.kubernetes.io/instance-type")),
        region=_text(labels.get("topology.kubernetes.io/region")),
        is_spot=is_spot(labels),
        is_ready=not ready or ready[-1] == "True",
        is_cordoned=bool(spec.get("unschedulable")),
        price=_text(price),
        labels={key: value for key, value in labels.items() if isinstance(key, str) and isinstance(value, str)},
    )


def _resources(labels: Mapping[str, Any], allocatable: Mapping[str, Any]) -> Iterable[Resource]:
    for name, amount in allocatable.items():
        vendor = vendor_of(str(name))
        total = _whole(amount)
        if vendor is not None and total is not None and total > 0:
            yield _nvidia(str(name), total, labels) if vendor == "nvidia" else _other(str(name), total, vendor, labels)


def _other(name: str, total: int, vendor: str, labels: Mapping[str, Any]) -> Resource:
    product = next((_text(labels.get(one)) for one in _PRODUCTS.get(vendor, ()) if labels.get(one)), None)
    memory = find(labels.get("amd.com/gpu.vram")) if vendor == "amd" else None
    usable = None if memory is None else int(memory)
    return Resource(name, total, product or _NO_LABEL.get(vendor), vendor, usable_bytes=usable)


def _nvidia(name: str, total: int, labels: Mapping[str, Any]) -> Resource:
    product = next((_text(labels.get(one)) for one in _PRODUCTS["nvidia"] if labels.get(one)), None)
    memory = _whole(labels.get("nvidia.com/gpu.memory"))  # MiB
    of_resource = _MIG.fullmatch(name)
    profile = of_resource["profile"] if of_resource else _text(labels.get("cloud.google.com/gke-gpu-partition-size"))
    base, _, cut = (product or "").partition("-MIG-")
    if of_resource is None and profile is None and cut:
        profile = cut.removesuffix("-SHARED")  # strategy `single`: every GPU of the node is cut alike
    product = (base.removesuffix("-SHARED") or None) if product else None
    replicas, sharing = _sharing(name, labels)
    if profile is None:
        whole = None if memory is None else memory * _MIB
        return Resource(
            name,
            total,
            product,
            "nvidia",
            sharing,
            replicas=replicas,
            usable_bytes=whole // replicas if whole is not None and sharing == "mps" else whole,
            weight=1 / replicas,
        )
    told = _whole(labels.get(f"nvidia.com/mig-{profile}.memory"))
    if told is None and of_resource is None:
        told = memory  # strategy `single`: the label of the GPU is about the slice
    usable = mig.usable_bytes(profile, product) if told is None else told * _MIB
    weight = mig.weight(profile, product) / replicas
    return Resource(name, total, product, "nvidia", "mig", profile, replicas, usable, weight)


def _sharing(name: str, labels: Mapping[str, Any]) -> tuple[int, Sharing]:
    """Shares of one device, and how they are made."""
    told = labels.get("nvidia.com/gpu.sharing-strategy") or labels.get("cloud.google.com/gke-gpu-sharing-strategy")
    count = labels.get("nvidia.com/gpu.replicas") or labels.get("cloud.google.com/gke-max-shared-clients-per-gpu")
    replicas = max(1, _whole(count) or 1)
    if told == "mps" or labels.get("nvidia.com/mps.capable") == "true":
        return replicas, "mps"
    shared = told == "time-slicing" or name.endswith(".shared") or replicas > 1
    return (replicas, "time-slicing") if shared else (1, "none")


def _allocations(pod: Mapping[str, Any]) -> list[Allocation]:
    metadata = _map(pod.get("metadata"))
    labels, annotations = _map(metadata.get("labels")), _map(metadata.get("annotations"))
    name = _text(metadata.get("name")) or ""
    job = _text(labels.get(_JOB)) if labels.get(_MANAGED_BY) == "mlk-jupyter" else None
    user = next(
        (_text(found) for key in (*_CREATED_BY, *_OWNERS) if (found := annotations.get(key) or labels.get(key))), None
    )
    is_notebook = any(labels.get(key) == value for key, value in _NOTEBOOKS) or "notebook-name" in labels
    owner = next((_text(one.get("name")) for one in _list(metadata.get("ownerReferences"))), None)
    holder: Literal["job", "kernel", "pod"] = "job" if job else "kernel" if is_notebook else "pod"
    start = _seconds(_map(pod.get("status")).get("startTime")) or _seconds(metadata.get("creationTimestamp"))
    return [
        Allocation(
            node=_text(_map(pod.get("spec")).get("nodeName")),
            resource=resource,
            count=count,
            namespace=_text(metadata.get("namespace")),
            pod=name,
            pod_uid=_text(metadata.get("uid")),
            holder=holder,
            name=job or (owner if owner and holder == "pod" else name),
            job=job,
            worker=_whole(labels.get(_INDEX)) if job else None,
            user=user,
            since=start,
        )
        for resource, count in _map(pod.get("asked")).items()
    ]


def _asked(container: Mapping[str, Any]) -> dict[str, int]:
    resources = _map(container.get("resources"))
    # Requests of extended resources equal their limits, and may be left out.
    amounts = {**_map(resources.get("limits")), **_map(resources.get("requests"))}
    counts = {str(name): _whole(amount) for name, amount in amounts.items() if vendor_of(str(name))}
    return {name: count for name, count in counts.items() if count}


def _add(to: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        to[name] = to.get(name, 0) + count


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value[:_LONGEST] if isinstance(value, str) and value else None


def _whole(value: object) -> int | None:
    amount = find(value)
    return int(amount) if amount is not None and amount >= 0 and amount == amount.to_integral_value() else None


def _seconds(value: object) -> float | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return None
