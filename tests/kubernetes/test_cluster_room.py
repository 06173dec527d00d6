"""Nodes, quotas and LimitRanges: whether there is room for a job."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from preflight_cases import (
    GPU,
    facts,
    found,
    job,
    limit_range,
    look,
    manifests,
    node,
    pod,
    quota,
    tried,
)

from mlk_jupyter.backends.kubernetes.preflight.checks.pod import template
from mlk_jupyter.model.api import Level


def test_more_gpus_than_the_largest_node_has_are_refused_in_figures() -> None:
    finding = found(job(gpus=16, workers=2))["gpus_over_node"]
    assert finding.text == "The job needs 2 × 16 GPUs; the largest node has 8."
    assert finding.hint == "Ask for at most 8 per worker."
    assert (finding.level, finding.field) == (Level.ERROR, "gpus")


def test_a_cluster_that_may_grow_is_given_the_chance() -> None:
    growing = facts(nodes=[node("a", gpus=8, labels={"karpenter.sh/nodepool": "gpu"})])
    answer = look(job(gpus=16), growing)
    assert answer.ok
    assert answer.starts_now is False


def test_more_workers_than_there_are_gpus_for_are_refused() -> None:
    known = facts(nodes=[node("a", cpu="99", gpus=8), node("b", cpu="99", gpus=4)])
    finding = found(job(gpus=4, workers=4), known)["gpus_over_cluster"]
    assert "have 12, which is enough for 3 workers" in finding.text
    assert finding.hint == "Ask for at most 3 workers."


@pytest.mark.parametrize(
    ("asked", "used", "code", "level"),
    [
        ({"cpu": "3"}, "1", "workers_over_cluster", Level.ERROR),  # one fits on each of two nodes of four cores
        ({"cpu": "500m", "memory": "5Gi"}, "1", "workers_over_cluster", Level.ERROR),
        ({"cpu": "500m", "memory": "1Gi"}, "3500m", "nodes_busy", Level.NOTE),
    ],
)
def test_workers_that_the_cluster_never_has_room_for_are_not_told_to_wait(
    asked: dict[str, str], used: str, code: str, level: Level
) -> None:
    nodes = [node(name, cpu="4", memory="8Gi") for name in "ab"]
    held = [pod(f"other-{each['metadata']['name']}", each["metadata"]["name"], cpu=used) for each in nodes]
    finding = found(job(asked, workers=3), facts(nodes=nodes, all_pods=held))[code]
    assert finding.level is level
    if code == "workers_over_cluster":
        assert "have room for 2, also when nothing else runs there" in finding.text
        assert finding.hint == "Ask for at most 2, or for smaller workers."


def test_a_node_that_is_closed_for_now_counts_as_room_to_come() -> None:
    nodes = [node("a", cpu="4"), {**node("b", cpu="4"), "spec": {"unschedulable": True}}]
    assert "workers_over_cluster" not in found(job({"cpu": "3"}, workers=2), facts(nodes=nodes))


def test_a_resource_that_no_node_has_is_answered_with_those_there_are() -> None:
    known = facts(nodes=[node("a", has={"nvidia.com/mig-1g.10gb": "7"}), node("b", has={"amd.com/gpu": "8"})])
    finding = found(job(gpus=1), known)["no_such_gpus"]
    assert "amd.com/gpu (8) and nvidia.com/mig-1g.10gb (7)" in finding.text


def test_a_product_that_no_node_has_is_answered_with_those_there_are() -> None:
    known = facts(nodes=[node("a", gpus=8, labels={"nvidia.com/gpu.product": "NVIDIA-L4"})])
    finding = found(job({"gpu_product": "NVIDIA-H100-80GB-HBM3"}, gpus=1), known)["no_gpu_product"]
    assert "NVIDIA-L4" in finding.text
    assert finding.field == "cluster.gpu_product"
    assert "no_gpu_product" not in found(job({"gpu_product": "NVIDIA-L4"}, gpus=1), known)


def test_gpus_that_others_hold_are_waited_for() -> None:
    known = facts(all_pods=[pod("other", "big", gpus=6)])
    answer = look(job(gpus=4), known)
    (finding,) = answer.findings
    assert answer.ok
    assert answer.starts_now is False
    assert (finding.code, finding.level) == ("gpus_busy", Level.NOTE)
    assert "2 of 8 are free" in finding.text


def test_a_pod_that_is_over_holds_nothing() -> None:
    over = pod("other", "big", gpus=6)
    over["status"]["phase"] = "Succeeded"
    assert look(job(gpus=4), facts(all_pods=[over])).starts_now is True


def test_where_other_namespaces_cannot_be_seen_free_is_at_most() -> None:
    known = facts(all_pods=None, pods=[pod("mine", "big", gpus=6)])
    answer = look(job(gpus=4), known)
    assert "at most 2 of 8 are free" in answer.findings[0].text
    assert answer.starts_now is False
    assert look(job(gpus=1), known).starts_now is None


def test_nodes_that_cannot_be_seen_are_unknown_and_that_is_said() -> None:
    known = facts(nodes=None, all_pods=None, unknown={"nodes": "there is no right to list nodes"})
    answer = look(job(gpus=1), known)
    assert answer.ok
    assert answer.starts_now is None
    assert "there is no right to list nodes" in answer.findings[0].text
    assert look(job(), known).findings == []


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"taints": [{"key": "team", "value": "b", "effect": "NoSchedule"}]}, "with taint team=b"),
        ({"unschedulable": True}, "closed for new pods"),
        ({"labels": {"zone": "b"}}, "without label zone=a"),
    ],
)
def test_nodes_that_may_not_be_used_are_told_with_the_reason(spoilt: dict[str, Any], words: str) -> None:
    finding = found(
        job({"node_selector": {"zone": "a"}}, gpus=1),
        facts(nodes=[node("a", gpus=8, **({"labels": {"zone": "a"}} | spoilt))]),
    )
    assert words in finding["no_node_fits"].text


def test_the_taint_of_gpu_nodes_is_tolerated() -> None:
    tainted = node("a", gpus=8, taints=[{"key": GPU, "value": "present", "effect": "NoSchedule"}])
    assert look(job(gpus=1), facts(nodes=[tainted])).starts_now is True
    assert "no_node_fits" in found(job(), facts(nodes=[tainted]))


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "zone", "operator": "In", "values": ["a", "b"]}, True),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, False),
        ({"key": "zone", "operator": "Exists"}, True),
        ({"key": "zone", "operator": "DoesNotExist"}, False),
        ({"key": "generation", "operator": "Gt", "values": ["2"]}, True),
        ({"key": "generation", "operator": "Lt", "values": ["2"]}, False),
        ({"key": "zone", "operator": "Gt", "values": ["2"]}, False),
    ],
)
def test_a_node_affinity_is_read_as_the_scheduler_reads_it(expression: dict[str, Any], fits: bool) -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    spec = job({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
    labelled = facts(nodes=[node("a", labels={"zone": "a", "generation": "3"})])
    assert ("no_node_fits" not in found(spec, labelled)) is fits


def test_one_worker_on_each_node_needs_as_many_nodes() -> None:
    spec = job({"one_worker_per_node": True}, gpus=1, workers=2)
    assert "gpus_over_cluster" in found(spec)
    assert look(spec, facts(nodes=[node("a", gpus=8), node("b", gpus=8)])).starts_now is True


@pytest.mark.parametrize(("asked", "code"), [({"cpu": "64"}, "cpu_over_node"), ({"memory": "1Ti"}, "memory_over_node")])
def test_a_worker_larger_than_every_node_is_refused(asked: dict[str, str], code: str) -> None:
    assert found(job(asked), facts(nodes=[node("a")]))[code].level is Level.ERROR


def test_cores_that_others_use_are_waited_for() -> None:
    known = facts(nodes=[node("a", cpu="4")], all_pods=[pod("other", "a", cpu="3500m")])
    answer = look(job(workers=2), known)
    assert answer.starts_now is False
    assert answer.findings[0].code == "nodes_busy"


def test_a_quota_that_can_never_hold_the_job_refuses_it_with_used_hard_and_asked() -> None:
    known = facts(quotas=[quota({f"requests.{GPU}": "4"}, {f"requests.{GPU}": "1"})])
    finding = found(job(gpus=2, workers=3), known)["quota_too_small"]
    assert finding.level is Level.ERROR
    assert "on requests.nvidia.com/gpu: 1 of 4 are used, and the job asks for 6. It can never start." in finding.text
    assert finding.hint is not None
    assert "2 workers of this size would fit" in finding.hint


def test_a_quota_that_is_in_use_is_waited_for() -> None:
    known = facts(quotas=[quota({f"requests.{GPU}": "4"}, {f"requests.{GPU}": "3"})])
    answer = look(job(gpus=1, workers=2), known)
    assert answer.ok
    assert answer.starts_now is False
    assert "1 worker would start and wait for the rest" in answer.findings[0].text


@pytest.mark.parametrize(
    ("resource", "hard", "refused"),
    [
        ("requests.cpu", "7", True),
        ("requests.cpu", "8", False),
        ("cpu", "7900m", True),
        ("limits.cpu", "7", True),
        ("memory", "31Gi", True),
        ("requests.memory", "32Gi", False),
        ("limits.memory", "32767Mi", True),
        ("pods", "1", True),
        ("count/pods", "2", False),
        ("count/jobs.batch", "0", True),
        ("configmaps", "0", True),
        ("services", "0", True),
        ("count/services", "1", False),
        ("persistentvolumeclaims", "0", False),
        ("count/jobsets.jobset.x-k8s.io", "0", False),
        ("requests.amd.com/gpu", "0", False),
    ],
)
def test_each_resource_of_a_quota_is_counted_as_kubernetes_counts_it(resource: str, hard: str, refused: bool) -> None:
    spec = job({"cpu": "4", "memory": "16Gi"}, workers=2)
    assert look(spec, facts(quotas=[quota({resource: hard})])).ok is not refused


def test_a_count_that_is_used_up_refuses_at_once() -> None:
    known = facts(quotas=[quota({"count/jobs.batch": "5"}, {"count/jobs.batch": "5"})])
    assert found(job(), known)["quota_used_up"].level is Level.ERROR


@pytest.mark.parametrize("key", [GPU, f"limits.{GPU}"])
def test_a_gpu_quota_under_a_key_that_does_not_count_is_pointed_out(key: str) -> None:
    answer = look(job(gpus=4), facts(quotas=[quota({key: "1"})]))
    (finding,) = answer.findings
    assert answer.starts_now is True
    assert (finding.code, finding.level) == ("quota_does_not_count", Level.NOTE)
    assert f"requests.{GPU}" in (finding.hint or "")


def test_a_quota_on_memory_limits_refuses_workers_without_one() -> None:
    known = facts(quotas=[quota({"limits.memory": "64Gi"})])
    finding = found(job(), known)["quota_needs_value"]
    assert (finding.level, finding.field) == (Level.ERROR, "cluster.memory")
    assert look(job({"memory": "4Gi"}), known).ok
    assert look(job(), replace(known, limit_ranges=[limit_range(default={"memory": "4Gi"})])).ok


@pytest.mark.parametrize(
    ("scope", "counts"),
    [
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating"]}, True),
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["NotBestEffort"]}, True),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["batch"]}]
                }
            },
            True,
        ),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "NotIn", "values": ["batch"]}]
                }
            },
            False,
        ),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}}, False),
    ],
)
def test_a_quota_with_a_scope_counts_only_its_pods(scope: dict[str, Any], counts: bool) -> None:
    known = facts(quotas=[quota({"pods": "0"}, **scope)], priority_class=True)
    assert look(job({"priority": "batch"}), known).ok is not counts


def test_quotas_that_cannot_be_seen_leave_the_start_open() -> None:
    answer = look(job(), facts(quotas=None, unknown={"quotas": "there is no right to list resourcequotas"}))
    assert answer.ok
    assert answer.starts_now is None
    assert "no right to list resourcequotas" in answer.findings[0].text


@given(hard=st.integers(0, 40), used=st.integers(0, 40), workers=st.integers(1, 8), gpus=st.integers(1, 5))
def test_a_quota_never_lets_more_through_than_it_holds(hard: int, used: int, workers: int, gpus: int) -> None:
    name = f"requests.{GPU}"
    answer = look(
        job(gpus=gpus, workers=workers), facts(nodes=None, quotas=[quota({name: str(hard)}, {name: str(used)})])
    )
    assert answer.ok == (workers * gpus <= hard)
    assert (answer.starts_now is False) == (answer.ok and used + workers * gpus > hard)


def test_a_limit_range_that_gives_gpus_to_everybody_is_found_out() -> None:
    known = facts(limit_ranges=[limit_range(max={GPU: "2"})])
    finding = found(job(), known)["limit_range_gives_gpus"]
    assert finding.level is Level.WARNING
    assert f"gives 2 {GPU} to every container" in finding.text
    assert "limit_range_gives_gpus" not in found(
        job(), facts(limit_ranges=[limit_range(max={GPU: "2"}, default={GPU: "0"}, defaultRequest={GPU: "0"})])
    )


def test_gpus_that_a_limit_range_gives_count_against_the_quota() -> None:
    known = facts(limit_ranges=[limit_range(max={GPU: "2"})], quotas=[quota({f"requests.{GPU}": "1"})])
    assert "quota_too_small" in found(job(), known)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"max": {"memory": "1Gi"}}, "at most 1 GiB of memory for a worker; the job asks for 16 GiB"),
        ({"min": {"memory": "32Gi"}}, "at least 32 GiB of memory for a worker; the job asks for 16 GiB"),
        ({"max": {"cpu": "2"}}, "at most 2 cores of cpu for a worker; the job asks for 4 cores"),
        ({"type": "Pod", "max": {"cpu": "3"}}, "at most 3 cores of cpu for a worker's pod; the job asks for 4 cores"),
        ({"type": "Pod", "max": {GPU: "2"}}, "at most 2 of nvidia.com/gpu for a worker's pod; the job asks for none"),
    ],
)
def test_what_a_limit_range_refuses_is_told_where_no_pod_may_be_tried(item: dict[str, Any], words: str) -> None:
    spec, known = job({"cpu": "4", "memory": "16Gi"}), facts(limit_ranges=[limit_range(**item)])
    finding = found(spec, known)["limit_range"]
    assert finding.level is Level.ERROR and words in finding.text
    assert "limit_range" not in found(spec, known, dry_run=[tried(spec)]), "the cluster's own word counts"


def test_what_the_cluster_adds_to_a_pod_is_read_off_the_dry_run() -> None:
    spec = job()
    outcome = tried(spec, limits={"memory": "8Gi", GPU: "2"}, requests={GPU: "2"})
    findings = found(spec, facts(quotas=[quota({f"requests.{GPU}": "1"})], limit_ranges=None), dry_run=[outcome])
    assert f"gives 2 {GPU} to every container" in findings["limit_range_gives_gpus"].text
    assert "memory 8 GiB" in findings["limit_range_default"].text
    assert "the job asks for 2" in findings["quota_too_small"].text


def test_containers_that_a_webhook_adds_count_for_the_room_and_not_as_given() -> None:
    spec = job({"cpu": "2"})
    outcome = tried(spec)
    assert outcome.object is not None
    proxy = {"name": "proxy", "resources": {"limits": {"cpu": "3", GPU: "1"}, "requests": {"cpu": "3", GPU: "1"}}}
    outcome.object["spec"]["containers"].append(proxy)
    findings = found(spec, facts(nodes=[node("a", cpu="4")]), dry_run=[outcome])
    assert "A worker needs 5 cores" in findings["cpu_over_node"].text
    assert "limit_range_gives_gpus" not in findings


def test_a_default_that_a_limit_range_sets_is_said() -> None:
    finding = found(job(), facts(limit_ranges=[limit_range(default={"memory": "8Gi"})]))["limit_range_default"]
    assert "memory 8 GiB" in finding.text


def test_a_default_limit_below_what_a_worker_requests_is_refused() -> None:
    known = facts(limit_ranges=[limit_range(default={"memory": "512Mi"})])
    finding = found(job(), known)["limit_range_default_too_small"]
    assert "limits memory to 512 MiB" in finding.text
    assert "the 2 GiB" in finding.text
    assert look(job({"memory": "4Gi"}), known).ok


def test_defaults_are_filled_in_as_the_api_server_does() -> None:
    spec = job({"memory": "4Gi"})
    ranges = [limit_range(default={"cpu": "2", "memory": "1Gi"}, min={"ephemeral-storage": "1Gi"})]
    pod = template(manifests(spec), spec, ranges)
    assert pod.limits["memory"] == pod.requests["memory"] == 4 * 1024**3, "what was asked stays"
    assert pod.limits["cpu"] == 2
    assert pod.requests["cpu"] == 1
    assert pod.requests["ephemeral-storage"] == 1024**3
    assert pod.defaulted(pod.main) == {"cpu"}


def test_a_staging_step_runs_before_the_worker_and_not_beside_it() -> None:
    spec = job({"cpu": "4", "staging": ["dvc", "pull"]})
    assert template(manifests(spec), spec, None).requests["cpu"] == Decimal(4)
