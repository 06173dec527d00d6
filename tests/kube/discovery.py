"""What the server says about itself: versions, groups, resources, OpenAPI documents."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from . import shapes
from .kinds import Catalog, Kind
from .patching import KINDS

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": "go1.26.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}


class Discovery:
    """The documents under `/api`, `/apis` and `/openapi`."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._documents: dict[str, dict[str, Any]] = {}

    def answer(self, path: str) -> dict[str, Any] | None:
        """The document at a path; None when it is none of these."""
        steps = path.strip("/").split("/")
        match steps:
            case ["version"]:
                return VERSION
            case ["api"]:
                served = [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": served}
            case ["apis"]:
                groups = [self._group(group) for group in self._catalog.groups() if group]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case ["apis", group] if group in self._catalog.groups():
                return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}
            case ["api", "v1"]:
                return self._resources("", "v1")
            case ["apis", group, version] if version in self._catalog.groups().get(group, []):
                return self._resources(group, version)
            case ["openapi", "v3"]:
                return {"paths": {name: self._where(name) for name in self._names()}}
            case ["openapi", "v3", *rest] if "/".join(rest) in self._names():
                return self._document("/".join(rest))
        return None

    def _group(self, group: str) -> dict[str, Any]:
        versions = [
            {"groupVersion": f"{group}/{version}", "version": version} for version in self._catalog.groups()[group]
        ]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _resources(self, group: str, version: str) -> dict[str, Any]:
        listed = []
        for kind in self._catalog.all():
            if (kind.group, kind.version) == (group, version):
                listed += self._entries(kind)
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{group}/{version}" if group else version,
            "resources": listed,
        }

    def _entries(self, kind: Kind) -> list[dict[str, Any]]:
        entry: dict[str, Any] = {
            "name": kind.plural,
            "singularName": kind.kind.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": list(kind.verbs),
        }
        if kind.short_names:
            entry["shortNames"] = list(kind.short_names)
        parts = {"status": ["get", "patch", "update"], "log": ["get"], "eviction": ["create"]}
        return [
            entry,
            *(
                {"name": f"{kind.plural}/{part}", "singularName": "", "namespaced": kind.namespaced,
                 "kind": kind.kind, "verbs": verbs}
                for part, verbs in parts.items()
                if part in kind.subresources
            ),
        ]  # fmt: skip

    def _names(self) -> list[str]:
        return [
            f"apis/{group}/{version}" if group else f"api/{version}"
            for group, versions in self._catalog.groups().items()
            for version in versions
        ]

    def _where(self, name: str) -> dict[str, str]:
        text = json.dumps(self._document(name), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:32].upper()
        return {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}

    def _document(self, name: str) -> dict[str, Any]:
        if name not in self._documents:
            self._documents[name] = self._made(name)
        return self._documents[name]

    def _made(self, name: str) -> dict[str, Any]:
        steps = name.split("/")
        group, version = ("", steps[1]) if steps[0] == "api" else (steps[1], steps[2])
        paths: dict[str, Any] = {}
        schemas: dict[str, Any] = {}
        for kind in self._catalog.all():
            if (kind.group, kind.version) == (group, version):
                gvk = {"group": group, "version": version, "kind": kind.kind}
                paths |= _paths(name, kind, gvk)
                schemas |= shapes.reachable(list(shapes.referred(kind.schema)), kind.definitions)
                schemas[kind.schema_name] = {**kind.schema, "x-kubernetes-group-version-kind": [gvk]}
        info = {"title": "Kubernetes", "version": VERSION["gitVersion"]}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


ITEM = {"get": "get", "put": "update", "patch": "patch", "delete": "delete"}
COLLECTION = {"get": "list", "post": "create", "delete": "deletecollection"}
PARAMETERS = [
    {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
]
"""Clients look for them before they dare to use them."""


def _paths(name: str, kind: Kind, gvk: dict[str, str]) -> dict[str, Any]:
    """The operations on a kind: on all its objects, on one, on a part of one."""
    base = f"/{name}/namespaces/{{namespace}}/{kind.plural}" if kind.namespaced else f"/{name}/{kind.plural}"
    found = {
        path: {method: _operation(method, verb, gvk) for method, verb in methods.items() if verb in kind.verbs}
        for path, methods in ((base, COLLECTION), (base + "/{name}", ITEM))
    }
    parts = {f"{base}/{{name}}/{part}": {"get": _operation("get", "get", gvk)} for part in kind.subresources}
    return {path: operations for path, operations in {**found, **parts}.items() if operations}


def _operation(method: str, verb: str, gvk: dict[str, str]) -> dict[str, Any]:
    action = {"create": "post", "update": "put"}.get(verb, verb)
    found: dict[str, Any] = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk}
    if method != "get":
        found["parameters"] = PARAMETERS
    if verb == "patch":
        found["requestBody"] = {"content": {how: {"schema": {"type": "object"}} for how in KINDS}}
    return found
