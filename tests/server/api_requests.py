"""Requests as the API document describes them, and such as are nearly so."""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from mlk_jupyter.server import openapi

DOCUMENT = openapi.document()
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if 101 not in map(int, filter(str.isdigit, operation["responses"]))
]

_TEXT = st.text(max_size=30)
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_ONE_IN = 8


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: bytes | None


def requests(method: str, path: str, operation: dict[str, Any], job_ids: list[str]) -> st.SearchStrategy[Request]:
    """Requests of one operation, about these jobs or others."""
    names = st.sampled_from(job_ids) | st.text(min_size=1, max_size=20).map(lambda text: quote(text, safe=""))
    query = {
        one["name"]: _sometimes(_of(one["schema"]).map(str), _TEXT)
        for one in operation.get("parameters", [])
        if one["in"] == "query"
    }
    body: st.SearchStrategy[bytes | None] = st.none()
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = _sometimes(_of(schema).map(_encoded), st.binary(max_size=50))
    return st.builds(
        Request,
        st.just(method.upper()),
        names.map(lambda name: path.replace("{job_id}", name).replace("{kernel_id}", name)),
        st.fixed_dictionaries({}, optional=query),
        body,
    )


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _sometimes(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(1, _ONE_IN).flatmap(lambda chance: rare if chance == _ONE_IN else usual)


def _of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _sometimes(_fitting(schema), _JUNK))


def _fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a JSON schema, as far as ours go; a pattern is left to chance."""
    if "$ref" in schema:
        return _of(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of(*(_of(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "pattern" in schema:
        return st.from_regex(schema["pattern"]) | _TEXT
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", [])
        known = {name: _of(one) for name, one in schema.get("properties", {}).items()}
        if not known:
            return st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=9), _JUNK, max_size=3)
        return st.fixed_dictionaries(
            {name: known[name] for name in required},
            optional={name: one for name, one in known.items() if name not in required},
        )
    if kind == "array":
        return st.lists(_of(schema.get("items", {})), max_size=3)
    if kind == "string":
        return st.text(min_size=schema.get("minLength", 0), max_size=min(40, schema.get("maxLength", 40)))
    if kind == "integer":
        return st.integers(schema.get("minimum", -(10**6)), schema.get("maximum", 10**6))
    if kind == "number":
        return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
    return st.booleans() if kind == "boolean" else _JUNK
