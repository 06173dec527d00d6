"""Label and field selectors, as lists and watches take them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .problems import bad_request

Selector = Callable[[dict[str, Any]], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})")
_EXISTS = re.compile(rf"(?P<not>!?)\s*(?P<key>{_KEY})")


def everything(_: dict[str, Any]) -> bool:
    """An empty selector selects all."""
    return True


def labels(text: str | dict[str, str] | None) -> Selector:
    """The selector that `labelSelector=` (or a plain mapping) says. Raises `Problem` 400 when it cannot be read."""
    if not text:
        return everything
    if isinstance(text, dict):
        wanted = dict(text)
        return lambda found: all(labels_of(found).get(key) == value for key, value in wanted.items())
    tests = [_label_test(part.strip(), text) for part in re.split(r",(?![^()]*\))", text)]
    return lambda found: all(test(labels_of(found)) for test in tests)


def labels_of(found: dict[str, Any]) -> dict[str, str]:
    """An object's labels; never None."""
    return found.get("metadata", {}).get("labels") or {}


def label_selector(selector: dict[str, Any] | None) -> Selector:
    """The selector that an object carries (`matchLabels`, `matchExpressions`)."""
    selector = selector or {}
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or []:
        key, operator, values = rule["key"], rule["operator"], ",".join(rule.get("values") or [])
        written = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}
        parts.append(written.get(operator, f"!{key}"))
    return labels(",".join(parts))


def _label_test(part: str, whole: str) -> Callable[[dict[str, str]], bool]:
    if match := _SET.fullmatch(part):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        inside = match["op"] == "in"
        return lambda found: (found.get(key) in values) if inside else (found.get(key) not in values)
    if match := _EQUAL.fullmatch(part):
        key, value, equal = match["key"], match["value"] or "", match["op"] != "!="
        return lambda found: (found.get(key) == value) == equal
    if match := _EXISTS.fullmatch(part):
        key, present = match["key"], not match["not"]
        return lambda found: (key in found) == present
    raise bad_request(
        f"unable to parse requirement: found '{part}', expected: ',' or 'end of string'"
        if part
        else f'unable to parse requirement: <nil>: Invalid value: "{whole}": name part must be non-empty'
    )


FIELDS: dict[str, set[str]] = {
    "pods": {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    },
    "jobs.batch": {"status.successful"},
    "events": {
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    },
    "secrets": {"type"},
    "nodes": {"spec.unschedulable"},
    "namespaces": {"status.phase"},
}


def fields(text: str | None, resource: str) -> Selector:
    """The selector that `fieldSelector=` says for one resource. Raises `Problem` 400 for fields it does not have."""
    if not text:
        return everything
    tests: list[tuple[str, str, bool]] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([A-Za-z0-9_.\-/]+)\s*(==|=|!=)\s*(.*?)\s*", part)
        if not match:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = match.groups()
        if path not in FIELDS.get(resource, set()) | {"metadata.name", "metadata.namespace"}:
            raise bad_request(f'Unable to find "{resource}" that match label selector "", field selector "{text}": '
                              f'field label not supported: {path}')  # fmt: skip
        tests.append((path, value, operator != "!="))
    return lambda found: all((field(found, path) == value) == equal for path, value, equal in tests)


def field(found: dict[str, Any], path: str) -> str:
    """The value of a field by its dotted path as a field selector sees it: text, empty where it is not set."""
    if path == "status.successful":  # of Jobs: the number of pods that succeeded
        path = "status.succeeded"
        return str(int((found.get("status") or {}).get("succeeded") or 0))
    if path == "source" and "source" in found:
        return str(found["source"].get("component") or found.get("reportingComponent") or "")
    value: Any = found
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
