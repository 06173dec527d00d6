"""Bodies in Kubernetes' protobuf envelope, of the few kinds that kubectl's own commands send so."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from .problems import Problem

MAGIC = b"k8s\x00"
TEXT, BYTES, FLAG, STRINGS, BINARIES = "text", "bytes", "flag", "strings", "binaries"
META = {1: ("name", TEXT), 2: ("generateName", TEXT), 3: ("namespace", TEXT), 11: ("labels", STRINGS)}
META[12] = ("annotations", STRINGS)
ACCESS = {
    number: (name, TEXT)
    for number, name in enumerate(("namespace", "verb", "group", "version", "resource", "subresource", "name"), 1)
}
MESSAGES: dict[str, dict[int, tuple[str, Any]]] = {
    "SelfSubjectAccessReview": {
        1: ("metadata", META),
        2: (
            "spec",
            {
                1: ("resourceAttributes", ACCESS),
                2: ("nonResourceAttributes", {1: ("path", TEXT), 2: ("verb", TEXT)}),
            },
        ),
    },
    "SelfSubjectRulesReview": {1: ("metadata", META), 2: ("spec", {1: ("namespace", TEXT)})},
    "ConfigMap": {
        1: ("metadata", META),
        2: ("data", STRINGS),
        3: ("binaryData", BINARIES),
        4: ("immutable", FLAG),
    },
    "Namespace": {1: ("metadata", META)},
    "DeleteOptions": {1: ("gracePeriodSeconds", FLAG), 4: ("propagationPolicy", TEXT)},
}


def decode(raw: bytes) -> dict[str, Any]:
    """The object in an envelope. Raises `Problem` 415 for kinds that are not in the table."""
    if not raw.startswith(MAGIC):
        raise Problem(415, "the body of the request was in an unknown format")
    fields = dict(_fields(raw[len(MAGIC) :]))
    about = {number: bytes(value).decode() for number, value in _fields(fields[1])}
    kind = about.get(2, "")
    if kind not in MESSAGES:
        raise Problem(415, f"the body of the request was in an unknown format: this server reads no protobuf of {kind}")
    return {"apiVersion": about.get(1, ""), "kind": kind, **_message(fields.get(2, b""), MESSAGES[kind])}


def _message(raw: bytes, table: dict[int, tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, value in _fields(raw):
        if number not in table:
            continue
        name, kind = table[number]
        if isinstance(kind, dict):
            found[name] = _message(value, kind)
        elif kind in (STRINGS, BINARIES):
            entry = dict(_fields(value))
            key, content = bytes(entry.get(1, b"")).decode(), bytes(entry.get(2, b""))
            found.setdefault(name, {})[key] = content.decode() if kind == STRINGS else _base64(content)
        elif kind == TEXT:
            if value:
                found[name] = bytes(value).decode()
        else:
            found[name] = value if name == "gracePeriodSeconds" else bool(value)
    return found


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _fields(raw: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(raw):
        tag, at = _number(raw, at)
        kind = tag & 7
        if kind == 0:
            value, at = _number(raw, at)
            yield tag >> 3, value
        elif kind == 2:
            size, at = _number(raw, at)
            yield tag >> 3, raw[at : at + size]
            at += size
        else:
            raise Problem(400, f"unexpected wire type {kind}")


def _number(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
