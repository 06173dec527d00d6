"""The garbage collector: dependents follow their owners.

Imitates: kubernetes.io/docs/concepts/architecture/garbage-collection and use-cascading-deletion. Background:
dependents are deleted after their owner; foreground: the owner waits, terminating, for them; orphan: the references
are taken out, then the owner goes. An object none of whose owners is there is deleted.
Leaves out: `blockOwnerDeletion` (every dependent holds a foreground deletion), owners in other namespaces.
Held by: orphaned-pods, deleted-while-running, jobset-restarted-after-eviction.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from .problems import Problem

if TYPE_CHECKING:
    from .store import Key, Object, Store


def collect(
    store: Store, dependents: dict[str, set[tuple[str, Key]]], gone: set[str], to_check: set[tuple[str, Key]]
) -> bool:
    """One round. True when something changed."""
    before = store.version
    for resource, key in _taken(to_check):
        found = store.peek(resource, *key)
        if found is None:
            continue
        finalizers = found["metadata"].get("finalizers") or []
        if found["metadata"].get("deletionTimestamp") and "orphan" in finalizers:
            _orphan(store, found, dependents)
            _drop_finalizer(store, resource, key, "orphan")
        elif found["metadata"].get("deletionTimestamp") and "foregroundDeletion" in finalizers:
            _delete_all(store, list(dependents.get(found["metadata"]["uid"], ())))
            if not dependents.get(found["metadata"]["uid"]):
                _drop_finalizer(store, resource, key, "foregroundDeletion")
        elif _has_no_owner(store, found):
            _delete_all(store, [(resource, key)])
    for uid in _taken(gone):
        holder = store.place_of(uid)
        if holder is None:
            places = [place for place in list(dependents.get(uid, ())) if not _other_owner(store, place, uid)]
            _delete_all(store, places)
        elif not dependents.get(uid):
            to_check.add(holder)
    return store.version != before or bool(to_check)


def _taken(waiting: set) -> list:  # type: ignore[type-arg]
    taken = list(waiting)
    waiting.clear()
    return taken


def _orphan(store: Store, owner: Object, dependents: dict[str, set[tuple[str, Key]]]) -> None:
    uid = owner["metadata"]["uid"]

    def forget(found: Object) -> None:
        kept = [each for each in found["metadata"].get("ownerReferences") or [] if each["uid"] != uid]
        found["metadata"].pop("ownerReferences", None)
        if kept:
            found["metadata"]["ownerReferences"] = kept

    for resource, key in list(dependents.get(uid, ())):
        store.change(resource, key[0], key[1], forget)


def _drop_finalizer(store: Store, resource: str, key: Key, name: str) -> None:
    def drop(found: Object) -> None:
        kept = [each for each in found["metadata"].get("finalizers") or [] if each != name]
        found["metadata"].pop("finalizers", None)
        if kept:
            found["metadata"]["finalizers"] = kept

    store.change(resource, key[0], key[1], drop)


def _delete_all(store: Store, places: list[tuple[str, Key]]) -> None:
    for resource, key in places:
        found = store.peek(resource, *key)
        if found and not found["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(Problem):
                store.delete(resource, key[0], key[1])


def _has_no_owner(store: Store, found: Object) -> bool:
    owners = found["metadata"].get("ownerReferences") or []
    return bool(owners) and not any(store.place_of(owner["uid"]) for owner in owners)


def _other_owner(store: Store, place: tuple[str, Key], uid: str) -> bool:
    found = store.peek(place[0], *place[1])
    owners = (found or {}).get("metadata", {}).get("ownerReferences") or []
    return any(owner["uid"] != uid and store.place_of(owner["uid"]) for owner in owners)
