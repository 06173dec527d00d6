"""The preflight against an API server that enforces RBAC, quotas and schemas."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from kube.cluster import JOB_SET_CRDS, KUEUE_CRDS, FakeCluster
from preflight_cases import BUNDLE, job, manifests

from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.api.targets import Target, targets
from mlk_jupyter.backends.kubernetes.preflight.cluster_facts import ClusterFacts
from mlk_jupyter.backends.kubernetes.preflight.dry_run import dry_run
from mlk_jupyter.backends.kubernetes.preflight.lookup import look_up
from mlk_jupyter.backends.kubernetes.preflight.verdict import preflight
from mlk_jupyter.backends.kubernetes.rights.access import Reviewer
from mlk_jupyter.backends.kubernetes.rights.discovery import discover
from mlk_jupyter.backends.kubernetes.rights.rbac import render
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Preflight

PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles.rbac.authorization.k8s.io",
    "RoleBinding": "rolebindings.rbac.authorization.k8s.io",
    "ClusterRole": "clusterroles.rbac.authorization.k8s.io",
    "ClusterRoleBinding": "clusterrolebindings.rbac.authorization.k8s.io",
}


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with FakeCluster(controllers=False, crds=(*JOB_SET_CRDS, *KUEUE_CRDS), nodes=[{"name": "a", "gpus": 8}]) as found:
        found.namespace("team-a", labels={"pod-security.kubernetes.io/enforce": "baseline"})
        yield found


def target(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch, *, nodes: bool = False) -> Target:
    """Ada, who may what the printed YAML says and nothing else."""
    for document in yaml.safe_load_all(render("team-a", "ada", service_account=False, nodes=nodes)):
        cluster.create(PLURALS[document["kind"]], document)
    cluster.add_user("ada")
    path = cluster.write_kubeconfig("ada", namespace="team-a")
    monkeypatch.setenv("KUBECONFIG", str(path))
    return targets()[0]


async def look(at: Target, spec: JobSpec) -> tuple[ClusterFacts, Preflight]:
    async with Connection(at) as connection:
        served = await discover(connection)
        access = await Reviewer(connection).access("team-a", served)
        objects = manifests(spec)
        facts = await look_up(connection, served, access, spec, "team-a")
        return facts, preflight(spec, BUNDLE, facts, objects, await dry_run(connection, objects, "team-a", access))


def refused(cluster: FakeCluster) -> list[Any]:
    return [seen for seen in cluster.requests if seen.status == 403]


def test_the_printed_role_is_enough_for_a_preflight(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = job({"network": {}, "queue": "research", "priority": "batch", "checkpoints": "state"}, workers=2, gpus=1)
    facts, answer = asyncio.run(look(target(cluster, monkeypatch), spec))
    assert refused(cluster) == []
    assert facts.nodes is None
    assert facts.namespace_labels is not None
    assert {"no_queue", "no_claim", "priority_unchecked", "gpus_unknown"} <= {
        finding.code for finding in answer.findings
    }
    assert not any(finding.code in ("cluster_refuses", "dry_run_failed") for finding in answer.findings)


def test_with_the_right_to_nodes_gpus_are_counted(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = asyncio.run(look(target(cluster, monkeypatch, nodes=True), job(gpus=16, workers=2)))
    assert refused(cluster) == []
    assert "The job needs 2 × 16 GPUs; the largest node has 8." in [finding.text for finding in answer.findings]


def test_a_preflight_creates_nothing(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    _, answer = asyncio.run(look(target(cluster, monkeypatch), job({"network": {}})))
    assert answer.ok, answer.findings
    assert cluster.store.peek_all("jobs.batch") == []
    assert [found["metadata"]["name"] for found in cluster.store.peek_all("configmaps", "team-a")] == [
        "kube-root-ca.crt"
    ]


def test_a_quota_refuses_before_anything_is_submitted(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    hard = {"requests.nvidia.com/gpu": "2"}
    cluster.create("resourcequotas", {"metadata": {"name": "gpus"}, "spec": {"hard": hard}}, "team-a")
    _, answer = asyncio.run(look(target(cluster, monkeypatch), job(gpus=2, workers=2)))
    assert not answer.ok
    assert [finding.code for finding in answer.findings if finding.level == "error"] == ["quota_too_small"]


def test_a_limit_range_is_read_off_the_cluster(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"type": "Container", "max": {"nvidia.com/gpu": "2"}}
    cluster.create("limitranges", {"metadata": {"name": "gpus"}, "spec": {"limits": [item]}}, "team-a")
    _, answer = asyncio.run(look(target(cluster, monkeypatch), job()))
    assert "limit_range_gives_gpus" in [finding.code for finding in answer.findings]


def test_whoever_may_create_pods_gets_the_word_of_the_cluster_on_them(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    at = replace(targets()[0], namespace="team-a")
    bounds = {"type": "Container", "max": {"nvidia.com/gpu": "2"}, "maxLimitRequestRatio": {"memory": "2"}}
    limits = {**bounds, "default": {"memory": "16Gi", "nvidia.com/gpu": "2"}}
    cluster.create("limitranges", {"metadata": {"name": "bounds"}, "spec": {"limits": [limits]}}, "team-a")
    _, given = asyncio.run(look(at, job({"memory": "4Gi"})))
    assert "limit_range_gives_gpus" in [finding.code for finding in given.findings]
    _, refused = asyncio.run(look(at, job({"memory": "4Gi"}, gpus=3)))
    (finding,) = [finding for finding in refused.findings if finding.code == "limit_range"]
    assert "A container may have at most 2 of GPUs in this namespace; it has 3" in finding.text
    _, ratio = asyncio.run(look(at, job()))
    (finding,) = [finding for finding in ratio.findings if finding.code == "limit_range"]
    assert "at most 2 times what is requested" in finding.text and finding.field == "cluster.memory"


def test_somebody_without_rights_is_told_all_that_is_missing(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add_user("eve")
    monkeypatch.setenv("KUBECONFIG", str(cluster.write_kubeconfig("eve", namespace="team-a")))
    facts, answer = asyncio.run(look(targets()[0], job(gpus=1)))
    assert refused(cluster) == [], "what is known to be forbidden is not tried"
    assert facts.access is not None
    assert all(right.allowed is False for right in facts.access.rights(facts.served))
    assert "no_right_to_submit" in [finding.code for finding in answer.findings]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs a real cluster's tool: kubectl")
@pytest.mark.parametrize("nodes", [False, True])
def test_kubectl_applies_what_is_printed(cluster: FakeCluster, nodes: bool) -> None:
    command = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "apply", "-f", "-"]
    done = subprocess.run(
        command, input=render("team-a", "ada", nodes=nodes), text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    made = [line.split()[0] for line in done.stdout.splitlines()]
    assert "role.rbac.authorization.k8s.io/mlk-jupyter" in made
    assert len(made) == (5 if nodes else 3)
