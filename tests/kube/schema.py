"""Bodies against the schemas of their kinds: unknown and doubled fields, wrong types, values out of range."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from .kinds import METADATA, Kind
from .problems import bad_request
from .shapes import Schema, reference

GO_TYPES = {"int32": "int32", "int64": "int64", "double": "float64"}
TYPE_NAMES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


class _Doubled(dict[str, Any]):
    """An object of JSON that named some fields twice."""

    doubled: list[str]


def decode(raw: bytes) -> Any:
    """JSON, remembering doubled fields. Raises `Problem` 400."""
    try:
        return json.loads(raw, object_pairs_hook=_pairs)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [name for name, _ in pairs]
    marked = _Doubled(made)
    marked.doubled = sorted({name for name in names if names.count(name) > 1})
    return marked


@dataclass
class Findings:
    """What is wrong with a body."""

    strict: list[str] = field(default_factory=list)
    """Unknown and doubled fields, in the server's words."""
    invalid: list[str] = field(default_factory=list)
    """Values that may not be, in the server's words."""


class WrongType(Exception):
    """A value cannot be decoded into its field."""


def check(body: Any, kind: Kind) -> tuple[dict[str, Any], Findings]:
    """The body without what its kind does not know, and what is wrong with it. Raises `Problem` 400 on wrong types."""
    findings = Findings()
    walker = _Walker(kind, findings)
    try:
        return walker.walk(body, kind.schema, "", kind.kind), findings
    except WrongType as error:
        raise bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: json: {error}'
        ) from error


def resolved(schema: Schema, kind: Kind) -> tuple[Schema, str]:
    """A schema with its reference followed, and the last part of the reference's name ("" where it has none)."""
    name = reference(schema)
    return (kind.definitions[name], name.rsplit(".", 1)[-1]) if name else (schema, "")


class _Walker:
    def __init__(self, kind: Kind, findings: Findings) -> None:
        self.kind, self.findings = kind, findings

    def walk(self, value: Any, schema: dict[str, Any], path: str, owner: str) -> Any:
        outer = schema
        schema, name = resolved(schema, self.kind)
        if self.kind.custom and path == "metadata":
            schema, name = self.kind.definitions[METADATA], "ObjectMeta"
        owner = name or owner
        custom = self.kind.custom and not path.startswith("metadata")
        if name == "Time" or name == "MicroTime":
            return self._expect(value, "string", path, owner, "v1." + name)
        if name == "Quantity":
            return str(value) if not isinstance(value, str) else value
        if name in ("IntOrString", "RawExtension", "FieldsV1", "JSON") or _free(schema):
            return value
        wanted = schema.get("type")
        if wanted == "object" or "properties" in schema:
            return self._object(value, schema, path, owner)
        if wanted == "array":
            if self._wrong(value, list, "array", path, owner, "[]" + _go(schema.get("items", {}), self.kind), custom):
                return value
            return [self.walk(item, schema["items"], f"{path}[{number}]", owner) for number, item in enumerate(value)]
        if wanted:
            value = self._expect(value, wanted, path, owner, _go(schema, self.kind))
            self._limits(value, {**schema, **{k: v for k, v in outer.items() if k == "enum"}}, path)
        return value

    def _object(self, value: Any, schema: dict[str, Any], path: str, owner: str) -> Any:
        custom = self.kind.custom and not path.startswith("metadata")
        properties = schema.get("properties", {})
        if self._wrong(value, dict, "object", path, owner, "v1." + owner if properties else "map", custom):
            return value
        self.findings.strict += [f'duplicate field "{_join(path, name)}"' for name in getattr(value, "doubled", [])]
        made: dict[str, Any] = {}
        for name, inner in value.items():
            where = _join(path, name)
            if name in properties:
                if inner is not None:
                    made[name] = self.walk(inner, properties[name], where, owner)
            elif not path and name in ("apiVersion", "kind", "metadata"):
                made[name] = self.walk(inner, {}, where, owner) if name == "metadata" else inner
            elif isinstance(more := schema.get("additionalProperties"), dict):
                made[name] = self.walk(inner, more, where, owner)
            elif not properties or more is True or schema.get("x-kubernetes-preserve-unknown-fields"):
                made[name] = inner
            else:
                self.findings.strict.append(f'unknown field "{where}"')
        for name in schema.get("required", []):
            if name not in made and not path.startswith("status") and (path or name not in ("metadata", "status")):
                given = properties.get(name, {})
                if "default" not in given or self.kind.custom:
                    self.findings.invalid.append(f"{_join(path, name)}: Required value")
        return made

    def _expect(self, value: Any, wanted: str, path: str, owner: str, go: str) -> Any:
        fits = {
            "string": isinstance(value, str),
            "boolean": isinstance(value, bool),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
        }[wanted]
        if fits or (wanted == "integer" and isinstance(value, float) and value.is_integer()):
            return int(value) if wanted == "integer" else value
        self._complain(value, wanted, path, owner, go, self.kind.custom and not path.startswith("metadata"))
        return value

    def _wrong(self, value: Any, fits: type, wanted: str, path: str, owner: str, go: str, custom: bool) -> bool:
        if isinstance(value, fits):
            return False
        self._complain(value, wanted, path, owner, go, custom)
        return True

    def _complain(self, value: Any, wanted: str, path: str, owner: str, go: str, custom: bool) -> None:
        found = TYPE_NAMES.get(type(value), "null")
        if custom:
            found = {"bool": "boolean", "number": "integer" if isinstance(value, int) else "number"}.get(found, found)
            self.findings.invalid.append(
                f'{path}: Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
            )
            return
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = f"number {value}" if wanted in ("integer",) else "number"
        plain = re.sub(r"\[\d+\]", "", path)
        raise WrongType(f"cannot unmarshal {found} into Go struct field {owner}.{plain} of type {go}")

    def _limits(self, value: Any, schema: dict[str, Any], path: str) -> None:
        if path.startswith("status"):
            return
        if (allowed := schema.get("enum")) and value not in allowed and not (value == "" and not self.kind.custom):
            words = ", ".join(json.dumps(each) for each in sorted(map(str, allowed)))
            self.findings.invalid.append(f'{path}: Unsupported value: "{value}": supported values: {words}')
        if not self.kind.custom:
            return
        for key, bad, words in (
            ("minimum", lambda limit: value < limit, "should be greater than or equal to"),
            ("maximum", lambda limit: value > limit, "should be less than or equal to"),
        ):
            if key in schema and isinstance(value, int | float) and bad(schema[key]):
                self.findings.invalid.append(f"{path}: Invalid value: {value}: {path} in body {words} {schema[key]}")
        if isinstance(value, str):
            if len(value) > schema.get("maxLength", len(value)):
                self.findings.invalid.append(f"{path}: Too long: may not be more than {schema['maxLength']} bytes")
            if "pattern" in schema and not re.search(schema["pattern"], value):
                self.findings.invalid.append(
                    f"{path}: Invalid value: \"{value}\": {path} in body should match '{schema['pattern']}'"
                )


def with_defaults(value: Any, schema: Schema) -> Any:
    """A custom resource with the defaults that its schema gives."""
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name not in value and "default" in inner and name != "metadata":
                value[name] = json.loads(json.dumps(inner["default"]))
            if name in value:
                with_defaults(value[name], inner)
        if isinstance(more := schema.get("additionalProperties"), dict):
            for inner in value.values():
                with_defaults(inner, more)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            with_defaults(item, schema["items"])
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _free(schema: dict[str, Any]) -> bool:
    return bool(
        schema.get("x-kubernetes-int-or-string")
        or (not schema.get("type") and not schema.get("properties"))
        or "oneOf" in schema
    )


def _go(schema: dict[str, Any], kind: Kind) -> str:
    schema, name = resolved(schema, kind)
    if name:
        return "v1." + name
    wanted = schema.get("type", "")
    return {"integer": GO_TYPES.get(schema.get("format", ""), "int64"), "boolean": "bool", "number": "float64"}.get(
        wanted, wanted
    )
