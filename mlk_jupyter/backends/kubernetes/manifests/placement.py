"""Where the pods may run: nodes, taints, neighbours, spot capacity. Pure."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

from .. import labels
from .render_context import RenderContext

GPU_PRODUCT = "nvidia.com/gpu.product"
# Label of spot nodes and its value, on EKS (managed groups), GKE, AKS, and wherever Karpenter makes nodes. Those who
# taint such nodes do it with the same key and value (AKS always does).
SPOT = (
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("cloud.google.com/gke-spot", "true"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
    ("karpenter.sh/capacity-type", "spot"),
)
_SPOT_WEIGHT = 10  # of 100: cheaper, but a person's own preferences count more


def placement(context: RenderContext) -> dict[str, Any]:
    """The fields `nodeSelector`, `affinity` and `tolerations` of a pod, as far as there is something to say."""
    options = context.spec.cluster
    selector = dict(options.node_selector)
    if options.gpu_product is not None:
        selector[GPU_PRODUCT] = options.gpu_product
    found = {"nodeSelector": selector, "affinity": _affinity(context), "tolerations": _tolerations(context)}
    return {field: value for field, value in found.items() if value}


def _affinity(context: RenderContext) -> dict[str, Any]:
    options = context.spec.cluster
    affinity = {key: value for key, value in copy.deepcopy(options.affinity or {}).items() if value is not None}
    if options.spot == "required":
        node = _part(affinity, "nodeAffinity")
        required = _part(node, "requiredDuringSchedulingIgnoredDuringExecution")
        # Terms are alternatives: each that was asked for holds together with each way to be spot capacity.
        terms = required.get("nodeSelectorTerms") or [{}]
        required["nodeSelectorTerms"] = [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or []), _is(key, value)]}
            for term, (key, value) in product(terms, SPOT)
        ]
    elif options.spot == "allowed":
        preferred = _entries(_part(affinity, "nodeAffinity"), "preferredDuringSchedulingIgnoredDuringExecution")
        preferred += [{"weight": _SPOT_WEIGHT, "preference": {"matchExpressions": [_is(*label)]}} for label in SPOT]
    if options.one_worker_per_node:
        apart = _entries(_part(affinity, "podAntiAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
        ours = {"matchLabels": {labels.MANAGED_BY: labels.OURS, labels.JOB: context.id}}
        apart.append({"labelSelector": ours, "topologyKey": "kubernetes.io/hostname"})
    return affinity


def _tolerations(context: RenderContext) -> list[dict[str, Any]]:
    options = context.spec.cluster
    found = [toleration.model_dump(exclude_none=True) for toleration in options.tolerations]
    if context.spec.gpus:
        # Nodes with accelerators are kept for pods that ask for them by a taint with the resource's name. Some clusters
        # add the toleration themselves (ExtendedResourceToleration); elsewhere its absence means waiting for ever.
        names = [options.gpu_resource, *(["nvidia.com/gpu"] if options.gpu_resource.startswith("nvidia.com/") else [])]
        found += [{"key": name, "operator": "Exists", "effect": "NoSchedule"} for name in names]
    if options.spot is not None:
        found += [{"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"} for key, value in SPOT]
    return [entry for number, entry in enumerate(found) if entry not in found[:number]]


def _is(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": [value]}


def _part(of: dict[str, Any], key: str) -> dict[str, Any]:
    """A dict in a dict, made where there is none."""
    if of.get(key) is None:
        of[key] = {}
    part: dict[str, Any] = of[key]
    return part


def _entries(of: dict[str, Any], key: str) -> list[Any]:
    """A list in a dict, made where there is none."""
    if of.get(key) is None:
        of[key] = []
    entries: list[Any] = of[key]
    return entries
