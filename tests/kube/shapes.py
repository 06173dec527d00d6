"""Tables of shapes: what an API server's kinds look like, as text of one line a field.

    kind Job batch/v1 jobs namespaced schema=batch.v1.Job verbs=create,get,list parts=status
    def batch.v1.JobSpec object
     backoffLimit int32
     completionMode string enum=Indexed|NonIndexed
     template! core.v1.PodTemplateSpec default={}
     volumes [name]core.v1.Volume merge=name

A line of a field is its name (with `!` where it is required), its type, and words about it; the fields of an object
that has no definition of its own follow with one more space. `[]T` is a list that is replaced whole, `[set]T` a set,
`[a,b]T` a list whose items are told apart by `a` and `b`, `{}T` a map. In memory shapes are OpenAPI schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Schema = dict[str, Any]
REF = "#/components/schemas/"
PRESERVE, INT_OR_STRING = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"
STRATEGY, MERGE_KEY = "x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key"
LIST_TYPE, LIST_KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"
_SCALARS: dict[str, Schema] = {
    "any": {},
    "bool": {"type": "boolean"},
    "int": {"type": "integer"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "number": {"type": "number"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "object": {"type": "object"},
    "int-or-string": {INT_OR_STRING: True},
}
_LIMITS = ("minimum", "maximum", "maxLength", "pattern")
PIPE = "\\u007c"
_LITERALS = ("true", "false", "null")
_WORD = re.compile(r'([^ =]+)(?:=((?:"(?:[^"\\]|\\.)*"|[^ "])+))?')


@dataclass
class Table:
    """Kinds by their lines, and the definitions that their schemas refer to."""

    kinds: list[KindLine] = field(default_factory=list)
    definitions: dict[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True)
class KindLine:
    """What a table says of one kind in one version."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool
    schema: str
    """The name of its definition."""
    verbs: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """Subresources."""
    short: tuple[str, ...] = ()
    stored: bool = False
    """Of a custom resource: whether this version is the stored one."""
    deprecated: str | None = None
    """Said to whoever uses this version; "" where it is deprecated without words of its own."""


def written(table: Table) -> str:
    """A table as text. The same table gives the same text."""
    found = [_kind_line(kind) for kind in sorted(table.kinds, key=lambda each: (each.group, each.plural, each.version))]
    for name in sorted(table.definitions):
        found += lines(f"def {name}", table.definitions[name])
    return "".join(f"{each}\n" for each in found)


def read(text: str) -> Table:
    """The table that a text holds. Raises ValueError for a line that says nothing known."""
    table = Table()
    stack: list[Schema] = []
    for number, said in enumerate(text.splitlines(), 1):
        try:
            if said.startswith("kind "):
                table.kinds.append(_read_kind(said.split(" ", 1)[1]))
            elif said.startswith("def "):
                name, _, rest = said.removeprefix("def ").partition(" ")
                table.definitions[name], inner = _read_shape(rest)
                stack = [inner]
            elif said and not said.startswith("#"):
                depth = len(said) - len(said.lstrip(" "))
                name, _, rest = said.lstrip(" ").partition(" ")
                holder = stack[depth - 1]
                shape, inner = _read_shape(rest)
                if name.endswith("!"):
                    name = name[:-1]
                    holder.setdefault("required", []).append(name)
                holder.setdefault("properties", {})[name] = shape
                stack[depth:] = [inner]
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"line {number} is no line of a table: {said!r} ({error!r})") from error
    return table


def lines(head: str, schema: Schema, indent: str = "") -> list[str]:
    """A schema's own line, begun by `head`, and those of its fields."""
    found, inner = [f"{head} {line(schema)}"], _type(schema)[1]
    required = inner.get("required", [])
    for name in sorted(inner.get("properties", {})):
        mark = "!" if name in required else ""
        found += lines(f"{indent} {name}{mark}", inner["properties"][name], f"{indent} ")
    return found


def line(schema: Schema) -> str:
    """What the line of a field says of its type."""
    kind, inner = _type(schema)
    return " ".join([kind, *_about(schema, inner)])


def referred(schema: Schema) -> Iterator[str]:
    """The names of the definitions that a schema refers to, without what those refer to."""
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(REF)
    for inner in [*schema.get("properties", {}).values(), *schema.get("allOf", [])]:
        yield from referred(inner)
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from referred(inner)


def reachable(names: list[str], definitions: dict[str, Schema]) -> dict[str, Schema]:
    """The definitions of these names, and all that they lead to."""
    found: dict[str, Schema] = {}
    while names:
        name = names.pop()
        if name not in found:
            found[name] = definitions[name]
            names += referred(definitions[name])
    return found


def spread(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """A schema without references: what they lead to in their place. Nothing may lead back to itself."""
    if name := reference(schema):
        return {**spread(definitions[name], definitions), **{key: schema[key] for key in schema if key != "allOf"}}
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: spread(inner, definitions) for name, inner in schema["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in schema:
            made[key] = spread(schema[key], definitions)
    return made


def reference(schema: Schema) -> str | None:
    """The name of the definition that a schema is; None where it says itself what it is."""
    of_all = schema.get("allOf") or []
    found = schema.get("$ref") or (of_all[0].get("$ref") if len(of_all) == 1 else None)
    return found.removeprefix(REF) if found else None


# Writing


def _kind_line(kind: KindLine) -> str:
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    words = ["kind", kind.kind, version, kind.plural, "namespaced" if kind.namespaced else "cluster"]
    words.append(f"schema={kind.schema}")
    for name, values in (("verbs", kind.verbs), ("parts", kind.parts), ("short", kind.short)):
        if values:
            words.append(f"{name}={','.join(values)}")
    if kind.stored:
        words.append("stored")
    if kind.deprecated is not None:
        words.append(f"deprecated={_value(kind.deprecated)}")
    return " ".join(words)


def _type(schema: Schema) -> tuple[str, Schema]:
    """A schema's type in words, and the schema of the innermost items."""
    if name := reference(schema):
        return name, {}
    if schema.get("type") == "array":
        told_apart = ""
        if schema.get(LIST_TYPE) == "map":
            told_apart = ",".join(schema[LIST_KEYS])
        elif schema.get(LIST_TYPE) == "set":
            told_apart = "set"
        kind, inner = _type(schema.get("items", {}))
        return f"[{told_apart}]{kind}", inner
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and not schema.get("properties"):
        kind, inner = _type(more)
        return "{}" + kind, inner
    if schema.get(INT_OR_STRING):
        return "int-or-string", schema
    if "oneOf" in schema or ("type" not in schema and "properties" not in schema):
        return "any", schema
    plain = {"type": schema.get("type", "object")}
    if "format" in schema:
        plain["format"] = schema["format"]
    known = next((word for word, shape in _SCALARS.items() if shape == plain), None)
    return known or "/".join(plain.values()), schema


def _about(schema: Schema, inner: Schema) -> list[str]:
    words = []
    if allowed := inner.get("enum"):
        words.append(f"enum={'|'.join(_value(each).replace('|', PIPE) for each in sorted(allowed, key=str))}")
    if not inner.get(INT_OR_STRING):  # its pattern is that of all quantities
        words += [f"{name}={_value(inner[name])}" for name in _LIMITS if name in inner]
    strategy = schema.get(STRATEGY, "").split(",")
    if "merge" in strategy:
        words.append(f"merge={schema[MERGE_KEY]}" if MERGE_KEY in schema else "merge")
    if "retainKeys" in strategy:
        words.append("retainKeys")
    if inner.get(PRESERVE):
        words.append("preserve")
    if "default" in schema:
        words.append(f"default={_value(schema['default'])}")
    return words


def _value(value: Any) -> str:
    """A value: bare where it is a plain word, else as JSON, with spaces only in quotes."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9./_-]*", value) and value not in _LITERALS:
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


# Reading


def _read_kind(text: str) -> KindLine:
    kind, api_version, plural, scope, *_ = text.split(" ")
    group, _, version = api_version.rpartition("/")
    said = dict(_words(text))

    def listed(name: str) -> tuple[str, ...]:
        return tuple((said.get(name) or "").split(",")) if name in said else ()

    deprecated = _read_value(said["deprecated"] or "") if "deprecated" in said else None
    return KindLine(kind, group, version, plural, scope == "namespaced", said["schema"] or "", listed("verbs"),
                    listed("parts"), listed("short"), "stored" in said, deprecated)  # fmt: skip


def _read_shape(text: str) -> tuple[Schema, Schema]:
    """The schema that a line describes, and the one that the following fields belong to."""
    kind, _, rest = text.partition(" ")
    schema, inner = _read_type(kind)
    for word, value in _words(rest):
        if word == "merge":
            schema[STRATEGY] = "merge"
            if value:
                schema[MERGE_KEY] = value
        elif word == "retainKeys":
            schema[STRATEGY] = ",".join(each for each in (schema.get(STRATEGY), word) if each)
        elif word == "preserve":
            inner[PRESERVE] = True
        elif word == "enum":
            inner["enum"] = [_read_value(each) for each in (value or "").split("|")]
        elif word == "default":
            schema["default"] = _read_value(value or "")
        elif word in _LIMITS:
            inner[word] = _read_value(value or "")
        else:
            raise ValueError(word)
    return schema, inner


def _read_type(kind: str) -> tuple[Schema, Schema]:
    if kind.startswith("{}"):
        more, inner = _read_type(kind[2:])
        return {"type": "object", "additionalProperties": more}, inner
    if kind.startswith("["):
        told_apart, _, rest = kind[1:].partition("]")
        items, inner = _read_type(rest)
        listed: Schema = {"type": "array", "items": items, LIST_TYPE: "atomic"}
        if told_apart == "set":
            listed[LIST_TYPE] = "set"
        elif told_apart:
            listed |= {LIST_TYPE: "map", LIST_KEYS: told_apart.split(",")}
        return listed, inner
    if kind in _SCALARS:
        schema = dict(_SCALARS[kind])
    elif "/" in kind:
        schema = dict(zip(("type", "format"), kind.split("/"), strict=True))
    elif kind:
        schema = {"allOf": [{"$ref": REF + kind}]}
    else:
        raise ValueError("no type")
    return schema, schema


def _words(text: str) -> Iterator[tuple[str, str | None]]:
    for word in _WORD.finditer(text):
        yield word[1], word[2]


def _read_value(text: str) -> Any:
    return text if re.match(r"[A-Za-z]", text) and text not in _LITERALS else json.loads(text)
