"""What a person is told of a job that others end: its namespace, what they put into its pods. On the tests' cluster."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import yaml
from apiclient import Api, of_kubeconfig
from clusterjobs import FOREVER, Desk, pods_of, wait_for
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.api.targets import targets
from mlk_jupyter.backends.kubernetes.timing import Timing
from mlk_jupyter.model import Phase

Sit = Callable[..., Desk]
TEAM = "/api/v1/namespaces/team"


@pytest.fixture
def admin(plain_cluster: FakeCluster) -> Iterator[Api]:
    with contextlib.closing(of_kubeconfig(plain_cluster.kubeconfig)) as api:
        yield api


def test_a_job_whose_namespace_is_deleted_is_told_so(sit: Sit, plain_cluster: FakeCluster, admin: Api) -> None:
    plain_cluster.namespace("team")
    desk = sit(target=dataclasses.replace(targets()[0], namespace="team"))
    job = desk.submit(FOREVER, workers=2)
    desk.until_running(job)
    assert admin.call("DELETE", TEAM).json()["status"]["phase"] == "Terminating"
    status = desk.until_over(job)
    assert status.reason is not None and status.reason.code in ("namespace_terminating", "namespace_deleted")
    assert status.reason.text.startswith("The namespace team ") and "run the job again" not in str(status.reason)
    wait_for(lambda: admin.call("GET", TEAM).status_code == 404)


def test_a_namespace_that_went_while_nobody_looked_is_told_too(
    sit: Sit, plain_cluster: FakeCluster, admin: Api
) -> None:
    plain_cluster.namespace("team")
    target = dataclasses.replace(targets()[0], namespace="team")
    desk = sit(target=target)
    job = desk.submit(FOREVER)
    desk.until_running(job)
    desk.close()
    admin.call("DELETE", TEAM)
    wait_for(lambda: admin.call("GET", TEAM).status_code == 404)
    status = sit(target=target).until_over(job)
    assert status.phase is Phase.STOPPED
    assert status.reason is not None and status.reason.text == "The namespace team was deleted, and the job with it."


def test_an_init_container_that_somebody_added_to_our_yaml_is_named_with_what_it_wrote(
    sit: Sit, plain_cluster: FakeCluster
) -> None:
    desk = sit()
    rendered = desk.do(desk.backend.render(*desk.bundle("1")))
    assert rendered is not None
    made = list(yaml.safe_load_all(rendered))
    owner = next(each for each in made if each["kind"] == "Job")
    command = ["sh", "-c", "echo asking; echo no token for this pod >&2; exit 7"]
    added = {"name": "vault-agent", "image": "local/vault:1", "command": command}
    owner["spec"]["template"]["spec"].setdefault("initContainers", []).append(added)
    resources = {"Job": names.JOBS, "ConfigMap": names.CONFIG_MAPS, "Service": names.SERVICES}
    for each in made:
        plain_cluster.create(resources[each["kind"]], each)
    status = desk.until_over(owner["metadata"]["labels"]["mlk-jupyter.io/job"])
    assert status.phase is Phase.FAILED and status.reason is not None
    assert status.reason.text == (
        "The init container vault-agent of rank 0 ended with exit code 7. "
        "The last line of rank 0's log: no token for this pod"
    )


def test_who_follows_a_job_hears_what_holds_its_next_attempt(sit: Sit, plain_cluster: FakeCluster) -> None:
    desk = sit(timing=Timing(elsewhere_s=0.1, figures_s=0.1))
    job = desk.submit(FOREVER, options={"retries": 1})
    desk.until_running(job)
    taints = [{"key": "maintenance", "value": "today", "effect": "NoSchedule"}]
    for node in plain_cluster.store.list(names.NODES):
        plain_cluster.store.change(
            names.NODES, None, node["metadata"]["name"], lambda each: each["spec"].update(taints=taints)
        )
    plain_cluster.levers.evict(pods_of(plain_cluster, job)[0])

    def followed() -> bool:
        seen = desk.seen[job]
        named = seen.reason is not None and "repel it by the taint maintenance=today" in seen.reason.text
        return named and (seen.phase, seen.attempt) == (Phase.QUEUED, 2)

    wait_for(followed, lambda: desk.seen[job])


@pytest.mark.parametrize(
    ("limit_s", "said"),
    [(None, "because of rank 1. Rank 1 was evicted"), (3, "because the job's time limit had passed.")],
    ids=["peer evicted", "time limit"],
)
def test_a_rank_that_was_ended_with_its_job_is_recorded_with_whose_account_it_was(
    sit: Sit, plain_cluster: FakeCluster, limit_s: int | None, said: str
) -> None:
    desk = sit()
    job = desk.submit(FOREVER, workers=2, time_limit_s=limit_s)
    if limit_s is None:
        desk.until_running(job)
        plain_cluster.levers.evict(pods_of(plain_cluster, job)[1])
    status = desk.until_over(job)
    why = status.ranks[0].why
    assert why is not None and why.startswith("Rank 0 was ended ") and said in why, status
    written = desk.folder(job).executed.read_text() + str(status)
    assert "outside the job" not in written and "Nothing says who" not in written


@pytest.mark.parametrize("leases", [True, False], ids=["leases are seen", "leases are not seen"])
def test_who_follows_a_job_hears_how_long_its_node_is_silent(
    sit: Sit, plain_cluster: FakeCluster, leases: bool
) -> None:
    desk = sit(timing=Timing(figures_s=0.1))
    job = desk.submit(FOREVER)
    desk.until_running(job)
    (pod,) = pods_of(plain_cluster, job)
    node = pod["spec"]["nodeName"]
    if leases:
        renewed = (plain_cluster.store.now() - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        plain_cluster.namespace("kube-node-lease")
        lease = {"metadata": {"name": node}, "spec": {"holderIdentity": node, "renewTime": renewed}}
        plain_cluster.create("leases.coordination.k8s.io", lease, "kube-node-lease")
    plain_cluster.levers.lose_node(node)
    start = f"The node {node} of rank 0 has not answered for {'10 min' if leases else 'at least'}"
    told: set[str] = set()

    def heard() -> bool:
        reason = desk.seen[job].reason
        told.update([reason.text] if reason is not None and reason.code == "node_silent" else [])
        return len(told) > 1

    wait_for(heard)  # time goes on though nothing happens
    assert all(text.startswith(start) for text in told), told
    shown = desk.status(job).reason
    assert shown is not None and shown.text.startswith(start)
