"""The definition of ToyJobs for the tests' cluster, and the controller that runs them."""

from __future__ import annotations

import copy
from typing import Any

from kube.controllers.base import Controller, controller_reference, holds, key_of, owner_of, set_condition
from kube.names import PODS
from kube.store import Event, Key, Object

TOYS = "toyjobs.toys.example.org"
REPLICA = "toys.example.org/replica"
_ANY: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_POLICY: Object = {"type": "object", "properties": {"suspend": {"type": "boolean"}}}
_SPEC: Object = {
    "type": "object",
    "required": ["replicas", "template"],
    "properties": {"replicas": {"type": "integer"}, "runPolicy": _POLICY, "template": _ANY},
}
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": TOYS},
    "spec": {
        "group": "toys.example.org",
        "scope": "Namespaced",
        "names": {"plural": "toyjobs", "singular": "toyjob", "kind": "ToyJob", "listKind": "ToyJobList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": _SPEC, "status": _ANY}}},
            }
        ],
    },
}


class ToyController(Controller):
    """Makes the pods of ToyJobs, and says when all of them have succeeded or one has failed."""

    def notice(self, event: Event) -> None:
        if event.resource == TOYS:
            self.enqueue(key_of(event.object))
        elif event.resource == PODS and (owner := owner_of(event.object, "ToyJob")) is not None:
            self.enqueue((event.object["metadata"]["namespace"], owner["name"]))

    def reconcile(self, key: Key) -> None:
        toy = self.store.find(TOYS, *key)
        if toy is None or toy["metadata"].get("deletionTimestamp"):
            return
        pods = {pod["metadata"]["name"]: pod for pod in self.store.list(PODS, key[0]) if owner_of(pod, "ToyJob")}
        names = [f"{key[1]}-toy-{replica}" for replica in range(toy["spec"]["replicas"])]
        phases = [(pods[name].get("status") or {}).get("phase") for name in names if name in pods]
        if toy["spec"]["runPolicy"].get("suspend"):
            for name in names:
                if name in pods and not pods[name]["metadata"].get("deletionTimestamp"):
                    self.store.delete(PODS, key[0], name)
            self._say(toy, "Suspended", "Stopped")
        elif "Failed" in phases:
            self._say(toy, "Failed", "ToyBroke")
        elif phases == ["Succeeded"] * len(names):
            self._say(toy, "Succeeded", "ToyPlayed")
        else:
            for replica, name in enumerate(names):
                if name not in pods:
                    self.world.create(PODS, _pod(toy, name, str(replica)))

    def _say(self, toy: Object, kind: str, reason: str) -> None:
        if holds(toy, kind):
            return
        told = {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": self.world.stamp()}

        def edit(found: Object) -> None:
            set_condition(found.setdefault("status", {}).setdefault("conditions", []), told)

        self.store.change(TOYS, *key_of(toy), edit)


def _pod(toy: Object, name: str, replica: str) -> dict[str, Any]:
    template = copy.deepcopy(toy["spec"]["template"])
    metadata, spec = template["metadata"], template["spec"]
    metadata |= {
        "name": name,
        "namespace": toy["metadata"]["namespace"],
        "ownerReferences": [controller_reference(toy)],
    }
    metadata["labels"][REPLICA] = replica
    (container,) = [one for one in spec["containers"] if one["name"] == "toy"]
    container["env"] = [*(container.get("env") or []), {"name": "JOB_COMPLETION_INDEX", "value": replica}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
