"""What a pod, or a template of pods, may say."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from . import words
from .problems import bad_request
from .quantities import amount, written
from .store import Object

STANDARD = ("cpu", "memory", "ephemeral-storage")
CHANGEABLE = (
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(new: Object) -> list[str]:
    """What is wrong with a pod."""
    return spec(new["spec"], "spec")


def change(new: Object, old: Object) -> list[str]:
    """A pod's spec stays, but for a few fields; the scheduler binds it by its node's name."""
    if _fixed(new["spec"]) == _fixed(old["spec"]):
        return []
    return [CHANGEABLE]


def _fixed(found: Object) -> Object:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    kept = {name: value for name, value in found.items() if name not in free}
    for group in ("containers", "initContainers"):
        kept[group] = [{**each, "image": None} for each in found.get(group) or []]
    return kept


def spec(found: Object, path: str) -> list[str]:
    """What is wrong with a pod's spec that stands at `path`."""
    errors: list[str] = []
    volumes: set[str] = set()
    for number, volume in enumerate(found.get("volumes") or []):
        errors += _volume(volume, f"{path}.volumes[{number}]", volumes)
    if not found.get("containers"):
        errors.append(f"{path}.containers: Required value")
    names: set[str] = set()
    for group in ("initContainers", "containers"):
        for number, container in enumerate(found.get(group) or []):
            errors += _container(container, f"{path}.{group}[{number}]", names, volumes)
    errors += _named(found.get("hostname"), f"{path}.hostname", words.dns_label)
    errors += _named(found.get("subdomain"), f"{path}.subdomain", words.dns_label)
    errors += _named(found.get("serviceAccountName"), f"{path}.serviceAccountName", words.dns_subdomain)
    for key, value in (found.get("nodeSelector") or {}).items():
        errors += [f"{path}.nodeSelector: Invalid value: {json.dumps(key)}: {w}" for w in words.qualified_name(key)]
        errors += [f"{path}.nodeSelector: Invalid value: {json.dumps(value)}: {w}" for w in words.label_value(value)]
    for number, toleration in enumerate(found.get("tolerations") or []):
        if toleration.get("operator") == "Exists" and toleration.get("value"):
            errors.append(f'{path}.tolerations[{number}].operator: Invalid value: {json.dumps(toleration["value"])}: '
                          "value must be empty when `operator` is 'Exists'")  # fmt: skip
    for field in ("activeDeadlineSeconds",):
        if found.get(field) is not None and not 1 <= found[field] <= 2_147_483_647:
            errors.append(f"{path}.{field}: Invalid value: {found[field]}: must be between 1 and 2147483647, inclusive")
    if (found.get("terminationGracePeriodSeconds") or 0) < 0:
        errors.append(f"{path}.terminationGracePeriodSeconds: Invalid value: "
                      f"{found['terminationGracePeriodSeconds']}: must be greater than or equal to 0")  # fmt: skip
    return errors


def _named(value: str | None, path: str, judge: Callable[[str], list[str]]) -> list[str]:
    return [f"{path}: Invalid value: {json.dumps(value)}: {w}" for w in judge(value)] if value else []


def _volume(volume: Object, path: str, known: set[str]) -> list[str]:
    name = volume.get("name", "")
    errors = _named(name, f"{path}.name", words.dns_label)
    if name in known:
        errors.append(f'{path}.name: Duplicate value: "{name}"')
    known.add(name)
    sources = [source for source in volume if source != "name"]
    for extra in sources[1:]:
        errors.append(f"{path}.{extra}: Forbidden: may not specify more than 1 volume type")
    if "secret" in volume and not volume["secret"].get("secretName"):
        errors.append(f"{path}.secret.secretName: Required value")
    if "configMap" in volume and not volume["configMap"].get("name"):
        errors.append(f"{path}.configMap.name: Required value")
    if "persistentVolumeClaim" in volume and not volume["persistentVolumeClaim"].get("claimName"):
        errors.append(f"{path}.persistentVolumeClaim.claimName: Required value")
    size = (volume.get("emptyDir") or {}).get("sizeLimit")
    if size is not None and _amount(size) < 0:
        errors.append(f"{path}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity")
    return errors


def _container(container: Object, path: str, known: set[str], volumes: set[str]) -> list[str]:
    name = container.get("name", "")
    errors = _named(name, f"{path}.name", words.dns_label) if name else [f"{path}.name: Required value"]
    if name in known:
        errors.append(f'{path}.name: Duplicate value: "{name}"')
    known.add(name)
    image = container.get("image")
    if not image:
        errors.append(f"{path}.image: Required value")
    elif image != image.strip():
        errors.append(f'{path}.image: Invalid value: "{image}": must not have leading or trailing whitespace')
    for number, variable in enumerate(container.get("env") or []):
        where = f"{path}.env[{number}]"
        given = variable.get("name", "")
        errors += [f'{where}.name: Invalid value: "{given}": {w}' for w in words.env_name(given)] if given else [
            f"{where}.name: Required value"
        ]  # fmt: skip
        if variable.get("valueFrom") is not None:
            if variable.get("value"):
                errors.append(f'{where}.valueFrom: Invalid value: "": may not be specified when `value` is not empty')
            if len(variable["valueFrom"]) != 1:
                errors.append(f'{where}.valueFrom: Invalid value: "": may not have more than one field specified at a '
                              "time")  # fmt: skip
    places: set[str] = set()
    for number, mount in enumerate(container.get("volumeMounts") or []):
        where = f"{path}.volumeMounts[{number}]"
        if mount.get("name") not in volumes:
            errors.append(f"{where}.name: Not found: {json.dumps(mount.get('name', ''))}")
        if not mount.get("mountPath"):
            errors.append(f"{where}.mountPath: Required value")
        if mount.get("mountPath") in places:
            errors.append(f'{where}.mountPath: Invalid value: "{mount["mountPath"]}": must be unique')
        places.add(mount.get("mountPath", ""))
        sub = mount.get("subPath", "")
        if sub.startswith("/"):
            errors.append(f'{where}.subPath: Invalid value: "{sub}": must be a relative path')
        if ".." in sub.split("/"):
            errors.append(f"{where}.subPath: Invalid value: \"{sub}\": must not contain '..'")
    for number, port in enumerate(container.get("ports") or []):
        if not 1 <= port.get("containerPort", 0) <= 65535:
            errors.append(f"{path}.ports[{number}].containerPort: Invalid value: {port.get('containerPort')}: must be "
                          "between 1 and 65535, inclusive")  # fmt: skip
    return errors + _resources(container.get("resources") or {}, f"{path}.resources")


def _amount(text: Any) -> Decimal:
    try:
        return amount(text)
    except ValueError as error:
        raise bad_request(f'Pod in version "v1" cannot be handled as a Pod: {error}') from error


def _resources(found: Object, path: str) -> list[str]:
    errors: list[str] = []
    limits, requests = found.get("limits") or {}, found.get("requests") or {}
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            value, where = _amount(text), f"{path}.{field}[{name}]"
            if "/" not in name and name not in STANDARD and not name.startswith("hugepages-"):
                said = f'{where}: Invalid value: "{name}"'
                errors += [f"{said}: must be a standard resource type or fully qualified"]
                errors += [f"{said}: must be a standard resource for containers"]
            if value < 0:
                errors.append(f'{where}: Invalid value: "{text}": must be greater than or equal to 0')
            if _extended(name) and value != value.to_integral_value():
                errors.append(f'{where}: Invalid value: "{written(value)}": must be an integer')
    for name, text in requests.items():
        value, limit = _amount(text), limits.get(name)
        if limit is None:
            if _extended(name):
                errors.append(f"{path}.limits: Required value: Limit must be set for non overcommitable resources")
            continue
        if _extended(name) and value != _amount(limit):
            errors.append(f'{path}.requests: Invalid value: "{text}": must be equal to {name} limit of {limit}')
        elif value > _amount(limit):
            errors.append(
                f'{path}.requests: Invalid value: "{text}": must be less than or equal to {name} limit of {limit}'
            )
    return errors


def _extended(name: str) -> bool:
    return ("/" in name and not name.startswith("kubernetes.io/")) or name.startswith("hugepages-")
