"""What a namespace uses, counted as ResourceQuotas count it.

Imitates: kubernetes.io/docs/concepts/policy/resource-quotas. Counts of objects, requests and limits of pods that are
not over, `requests.` of extended resources; the admission refuses what would exceed a quota, in its words.
Leaves out: scopes, priority classes, storage classes.
Held by: quota-exceeded.
"""

from __future__ import annotations

from decimal import Decimal

from . import names
from .quantities import amount, written
from .store import Object, Store

COMPUTE = ("cpu", "memory", "ephemeral-storage")


def used(store: Store, namespace: str, hard: Object) -> Object:
    """What is used of each key of `hard`, as text."""
    sums: dict[str, Decimal] = {}
    like: dict[str, str] = {}
    for resource in {names.PODS, *(counted for key in hard if (counted := counted_resource(key)))}:
        for found in store.peek_all(resource, namespace):
            for key, value in usage(resource, found).items():
                if key in hard:
                    sums[key] = sums.get(key, Decimal(0)) + value[0]
                    like[key] = like.get(key) or value[1]
    return {key: written(sums.get(key, Decimal(0)), like.get(key, "")) for key in hard}


def counted_resource(key: str) -> str | None:
    """The resource that a key of a quota counts; None for keys that sum what pods ask for."""
    if key.startswith("count/"):
        return key.removeprefix("count/")
    if key in ("configmaps", "secrets", "services", "persistentvolumeclaims", "resourcequotas"):
        return key
    return None


def usage(resource: str, found: Object) -> dict[str, tuple[Decimal, str]]:
    """What one object uses, by the keys that quotas may have: the amount, and the text it was asked in."""
    used: dict[str, tuple[Decimal, str]] = {f"count/{resource}": (Decimal(1), "")}
    if resource != names.PODS:
        used[resource] = (Decimal(1), "")
        return used
    if found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return used
    used["pods"] = (Decimal(1), "")
    for field in ("requests", "limits"):
        for name, (value, text) in asked(found["spec"], field).items():
            if name in COMPUTE:
                used[f"{field}.{name}"] = (value, text)
                if field == "requests":
                    used[name] = (value, text)
            elif field == "requests":  # limits of extended resources are never counted
                used[f"requests.{name}"] = (value, text)
    return used


def asked(spec: Object, field: str) -> dict[str, tuple[Decimal, str]]:
    """What a pod's containers ask for together: the sum, or the greatest init container where that is more."""
    sums: dict[str, tuple[Decimal, str]] = {}
    for container in spec.get("containers") or []:
        for name, text in ((container.get("resources") or {}).get(field) or {}).items():
            value, like = sums.get(name, (Decimal(0), str(text)))
            sums[name] = (value + amount(text), like)
    for container in spec.get("initContainers") or []:
        for name, text in ((container.get("resources") or {}).get(field) or {}).items():
            if amount(text) > sums.get(name, (Decimal(0), ""))[0]:
                sums[name] = (amount(text), str(text))
    return sums
