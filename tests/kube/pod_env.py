"""A container's environment, from literals, Secrets, ConfigMaps and the pod itself."""

from __future__ import annotations

import math
import re

from mlk_jupyter.quantities import parse

from .names import CONFIG_MAPS, NODES, SECRETS
from .pod_files import data_of
from .store import Object, Store


class ConfigError(Exception):
    """Something the environment refers to is missing. The words are the kubelet's."""


def environment(store: Store, pod: Object, container: Object) -> dict[str, str]:
    """The variables as the pod declares them. Raises `ConfigError`."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        for kind, resource in (("configMapRef", CONFIG_MAPS), ("secretRef", SECRETS)):
            if kind in source:
                data = _object(store, resource, namespace, source[kind]) or {}
                prefix = source.get("prefix") or ""
                found.update({prefix + key: value.decode("utf-8", "replace") for key, value in data.items()})
    for variable in container.get("env") or []:
        value = variable.get("value") or ""
        if "valueFrom" in variable:
            taken = _value_from(store, pod, container, variable["valueFrom"])
            if taken is None:
                continue
            value = taken
        else:
            value = expand(value, found)
        found[variable["name"]] = value
    return found


def expand(text: str, values: dict[str, str]) -> str:
    """`$(NAME)` replaced where the name is known; of two dollars one is left, so that `$$(NAME)` gives `$(NAME)`."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else values.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replace, text)


def _object(store: Store, resource: str, namespace: str, reference: Object) -> dict[str, bytes] | None:
    found = store.peek(resource, namespace, reference["name"])
    if found is not None:
        return data_of(found)
    if reference.get("optional"):
        return None
    raise ConfigError(f'{resource.rstrip("s")} "{reference["name"]}" not found')


def _value_from(store: Store, pod: Object, container: Object, source: Object) -> str | None:
    namespace = pod["metadata"]["namespace"]
    for kind, resource, title in (
        ("secretKeyRef", SECRETS, "Secret"),
        ("configMapKeyRef", CONFIG_MAPS, "ConfigMap"),
    ):
        if kind in source:
            reference = source[kind]
            data = _object(store, resource, namespace, reference)
            if data is not None and reference["key"] in data:
                return data[reference["key"]].decode("utf-8", "replace")
            if reference.get("optional"):
                return None
            raise ConfigError(f"couldn't find key {reference['key']} in {title} {namespace}/{reference['name']}")
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return _resource_of(store, pod, container, source["resourceFieldRef"])
    return None


def _resource_of(store: Store, pod: Object, container: Object, reference: Object) -> str:
    """Rounded up to whole divisors. A limit that is not set is what the node can give; such a request is 0."""
    part, _, resource = reference["resource"].partition(".")
    amount = ((container.get("resources") or {}).get(part) or {}).get(resource)
    if amount is None and part == "limits":
        node = store.peek(NODES, None, (pod.get("spec") or {}).get("nodeName") or "") or {}
        amount = ((node.get("status") or {}).get("allocatable") or {}).get(resource)
    divisor = parse(reference.get("divisor") or "1") or 1  # "0" is what the API server puts in where there is none
    return str(math.ceil(parse(amount or "0") / divisor))


def field_of(pod: Object, path: str) -> str:
    """What the downward API gives for a path. All pods' addresses are 127.0.0.1, where they can be reached."""
    match = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    if match:
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"):
        return "127.0.0.1"
    value: object = pod
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)
