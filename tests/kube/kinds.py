"""The kinds that the server serves: read from Kubernetes' own OpenAPI documents, and from CRDs that are switched on."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHORT_NAMES = {
    "pods": "po", "configmaps": "cm", "services": "svc", "events": "ev", "nodes": "no", "namespaces": "ns",
    "persistentvolumeclaims": "pvc", "persistentvolumes": "pv", "resourcequotas": "quota", "limitranges": "limits",
    "serviceaccounts": "sa", "deployments": "deploy", "replicasets": "rs", "statefulsets": "sts", "cronjobs": "cj",
    "networkpolicies": "netpol", "priorityclasses": "pc", "storageclasses": "sc", "customresourcedefinitions": "crd",
}  # fmt: skip
METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
ACTIONS = {"list": "list", "post": "create", "get": "get", "put": "update", "patch": "patch", "delete": "delete"}


def shared() -> Path:
    """The folder of shared test data (`MLK_SHARED`, by default `../shared` beside the checkout)."""
    return Path(os.environ.get("MLK_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")


def have_data() -> bool:
    """Whether the OpenAPI documents are at hand; without them there is no server to start."""
    return (shared() / "kube" / "openapi" / "api.v1.json").is_file()


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind in one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    schema: dict[str, Any] = field(repr=False)
    document: dict[str, Any] = field(repr=False)
    """Where `$ref`s of the schema lead."""
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
        self._served: dict[tuple[str, str, str], Kind] = {}
        self.documents: dict[str, dict[str, Any]] = {}
        for name, document in _documents().items():
            self.documents[name] = document
            for kind in _kinds_of(name):
                self._served[kind.group, kind.version, kind.plural] = kind
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
                document=self.documents["api/v1"],
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
def definition_of(name: str) -> dict[str, Any]:
    """A CustomResourceDefinition of the shared data by its full name, e.g. `jobsets.jobset.x-k8s.io`."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with (shared() / "kube" / "crds" / f"{name}.yaml").open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


@functools.cache
def _documents() -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted((shared() / "kube" / "openapi").glob("*.json")):
        parts = path.stem.split(".")
        name = "api/v1" if parts[0] == "api" else f"apis/{'.'.join(parts[1:-1])}/{parts[-1]}"
        found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


@functools.cache
def _kinds_of(name: str) -> list[Kind]:
    document = _documents()[name]
    parts = name.split("/")
    group, version = ("", parts[1]) if parts[0] == "api" else (parts[1], parts[2])
    schemas = document["components"]["schemas"]
    by_kind = {
        (gvk["group"], gvk["version"], gvk["kind"]): schema
        for schema in schemas.values()
        for gvk in schema.get("x-kubernetes-group-version-kind", [])
    }
    found: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        rest = path.removeprefix(f"/{name}/")
        if rest.startswith("watch/") or not rest:
            continue
        namespaced = rest.startswith("namespaces/{namespace}/")
        steps = rest.removeprefix("namespaces/{namespace}/").split("/") if namespaced else rest.split("/")
        about = found.setdefault(steps[0], {"verbs": set(), "subresources": set(), "namespaced": False, "kind": None})
        about["namespaced"] |= namespaced
        if len(steps) > 2:
            about["subresources"].add(steps[2])
            continue
        for operation in operations.values():
            if not isinstance(operation, dict):
                continue
            action = operation.get("x-kubernetes-action", "")
            about["verbs"].add(ACTIONS.get(action, action))
            about["kind"] = operation.get("x-kubernetes-group-version-kind", {}).get("kind") or about["kind"]
    kinds = []
    for plural, about in found.items():
        schema = by_kind.get((group, version, about["kind"]))
        if schema is None:
            continue
        verbs = about["verbs"] | ({"watch"} if "list" in about["verbs"] else set())
        short = SHORT_NAMES.get(plural)
        kinds.append(
            Kind(group, version, plural, about["kind"], about["namespaced"], schema, document,
                 tuple(sorted(verb for verb in verbs if verb)), frozenset(about["subresources"]),
                 (short,) if short else ())
        )  # fmt: skip
    return kinds
