"""What happens to an object between a request and the store: decoding, defaults, rules, admission."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from . import admission, defaults, names, patching, schema, validation
from .access import SYSTEM, User
from .kinds import Catalog, Kind
from .problems import Problem, already_exists, bad_request, not_found
from .store import Object, Store, clone, random_suffix, timestamp


@dataclass
class Asked:
    """The circumstances of a write."""

    user: User = SYSTEM
    namespace: str = ""
    dry_run: bool = False
    field_validation: str = "Strict"
    subresource: str = ""
    manager: str = "unknown"
    applied: Object | None = None
    """The body of a server-side apply."""
    warnings: list[str] = field(default_factory=list)
    """Filled by the write: what the server says beside its answer."""


class Registry:
    """The one way to write for requests, and for controllers that want defaults and admission."""

    def __init__(self, store: Store, catalog: Catalog) -> None:
        self.store, self.catalog = store, catalog

    def create_as_system(self, resource: str, body: Object) -> Object:
        """Create as a controller does: with defaults and admission. Raises `Problem`."""
        asked = Asked(namespace=body.get("metadata", {}).get("namespace") or "")
        kind = self.catalog.of(resource)
        return self.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **body}, asked)

    def create(self, kind: Kind, body: Object, asked: Asked) -> Object:
        """A new object. Raises `Problem` as the real server refuses."""
        new, invalid = self._decoded(kind, body, asked)
        meta = new["metadata"]
        if kind.has_status and kind.resource != names.NODES:
            new.pop("status", None)
        if not meta.get("name") and not meta.get("generateName"):
            raise validation.refusal(kind, "", ["metadata.name: Required value: name or generateName is required"])
        if not meta.get("name"):
            meta["name"] = meta["generateName"] + random_suffix()
        for unset in ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            meta.pop(unset, None)
        if meta.pop("resourceVersion", None):
            raise bad_request("resourceVersion should not be set on objects to be created")
        with self.store.lock:
            if kind.namespaced:
                self._namespace_ready(kind, meta)
            defaults.apply(kind, new)
            admission.mutate(self.store, kind, new)
            invalid += validation.of_new(kind, new)
            if invalid:
                raise validation.refusal(kind, meta["name"], invalid)
            if self.store.peek(kind.resource, meta.get("namespace"), meta["name"]):
                raise already_exists(kind.resource, meta["name"])
            asked.warnings += admission.check_new(self.store, kind, new)
            meta["uid"] = uid = str(uuid.uuid4())
            defaults.of_new(kind, new)
            patching.own(new, None, asked.manager, self.store.now(), asked.applied)
            if asked.dry_run:
                meta |= {"creationTimestamp": timestamp(self.store.now()), "generation": 1}
                return new
            made = self.store.create(kind.resource, new, uid=uid)
            self._created(kind, made)
            return made

    def update(self, kind: Kind, body: Object, name: str, asked: Asked) -> Object:
        """An object as it shall be, or its status. Raises `Problem` as the real server refuses."""
        new, invalid = self._decoded(kind, body, asked)
        if new["metadata"].setdefault("name", name) != name:
            raise bad_request(
                f"the name of the object ({new['metadata']['name']}) does not match the name on the URL ({name})"
            )
        with self.store.lock:
            old = self.store.peek(kind.resource, asked.namespace, name)
            if old is None:
                raise not_found(kind.resource, name)
            status_only = asked.subresource == "status"
            if kind.custom and not new["metadata"].get("resourceVersion"):
                invalid.append("metadata.resourceVersion: Invalid value: 0: must be specified for an update")
            if not status_only:
                defaults.apply(kind, new)
                defaults.keep_assigned(kind, new, old)
                invalid += validation.of_new(kind, new) + validation.of_change(kind, new, old)
            if invalid:
                raise validation.refusal(kind, name, invalid)
            if not status_only:
                asked.warnings += admission.check_change(self.store, kind, new, old)
            patching.own(new, old, asked.manager, self.store.now(), asked.applied)
            target = self._scratch(kind, old) if asked.dry_run else self.store
            made = target.update(kind.resource, new, status_only=status_only, keep_status=kind.has_status)
            if kind.resource == names.CRDS and not asked.dry_run:
                self.catalog.define(made)
            return made

    def patch(self, kind: Kind, name: str, how: str, patch: Any, asked: Asked) -> Object:
        """An object after a patch of one of the four kinds of content."""
        with self.store.lock:
            old = self.store.peek(kind.resource, asked.namespace, name)
            if old is None and how == patching.APPLY:
                patch.setdefault("metadata", {}).setdefault("name", name)
                asked.applied = clone(patch)
                return self.create(kind, patch, asked)
            if old is None:
                raise not_found(kind.resource, name)
            new = patching.patched(kind, old, how, patch, asked)
            asked.applied = patch if how == patching.APPLY else None
            new |= {"apiVersion": kind.api_version, "kind": kind.kind}  # it may be kept in another version
            new["metadata"].setdefault("resourceVersion", old["metadata"]["resourceVersion"])
            return self.update(kind, new, name, asked)

    def delete(self, kind: Kind, name: str, options: Object, asked: Asked) -> Object:
        """Delete an object by the options of the request. Gives it as it was last."""
        given = options.get("preconditions") or {}
        policy = options.get("propagationPolicy")
        if policy is None and options.get("orphanDependents") is not None:
            policy = "Orphan" if options["orphanDependents"] else "Background"
        if policy is None and kind.resource == names.JOBS:
            policy = "Orphan"
            asked.warnings.append(
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to "
                "remove them or set propagationPolicy=Orphan to suppress this warning"
            )
        with self.store.lock:
            old = self.store.peek(kind.resource, asked.namespace, name)
            if old is None:
                raise not_found(kind.resource, name)
            target = self._scratch(kind, old) if asked.dry_run else self.store
            gone = target.delete(
                kind.resource,
                asked.namespace,
                name,
                uid=given.get("uid"),
                version=given.get("resourceVersion"),
                grace_s=options.get("gracePeriodSeconds"),
                propagation=policy or "Background",
            )
            if kind.resource == names.NAMESPACES and not asked.dry_run:
                self.store.change(kind.resource, None, name, lambda each: each["status"].update(phase="Terminating"))
                return self.store.get(kind.resource, None, name)
            if kind.resource == names.CRDS and not asked.dry_run:
                self.catalog.forget(old)
            return gone

    def _decoded(self, kind: Kind, body: Any, asked: Asked) -> tuple[Object, list[str]]:
        if not isinstance(body, dict) or not body.get("kind") or not body.get("apiVersion"):
            missing = "Kind" if not isinstance(body, dict) or not body.get("kind") else "apiVersion"
            raise bad_request(f"Object '{missing}' is missing in '{str(body)[:200]}'")
        if body["apiVersion"] != kind.api_version:
            raise bad_request(
                f"the API version in the data ({body['apiVersion']}) does not match the expected API version "
                f"({kind.api_version})"
            )
        if body["kind"] != kind.kind:
            raise bad_request(
                f'{body["kind"]} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                f"converting ({body['kind']}) to ({kind.kind}): unknown conversion"
            )
        new, found = schema.check(body, kind)
        new.setdefault("metadata", {})
        if found.strict and asked.field_validation == "Strict":
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                f"strict decoding error: {', '.join(found.strict)}"
            )
        if asked.field_validation == "Warn":
            asked.warnings += found.strict
        if kind.warning:
            asked.warnings.append(kind.warning)
        if kind.namespaced:
            given = new["metadata"].setdefault("namespace", asked.namespace)
            if given != asked.namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        return new, found.invalid

    def _namespace_ready(self, kind: Kind, meta: Object) -> None:
        namespace = self.store.peek(names.NAMESPACES, None, meta["namespace"])
        if namespace is None:
            raise not_found(names.NAMESPACES, meta["namespace"])
        if namespace["metadata"].get("deletionTimestamp"):
            raise Problem(
                403,
                f'{kind.resource} "{meta["name"]}" is forbidden: unable to create new content in namespace '
                f"{meta['namespace']} because it is being terminated",
            )

    def _created(self, kind: Kind, made: Object) -> None:
        """What other components do at once: serve a definition's kinds, equip a namespace."""
        if kind.resource == names.CRDS:
            self.catalog.define(made)
        if kind.resource == names.NAMESPACES:
            meta = {"namespace": made["metadata"]["name"]}
            self.create_as_system(names.SERVICE_ACCOUNTS, {"metadata": {**meta, "name": "default"}})
            root = {"metadata": {**meta, "name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}}
            self.create_as_system(names.CONFIG_MAPS, root)

    def _scratch(self, kind: Kind, old: Object) -> Store:
        scratch = Store()
        scratch.now = self.store.now
        scratch.hold(kind.resource, old)
        return scratch
