"""LimitRanges: what they fill in, and what they refuse."""

from __future__ import annotations

from . import names
from .quantities import amount, written
from .quota import asked
from .store import Object, Store


def items(store: Store, namespace: str, kind: str) -> list[Object]:
    """The limits of a namespace for `Container` or `Pod`, with the defaults that follow from their maxima."""
    found = []
    for limits in store.peek_all(names.LIMIT_RANGES, namespace):
        for item in limits["spec"].get("limits") or []:
            if item["type"] == kind:
                default = {**(item.get("max") or {}), **(item.get("default") or {})}
                requests = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
                found.append({**item, "default": default, "defaultRequest": requests})
    return found


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
    return errors
