"""The rules of the real server for the kinds that we use, in its words."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
from typing import Any

from . import job_rules, names, pod_rules, words
from .kinds import Kind
from .problems import Problem, bad_request
from .store import Object

ANNOTATIONS_LIMIT, DATA_LIMIT = 262_144, 1_048_576
LABEL_NAMES, SERVICE_NAMES = {names.NAMESPACES}, {names.SERVICES}
FREE_NAMES = {f"{plural}.rbac.authorization.k8s.io" for plural in ("roles", "rolebindings", "clusterroles",
                                                                   "clusterrolebindings")}  # fmt: skip


def refusal(kind: Kind, name: str, errors: list[str]) -> Problem:
    """422 with every error."""
    errors = list(dict.fromkeys(errors))
    listed = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    causes = [
        {"reason": _cause(message), "message": message, "field": path}
        for path, _, message in (each.partition(": ") for each in errors)
    ]
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}
    return Problem(
        422, f'{kind.full_kind} "{name}" is invalid: {listed}', details={k: v for k, v in details.items() if v}
    )


def _cause(message: str) -> str:
    known = {
        "Required value": "FieldValueRequired",
        "Invalid value": "FieldValueInvalid",
        "Unsupported value": "FieldValueNotSupported",
        "Duplicate value": "FieldValueDuplicate",
        "Forbidden": "FieldValueForbidden",
        "Too long": "FieldValueTooLong",
        "Not found": "FieldValueNotFound",
    }
    return next((cause for start, cause in known.items() if message.startswith(start)), "FieldValueInvalid")


def of_new(kind: Kind, new: Object) -> list[str]:
    """What is wrong with an object, new or changed."""
    rule = {
        names.PODS: lambda: pod_rules.pod(new),
        names.JOBS: lambda: job_rules.job(new),
        names.CONFIG_MAPS: lambda: _config_map(new),
        names.SECRETS: lambda: _config_map(new),
        names.SERVICES: lambda: _service(new),
        names.CLAIMS: lambda: _claim(new),
        "networkpolicies.networking.k8s.io": lambda: _network_policy(new),
    }.get(kind.resource)
    if kind.resource in (names.CONFIG_MAPS, names.SECRETS):
        _decodable(kind, new)
    return _metadata(kind, new["metadata"]) + (rule() if rule else [])


def of_change(kind: Kind, new: Object, old: Object) -> list[str]:
    """What may not change."""
    if kind.resource == names.JOBS:
        return job_rules.change(new, old)
    if kind.resource == names.PODS:
        return pod_rules.change(new, old)
    if kind.resource in (names.CONFIG_MAPS, names.SECRETS) and old.get("immutable"):
        fields = ("immutable", "data", "binaryData")
        return [
            f"{field}: Forbidden: field is immutable when `immutable` is set"
            for field in fields
            if (new.get(field) or None) != (old.get(field) or None)
        ]
    if kind.resource == names.CLAIMS:
        changed = {**new["spec"], "resources": None, "volumeName": None} != {
            **old["spec"], "resources": None, "volumeName": None
        }  # fmt: skip
        return ["spec: Forbidden: spec is immutable after creation except resources.requests and "
                "volumeAttributesClassName for bound claims"] if changed else []  # fmt: skip
    return []


def _metadata(kind: Kind, meta: Object) -> list[str]:
    judge = words.dns_subdomain
    if kind.resource in LABEL_NAMES:
        judge = words.dns_label
    elif kind.resource in SERVICE_NAMES:
        judge = words.dns_1035_label
    name = meta["name"]
    found = [] if kind.resource in FREE_NAMES else [f'metadata.name: Invalid value: "{name}": {w}' for w in judge(name)]
    if kind.resource in FREE_NAMES and ("/" in name or "%" in name or name in (".", "..")):
        found.append(f"metadata.name: Invalid value: \"{name}\": may not contain '/'")
    found += labels(meta.get("labels"), "metadata.labels")
    annotations = meta.get("annotations") or {}
    for key in annotations:
        found += [f'metadata.annotations: Invalid value: "{key}": {w}' for w in words.qualified_name(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        found.append(f"metadata.annotations: Too long: may not be more than {ANNOTATIONS_LIMIT} bytes")
    for name in meta.get("finalizers") or []:
        if "/" not in name and name not in ("orphan", "foregroundDeletion", "kubernetes"):
            found.append(f'metadata.finalizers: Invalid value: "{name}": name is neither a standard finalizer name '
                         "nor is it fully qualified")  # fmt: skip
    controllers = [owner for owner in meta.get("ownerReferences") or [] if owner.get("controller")]
    if len(controllers) > 1:
        said = " and ".join(f"{owner['kind']}/{owner['name']}" for owner in controllers[:2])
        found.append("metadata.ownerReferences: Invalid value: []: Only one reference can have Controller set to "
                     f'true. Found "true" in references for {said}')  # fmt: skip
    return found


def labels(found: dict[str, Any] | None, path: str) -> list[str]:
    """What is wrong with labels."""
    errors = []
    for key, value in (found or {}).items():
        errors += [f'{path}: Invalid value: "{key}": {w}' for w in words.qualified_name(key)]
        errors += [f"{path}: Invalid value: {json.dumps(value)}: {w}" for w in words.label_value(value)]
    return errors


def _decodable(kind: Kind, new: Object) -> None:
    field = "binaryData" if kind.resource == names.CONFIG_MAPS else "data"
    for value in (new.get(field) or {}).values():
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                "illegal base64 data at input byte 0"
            ) from error


def _config_map(new: Object) -> list[str]:
    errors, size = [], 0
    for field in ("data", "binaryData"):
        for key, value in (new.get(field) or {}).items():
            errors += [f'{field}[{key}]: Invalid value: "{key}": {w}' for w in words.config_key(key)]
            plain = field == "data" and "type" not in new
            size += len(value.encode()) if plain else len(base64.b64decode(value))
            if field == "binaryData" and key in (new.get("data") or {}):
                errors.append(f'data[{key}]: Invalid value: "{key}": duplicate of key present in binaryData')
    if size > DATA_LIMIT:
        path = "data" if "type" in new else "[]"
        errors.append(f"{path}: Too long: may not be more than {DATA_LIMIT} bytes")
    return errors


def _service(new: Object) -> list[str]:
    spec = new["spec"]
    headless = spec.get("clusterIP") == "None" or spec["type"] == "ExternalName"
    errors = [] if headless or spec.get("ports") else ["spec.ports: Required value"]
    errors += labels(spec.get("selector"), "spec.selector")
    ports = spec.get("ports") or []
    for number, port in enumerate(ports):
        path = f"spec.ports[{number}]"
        if len(ports) > 1 and not port.get("name"):
            errors.append(f"{path}.name: Required value")
        if not 1 <= port.get("port", 0) <= 65535:
            errors.append(f"{path}.port: Invalid value: {port.get('port')}: must be between 1 and 65535, inclusive")
    return errors


def _claim(new: Object) -> list[str]:
    spec = new["spec"]
    errors = []
    if not spec.get("accessModes"):
        errors.append("spec.accessModes: Required value: at least 1 access mode is required")
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        errors.append("spec.resources[storage]: Required value")
    return errors


def _network_policy(new: Object) -> list[str]:
    errors = labels((new["spec"].get("podSelector") or {}).get("matchLabels"), "spec.podSelector.matchLabels")
    for way, sides in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(new["spec"].get(way) or []):
            for index, peer in enumerate(rule.get(sides) or []):
                path = f"spec.{way}[{number}].{sides}[{index}]"
                if not peer:
                    errors.append(f"{path}: Required value: must specify a peer")
                block = peer.get("ipBlock")
                if block and len(peer) > 1:
                    errors.append(f"{path}: Forbidden: may not specify both ipBlock and another peer")
                for cidr in [block["cidr"], *(block.get("except") or [])] if block else []:
                    try:
                        ipaddress.ip_network(cidr)
                    except ValueError:
                        errors.append(f'{path}.ipBlock.cidr: Invalid value: "{cidr}": must be a valid CIDR value, '
                                      "(e.g. 10.9.8.0/24 or 2001:db8::/64)")  # fmt: skip
    return errors
