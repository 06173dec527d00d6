"""LimitRanges: what they fill in, and what they refuse.

Imitates: kubernetes.io/docs/concepts/policy/limit-range. Defaults of containers (a maximum is a default, too), minima
and maxima of containers and pods, in the words of the LimitRanger plugin.
Leaves out: `maxLimitRequestRatio`, limits of claims.
Held by: no recording; test_conformance_refusals asks the same of a real API server.
"""

from __future__ import annotations

from . import names
from .quantities import amount, written
from .quota import asked
from .store import Object, Store


def complete(item: Object) -> None:
    """The defaults that follow from the bounds of containers: the API server adds them when a LimitRange is created."""
    if item.get("type") == "Container":
        item["default"] = {**(item.get("max") or {}), **(item.get("default") or {})}
        asked = item.get("defaultRequest") or {}
        item["defaultRequest"] = {**(item.get("min") or {}), **item["default"], **asked}


def items(store: Store, namespace: str, kind: str) -> list[Object]:
    """The limits of a namespace for `Container` or `Pod`."""
    found = store.peek_all(names.LIMIT_RANGES, namespace)
    return [item for limits in found for item in limits["spec"].get("limits") or [] if item["type"] == kind]


def fill_in(store: Store, pod: Object) -> None:
    """Defaults for containers that say nothing."""
    said = []
    for item in items(store, pod["metadata"]["namespace"], "Container"):
        for group in ("containers", "initContainers"):
            for container in pod["spec"].get(group) or []:
                amounts = container.setdefault("resources", {})
                for field, source in (("limits", "default"), ("requests", "defaultRequest")):
                    missing = {n: v for n, v in item[source].items() if n not in (amounts.get(field) or {})}
                    if missing:
                        amounts[field] = {**(amounts.get(field) or {}), **missing}
                        said.append(f"{', '.join(sorted(missing))} {field[:-1]} for container {container['name']}")
    if said:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations["kubernetes.io/limit-ranger"] = f"LimitRanger plugin set: {'; '.join(said)}"


def refusals(store: Store, pod: Object) -> list[str]:
    """Why the namespace's limits do not allow a pod."""
    namespace, spec = pod["metadata"]["namespace"], pod["spec"]
    errors = []
    for item in items(store, namespace, "Container"):
        for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
            amounts = container.get("resources") or {}
            errors += _over(item, "Container", amounts.get("limits") or {}, amounts.get("requests") or {})
    for item in items(store, namespace, "Pod"):
        limits = {name: text for name, (_, text) in _totals(spec, "limits").items()}
        requests = {name: text for name, (_, text) in _totals(spec, "requests").items()}
        errors += _over(item, "Pod", limits, requests)
    return errors


def _totals(spec: Object, field: str) -> dict[str, tuple[object, str]]:
    return {name: (value, written(value, like[-2:])) for name, (value, like) in asked(spec, field).items()}


def _over(item: Object, kind: str, limits: Object, requests: Object) -> list[str]:
    errors = []
    for name, most in sorted((item.get("max") or {}).items()):
        if name not in limits:
            errors.append(f"maximum {name} usage per {kind} is {most}.  No limit is specified")
        elif amount(limits[name]) > amount(most):
            errors.append(f"maximum {name} usage per {kind} is {most}, but limit is {limits[name]}")
    for name, least in sorted((item.get("min") or {}).items()):
        if name not in requests:
            errors.append(f"minimum {name} usage per {kind} is {least}.  No request is specified")
        elif amount(requests[name]) < amount(least):
            errors.append(f"minimum {name} usage per {kind} is {least}, but request is {requests[name]}")
    for name, most in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        request = amount(requests[name]) if name in requests else 0
        if not request:
            given = "no request is specified or request is 0"
        elif name not in limits:
            given = "no limit is specified"
        elif amount(limits[name]) > amount(most) * request:
            given = f"provided ratio is {float(amount(limits[name]) / request):f}"
        else:
            continue
        errors.append(f"{name} max limit to request ratio per {kind} is {most}, but {given}")
    return errors
