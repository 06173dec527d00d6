"""The volume controller: binds PersistentVolumeClaims whose class can make volumes.

Imitates: kubernetes.io/docs/concepts/storage/persistent-volumes and storage-classes. A claim is bound by its class or
the default one; without either it waits (FailedBinding); a class that is not there is told every 15 s
(ProvisioningFailed).
Leaves out: volumes as objects, capacity, access modes, WaitForFirstConsumer.
Held by: volume-pending (the pod's side); binding by test_fake_pods.
"""

from __future__ import annotations

import contextlib

from ..names import CLAIMS, STORAGE_CLASSES
from ..problems import Problem
from ..store import Event, Key, Object
from .base import Controller, key_of

COMPONENT = "persistentvolume-controller"
RETRY_S = 15.0
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


class ClaimController(Controller):
    """A claim without a class gets the default one's; a class that is not there leaves it pending."""

    def notice(self, event: Event) -> None:
        if event.resource == CLAIMS and event.type == "ADDED":
            self.enqueue(key_of(event.object))
        elif event.resource == STORAGE_CLASSES and event.type == "ADDED":
            for claim in self.store.peek_all(CLAIMS):
                self.enqueue(key_of(claim))

    def reconcile(self, key: Key) -> None:
        claim = self.store.find(CLAIMS, *key)
        if (
            claim is None
            or claim.get("status", {}).get("phase") == "Bound"
            or claim["metadata"].get("deletionTimestamp")
        ):
            return
        asked = claim["spec"].get("storageClassName")
        wanted = asked if asked is not None else self._default()
        if not claim["spec"].get("volumeName"):
            if not wanted:
                words = "no persistent volumes available for this claim and no storage class is set"
                self.world.recorder.record(claim, "Normal", "FailedBinding", words, component=COMPONENT)
                return
            if self.store.peek(STORAGE_CLASSES, None, wanted) is None:
                words = f'storageclass.storage.k8s.io "{wanted}" not found'
                self.world.recorder.record(claim, "Warning", "ProvisioningFailed", words, component=COMPONENT)
                self.enqueue(key, self.world.pace(RETRY_S))
                return

        def bind(found: Object) -> None:
            found["spec"].setdefault("volumeName", f"pvc-{found['metadata']['uid']}")
            if wanted:
                found["spec"].setdefault("storageClassName", wanted)
            found["status"] = {
                "accessModes": found["spec"].get("accessModes") or [],
                "capacity": (found["spec"].get("resources") or {}).get("requests") or {},
                "phase": "Bound",
            }

        with contextlib.suppress(Problem):
            self.store.change(CLAIMS, *key, bind)

    def _default(self) -> str | None:
        for found in self.store.peek_all(STORAGE_CLASSES):
            if (found["metadata"].get("annotations") or {}).get(_DEFAULT) == "true":
                return str(found["metadata"]["name"])
        return None
