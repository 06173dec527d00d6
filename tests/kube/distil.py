"""`python -m tests.kube.distil SOURCE…`: writes the tables of shapes in `data/`, and says their sizes.

A source is a folder with the documents of an API server's `/openapi/v3`, one JSON file a group and version; a YAML file
of a CustomResourceDefinition; or the URL of a server that wants no login (`kubectl proxy`), which is asked for both.

Only facts are taken: names, types, what is required, allowed or filled in, how the items of lists are told apart, verbs
and subresources. No descriptions, and nothing of kinds that no test uses: those are named here.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from . import shapes
from .shapes import KindLine, Schema, Table

DATA = Path(__file__).parent / "data"
BUILT_IN = "kubernetes"
KINDS = frozenset({
    "configmaps", "events", "limitranges", "namespaces", "nodes", "persistentvolumeclaims", "persistentvolumes", "pods",
    "resourcequotas", "secrets", "serviceaccounts", "services",
    "jobs.batch", "networkpolicies.networking.k8s.io", "priorityclasses.scheduling.k8s.io",
    "leases.coordination.k8s.io", "storageclasses.storage.k8s.io", "customresourcedefinitions.apiextensions.k8s.io",
    "selfsubjectaccessreviews.authorization.k8s.io", "selfsubjectrulesreviews.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
    "resourceslices.resource.k8s.io", "resourceclaims.resource.k8s.io",
})  # fmt: skip
"""What the tests' API server serves by itself."""
CUSTOM = frozenset({
    "jobsets.jobset.x-k8s.io", "workloads.kueue.x-k8s.io", "localqueues.kueue.x-k8s.io", "clusterqueues.kueue.x-k8s.io",
    "resourceflavors.kueue.x-k8s.io", "workloadpriorityclasses.kueue.x-k8s.io",
})  # fmt: skip
"""The definitions that tests switch on."""
SHORT_NAMES = {
    "configmaps": "cm", "customresourcedefinitions": "crd", "events": "ev", "limitranges": "limits", "namespaces": "ns",
    "networkpolicies": "netpol", "nodes": "no", "persistentvolumeclaims": "pvc", "persistentvolumes": "pv",
    "pods": "po", "priorityclasses": "pc", "resourcequotas": "quota", "serviceaccounts": "sa",
    "services": "svc", "storageclasses": "sc",
}  # fmt: skip
"""The OpenAPI documents do not tell them."""
META = "meta.v1.ObjectMeta"
ACTIONS = {"post": "create", "put": "update"}
IN_NAMESPACE = "namespaces/{namespace}/"
TAKEN = ("type", "format", "enum", "minimum", "maximum", "maxLength", "pattern", "required", "oneOf", shapes.PRESERVE,
         shapes.INT_OR_STRING, shapes.STRATEGY, shapes.MERGE_KEY, shapes.LIST_TYPE, shapes.LIST_KEYS)  # fmt: skip
Document = dict[str, Any]
Get = Callable[[str], Document]
"""What a server answers to a path."""


def main(arguments: list[str] | None = None) -> int:
    """Write a table for each source that says something of the wanted kinds."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.distil", description=__doc__)
    parser.add_argument("source", nargs="+", help="folder of OpenAPI documents, YAML file of a definition, or URL")
    parser.add_argument("--to", type=Path, default=DATA, help="folder to write to (default: beside this script)")
    asked = parser.parse_args(arguments)
    for source in asked.source:
        for name, table in of_source(source):
            text = shapes.written(table)
            path = asked.to / f"{name}.txt"
            path.write_text(text, encoding="utf-8")
            print(f"{path.name}: {len(table.kinds)} kinds, {len(text.splitlines())} lines, {len(text)} bytes")
    return 0


# Sources


def of_source(source: str) -> Iterator[tuple[str, Table]]:
    """Tables, with the names that they are kept under: `kubernetes`, or the full name of a definition."""
    if source.startswith(("http://", "https://")):
        yield from of_server(lambda path: _fetch(source.rstrip("/") + path))
    elif Path(source).is_dir():
        files = sorted(Path(source).glob("*.json"))
        yield BUILT_IN, of_documents([json.loads(path.read_text(encoding="utf-8")) for path in files])
    else:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        definition = yaml.load(Path(source).read_text(encoding="utf-8"), Loader=loader)
        yield definition["metadata"]["name"], of_definition(definition)


def of_server(get: Get) -> Iterator[tuple[str, Table]]:
    """The same of what a server serves."""
    served = {name: about["serverRelativeURL"] for name, about in get("/openapi/v3")["paths"].items()}
    groups = {resource.partition(".")[2] for resource in KINDS}
    yield BUILT_IN, of_documents([get(path) for name, path in sorted(served.items()) if _group(name) in groups])
    for definition in get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]:
        if definition["metadata"]["name"] in CUSTOM:
            yield definition["metadata"]["name"], of_definition(definition)


def _fetch(url: str) -> Document:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def _group(name: str) -> str | None:
    """The group of a document: "" of `api/v1`, None of what has no resources, such as `version`."""
    steps = name.split("/")
    return {2: "", 3: steps[1] if len(steps) > 1 else None}.get(len(steps)) if steps[0] in ("api", "apis") else None


# What the server has by itself


def of_documents(documents: Iterable[Document], wanted: Iterable[str] = KINDS) -> Table:
    """The table of an API server's own kinds.

    Args:
        documents: one of each group and version.
        wanted: full names of resources, such as `jobs.batch`; each of their versions is taken.
    """
    table, schemas, names = Table(), {}, frozenset(wanted)
    for document in documents:
        found = document.get("components", {}).get("schemas", {})
        schemas.update({_short(name): _built_in(schema) for name, schema in found.items()})
        by_kind = {
            (about["group"], about["version"], about["kind"]): _short(name)
            for name, schema in found.items()
            for about in schema.get("x-kubernetes-group-version-kind", [])
        }
        lines = _kind_lines(document["paths"], by_kind)
        table.kinds += [line for line in lines if ".".join(filter(None, (line.plural, line.group))) in names]
    table.definitions = shapes.reachable([*(kind.schema for kind in table.kinds), META], schemas)
    return table


def _kind_lines(paths: Document, by_kind: dict[tuple[str, str, str], str]) -> list[KindLine]:
    found: dict[tuple[str, str, str], Document] = {}
    for path, operations in paths.items():
        steps = path.strip("/").split("/")
        group, version, rest = ("", *_cut(steps, 1)) if steps[0] == "api" else (steps[1], *_cut(steps, 2))
        namespaced = rest[:2] == ["namespaces", "{namespace}"] and len(rest) > 2
        rest = rest[2:] if namespaced else rest
        if not rest or rest[0] == "watch":
            continue
        about = found.setdefault((group, version, rest[0]), {"verbs": set(), "parts": set(), "in": False, "kind": ""})
        about["in"] |= namespaced
        if len(rest) > 2:
            about["parts"].add(rest[2])
            continue
        for operation in operations.values():
            if isinstance(operation, dict) and (action := operation.get("x-kubernetes-action")):
                about["verbs"].add(ACTIONS.get(action, action))
                about["kind"] = operation["x-kubernetes-group-version-kind"]["kind"]
    return [
        KindLine(about["kind"], group, version, plural, about["in"], by_kind[group, version, about["kind"]],
                 tuple(sorted(about["verbs"] | ({"watch"} if "list" in about["verbs"] else set()))),
                 tuple(sorted(about["parts"])), tuple(filter(None, [SHORT_NAMES.get(plural, "")])))
        for (group, version, plural), about in found.items()
        if (group, version, about["kind"]) in by_kind
    ]  # fmt: skip


def _cut(steps: list[str], at: int) -> tuple[str, list[str]]:
    return (steps[at], steps[at + 1 :]) if len(steps) > at else ("", [])


def _built_in(schema: Schema) -> Schema:
    """What is taken of a schema. A default is only told where the field is required: there the server fills it in."""
    made = _taken(schema, _built_in)
    for name, inner in made.get("properties", {}).items():
        if name in schema.get("required", []) and "default" in schema["properties"][name]:
            inner["default"] = schema["properties"][name]["default"]
    if name := shapes.reference(schema):
        made["allOf"] = [{"$ref": shapes.REF + _short(name)}]
    return made


def _short(name: str) -> str:
    """`core.v1.Pod` for `io.k8s.api.core.v1.Pod`; without a version the last two steps: `resource.Quantity`."""
    steps = name.split(".")
    return ".".join(steps[-3:] if steps[-2][:1] == "v" and steps[-2][1:2].isdigit() else steps[-2:])


def _taken(schema: Schema, each: Callable[[Schema], Schema]) -> Schema:
    made = {key: schema[key] for key in TAKEN if key in schema}
    if "properties" in schema:
        made["properties"] = {name: each(inner) for name, inner in sorted(schema["properties"].items())}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            made[key] = each(schema[key])
    return made


# Custom resources


def of_definition(definition: Document) -> Table:
    """The table of a CustomResourceDefinition's served versions. What stands more than once in them is written once."""
    spec, table = definition["spec"], Table()
    names, served = spec["names"], [version for version in spec["versions"] if version["served"]]
    schemas = {version["name"]: _custom(version["schema"]["openAPIV3Schema"]) for version in served}
    sharer = _Sharer(schemas.values())
    for version in served:
        name, shared = f"{names['kind']}.{version['name']}", sharer.spread(schemas[version["name"]], "")
        table.definitions[name] = shared
        deprecated = version.get("deprecationWarning", "") if version.get("deprecated") else None
        table.kinds.append(
            KindLine(names["kind"], spec["group"], version["name"], names["plural"], spec["scope"] == "Namespaced",
                     name, parts=tuple(sorted(version.get("subresources") or {})), stored=version["storage"],
                     short=tuple(names.get("shortNames") or ()), deprecated=deprecated)
        )  # fmt: skip
    table.definitions |= sharer.definitions
    return table


def _custom(schema: Schema) -> Schema:
    made = _taken(schema, _custom)
    if "default" in schema:
        made["default"] = schema["default"]
    return made


class _Sharer:
    """Gives names to the objects that stand more than once in schemas."""

    def __init__(self, schemas: Iterable[Schema]) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[str, str] = {}
        self._uses: Counter[str] = Counter()
        for schema in schemas:
            self._count(schema)

    def spread(self, schema: Schema, name: str) -> Schema:
        """The schema with references in place of what has a name."""
        made = dict(schema)
        if "properties" in schema:
            made["properties"] = {each: self._shared(inner, each) for each, inner in schema["properties"].items()}
        for key in ("items", "additionalProperties"):
            if key in schema:
                made[key] = self._shared(schema[key], name)
        return made

    def _count(self, schema: Schema) -> None:
        key = _key(schema)
        self._uses[key] += 1
        if self._uses[key] == 1:
            inside = [schema[key] for key in ("items", "additionalProperties") if key in schema]
            for inner in [*schema.get("properties", {}).values(), *inside]:
                self._count(inner)

    def _shared(self, schema: Schema, name: str) -> Schema:
        key = _key(schema)
        if "properties" not in schema or self._uses[key] == 1:
            return self.spread(schema, name)
        if key not in self._names:
            self._names[key] = self._free_name(name)
            bare = {word: value for word, value in schema.items() if word != "default"}
            self.definitions[self._names[key]] = self.spread(bare, name)
        default = {"default": schema["default"]} if "default" in schema else {}
        return {"allOf": [{"$ref": shapes.REF + self._names[key]}], **default}

    def _free_name(self, name: str) -> str:
        name, number = name[:1].upper() + name[1:], 1
        while (tried := f"{name}{number}" if number > 1 else name) in self.definitions:
            number += 1
        self.definitions[tried] = {}
        return tried


def _key(schema: Schema) -> str:
    """The same for what is written alike."""
    return "\n".join(shapes.lines("", {word: value for word, value in schema.items() if word != "default"}))


if __name__ == "__main__":
    sys.exit(main())
