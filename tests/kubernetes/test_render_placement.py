"""Where a job's pods may run, as it is asked of the scheduler: nodes, spot capacity, one worker per node, queues."""

from __future__ import annotations

import itertools
from typing import Any

from submission import KINDS, asked, job, pod, pod_of, render, spec

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.manifests.placement import SPOT as SPOT_LABELS


def test_a_product_is_a_node_selector() -> None:
    found = pod(cluster={"gpu_product": "NVIDIA-A100-SXM4-80GB", "node_selector": {"zone": "a"}})
    assert found["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


def _matches(term: dict[str, Any], node: dict[str, str]) -> bool:
    return all(node.get(each["key"]) in each["values"] for each in term["matchExpressions"])


def test_spot_capacity_that_is_required_is_required_together_with_what_was_asked() -> None:
    zones = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]} for zone in ("a", "b")]
    own = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": zones}}}
    found = pod(cluster={"spot": "required", "affinity": own})
    terms = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    for zone, (key, value) in itertools.product("abc", SPOT_LABELS):
        for node, fits in (({"zone": zone, key: value}, zone != "c"), ({"zone": zone, key: "on-demand"}, False)):
            assert any(_matches(term, node) for term in terms) is fits
    for key, value in SPOT_LABELS:
        taint = {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        assert taint in found["tolerations"]


def test_spot_capacity_that_is_allowed_is_preferred_and_tolerated_only() -> None:
    found = pod(cluster={"spot": "allowed"})
    node = found["affinity"]["nodeAffinity"]
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in node
    preferred = node["preferredDuringSchedulingIgnoredDuringExecution"]
    keys = {entry["preference"]["matchExpressions"][0]["key"] for entry in preferred}
    assert keys == {toleration["key"] for toleration in found["tolerations"]} == {key for key, _ in SPOT_LABELS}
    assert "affinity" not in pod() and "tolerations" not in pod()


def test_one_worker_per_node_is_added_to_an_affinity_of_ones_own() -> None:
    away = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "noisy"}}}
    own = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [away]}}
    apart = pod(cluster={"one_worker_per_node": True, "affinity": own})["affinity"]["podAntiAffinity"]
    first, second = apart["requiredDuringSchedulingIgnoredDuringExecution"]
    assert first == away and second["topologyKey"] == "kubernetes.io/hostname"
    assert second["labelSelector"]["matchLabels"][labels.JOB] == "digits-0123456789"


def test_a_queue_holds_the_owner_back_until_kueue_admits_it() -> None:
    queued = spec(cluster={"queue": "research", "priority": "high", "retries": 1})
    for kind in KINDS:
        owner = render(asked(queued, workload_priority=True), kind)[0]  # type: ignore[arg-type]
        assert owner["spec"]["suspend"] is True
        assert owner["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
        assert owner["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "high"
        assert "kueue.x-k8s.io/queue-name" not in pod_of(owner)["metadata"]["labels"]
        assert pod_of(owner)["spec"]["priorityClassName"] == "high"
    assert "kueue.x-k8s.io/priority-class" not in render(asked(queued))[0]["metadata"]["labels"]
    assert "suspend" not in job()["spec"]
