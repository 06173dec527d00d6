"""What runs beside the API server whatever the controllers do: garbage collection, the end of namespaces, the sums of
quotas.

Imitates, of namespaces: kubernetes.io/docs/concepts/overview/working-with-objects/namespaces and the finalizer
`kubernetes` in their spec. A namespace that is deleted is Terminating, everything in it is deleted, and it goes when
nothing is left; what is created in it meanwhile is refused (`registry`).
Leaves out: its conditions (NamespaceContentRemaining and others).
"""

from __future__ import annotations

import asyncio
import contextlib

from . import names, quota
from .problems import Problem
from .store import Event, Object, Store

COUNTED = (names.PODS, names.QUOTAS, names.JOBS, names.CONFIG_MAPS, names.SECRETS, names.SERVICES, names.CLAIMS)


class Housekeeping:
    """Woken by changes; works in the server's loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: asyncio.AbstractEventLoop | None = None
        self._namespaces: set[str] = set()
        self._due = False

    def start(self) -> None:
        """Follow the store from now on."""
        self._loop = asyncio.get_running_loop()
        self.end = self._store.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        meta = event.object["metadata"]
        if event.resource in COUNTED:
            self._namespaces.add(meta.get("namespace") or "")
        elif not (event.type == "DELETED" or meta.get("ownerReferences") or meta.get("deletionTimestamp")):
            return
        if self._loop is not None and not self._loop.is_closed() and not self._due:
            self._due = True
            self._loop.call_soon_threadsafe(self._loop.call_later, 0.005, self._work)

    def _work(self) -> None:
        self._due = False
        rounds = 0
        while self._store.collect() and rounds < 50:
            rounds += 1
        self._end_namespaces()
        while self._namespaces:
            with contextlib.suppress(KeyError):
                self._count(self._namespaces.pop())

    def _end_namespaces(self) -> None:
        with self._store.lock:
            for namespace in self._store.peek_all(names.NAMESPACES):
                name = namespace["metadata"]["name"]
                if not namespace["metadata"].get("deletionTimestamp"):
                    continue
                inside = [(kind, each) for kind in self._store.resources() for each in self._store.peek_all(kind, name)]
                for kind, each in inside:
                    if not each["metadata"].get("deletionTimestamp"):
                        with contextlib.suppress(Problem):
                            self._store.delete(kind, name, each["metadata"]["name"])
                if not inside:
                    self._store.change(names.NAMESPACES, None, name, lambda found: found["spec"].update(finalizers=[]))

    def _count(self, namespace: str) -> None:
        with self._store.lock:
            for found in self._store.peek_all(names.QUOTAS, namespace):
                hard = found["spec"].get("hard") or {}
                status = {"hard": hard, "used": quota.used(self._store, namespace, hard)}
                if found.get("status") == status:
                    continue

                def put(each: Object, status: Object = status) -> None:
                    each["status"] = status

                with contextlib.suppress(Problem):
                    self._store.change(names.QUOTAS, namespace, found["metadata"]["name"], put)
