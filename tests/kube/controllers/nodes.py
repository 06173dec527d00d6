"""Nodes: what they hold, and what becomes of pods when they are tainted, lost or removed.

Imitates: kubernetes.io/docs/concepts/architecture/nodes, taint-and-toleration and workloads/pods/disruptions. A lost
node is NotReady and tainted, its pods are not ready; they are deleted when their tolerationSeconds run out, with the
condition DisruptionTarget/DeletionByTaintManager, and stay terminating; pods of a node that is gone are failed and
removed after 20 s with DeletionByPodGC.
Leaves out: zones and their eviction rates, the garbage of too many ended pods.
Held by: no recording; test_fake_controllers.
"""

from __future__ import annotations

import contextlib

from ..names import NODES, PODS
from ..pod_status import DISRUPTED, disruption
from ..problems import Problem
from ..store import Event, Key, Object
from . import job_pods
from .base import Controller, key_of

GONE = "gone"
COLLECT_S = 20.0
UNREACHABLE = "node.kubernetes.io/unreachable"


class NodeController(Controller):
    """Deletes pods off tainted nodes, and collects those whose node is gone. Keys are nodes and pods."""

    def notice(self, event: Event) -> None:
        if event.resource == NODES:
            name, old = event.object["metadata"]["name"], event.previous or {"spec": {}}
            if event.type == "DELETED":
                self.enqueue((GONE, name), self.world.pace(COLLECT_S))
            elif event.object["spec"].get("taints") != old["spec"].get("taints"):
                for pod in self._on(name):
                    self._plan(pod, event.object)

    def reconcile(self, key: Key) -> None:
        if key[0] == GONE:
            if self.store.peek(NODES, None, key[1]) is None:
                for left in self._on(key[1]):
                    self._collect(left)
            return
        pod = self.store.peek(PODS, *key)
        if pod is None or pod["metadata"].get("deletionTimestamp") or job_pods.ended(pod):
            return
        found = self.store.peek(NODES, None, pod["spec"]["nodeName"])
        if found is not None and _patience_s(pod, found) is not None:
            self.disrupt(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
            words = f"Marking for deletion Pod {key[0]}/{key[1]}"
            self.world.recorder.record(
                pod, "Normal", "TaintManagerEviction", words, component="taint-eviction-controller"
            )
            with contextlib.suppress(Problem):
                self.store.delete(PODS, *key, uid=pod["metadata"]["uid"])

    def disrupt(self, pod: Object, reason: str, message: str) -> None:
        """Note on a pod what ends it."""

        def edit(found: Object) -> None:
            conditions = found.setdefault("status", {}).setdefault("conditions", [])
            if not any(each["type"] == DISRUPTED for each in conditions):
                conditions.append(disruption(reason, message, self.world.stamp()))

        with contextlib.suppress(Problem):
            self.store.change(PODS, *key_of(pod), edit)

    def mark_lost(self, name: str) -> None:
        """The node's kubelet has not been heard of: the node, and its pods, are not ready."""

        def edit(found: Object) -> None:
            found["status"]["conditions"] = [
                {
                    "type": "Ready",
                    "status": "Unknown",
                    "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                }
            ]
            kept = [each for each in found["spec"].get("taints") or [] if each["key"] != UNREACHABLE]
            taints = [{"effect": effect, "key": UNREACHABLE} for effect in ("NoSchedule", "NoExecute")]
            found["spec"]["taints"] = [*kept, *taints]

        def unready(found: Object) -> None:
            for each in found["status"].get("conditions") or []:
                if each["type"] == "Ready" and each["status"] != "False":
                    each.update(status="False", lastTransitionTime=self.world.stamp())

        for pod in self._on(name):
            self.store.change(PODS, *key_of(pod), unready)
            self.world.recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready", component="node-controller")
        self.store.change(NODES, None, name, edit)

    def _on(self, name: str) -> list[Object]:
        return [pod for pod in self.store.peek_all(PODS) if pod["spec"].get("nodeName") == name]

    def _plan(self, pod: Object, found: Object) -> None:
        patience_s = _patience_s(pod, found)
        if patience_s is not None:
            self.enqueue(key_of(pod), self.world.pace(patience_s))

    def _collect(self, pod: Object) -> None:
        self.disrupt(pod, "DeletionByPodGC", "PodGC: node no longer exists")

        def fail(found: Object) -> None:
            if not job_pods.ended(found):
                found["status"]["phase"] = "Failed"

        with contextlib.suppress(Problem):
            self.store.change(PODS, *key_of(pod), fail)
            self.store.delete(PODS, *key_of(pod), grace_s=0)


def _patience_s(pod: Object, found: Object) -> float | None:
    """How long the pod may stay on a node with NoExecute taints; None for ever."""
    patience: list[float] = []
    for taint in found["spec"].get("taints") or []:
        if taint["effect"] != "NoExecute":
            continue
        matching = [
            each
            for each in pod["spec"].get("tolerations") or []
            if (
                each.get("effect") in (None, "", "NoExecute")
                and (each.get("key") in (None, "", taint["key"]) if each.get("operator") == "Exists" else False)
            )
            or (each.get("key") == taint["key"] and (each.get("value") or "") == (taint.get("value") or ""))
        ]
        if not matching:
            return 0.0
        patience += [float(each["tolerationSeconds"]) for each in matching if each.get("tolerationSeconds") is not None]
    return min(patience, default=None)
