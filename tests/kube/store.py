"""What etcd and the registry keep: objects under one global version, and the ring of what happened to them.

Contract for controllers, which work on it in the server's process (any thread; each call is one transaction):

- A resource is its full name: `pods`, `jobs.batch`, `jobsets.jobset.x-k8s.io` (constants in `names.py`).
- `create`, `get`, `find`, `list`, `update`, `change`, `delete` give copies: change them freely, they are nobody else's.
- `update` refuses with `Problem` 409 where the object's `resourceVersion` is stale; leave it out to overwrite.
  `change(resource, namespace, name, edit)` is read-modify-write in one step, and cannot conflict.
- Writes that change nothing make no event. `metadata.generation` counts changes outside metadata and status.
- Deleting: objects with finalizers stay, with `deletionTimestamp`, until the last finalizer is removed. A pod with a
  node that has not ended stays with `deletionTimestamp` and `deletionGracePeriodSeconds` until its kubelet calls
  `delete(PODS, namespace, name, grace_s=0)`.
- `subscribe(callback)` calls back with each `Event` in order, in the writer's thread, inside the transaction: only
  take note of it there (put it in a queue), never write. Gives the function that ends it.
- `collect()` is the garbage collector: dependents of deleted owners go, `orphan` and `foregroundDeletion` finalizers
  are worked off. The server calls it soon after each change (`garbage.py`).
"""

from __future__ import annotations

import contextlib
import random
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from . import selectors
from .problems import Problem, already_exists, conflict, expired, not_found

Object = dict[str, Any]
Key = tuple[str, str]  # namespace ("" where the kind has none), name
EventType = Literal["ADDED", "MODIFIED", "DELETED"]
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(frozen=True)
class Event:
    """One change. `object` and `previous` are the store's own: copy before changing them."""

    version: int
    type: EventType
    resource: str
    object: Object
    previous: Object | None


def clone(found: Any) -> Any:
    """A copy of plain data that shares nothing with it."""
    if isinstance(found, dict):
        return {name: clone(value) for name, value in found.items()}
    return [clone(value) for value in found] if isinstance(found, list) else found


def timestamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as metadata carries it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime) -> str:
    """RFC 3339 with microseconds, as leases and new events carry it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Store:
    """All objects of one cluster."""

    def __init__(self, *, ring: int = 20_000) -> None:
        self.lock = threading.RLock()
        self.version = 1000
        self.now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
        """The cluster's clock; tests may replace it."""
        self.oldest = self.version
        """A watch may start from here or later."""
        self._objects: dict[str, dict[Key, Object]] = {}
        self._ring: deque[Event] = deque(maxlen=ring)
        self._subscribers: list[Callable[[Event], None]] = []
        self._dependents: dict[str, set[tuple[str, Key]]] = {}
        self._places: dict[str, tuple[str, Key]] = {}
        self._owners_gone: set[str] = set()
        self._to_check: set[tuple[str, Key]] = set()

    # Reading

    def find(self, resource: str, namespace: str | None, name: str) -> Object | None:
        """One object, or None."""
        with self.lock:
            found = self.peek(resource, namespace, name)
            return clone(found) if found else None

    def get(self, resource: str, namespace: str | None, name: str) -> Object:
        """One object. Raises `Problem` 404."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def list(
        self,
        resource: str,
        namespace: str | None = None,
        labels: str | dict[str, str] | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """The objects that match, by namespace and name. All namespaces where `namespace` is None."""
        chosen, has = selectors.labels(labels), selectors.fields(fields, resource)
        with self.lock:
            return [clone(found) for found in self.peek_all(resource, namespace) if chosen(found) and has(found)]

    def peek(self, resource: str, namespace: str | None, name: str) -> Object | None:
        """The store's own object: read it only."""
        return self._objects.get(resource, {}).get((namespace or "", name))

    def peek_all(self, resource: str, namespace: str | None = None) -> list[Object]:
        """The store's own objects in order: read them only. Each stays as it is for ever; changes make new ones."""
        with self.lock:
            held = self._objects.get(resource, {})
            return [held[key] for key in sorted(held) if namespace is None or key[0] == namespace]

    def place_of(self, uid: str) -> tuple[str, Key] | None:
        """The resource and key of the object with this uid; None when there is none."""
        return self._places.get(uid)

    def dependents(self, uid: str, resource: str) -> Iterator[Object]:
        """The store's own objects of one kind that name an object as owner: read them only."""
        for kind, key in sorted(self._dependents.get(uid, ())):
            if kind == resource:
                yield self._objects[kind][key]

    def resources(self) -> list[str]:
        """Full names of the resources that hold objects."""
        return [name for name, held in self._objects.items() if held]

    # Writing

    def create(self, resource: str, new: Object, *, uid: str | None = None) -> Object:
        """Add an object; its `metadata.name` or `generateName` and, where it has one, its namespace must be set."""
        with self.lock:
            new = clone(new)
            meta = new.setdefault("metadata", {})
            if not meta.get("name") and meta.get("generateName"):
                meta["name"] = meta["generateName"] + random_suffix()
            key = (meta.get("namespace") or "", meta["name"])
            if key in self._objects.get(resource, {}):
                raise already_exists(resource, meta["name"])
            meta["uid"] = uid or str(uuid.uuid4())
            meta["creationTimestamp"] = timestamp(self.now())
            for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
                meta.pop(field, None)
            meta["generation"] = 1
            self._write("ADDED", resource, key, new, None)
            for owner in meta.get("ownerReferences") or []:
                if owner["uid"] not in self._places:
                    self._to_check.add((resource, key))
            return clone(new)

    def update(self, resource: str, new: Object, *, status_only: bool = False, keep_status: bool = False) -> Object:
        """Replace an object, or its status only, or all but its status. Raises `Problem` 404 and 409."""
        with self.lock:
            meta = new.get("metadata", {})
            namespace, name = meta.get("namespace"), meta["name"]
            old = self.peek(resource, namespace, name)
            if old is None:
                raise not_found(resource, name)
            before = old["metadata"]
            if meta.get("uid") and meta["uid"] != before["uid"]:
                raise conflict(
                    resource,
                    name,
                    f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {before['uid']}",
                )
            if meta.get("resourceVersion") and meta["resourceVersion"] != before["resourceVersion"]:
                raise conflict(resource, name)
            new = clone(new)
            if status_only:
                new = {**clone(old), **({"status": new["status"]} if "status" in new else {})}
            else:
                self._keep_system_fields(new["metadata"], before)
                if keep_status:
                    new.pop("status", None)
                    if "status" in old:
                        new["status"] = clone(old["status"])
            if _content(new) != _content(old):
                new["metadata"]["generation"] = before.get("generation", 1) + 1
            new["metadata"]["resourceVersion"] = before["resourceVersion"]
            if new == old:
                return clone(old)
            key = (namespace or "", name)
            if _may_go(new):
                self._remove(resource, key, new)
            else:
                self._write("MODIFIED", resource, key, new, old)
            return clone(new)

    def change(self, resource: str, namespace: str | None, name: str, edit: Callable[[Object], object]) -> Object:
        """Read an object, let `edit` change it in place, and write it: one transaction. Raises `Problem` 404."""
        with self.lock:
            found = self.get(resource, namespace, name)
            edit(found)
            return self.update(resource, found)

    def delete(
        self,
        resource: str,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        version: str | None = None,
        grace_s: int | None = None,
        propagation: str = "Background",
    ) -> Object:
        """Delete an object, at once or when its finalizers and its kubelet have let go. Gives it as it was last."""
        with self.lock:
            old = self.peek(resource, namespace, name)
            if old is None:
                raise not_found(resource, name)
            before = old["metadata"]
            for what, asked, found in (
                ("UID", uid, before["uid"]),
                ("ResourceVersion", version, before["resourceVersion"]),
            ):
                if asked and asked != found:
                    raise conflict(
                        resource,
                        name,
                        f"the {what} in the precondition ({asked}) does not match the {what} in record ({found}). "
                        "The object might have been deleted and then recreated",
                    )
            new = clone(old)
            meta = new["metadata"]
            wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation)
            if wanted and wanted not in (meta.get("finalizers") or []) and self._dependents.get(before["uid"]):
                meta["finalizers"] = [*(meta.get("finalizers") or []), wanted]
            grace = _grace(resource, old, grace_s)
            if meta.get("deletionTimestamp"):
                grace = min(grace, int(meta.get("deletionGracePeriodSeconds") or 0))
            if grace or _finalizers(new):
                if meta.get("deletionGracePeriodSeconds") != grace or "deletionTimestamp" not in meta:
                    meta["deletionTimestamp"] = timestamp(self.now() + timedelta(seconds=grace))
                    meta["deletionGracePeriodSeconds"] = grace
                    meta["generation"] = meta.get("generation", 1) + 1
                if new != old:
                    self._write("MODIFIED", resource, (namespace or "", name), new, old)
                    self._to_check.add((resource, (namespace or "", name)))
            else:
                self._remove(resource, (namespace or "", name), new)
            return clone(new)

    def hold(self, resource: str, found: Object) -> None:
        """Put an object in as it is, with its version and uid: no event, no rules."""
        meta = found["metadata"]
        self._objects.setdefault(resource, {})[meta.get("namespace") or "", meta["name"]] = clone(found)

    # What happened

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Hear of each change from now on. Gives the function that ends it."""
        with self.lock:
            self._subscribers.append(callback)

        def end() -> None:
            with self.lock, contextlib.suppress(ValueError):
                self._subscribers.remove(callback)

        return end

    @property
    def listeners(self) -> int:
        """How many hear of changes: watches, controllers."""
        return len(self._subscribers)

    def watch(self, since: int | None = None) -> list[Event]:
        """What happened after version `since`. Raises `Problem` 410 when that is compacted away."""
        with self.lock:
            since = self.version if since is None else since
            if since < self.oldest:
                raise expired(f"too old resource version: {since} ({self.oldest})")
            return list(_newer(self._ring, since))

    def compact(self) -> None:
        """Forget what happened so far: watches and continued lists from older versions expire."""
        with self.lock:
            self._ring.clear()
            self.oldest = self.version

    def collect(self) -> bool:
        """Collect garbage once. True when something changed, so that there may be more to do."""
        from .garbage import collect

        with self.lock:
            return collect(self, self._dependents, self._owners_gone, self._to_check)

    # Inside

    def _write(self, kind: EventType, resource: str, key: Key, new: Object, old: Object | None) -> None:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._objects.setdefault(resource, {})[key] = clone(new)
        self._index(resource, key, new, old)
        self._tell(Event(self.version, kind, resource, self._objects[resource][key], old))

    def _remove(self, resource: str, key: Key, last: Object) -> None:
        old = self._objects[resource].pop(key)
        self.version += 1
        last["metadata"]["resourceVersion"] = str(self.version)
        self._index(resource, key, None, old)
        self._owners_gone.add(old["metadata"]["uid"])
        self._tell(Event(self.version, "DELETED", resource, clone(last), old))

    def _tell(self, event: Event) -> None:
        if self._ring.maxlen and len(self._ring) == self._ring.maxlen:
            self.oldest = self._ring[0].version
        self._ring.append(event)
        for subscriber in list(self._subscribers):
            subscriber(event)

    def _index(self, resource: str, key: Key, new: Object | None, old: Object | None) -> None:
        for owner in _owners(old):
            self._dependents.get(owner, set()).discard((resource, key))
            if not self._dependents.get(owner):
                self._dependents.pop(owner, None)
                self._owners_gone.add(owner)  # a foreground deletion may wait for this
        if new is None and old is not None:
            self._places.pop(old["metadata"]["uid"], None)
        elif new is not None:
            self._places[new["metadata"]["uid"]] = (resource, key)
        for owner in _owners(new):
            self._dependents.setdefault(owner, set()).add((resource, key))

    @staticmethod
    def _keep_system_fields(meta: Object, before: Object) -> None:
        fields = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
        for field in (*fields, "generateName", "namespace"):
            meta.pop(field, None)
            if field in before:
                meta[field] = before[field]


def random_suffix(length: int = 5) -> str:
    """What `generateName` is completed with: no vowels, no digits that look like letters."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz2456789", k=length))


def _content(found: Object) -> Object:
    content = {key: value for key, value in found.items() if key not in ("metadata", "status")}
    if found.get("kind") == "Pod":  # binding it to a node is not a change of what is asked for
        content["spec"] = {key: value for key, value in found["spec"].items() if key != "nodeName"}
    return content


def _owners(found: Object | None) -> set[str]:
    references: Iterable[Object] = (found or {}).get("metadata", {}).get("ownerReferences") or []
    return {reference["uid"] for reference in references}


def _may_go(found: Object) -> bool:
    meta = found["metadata"]
    return bool(meta.get("deletionTimestamp") and not _finalizers(found) and not meta.get("deletionGracePeriodSeconds"))


def _finalizers(found: Object) -> list[str]:
    """What holds an object that is deleted; a namespace has another such list in its spec."""
    return [*(found["metadata"].get("finalizers") or []), *((found.get("spec") or {}).get("finalizers") or [])]


def _grace(resource: str, found: Object, asked: int | None) -> int:
    if resource != "pods" or asked == 0:
        return 0
    if not found.get("spec", {}).get("nodeName") or found.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if asked is not None:
        return asked
    given = found["spec"].get("terminationGracePeriodSeconds")
    return 30 if given is None else int(given)


def _newer(ring: deque[Event], since: int) -> Iterator[Event]:
    for event in ring:
        if event.version > since:
            yield event


__all__ = ["Event", "Key", "Object", "Problem", "Store", "clone", "micro_timestamp", "random_suffix", "timestamp"]
