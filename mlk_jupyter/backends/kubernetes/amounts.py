"""What containers and pods ask for, as exact numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from ...quantities import find

Amounts: TypeAlias = dict[str, Decimal]
"""Resource → how much of it."""
Part: TypeAlias = Literal["requests", "limits"]


def containers_of(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A pod's init containers and containers, in the order in which they start."""
    return [*_containers(spec, "initContainers"), *_containers(spec, "containers")]


def of(container: Mapping[str, Any], part: Part) -> Amounts:
    """What one container requests, or its limits."""
    resources = container.get("resources")
    return amounts(resources.get(part)) if isinstance(resources, Mapping) else {}


def total(spec: Mapping[str, Any], part: Part) -> Amounts:
    """What a pod counts for, as the scheduler has it.

    Containers and sidecars run side by side; each init container runs alone, beside the sidecars started before it.
    """
    found: Amounts = {}
    sidecars: Amounts = {}
    before: Amounts = {}
    for container in _containers(spec, "initContainers"):
        asked = of(container, part)
        if container.get("restartPolicy") == "Always":
            add(sidecars, asked)
            asked = {}
        for name in {*asked, *sidecars}:
            together = asked.get(name, Decimal(0)) + sidecars.get(name, Decimal(0))
            before[name] = max(before.get(name, Decimal(0)), together)
    for container in _containers(spec, "containers"):
        add(found, of(container, part))
    add(found, sidecars)
    for name, amount in before.items():
        found[name] = max(amount, found.get(name, Decimal(0)))
    add(found, amounts(spec.get("overhead")))
    return found


def add(found: Amounts, more: Amounts) -> None:
    for name, amount in more.items():
        found[name] = found.get(name, Decimal(0)) + amount


def amounts(resources: object) -> Amounts:
    """A `requests`, `limits` or `hard` as numbers; what is no quantity is left out."""
    if not isinstance(resources, Mapping):
        return {}
    found = {str(name): find(quantity) for name, quantity in resources.items()}
    return {name: amount for name, amount in found.items() if amount is not None}


def _containers(spec: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    found = spec.get(part)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
