"""What the workers' pods ask for, with the defaults that the API server and LimitRanges add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from .....model import JobSpec
from ...quantities import find
from ...resources import Manifest

Amounts: TypeAlias = dict[str, Decimal]
"""Resource → how much of it."""

_OWNERS = ("Job", "JobSet")


@dataclass(frozen=True)
class Container:
    """What one container asks for."""

    name: str
    init: bool
    requests: Amounts
    limits: Amounts
    given: frozenset[str]
    """Resources whose limit a LimitRange sets, as nobody named one."""


@dataclass(frozen=True)
class PodTemplate:
    """The pods of a job's workers, all alike."""

    count: int
    spec: Manifest
    """The pod's `spec` as it would be created."""
    containers: Sequence[Container]

    @property
    def requests(self) -> Amounts:
        """Of one pod."""
        return self._total(lambda container: container.requests)

    @property
    def limits(self) -> Amounts:
        """Of one pod."""
        return self._total(lambda container: container.limits)

    @property
    def main(self) -> Container:
        """The container that runs the ranks."""
        return next(container for container in self.containers if not container.init)

    def _total(self, part: Any) -> Amounts:
        """Containers run side by side, init containers before them and one by one."""
        total: Amounts = {}
        for container in self.containers:
            if not container.init:
                for name, amount in part(container).items():
                    total[name] = total.get(name, Decimal(0)) + amount
        for container in self.containers:
            if container.init:
                for name, amount in part(container).items():
                    total[name] = max(total.get(name, Decimal(0)), amount)
        for name, amount in amounts(self.spec.get("overhead")).items():
            total[name] = total.get(name, Decimal(0)) + amount
        return total


def owner_of(manifests: Sequence[Manifest]) -> Manifest | None:
    """The Job or JobSet among a job's objects."""
    return next((manifest for manifest in manifests if manifest.get("kind") in _OWNERS), None)


def pod_template_of(owner: Manifest) -> Manifest:
    """The pod template in a Job or JobSet."""
    job = owner if owner["kind"] == "Job" else owner["spec"]["replicatedJobs"][0]["template"]
    template: Manifest = job["spec"]["template"]
    return template


def template(manifests: Sequence[Manifest], spec: JobSpec, limit_ranges: Iterable[Manifest] | None) -> PodTemplate:
    """The pods of a job; from the spec alone where nothing could be rendered yet, as without an image."""
    owner = owner_of(manifests)
    pod = pod_template_of(owner)["spec"] if owner is not None else _assumed(spec)
    ranges = [item for found in limit_ranges or [] for item in _items(found) if item.get("type") == "Container"]
    containers = [
        _container(container, ranges, init=init)
        for part, init in (("initContainers", True), ("containers", False))
        for container in pod.get(part) or []
    ]
    return PodTemplate(spec.workers, pod, containers)


def amounts(resources: object) -> Amounts:
    """A `requests`, `limits` or `hard` as numbers; what is no quantity is left out."""
    if not isinstance(resources, Mapping):
        return {}
    found = {str(name): find(quantity) for name, quantity in resources.items()}
    return {name: amount for name, amount in found.items() if amount is not None}


def default_limits(item: Manifest) -> Amounts:
    """What a LimitRange gives to containers without limits: `default`, else `max`."""
    return {**amounts(item.get("max")), **amounts(item.get("default"))}


def default_requests(item: Manifest) -> Amounts:
    """What it gives to containers without requests: `defaultRequest`, else `default`, else `min`."""
    return {**amounts(item.get("min")), **default_limits(item), **amounts(item.get("defaultRequest"))}


def _items(limit_range: Manifest) -> list[Manifest]:
    return list((limit_range.get("spec") or {}).get("limits") or [])


def _container(container: Manifest, ranges: list[Manifest], *, init: bool) -> Container:
    resources = container.get("resources") or {}
    limits = amounts(resources.get("limits"))
    requests = {**limits, **amounts(resources.get("requests"))}  # a limit alone is a request as well
    named = {*limits}
    for item in ranges:
        for name, amount in default_limits(item).items():
            limits.setdefault(name, amount)
        for name, amount in default_requests(item).items():
            requests.setdefault(name, amount)
    given = frozenset(name for name, amount in limits.items() if amount and name not in named)
    return Container(str(container.get("name")), init, requests, limits, given)


def _assumed(spec: JobSpec) -> Manifest:
    options = spec.cluster
    requests = {
        "cpu": options.cpu or str(spec.ranks_in_worker),
        "memory": options.memory or f"{2 * spec.ranks_in_worker}Gi",
    }
    limits = {**({"memory": options.memory} if options.memory else {})}
    if spec.gpus:
        limits[options.gpu_resource] = str(spec.gpus)
    container = {"name": "worker", "resources": {"requests": requests, "limits": limits}}
    return {"containers": [container], "nodeSelector": dict(options.node_selector)}
