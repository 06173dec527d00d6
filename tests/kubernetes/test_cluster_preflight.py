from __future__ import annotations

import asyncio
import io
import os
import zipfile
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted

from mlk_jupyter.backends.kubernetes.access import Access, Question
from mlk_jupyter.backends.kubernetes.api_errors import error_of
from mlk_jupyter.backends.kubernetes.checks.literals import is_secret, seems_random
from mlk_jupyter.backends.kubernetes.checks.pod import template
from mlk_jupyter.backends.kubernetes.connection import Answer
from mlk_jupyter.backends.kubernetes.discovery import Served
from mlk_jupyter.backends.kubernetes.facts import Facts, Outcome
from mlk_jupyter.backends.kubernetes.gathering import gather, rehearse
from mlk_jupyter.backends.kubernetes.kinds import Asked, Kind, render
from mlk_jupyter.backends.kubernetes.preflight import preflight
from mlk_jupyter.backends.kubernetes.rbac import policy_rules, rules
from mlk_jupyter.bundle import Bundle
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Finding, Level, Preflight

IMAGE = "registry.example/torch:2.9"
SERVED = Served("v1.36.0", job_sets=True, kueue="v1beta2", workload_priorities=True)
GPU = "nvidia.com/gpu"


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


BUNDLE = Bundle(data=archive({"job/notebook.ipynb": b"{}"}), notebook={}, directory=None)


def job(cluster: dict[str, Any] | None = None, **spec: Any) -> JobSpec:
    options = {"image": IMAGE, **(cluster or {})}
    return JobSpec.model_validate({"name": "digits", "notebook": "digits.ipynb", "cluster": options, **spec})


def manifests(spec: JobSpec, kind: Kind = "Job", mlflow: dict[str, str] | None = None) -> list[dict[str, Any]]:
    if spec.cluster.image is None:
        return []
    asked = Asked(
        id="digits-0123456789",
        spec=spec,
        bundle=BUNDLE.data,
        namespace="team-a",
        user="ada",
        request_id="12345678",
        nonce="n" * 16,
        image=spec.cluster.image,
        mlflow=mlflow or {},
    )
    return render(asked, kind)


def facts(**known: Any) -> Facts:
    """A roomy cluster where everything that is referred to exists, but for what a test says otherwise."""
    empty: dict[str, Any] = {"quotas": [], "limit_ranges": [], "claims": [], "pods": [], "all_pods": [], "queues": []}
    return Facts(
        "team-a", **{**empty, "served": SERVED, "nodes": [node("big", cpu="512", memory="4Ti", gpus=8)], **known}
    )


def look(
    spec: JobSpec,
    known: Facts | None = None,
    *,
    bundle: Bundle = BUNDLE,
    kind: Kind = "Job",
    mlflow: dict[str, str] | None = None,
    rehearsal: Any = (),
) -> Preflight:
    return preflight(spec, bundle, known or facts(), manifests(spec, kind, mlflow), rehearsal)


def found(spec: JobSpec, known: Facts | None = None, **more: Any) -> dict[str, Finding]:
    return {finding.code: finding for finding in look(spec, known, **more).findings}


def node(name: str, *, cpu: str = "16", memory: str = "64Gi", gpus: int = 0, **more: Any) -> dict[str, Any]:
    allocatable = {
        "cpu": cpu,
        "memory": memory,
        "pods": "110",
        **({GPU: str(gpus)} if gpus else {}),
        **more.pop("has", {}),
    }
    return {
        "metadata": {"name": name, "labels": more.pop("labels", {})},
        "spec": more,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(name: str, on: str, *, cpu: str = "1", gpus: int = 0, claim: str | None = None) -> dict[str, Any]:
    requests = {"cpu": cpu, **({GPU: str(gpus)} if gpus else {})}
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    return {
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {"nodeName": on, "containers": [{"resources": {"requests": requests}}], "volumes": volumes},
        "status": {"phase": "Running"},
    }


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {"hard": hard, "used": used or dict.fromkeys(hard, "0")}
    return {"metadata": {"name": "team-quota"}, "spec": {"hard": hard, **spec}, "status": status}


def limit_range(**item: Any) -> dict[str, Any]:
    return {"metadata": {"name": "limits"}, "spec": {"limits": [{"type": "Container", **item}]}}


def claim(name: str, *modes: str, phase: str = "Bound") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"accessModes": list(modes)},
        "status": {"phase": phase, "accessModes": list(modes)},
    }


def test_a_job_with_nothing_against_it_starts_now() -> None:
    answer = look(job(gpus=2, workers=2))
    assert answer.ok
    assert answer.starts_now is True
    assert answer.findings == []


def test_what_a_job_uses_is_said_in_figures() -> None:
    uses = {
        use.label: use.text for use in look(job({"cpu": "4", "memory": "16Gi"}, gpus=2, workers=2), kind="JobSet").uses
    }
    assert uses == {
        "Workers": "2 pods of 2 processes each",
        "GPUs": f"2 × 2 {GPU}",
        "CPU": "4 cores for each worker",
        "Memory": "16 GiB for each worker",
        "Image": IMAGE,
        "Namespace": "team-a",
        "Kind": "JobSet",
    }


def test_all_findings_come_at_once_worst_first() -> None:
    spec = job(
        {"image": "torch:latest", "queue": "none-such", "network": {}, "cpu": "1000m"},
        env={"API_TOKEN": "abcdef"},
        gpus=16,
    )
    levels = [finding.level for finding in look(spec).findings]
    assert levels.count(Level.ERROR) >= 3
    assert levels == sorted(levels, key=[Level.ERROR, Level.WARNING, Level.NOTE].index)


def test_what_keeps_a_job_from_being_submitted_has_a_way_out() -> None:
    spec = job(
        {"image": None, "memory": "512m", "queue": "none-such", "priority": "none-such"},
        env={"PASSWORD": "hunter2"},
        gpus=64,
    )
    answer = look(spec, facts(priority_class=False))
    assert not answer.ok
    assert answer.starts_now is None
    assert all(finding.hint for finding in answer.findings if finding.level is Level.ERROR)


def test_without_an_image_the_rest_is_still_told() -> None:
    findings = found(job({"image": None}, gpus=16))
    assert findings["no_image"].field == "cluster.image"
    assert "gpus_over_node" in findings


@pytest.mark.parametrize(
    ("image", "moves"),
    [
        ("torch", True),
        ("torch:latest", True),
        ("registry.example:5000/torch", True),
        ("registry.example:5000/torch:2.9", False),
        ("torch@sha256:" + "a" * 64, False),
    ],
)
def test_an_image_that_may_change_any_day_is_pointed_out(image: str, moves: bool) -> None:
    assert ("image_moves" in found(job({"image": image}))) is moves


def test_pull_secrets_are_named_and_not_looked_for() -> None:
    assert "registry-key" in found(job({"image_pull_secrets": ["registry-key"]}))["pull_secret_unchecked"].text
    assert "account-key" in found(job(), facts(account_pull_secrets=["account-key"]))["pull_secret_of_account"].text


# --- GPUs and nodes


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


# --- quotas


def test_a_quota_that_can_never_hold_the_job_refuses_it_with_used_hard_and_asked() -> None:
    known = facts(quotas=[quota({f"requests.{GPU}": "4"}, {f"requests.{GPU}": "1"})])
    finding = found(job(gpus=2, workers=3), known)["quota_too_small"]
    assert finding.level is Level.ERROR
    assert "allows 4 of requests.nvidia.com/gpu, 1 are used, and this job asks for 6" in finding.text
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
    assert look(job(), facts(quotas=None)).starts_now is None


@given(hard=st.integers(0, 40), used=st.integers(0, 40), workers=st.integers(1, 8), gpus=st.integers(1, 5))
def test_a_quota_never_lets_more_through_than_it_holds(hard: int, used: int, workers: int, gpus: int) -> None:
    name = f"requests.{GPU}"
    answer = look(
        job(gpus=gpus, workers=workers), facts(nodes=None, quotas=[quota({name: str(hard)}, {name: str(used)})])
    )
    assert answer.ok == (workers * gpus <= hard)
    assert (answer.starts_now is False) == (answer.ok and used + workers * gpus > hard)


# --- LimitRanges


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
    ("item", "code"),
    [
        ({"max": {"memory": "1Gi"}}, "limit_range_exceeded"),
        ({"min": {"memory": "32Gi"}}, "limit_range_below"),
        ({"max": {"cpu": "2"}}, "limit_range_exceeded"),
        ({"type": "Pod", "max": {"cpu": "3"}}, "limit_range_exceeded"),
        ({"type": "Pod", "max": {GPU: "2"}}, "limit_range_needs_limit"),
    ],
)
def test_what_a_limit_range_refuses_is_told_before(item: dict[str, Any], code: str) -> None:
    finding = found(job({"cpu": "4", "memory": "16Gi"}), facts(limit_ranges=[limit_range(**item)]))[code]
    assert finding.level is Level.ERROR


def test_a_ratio_of_limit_to_request_is_kept() -> None:
    known = facts(limit_ranges=[limit_range(default={"memory": "64Gi"}, maxLimitRequestRatio={"memory": "2"})])
    assert "limit_range_ratio" in found(job(), known)
    assert look(job({"memory": "8Gi"}), known).ok


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
    worker = template(manifests(spec), spec, ranges).main
    assert worker.limits["memory"] == worker.requests["memory"] == 4 * 1024**3, "what was asked stays"
    assert worker.limits["cpu"] == 2
    assert worker.requests["cpu"] == 1
    assert worker.requests["ephemeral-storage"] == 1024**3
    assert worker.given == {"cpu"}


def test_a_staging_step_runs_before_the_worker_and_not_beside_it() -> None:
    spec = job({"cpu": "4", "staging": ["dvc", "pull"]})
    assert template(manifests(spec), spec, None).requests["cpu"] == Decimal(4)


# --- volumes and references


@pytest.mark.parametrize(
    ("modes", "read_only", "workers", "level"),
    [
        (["ReadWriteMany"], False, 4, None),
        (["ReadOnlyMany"], True, 4, None),
        (["ReadOnlyMany"], False, 1, Level.ERROR),
        (["ReadWriteOnce"], False, 1, None),
        (["ReadWriteOnce"], False, 2, Level.WARNING),
        (["ReadWriteOnce"], True, 2, Level.WARNING),
        (["ReadWriteOnce", "ReadOnlyMany"], True, 2, None),
        (["ReadWriteOncePod"], False, 1, None),
        (["ReadWriteOncePod"], False, 2, Level.ERROR),
    ],
)
def test_a_volume_has_to_be_mounted_by_all_workers(
    modes: list[str], read_only: bool, workers: int, level: Level | None
) -> None:
    spec = job({"volumes": [{"path": "/data", "claim": "data", "read_only": read_only}]}, workers=workers)
    findings = look(spec, facts(claims=[claim("data", *modes)])).findings
    assert [finding.level for finding in findings] == ([] if level is None else [level])


def test_workers_on_nodes_of_their_own_cannot_share_a_volume_of_one_node() -> None:
    spec = job({"checkpoints": "state", "one_worker_per_node": True}, workers=2)
    known = facts(claims=[claim("state", "ReadWriteOnce")], nodes=[node("a"), node("b")])
    finding = found(spec, known)["claim_one_node"]
    assert (finding.level, finding.field) == (Level.ERROR, "cluster.checkpoints")


def test_a_volume_that_the_notebook_holds_is_told_with_its_node() -> None:
    spec = job({"volumes": [{"path": "/data", "claim": "home"}]})
    known = facts(claims=[claim("home", "ReadWriteOnce")], pods=[pod("jupyter-ada", "node-a", claim="home")])
    assert "pod jupyter-ada on node node-a" in found(spec, known)["claim_in_use"].text


def test_a_claim_that_is_not_there_is_answered_with_those_there_are() -> None:
    finding = found(job({"checkpoints": "none-such"}), facts(claims=[claim("state", "ReadWriteMany")]))["no_claim"]
    assert "There are: state." in finding.text


@pytest.mark.parametrize(("phase", "code"), [("Pending", "claim_pending"), ("Lost", "claim_lost")])
def test_a_claim_without_storage_is_told(phase: str, code: str) -> None:
    assert code in found(job({"checkpoints": "state"}), facts(claims=[claim("state", "ReadWriteMany", phase=phase)]))


def test_a_secret_is_never_looked_for_and_that_is_said() -> None:
    finding = found(job({"env_from": [{"secret": "wandb", "key": "token", "name": "WANDB_KEY"}]}))["secret_unchecked"]
    assert finding.level is Level.NOTE
    assert "wandb" in finding.text


def test_what_is_referred_to_has_to_exist() -> None:
    spec = job({"env_from": [{"config_map": "settings"}], "service_account": "robot", "priority": "batch"})
    known = facts(config_maps={"settings": False}, service_account=False, priority_class=False)
    codes = {"no_config_map", "no_service_account", "no_priority_class"}
    assert codes <= set(found(spec, known))
    assert look(spec, facts(config_maps={"settings": True}, service_account=True, priority_class=True)).ok
    unknown = look(spec, facts(config_maps={"settings": None}))
    assert unknown.ok
    assert unknown.starts_now is None, "nobody knows the priority class"


@pytest.mark.parametrize(
    ("version", "level"), [("v1.30.0", Level.ERROR), ("v1.33.0", Level.WARNING), ("v1.36.0", None)]
)
def test_images_as_volumes_need_a_cluster_that_serves_them(version: str, level: Level | None) -> None:
    spec = job({"volumes": [{"path": "/models", "image": "registry.example/models:1"}]})
    findings = look(spec, facts(served=Served(version))).findings
    assert [finding.level for finding in findings] == ([] if level is None else [level])


# --- queues and retries


def queue(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": more.pop("spec", {}), "status": more}


@pytest.mark.parametrize(
    ("known", "code", "level"),
    [
        ({"served": Served("v1.36.0")}, "no_kueue", Level.ERROR),
        ({"queues": []}, "no_queue", Level.ERROR),
        ({"queues": None}, "queue_unchecked", Level.WARNING),
        ({"queues": [queue("research", spec={"stopPolicy": "Hold"})]}, "queue_held", Level.WARNING),
        (
            {
                "queues": [
                    queue(
                        "research", conditions=[{"type": "Active", "status": "False", "message": "ClusterQueue gone"}]
                    )
                ]
            },
            "queue_inactive",
            Level.WARNING,
        ),
        ({"queues": [queue("research", pendingWorkloads=3)]}, "queue_busy", Level.NOTE),
    ],
)
def test_a_queue_has_to_take_jobs(known: dict[str, Any], code: str, level: Level) -> None:
    assert found(job({"queue": "research"}), facts(**known))[code].level is level


def test_a_queue_decides_itself_when_a_job_starts() -> None:
    assert look(job({"queue": "research"}), facts(queues=[queue("research")])).starts_now is None


def test_retries_tell_what_they_need() -> None:
    spec = job({"retries": 3})
    assert set(found(spec, facts(served=Served("v1.36.0")))) == {"retries_from_here", "retries_without_checkpoints"}
    known = facts(claims=[claim("state", "ReadWriteMany")])
    assert look(job({"retries": 3, "checkpoints": "state"}), known, kind="JobSet").findings == []


# --- figures that are typing errors, accelerators


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"memory": "512m"}, "memory_too_small"),
        ({"memory": "16"}, "memory_too_small"),
        ({"shared_memory": "2"}, "shared_memory_too_small"),
        ({"cpu": "4000"}, "cpu_too_large"),
        ({"cpu": "1m"}, "cpu_too_small"),
        ({"memory": "4Gi", "shared_memory": "4Gi"}, "shared_memory_over_memory"),
        ({"shared_memory": "64Mi"}, "shared_memory_small"),
        ({"gpu_product": "NVIDIA-L4"}, "product_without_gpus"),
    ],
)
def test_figures_that_cannot_be_meant_are_pointed_out(options: dict[str, str], code: str) -> None:
    finding = found(job(options))[code]
    assert finding.hint
    assert finding.field


@pytest.mark.parametrize(
    ("resource", "gpus", "code"),
    [
        ("nvidia.com/mig-1g.10gb", 2, "mig_apart"),
        ("nvidia.com/gpu.shared", 2, "shares_of_one_gpu"),
        ("google.com/tpu", 4, "tpu_without_topology"),
        ("habana.ai/gaudi", 8, "gaudi_hugepages"),
    ],
)
def test_traps_of_accelerators_are_named(resource: str, gpus: int, code: str) -> None:
    assert code in found(job({"gpu_resource": resource}, gpus=gpus), facts(nodes=[node("a", has={resource: "8"})]))


def test_a_product_of_another_vendor_is_refused() -> None:
    assert "product_of_another_vendor" in found(
        job({"gpu_resource": "amd.com/gpu", "gpu_product": "NVIDIA-L4"}, gpus=1)
    )


# --- security, network, MLflow


@pytest.mark.parametrize(
    ("run_as", "level", "ok"),
    [("image", "restricted", False), ("image", "baseline", True), ("restricted", "restricted", True)],
)
def test_the_pod_security_level_of_the_namespace_is_kept(run_as: str, level: str, ok: bool) -> None:
    known = facts(namespace_labels={"pod-security.kubernetes.io/enforce": level})
    assert look(job({"run_as": run_as}), known).ok is ok


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HF_TOKEN", "abc"),
        ("DB_PASSWORD", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY", "x/y"),
        ("OPENAI_API_KEY", "none-of-your-business"),
        ("SETTING", "sk-" + "a" * 24),
        ("SETTING", "ghp_" + "a1" * 18),
        ("SETTING", "hf_" + "aB" * 17),
        ("SETTING", "AKIA" + "A1" * 8),
        ("DATABASE", "postgresql://ada:hunter2@db/x"),
    ],
)
def test_a_secret_in_the_environment_is_refused_without_being_repeated(name: str, value: str) -> None:
    answer = look(job(env={name: value}))
    assert not answer.ok
    assert name in answer.findings[0].text
    assert value not in answer.model_dump_json()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MAX_TOKENS", "512"),
        ("TOKEN", "512"),
        ("NCCL_DEBUG", "INFO"),
        ("HF_HOME", "/data/huggingface"),
        ("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True"),
        ("MLFLOW_TRACKING_URI", "https://mlflow.example/path"),
        ("HF_TOKEN_PATH", "/secrets/token"),
        ("PWD", "/work/here"),
        ("KEYBOARD", "qwerty"),
    ],
)
def test_an_ordinary_variable_is_no_secret(name: str, value: str) -> None:
    assert not is_secret(name, value)
    assert not seems_random(value)


def test_a_value_that_looks_random_is_asked_about() -> None:
    finding = found(job(env={"SEED": "q8Zr1Tn5Kx0Wb7Lf3Hd9Vp2Ms6"}))["perhaps_secret_in_env"]
    assert finding.level is Level.WARNING
    assert "q8Zr1Tn5" not in finding.text


def test_a_secret_among_the_parameters_is_refused() -> None:
    assert found(job(parameters={"key": "sk-" + "a" * 24}))["secret_in_parameters"].level is Level.ERROR


def test_network_isolation_is_declared_and_not_verified() -> None:
    finding = found(job({"network": {}}))["network_unverified"]
    assert "not verified" in finding.text


@pytest.mark.parametrize(
    ("uri", "reached"),
    [
        ("http://localhost:5000", False),
        ("http://127.0.0.1:5000", False),
        ("http://[::1]:5000", False),
        ("http://0.0.0.0:5000", False),
        ("sqlite:////home/ada/mlflow.db", False),
        ("file:///home/ada/mlruns", False),
        ("./mlruns", False),
        ("https://mlflow.example", True),
        ("http://mlflow.tracking.svc:5000", True),
        ("http://10.1.2.3:5000", True),
        ("databricks", True),
        ("databricks://profile", True),
    ],
)
def test_an_mlflow_that_pods_cannot_reach_is_pointed_out(uri: str, reached: bool) -> None:
    for findings in (found(job(), mlflow={"MLFLOW_TRACKING_URI": uri}), found(job(env={"MLFLOW_TRACKING_URI": uri}))):
        assert ("mlflow_out_of_reach" not in findings) is reached
    assert "mlflow_out_of_reach" not in found(job(mlflow=False, env={"MLFLOW_TRACKING_URI": uri}))


# --- what is carried, rights, the cluster's own words


def test_a_bundle_that_a_configmap_cannot_carry_lists_what_is_big() -> None:
    big = replace(BUNDLE, data=archive({"job/files/weights.bin": os.urandom(950_000), "job/notebook.ipynb": b"{}"}))
    finding = found(job(), bundle=big)["bundle_too_large_for_cluster"]
    assert "weights.bin (927." in finding.text
    assert (finding.level, finding.field) == (Level.ERROR, "files")


def test_what_the_bundle_left_out_is_said() -> None:
    assert (
        found(job(), bundle=replace(BUNDLE, notices=["secrets.env is not carried along."]))["bundle"].level
        is Level.NOTE
    )


def test_a_missing_right_is_named_with_the_rule_to_add() -> None:
    some = [
        rule
        for rule in policy_rules(rules(cluster_wide=False))
        if rule["resources"] != ["jobs"] and "pods/log" not in rule["resources"]
    ]
    findings = found(job({"network": {}}), facts(access=Access("team-a", some, complete=True)))
    assert findings["no_right_to_submit"].level is Level.ERROR
    assert "create jobs.batch" in findings["no_right_to_submit"].text
    assert "apiGroups: [batch]" in (findings["no_right_to_submit"].hint or "")
    assert findings["no_right_to_logs"].level is Level.WARNING
    assert "no_right_to_network" not in findings


def test_rights_that_are_not_known_are_no_findings() -> None:
    assert look(job(), facts(access=Access("team-a"))).findings == []


@pytest.mark.parametrize(
    ("status", "message", "code", "level", "field"),
    [
        (
            422,
            'Job.batch "x" is invalid: spec.template.spec.tolerations[0].effect: Unsupported value',
            "cluster_refuses",
            Level.ERROR,
            "cluster.tolerations",
        ),
        (
            400,
            'strict decoding error: unknown field "spec.template.spec.affinity.nodeAfinity"',
            "cluster_refuses",
            Level.ERROR,
            "cluster.affinity",
        ),
        (
            403,
            'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
            "pod_security_restricted",
            Level.ERROR,
            "cluster.run_as",
        ),
        (
            403,
            'admission webhook "gate.example" denied the request: pin a digest',
            "cluster_refuses",
            Level.ERROR,
            None,
        ),
        (400, 'admission webhook "gate.example" does not support dry run', "dry_run_unsupported", Level.NOTE, None),
        (500, 'failed calling webhook "gate.example": timeout', "dry_run_failed", Level.WARNING, None),
        (404, 'namespaces "team-a" not found', "namespace_or_kind_missing", Level.ERROR, None),
    ],
)
def test_a_refusal_of_the_dry_run_becomes_a_finding(
    status: int, message: str, code: str, level: Level, field: str | None
) -> None:
    outcome = Outcome("Job", "x", error=error_of(status, {"message": message, "reason": "Invalid"}))
    finding = found(job(), rehearsal=[outcome])[code]
    assert (finding.level, finding.field) == (level, field)


def test_warnings_of_the_cluster_are_shown_once() -> None:
    text = 'would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    findings = look(job(), rehearsal=[Outcome("Job", "x", [text]), Outcome("Pod", "x", [text])]).findings
    assert [finding.code for finding in findings] == ["cluster_warns"]
    assert findings[0].field == "cluster.run_as"


# --- asking the cluster


def allowed(*, everywhere: bool = False) -> Access:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    access = Access("team-a", everything if everywhere else policy_rules(rules(cluster_wide=False)), complete=True)
    questions = {"nodes": ("", "list"), "priorityclasses": ("scheduling.k8s.io", "get"), "pods": ("", "list")}
    return replace(
        access, answers={Question(verb, group, plural): everywhere for plural, (group, verb) in questions.items()}
    )


def namespace_of(**more: Any) -> dict[str, Any]:
    core, ours = "/api/v1", "/api/v1/namespaces/team-a"
    return {
        f"{ours}/resourcequotas": [quota({"pods": "10"})],
        f"{ours}/limitranges": [],
        f"{ours}/pods": [],
        f"{ours}/persistentvolumeclaims": [claim("data", "ReadWriteMany")],
        f"{ours}/serviceaccounts/default": {"imagePullSecrets": [{"name": "key"}]},
        f"{ours}/configmaps/settings": {"data": {"a": "b"}},
        "/api/v1/namespaces/team-a": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        f"{core}/nodes": [node("a", gpus=8)],
        f"{core}/pods": [pod("other", "a", gpus=1)],
        **more,
    }


FULL = {
    "volumes": [{"path": "/data", "claim": "data"}],
    "env_from": [{"config_map": "settings"}, {"secret": "wandb"}],
    "priority": "batch",
}


def test_only_what_the_role_allows_is_asked_for_and_nothing_of_secrets() -> None:
    connection = Scripted(namespace_of())
    known = asyncio.run(gather(connection, Served(), allowed(), job(FULL, gpus=1), "team-a"))
    assert not any("/secrets" in path or path in ("/api/v1/nodes", "/api/v1/pods") for _, path in connection.calls)
    assert known.nodes is None
    assert known.all_pods is None
    assert known.unknown["nodes"] == "there is no right to list nodes"
    assert known.unknown["priority_class"] == "there is no right to get priorityclasses"
    assert known.config_maps == {"settings": True}
    assert known.account_pull_secrets == ["key"]
    assert known.namespace_labels == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_whoever_may_sees_nodes_and_what_is_taken_of_them() -> None:
    known = asyncio.run(
        gather(Scripted(namespace_of()), Served(), allowed(everywhere=True), job(FULL, gpus=8), "team-a")
    )
    assert known.priority_class is False
    (finding,) = [finding for finding in look(job(gpus=8), known).findings if finding.code == "gpus_busy"]
    assert "7 of 8 are free" in finding.text


def test_a_read_that_is_refused_or_breaks_leaves_its_fact_unknown() -> None:
    documents = namespace_of()
    documents["/api/v1/namespaces/team-a/resourcequotas"] = error_of(403, {"message": "forbidden"})
    documents["/api/v1/namespaces/team-a/limitranges"] = error_of(500, {"message": "etcd is away"})
    known = asyncio.run(gather(Scripted(documents), Served(), allowed(), job(), "team-a"))
    assert known.quotas is None
    assert known.limit_ranges is None
    assert known.unknown["quotas"] == "there is no right to list resourcequotas"
    assert known.unknown["limit_ranges"] == "the cluster has trouble"
    assert look(job(), known).ok


def test_a_cluster_that_does_not_answer_in_time_leaves_a_fact_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlk_jupyter.backends.kubernetes.gathering._READ_LIMIT_S", 0.01)

    class Slow(Scripted):
        async def list(self, path: str, **more: Any) -> Any:
            if path.endswith("resourcequotas"):
                await asyncio.Event().wait()
            return await super().list(path, **more)

    known = asyncio.run(gather(Slow(namespace_of()), Served(), allowed(), job(), "team-a"))
    assert known.quotas is None
    assert "took longer" in known.unknown["quotas"]


def test_every_object_is_tried_before_it_is_created_and_nothing_is_created() -> None:
    connection = Scripted(created=lambda path, body: Answer(body, ["mind the gap"]))
    spec = job({"network": {}})
    outcomes = asyncio.run(rehearse(connection, manifests(spec), "team-a", allowed()))
    assert [outcome.kind for outcome in outcomes] == ["Job", "ConfigMap", "Service", "NetworkPolicy"]
    assert {verb for verb, _ in connection.calls} == {"dry-run"}
    assert all(outcome.warnings == ["mind the gap"] for outcome in outcomes)


def test_a_pod_is_tried_too_where_the_user_may_create_one() -> None:
    connection = Scripted()
    outcomes = asyncio.run(rehearse(connection, manifests(job()), "team-a", allowed(everywhere=True)))
    assert outcomes[-1].kind == "Pod"
    assert connection.bodies[-1]["spec"]["containers"][0]["name"] == "worker"


def test_what_may_not_be_created_is_not_tried() -> None:
    connection = Scripted()
    assert asyncio.run(rehearse(connection, manifests(job()), "team-a", Access("team-a", [], complete=True))) == []
    assert connection.calls == []


def test_a_refusal_of_one_object_does_not_hide_the_others() -> None:
    def created(path: str, body: dict[str, Any]) -> Any:
        return (
            error_of(422, {"message": "Service is invalid: spec.ports: Required value"})
            if path.endswith("services")
            else body
        )

    outcomes = asyncio.run(rehearse(Scripted(created=created), manifests(job()), "team-a", allowed()))
    assert [outcome.error is None for outcome in outcomes] == [True, True, False]
