"""What a node has, what its pods have of it, and whether a pod may run there: the scheduler's rules, as needed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ...amounts import Amounts, add, amounts, total
from ...resources import Manifest

AUTOSCALED = (
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
)
"""Labels of nodes that are made on demand in most clusters that have them."""
_ZERO = Decimal(0)
_MANY = 100_000  # of pods that ask for nothing


@dataclass(frozen=True)
class Node:
    """One node at one moment."""

    name: str
    labels: dict[str, str]
    taints: Sequence[Manifest]
    cordoned: bool
    ready: bool
    allocatable: Amounts
    allocated: Amounts
    """Requests of its pods, as far as they are known."""

    def free(self, resource: str) -> Decimal:
        return self.allocatable.get(resource, _ZERO) - self.allocated.get(resource, _ZERO)

    def holds(self, requests: Amounts) -> bool:
        """Whether a pod would fit on it if it were empty."""
        return all(self.allocatable.get(name, _ZERO) >= amount for name, amount in requests.items() if amount > 0)


@dataclass(frozen=True)
class Mismatch:
    """Why a pod may not run on a node: a clause that follows a number of nodes."""

    text: str
    field: str


def nodes_of(nodes: Iterable[Manifest], pods: Iterable[Manifest]) -> list[Node]:
    """The nodes with what their pods take."""
    allocated: dict[str, Amounts] = {}
    for pod in pods:
        name = pod["spec"].get("nodeName")
        if name and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed"):
            add(allocated.setdefault(name, {}), {**total(pod["spec"], "requests"), "pods": Decimal(1)})
    return [_node(node, allocated) for node in nodes]


def mismatch(node: Node, pod: Manifest) -> Mismatch | None:
    """Why a pod may not run on a node, room aside; None when it may."""
    if not node.ready:
        return Mismatch("not ready", "workers")
    for taint in node.taints:
        hard = taint.get("effect") in ("NoSchedule", "NoExecute")
        if hard and not any(_tolerates(one, taint) for one in pod.get("tolerations") or []):
            return Mismatch(f"with taint {taint.get('key')}{_value(taint)}", "cluster.tolerations")
    if node.cordoned:
        return Mismatch("closed for new pods", "workers")
    for key, value in (pod.get("nodeSelector") or {}).items():
        if node.labels.get(key) != value:
            return Mismatch(f"without label {key}={value}", "cluster.node_selector")
    required = ((pod.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    terms = (required or {}).get("nodeSelectorTerms") or []
    if terms and not any(_meets(node, term) for term in terms):
        return Mismatch("outside the node affinity", "cluster.affinity")
    return None


def room(node: Node, requests: Amounts) -> int:
    """How many pods of one size fit on a node beside those that are there."""
    wanted = {**{name: amount for name, amount in requests.items() if amount > 0}, "pods": Decimal(1)}
    counts = [
        max(0, int(node.free(name) // amount))
        for name, amount in wanted.items()
        if name in node.allocatable or name != "pods"
    ]
    return min(counts, default=_MANY)


def _node(node: Manifest, allocated: dict[str, Amounts]) -> Node:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    conditions = {one.get("type"): one.get("status") for one in status.get("conditions") or []}
    cordoned = bool(spec.get("unschedulable"))
    taints = [taint for taint in spec.get("taints") or [] if taint.get("key") != "node.kubernetes.io/unschedulable"]
    return Node(
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        taints=taints,
        cordoned=cordoned,
        ready=conditions.get("Ready", "True") == "True",
        allocatable=amounts(status.get("allocatable") or status.get("capacity")),
        allocated=allocated.get(metadata["name"], {}),
    )


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    key, exists = toleration.get("key"), toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.get("key") and (exists or (toleration.get("value") or "") == (taint.get("value") or ""))


def _value(taint: Manifest) -> str:
    return f"={taint['value']}" if taint.get("value") else ""


def _meets(node: Node, term: Manifest) -> bool:
    """Whether all of a term's expressions hold. An empty term selects nothing."""
    labels, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    if not labels and not fields:
        return False
    return all(_holds(node.labels, one) for one in labels) and all(
        _holds({"metadata.name": node.name}, one) for one in fields
    )


def _holds(labels: dict[str, str], expression: Manifest) -> bool:
    key, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or []
    found = labels.get(str(key))
    if operator == "In":
        return found in values
    if operator == "NotIn":
        return found not in values
    if operator == "Exists":
        return found is not None
    if operator == "DoesNotExist":
        return found is None
    if operator in ("Gt", "Lt") and found is not None and values:
        try:
            difference = int(found) - int(values[0])
        except ValueError:
            return False
        return difference > 0 if operator == "Gt" else difference < 0
    return False
