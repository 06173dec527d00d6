"""The kinds that the server serves: read from the tables in `data/`, and from definitions that are created."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import shapes
from .shapes import Schema, Table

DATA = Path(__file__).parent / "data"
METADATA = "meta.v1.ObjectMeta"


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    schema: Schema = field(repr=False)
    schema_name: str
    """What its schema is called among definitions."""
    definitions: dict[str, Schema] = field(repr=False)
    """Where references lead, by name."""
    verbs: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    short_names: tuple[str, ...] = ()
    custom: bool = False
    warning: str | None = None
    """Said to whoever uses a deprecated version."""

    @property
    def api_version(self) -> str:
        """As objects carry it: `batch/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """The full name: `jobs.batch`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def full_kind(self) -> str:
        """As messages name it: `Job.batch`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self) -> bool:
        """Whether its status is written apart from the rest."""
        return "status" in self.subresources


class Catalog:
    """All kinds served, found by path or by name."""

    def __init__(self, custom: tuple[str, ...] = ()) -> None:
        self._served = {(kind.group, kind.version, kind.plural): kind for kind in _built_in()}
        for definition in custom:
            self.define(definition_of(definition))

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind at a path; None when it is not served."""
        return self._served.get((group, version, plural))

    def of(self, resource: str) -> Kind:
        """The preferred version of a resource by its full name."""
        plural, _, group = resource.partition(".")
        return next(kind for kind in self.all() if kind.plural == plural and kind.group == group)

    def of_object(self, api_version: str, kind: str) -> Kind | None:
        """The kind that an object says it is."""
        return next((each for each in self.all() if each.api_version == api_version and each.kind == kind), None)

    def all(self) -> list[Kind]:
        """Every kind in every version, preferred versions first."""
        return sorted(self._served.values(), key=lambda kind: (kind.group, kind.warning is not None))

    def define(self, definition: dict[str, Any]) -> None:
        """Serve the kinds of a CustomResourceDefinition."""
        spec = definition["spec"]
        names = spec["names"]
        for version in spec["versions"]:
            if not version.get("served"):
                continue
            kind = Kind(
                group=spec["group"],
                version=version["name"],
                plural=names["plural"],
                kind=names["kind"],
                namespaced=spec.get("scope") == "Namespaced",
                schema=version.get("schema", {}).get("openAPIV3Schema", {"type": "object"}),
                schema_name=".".join([*reversed(spec["group"].split(".")), version["name"], names["kind"]]),
                definitions=table("kubernetes").definitions,
                verbs=("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"),
                subresources=frozenset(version.get("subresources") or {}),
                short_names=tuple(names.get("shortNames") or ()),
                custom=True,
                warning=deprecation(spec, version),
            )
            self._served[kind.group, kind.version, kind.plural] = kind

    def forget(self, definition: dict[str, Any]) -> None:
        """Serve the kinds of a definition no longer."""
        spec = definition["spec"]
        for key in [key for key in self._served if key[0] == spec["group"] and key[2] == spec["names"]["plural"]]:
            del self._served[key]

    def groups(self) -> dict[str, list[str]]:
        """Versions by group, preferred first; the core group is ""."""
        found: dict[str, list[str]] = {}
        for kind in self.all():
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return found


def deprecation(spec: dict[str, Any], version: dict[str, Any]) -> str | None:
    """The warning of a deprecated version."""
    if not version.get("deprecated"):
        return None
    return version.get("deprecationWarning") or (
        f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    )


@functools.cache
def table(name: str) -> Table:
    """A table of `data/`: `kubernetes`, or the full name of a CustomResourceDefinition."""
    return shapes.read((DATA / f"{name}.txt").read_text(encoding="utf-8"))


@functools.cache
def definition_of(name: str) -> dict[str, Any]:
    """A CustomResourceDefinition by its full name, e.g. `jobsets.jobset.x-k8s.io`, as it is created in a cluster."""
    found = table(name)
    first = found.kinds[0]
    names = {"plural": first.plural, "singular": first.kind.lower(), "kind": first.kind}
    versions = []
    for kind in found.kinds:
        schema = shapes.spread(found.definitions[kind.schema], found.definitions)
        version = {"name": kind.version, "served": True, "storage": kind.stored, "schema": {"openAPIV3Schema": schema}}
        if kind.deprecated is not None:
            version |= {"deprecated": True, **({"deprecationWarning": kind.deprecated} if kind.deprecated else {})}
        versions.append({**version, "subresources": {part: {} for part in kind.parts}})
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": first.group,
            "names": {**names, "listKind": f"{first.kind}List", "shortNames": list(first.short)},
            "scope": "Namespaced" if first.namespaced else "Cluster",
            "versions": versions,
        },
    }


@functools.cache
def _built_in() -> list[Kind]:
    found = table("kubernetes")
    return [
        Kind(line.group, line.version, line.plural, line.kind, line.namespaced, found.definitions[line.schema],
             line.schema, found.definitions, line.verbs, frozenset(line.parts), line.short)
        for line in found.kinds
    ]  # fmt: skip
