"""The scheduler: gives pods to nodes, or says why not in kube-scheduler's own words.

Imitates: kubernetes.io/docs/concepts/scheduling-eviction (kube-scheduler, taints and tolerations, assigning pods to
nodes, pod priority, scheduling readiness). The queue by priority, then age; of the filters NodeUnschedulable,
NodeName, TaintToleration, NodeAffinity, NodeResourcesFit and required anti-affinity the first that refuses a node;
volumes that are not there or not bound; the condition PodScheduled=False/Unschedulable with the histogram of reasons,
and the event.
Leaves out: scores (the node with the fewest pods is taken), preemption (its outlook is told; `levers.preempt` does
it), affinity to pods, topology spread, dynamic resources, storage capacity.
Held by: unschedulable-gpu, volume-pending, succeeds; taints, anti-affinity and freed GPUs by test_fake_controllers.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from .controllers.base import Controller
from .names import CLAIMS, NODES, PODS
from .quantities import amount as parsed
from .store import Event, Key, Object

ALL: Key = ("", "all")
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
_EFFECTS = ("NoSchedule", "NoExecute")


class Scheduler(Controller):
    """One queue for the whole cluster: by priority, then by age. Tries again when something may have become free."""

    def notice(self, event: Event) -> None:
        old = event.previous or {"spec": None}
        if event.resource == PODS:
            waits = event.type != "DELETED" and not event.object["spec"].get("nodeName")
            freed = _over(event.object) or event.type == "DELETED"
            if (waits and old["spec"] != event.object["spec"]) or (freed and not _over(old)):
                self.enqueue(ALL)
        elif event.resource in (NODES, CLAIMS):
            self.enqueue(ALL)

    def reconcile(self, key: Key) -> None:
        waiting = [
            pod
            for pod in self.store.peek_all(PODS)
            if not pod["spec"].get("nodeName")
            and not pod["metadata"].get("deletionTimestamp")
            and pod["spec"].get("schedulerName", "default-scheduler") == "default-scheduler"
            and not pod["spec"].get("schedulingGates")
            and pod.get("status", {}).get("phase", "Pending") == "Pending"
        ]
        waiting.sort(key=lambda pod: (-int(pod["spec"].get("priority") or 0), int(pod["metadata"]["resourceVersion"])))
        for pod in waiting:
            self._schedule(pod)

    def _schedule(self, pod: Object) -> None:
        nodes = [node for node in self.store.peek_all(NODES) if not node["metadata"].get("deletionTimestamp")]
        pods = [other for other in self.store.peek_all(PODS) if _holds_resources(other)]
        if not nodes:
            self._refuse(pod, "no nodes available to schedule pods")
            return
        volumes = self._volumes_missing(pod)
        if volumes:
            self._refuse(pod, f"0/{len(nodes)} nodes are available: {volumes}. not found")
            return
        reasons: Counter[str] = Counter()
        outlook: Counter[str] = Counter()
        fitting: list[Object] = []
        for node in nodes:
            there = [other for other in pods if other["spec"]["nodeName"] == node["metadata"]["name"]]
            found, hopeless = refusals(pod, node, there, pods, nodes)
            if found:
                reasons.update(found)
                outlook[NOT_HELPFUL if hopeless else NO_VICTIMS] += 1
            else:
                fitting.append(node)
        if not fitting:
            total = f"0/{len(nodes)} nodes are available"
            why, after = _histogram(reasons), _histogram(outlook)
            self._refuse(pod, f"{total}: {why}. no new claims to deallocate, preemption: {total}: {after}.")
            return
        self._bind(pod, max(fitting, key=lambda node: (_free_share(node, pods), node["metadata"]["name"])))

    def _volumes_missing(self, pod: Object) -> str | None:
        for volume in pod["spec"].get("volumes") or []:
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if name:
                claim = self.store.peek(CLAIMS, pod["metadata"]["namespace"], name)
                if claim is None:
                    return f'persistentvolumeclaim "{name}" not found'
                if claim.get("status", {}).get("phase") != "Bound":
                    return UNBOUND
        return None

    def _refuse(self, pod: Object, message: str) -> None:
        def edit(found: Object) -> None:
            conditions = found.setdefault("status", {}).setdefault("conditions", [])
            if any(each["type"] == "PodScheduled" and each.get("message") == message for each in conditions):
                return
            conditions[:] = [each for each in conditions if each["type"] != "PodScheduled"]
            conditions.append(
                {
                    "lastProbeTime": None,
                    "lastTransitionTime": self.world.stamp(),
                    "message": message,
                    "observedGeneration": found["metadata"].get("generation", 1),
                    "reason": "Unschedulable",
                    "status": "False",
                    "type": "PodScheduled",
                }
            )

        self.store.change(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], edit)
        self.world.recorder.record_series(pod, "Warning", "FailedScheduling", message, action="Scheduling")

    def _bind(self, pod: Object, node: Object) -> None:
        name, node_name = pod["metadata"]["name"], node["metadata"]["name"]

        def edit(found: Object) -> None:
            found["spec"]["nodeName"] = node_name
            conditions = found.setdefault("status", {}).setdefault("conditions", [])
            conditions[:] = [each for each in conditions if each["type"] != "PodScheduled"]
            moment = self.world.stamp()
            conditions.append(
                {"lastProbeTime": None, "lastTransitionTime": moment, "status": "True", "type": "PodScheduled"}
            )

        self.store.change(PODS, pod["metadata"]["namespace"], name, edit)
        words = f"Successfully assigned {pod['metadata']['namespace']}/{name} to {node_name}"
        self.world.recorder.record_series(pod, "Normal", "Scheduled", words, action="Binding")


def refusals(
    pod: Object, node: Object, there: list[Object], pods: list[Object], nodes: list[Object]
) -> tuple[list[str], bool]:
    """Why a node does not take a pod, as the scheduler's first failing filter says it; and whether evicting others
    would not help. `there`: the pods on it; `pods`: all that hold resources."""
    spec = pod["spec"]
    tolerations = spec.get("tolerations") or []
    if node["spec"].get("unschedulable") and not _tolerated(_UNSCHEDULABLE, tolerations):
        return ["node(s) were unschedulable"], True
    if spec.get("nodeName") not in (None, node["metadata"]["name"]):
        return ["node(s) didn't match the requested node name"], True
    for taint in node["spec"].get("taints") or []:
        if taint["effect"] in _EFFECTS and not _tolerated(taint, tolerations):
            return ["node(s) had untolerated taint(s)"], True
    if not _matches_node(spec, node):
        return ["node(s) didn't match Pod's node affinity/selector"], True
    short, hopeless = _short_of(pod, node, there)
    if short:
        return short, hopeless
    if _repelled(pod, node, pods, nodes):
        return ["node(s) didn't match pod anti-affinity rules"], False
    return [], False


def _over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def requests(pod: Object) -> dict[str, Decimal]:
    """What a pod takes of a node: the sum of its containers, or its largest init container."""
    total: dict[str, Decimal] = {}
    for container in pod["spec"]["containers"]:
        for name, amount in _requests(container).items():
            total[name] = total.get(name, Decimal(0)) + amount
    for container in pod["spec"].get("initContainers") or []:
        for name, amount in _requests(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    return total


def _requests(container: Object) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parsed(amount) for name, amount in asked.items()}


def _holds_resources(pod: Object) -> bool:
    return bool(pod["spec"].get("nodeName")) and not _over(pod)


def _short_of(pod: Object, node: Object, there: list[Object]) -> tuple[list[str], bool]:
    capacity = {name: parsed(amount) for name, amount in (node["status"].get("allocatable") or {}).items()}
    used: dict[str, Decimal] = {}
    for other in there:
        for name, amount in requests(other).items():
            used[name] = used.get(name, Decimal(0)) + amount
    short, hopeless = [], False
    if len(there) + 1 > capacity.get("pods", Decimal(110)):
        short.append("Too many pods")
    for name, amount in sorted(requests(pod).items()):
        has = capacity.get(name, Decimal(0))
        if amount and amount > has - used.get(name, Decimal(0)):
            short.append(f"Insufficient {name}")
            hopeless = hopeless or amount > has
    return short, hopeless


def _free_share(node: Object, pods: list[Object]) -> float:
    """The emptier a node, the sooner it is taken."""
    there = [other for other in pods if other["spec"]["nodeName"] == node["metadata"]["name"]]
    return -float(len(there))


_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def _tolerated(taint: Object, tolerations: list[Object]) -> bool:
    for each in tolerations:
        if each.get("effect") not in (None, "", taint["effect"]):
            continue
        if each.get("operator") == "Exists":
            if each.get("key") in (None, "", taint["key"]):
                return True
        elif each.get("key") == taint["key"] and (each.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def _matches_node(spec: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity is None:
        return True
    return any(
        all(_matches(each, labels) for each in term.get("matchExpressions") or [])
        and all(_matches(each, node["metadata"], "name") for each in term.get("matchFields") or [])
        for term in affinity["nodeSelectorTerms"]
    )


def _matches(requirement: Object, labels: dict[str, Any], only: str | None = None) -> bool:
    value, values = labels.get(only or requirement["key"]), requirement.get("values") or []
    operator = requirement["operator"]
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    if value is None or not str(value).lstrip("-").isdigit():
        return False
    return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])


def _repelled(pod: Object, node: Object, pods: list[Object], nodes: list[Object]) -> bool:
    """Whether required anti-affinity, the pod's own or that of pods there, keeps it off the node."""
    places = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in nodes}
    here = places[node["metadata"]["name"]]
    for other in pods:
        for one, two in ((pod, other), (other, pod)):
            for term in _anti_affinity(one):
                key = term["topologyKey"]
                there = places.get(other["spec"]["nodeName"], {})
                if here.get(key) is not None and here.get(key) == there.get(key) and _selects(term, one, two):
                    return True
    return False


def _anti_affinity(pod: Object) -> list[Object]:
    rules = (pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    return rules.get("requiredDuringSchedulingIgnoredDuringExecution") or []


def _selects(term: Object, owner: Object, other: Object) -> bool:
    namespaces = term.get("namespaces") or [owner["metadata"]["namespace"]]
    selector, labels = term.get("labelSelector") or {}, other["metadata"].get("labels") or {}
    return (
        other["metadata"]["namespace"] in namespaces
        and all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
        and all(_matches(each, labels) for each in selector.get("matchExpressions") or [])
    )


def _histogram(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
