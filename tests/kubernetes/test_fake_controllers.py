"""Controllers and scheduler of the tests' cluster where no recording tells the story."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kube import names
from kube.cluster import JOB_SET_CRDS, KUEUE_CRDS, FakeCluster
from kube.problems import Problem

Object = dict[str, Any]
NAMESPACE = "team"
NAP = "import time; time.sleep(60)"
NODES = ({"name": "node1", "gpus": 8}, {"name": "node2", "gpus": 8}, {"name": "node3"})


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with FakeCluster(nodes=NODES, crds=(*JOB_SET_CRDS, *KUEUE_CRDS), speed=50) as found:
        found.namespace(NAMESPACE)
        yield found
        assert found.controllers is not None and found.controllers.failures == []


def template(script: str, gpus: int = 0, **spec: Any) -> Object:
    resources = {"limits": {"nvidia.com/gpu": gpus}} if gpus else {}
    worker = {"name": "worker", "image": "local/torch:1", "command": ["python3", "-c", script], "resources": resources}
    return {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [worker], **spec}}


def job_spec(script: str, workers: int = 1, *, pod: Object | None = None, **spec: Any) -> Object:
    return {
        "completionMode": "Indexed",
        "completions": workers,
        "parallelism": workers,
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "template": pod or template(script),
        **spec,
    }


def submit(cluster: FakeCluster, script: str, workers: int = 1, *, labels: Object | None = None, **spec: Any) -> None:
    meta = {"name": "train", "labels": labels or {}}
    cluster.create(names.JOBS, {"metadata": meta, "spec": job_spec(script, workers, **spec)}, NAMESPACE)


def job_set(
    cluster: FakeCluster, script: str, *, labels: Object | None = None, pod: Object | None = None, **spec: Any
) -> None:
    child = {"name": "worker", "replicas": 1, "template": {"spec": job_spec(script, 2, pod=pod)}}
    body = {"metadata": {"name": "train", "labels": labels or {}}, "spec": {"replicatedJobs": [child], **spec}}
    cluster.create(names.JOB_SETS, body, NAMESPACE)


def pods(cluster: FakeCluster) -> list[Object]:
    return cluster.store.list(names.PODS, NAMESPACE)


def running(cluster: FakeCluster, count: int) -> list[Object]:
    return wait(lambda: len(up := [each for each in pods(cluster) if each["status"]["phase"] == "Running"]) == count
                and up)  # fmt: skip


def wait(holds: Callable[[], Any], show: Callable[[], Any] = lambda: None) -> Any:
    """What holds, once it does."""
    end = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < end, show()
        time.sleep(0.01)
    return found


def conditions(found: Object) -> dict[str, Object]:
    return {each["type"]: each for each in (found.get("status") or {}).get("conditions") or []}


def condition(cluster: FakeCluster, kind: str, resource: str = names.JOBS, name: str = "train") -> Object:
    """One of an object's conditions, once it is true."""

    def held() -> Any:
        found = conditions(cluster.store.get(resource, NAMESPACE, name)).get(kind)
        return found if found and found["status"] == "True" else None

    found: Object = wait(held, lambda: json.dumps(cluster.store.get(resource, NAMESPACE, name)["status"]))
    return found


def refusal(cluster: FakeCluster) -> str:
    """What the scheduler says about the only pod."""
    waiting = wait(lambda: [c for each in pods(cluster) if (c := conditions(each).get("PodScheduled"))])
    assert waiting[0]["reason"] == "Unschedulable"
    return str(waiting[0]["message"])


# The scheduler


def test_each_node_says_why_it_does_not_take_a_pod(cluster: FakeCluster) -> None:
    taint = {"key": "team", "value": "other", "effect": "NoSchedule"}
    cluster.store.change(names.NODES, None, "node1", lambda node: node["spec"].update(taints=[taint]))
    submit(cluster, "pass", pod=template("pass", gpus=16))
    start = "0/3 nodes are available"
    why = "1 node(s) had untolerated taint(s), 2 Insufficient nvidia.com/gpu"
    outlook = f"preemption: {start}: 3 Preemption is not helpful for scheduling."
    assert refusal(cluster) == f"{start}: {why}. no new claims to deallocate, {outlook}"


def test_a_pod_waits_for_gpus_in_use_and_starts_when_they_are_free(cluster: FakeCluster) -> None:
    submit(cluster, NAP, 2, pod=template(NAP, gpus=8))
    running(cluster, 2)
    body = {"metadata": {"name": "late"}, **template("pass", gpus=8)}
    cluster.create(names.PODS, body, NAMESPACE)

    def late() -> Object:
        return cluster.store.get(names.PODS, NAMESPACE, "late")

    message = wait(lambda: conditions(late()).get("PodScheduled"))["message"]
    assert "3 Insufficient nvidia.com/gpu" in message
    assert "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod" in message
    cluster.store.delete(names.JOBS, NAMESPACE, "train")
    wait(lambda: late()["status"]["phase"] == "Succeeded")


def test_pods_that_avoid_each_other_get_a_node_each(cluster: FakeCluster) -> None:
    rule = {"labelSelector": {"matchLabels": {"job-name": "train"}}, "topologyKey": "kubernetes.io/hostname"}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [rule]}}
    submit(cluster, NAP, 4, pod=template(NAP, affinity=apart))
    up = running(cluster, 3)
    assert {each["spec"]["nodeName"] for each in up} == {"node1", "node2", "node3"}
    left = wait(lambda: [c for each in pods(cluster) if (c := conditions(each)["PodScheduled"])["status"] == "False"])
    assert "3 node(s) didn't match pod anti-affinity rules" in left[0]["message"]


def test_a_selector_without_a_node_is_said(cluster: FakeCluster) -> None:
    submit(cluster, "pass", pod=template("pass", nodeSelector={"gpu": "h100"}))
    assert "3 node(s) didn't match Pod's node affinity/selector" in refusal(cluster)


# Jobs


def test_a_failed_pod_is_replaced_as_often_as_the_job_allows(cluster: FakeCluster) -> None:
    submit(cluster, "raise SystemExit(1)", backoffLimit=1)
    assert condition(cluster, "Failed")["reason"] == "BackoffLimitExceeded"
    assert cluster.store.get(names.JOBS, NAMESPACE, "train")["status"]["failed"] == 2


def test_the_failure_of_one_worker_ends_the_others(cluster: FakeCluster) -> None:
    script = "import os,time\nif os.environ['JOB_COMPLETION_INDEX'] == '1': raise SystemExit(3)\ntime.sleep(60)"
    submit(cluster, script, 3)
    condition(cluster, "Failed")
    status = cluster.store.get(names.JOBS, NAMESPACE, "train")["status"]
    assert status["failed"] == 3 and "active" not in status and status["terminating"] == 0
    assert [each["status"]["phase"] for each in pods(cluster)] == ["Failed"]


def test_a_failure_policy_fails_the_job_at_a_code(cluster: FakeCluster) -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    submit(cluster, "raise SystemExit(42)", backoffLimit=6, podFailurePolicy={"rules": [rule]})
    found = condition(cluster, "Failed")
    name = pods(cluster)[0]["metadata"]["name"]
    words = f"Container worker for pod team/{name} failed with exit code 42 matching FailJob rule at index 0"
    assert (found["reason"], found["message"]) == ("PodFailurePolicy", words)


def test_a_disruption_that_is_to_be_ignored_does_not_count(cluster: FakeCluster) -> None:
    rule = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}
    submit(cluster, NAP, podFailurePolicy={"rules": [rule]})
    first = running(cluster, 1)[0]
    cluster.levers.preempt(first)
    second = wait(lambda: [each for each in running(cluster, 1) if each["metadata"]["uid"] != first["metadata"]["uid"]])
    assert second[0]["metadata"]["annotations"] == first["metadata"]["annotations"]
    assert "failed" not in cluster.store.get(names.JOBS, NAMESPACE, "train")["status"]


def test_a_job_that_is_suspended_while_it_runs_gives_its_pods_back(cluster: FakeCluster) -> None:
    submit(cluster, NAP, 2)
    running(cluster, 2)
    cluster.store.change(names.JOBS, NAMESPACE, "train", lambda job: job["spec"].update(suspend=True))
    assert condition(cluster, "Suspended")["reason"] == "JobSuspended"
    wait(lambda: not pods(cluster))
    assert "startTime" not in cluster.store.get(names.JOBS, NAMESPACE, "train")["status"]
    cluster.store.change(names.JOBS, NAMESPACE, "train", lambda job: job["spec"].update(suspend=False))
    running(cluster, 2)
    assert "failed" not in cluster.store.get(names.JOBS, NAMESPACE, "train")["status"]


def test_a_finished_job_is_removed_after_its_time_with_its_pods(cluster: FakeCluster) -> None:
    submit(cluster, "pass", ttlSecondsAfterFinished=0)
    wait(lambda: not cluster.store.list(names.JOBS, NAMESPACE) and not pods(cluster))


# What befalls pods


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("EvictionByEvictionAPI", "Eviction API: evicting"),
        ("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
        ("TerminationByKubelet", "The node was low on resource: ephemeral-storage"),
    ],
)
def test_a_pod_says_what_ended_it(cluster: FakeCluster, reason: str, message: str) -> None:
    submit(cluster, NAP)
    ends: list[Object] = []
    stop = cluster.store.subscribe(lambda event: ends.append(event.object) if event.resource == names.PODS else None)
    cluster.levers.evict(running(cluster, 1)[0], reason)
    assert condition(cluster, "Failed")["reason"] == "BackoffLimitExceeded"
    stop()
    last = next(each for each in reversed(ends) if each["status"]["phase"] == "Failed")
    held = conditions(last)["DisruptionTarget"]
    assert held["reason"] == reason and held["message"].startswith(message)
    assert last["status"].get("reason") == ("Evicted" if reason == "TerminationByKubelet" else None)


def test_a_lost_node_takes_its_pods_when_it_is_removed(cluster: FakeCluster) -> None:
    submit(cluster, NAP, 2)
    first = running(cluster, 2)[0]
    cluster.levers.lose_node(first["spec"]["nodeName"])
    lost = wait(lambda: [each for each in pods(cluster) if each["metadata"].get("deletionTimestamp")])
    assert [each["metadata"]["name"] for each in lost] == [first["metadata"]["name"]]
    assert conditions(lost[0])["DisruptionTarget"]["reason"] == "DeletionByTaintManager"
    assert conditions(lost[0])["Ready"]["status"] == "False"
    assert "Failed" not in conditions(cluster.store.get(names.JOBS, NAMESPACE, "train"))
    cluster.store.delete(names.NODES, None, first["spec"]["nodeName"])
    assert condition(cluster, "Failed")["reason"] == "BackoffLimitExceeded"


def test_a_drained_node_is_empty_and_stays_so(cluster: FakeCluster) -> None:
    submit(cluster, NAP, 3, backoffLimit=6)
    node = running(cluster, 3)[0]["spec"]["nodeName"]
    cluster.levers.drain(node)

    def elsewhere() -> bool:
        up = [each for each in pods(cluster) if each["status"]["phase"] == "Running"]
        return len(up) == 3 and all(each["spec"]["nodeName"] != node for each in up)

    wait(elsewhere)


# JobSet


def test_a_job_set_runs_its_job_and_completes(cluster: FakeCluster) -> None:
    job_set(cluster, "import socket,os; print(os.environ['HOSTNAME'])", network={"subdomain": "train"})
    found = condition(cluster, "Completed", names.JOB_SETS)
    assert (found["reason"], found["message"]) == ("AllJobsCompleted", "jobset completed successfully")
    child = cluster.store.get(names.JOBS, NAMESPACE, "train-worker-0")
    assert child["metadata"]["labels"]["jobset.sigs.k8s.io/jobset-name"] == "train"
    assert {each["spec"]["hostname"] for each in pods(cluster)} == {"train-worker-0-0", "train-worker-0-1"}
    assert {each["spec"]["subdomain"] for each in pods(cluster)} == {"train"}
    service = cluster.store.get(names.SERVICES, NAMESPACE, "train")
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]


def test_a_job_set_restarts_all_its_pods_until_it_may_no_more(cluster: FakeCluster) -> None:
    job_set(cluster, "raise SystemExit(1)", failurePolicy={"maxRestarts": 2})
    found = condition(cluster, "Failed", names.JOB_SETS)
    assert found["reason"] == "ReachedMaxRestarts"
    assert cluster.store.get(names.JOB_SETS, NAMESPACE, "train")["status"]["restarts"] == 2
    child = cluster.store.get(names.JOBS, NAMESPACE, "train-worker-0")
    assert child["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] == "2"


def test_a_job_set_fails_at_once_where_a_rule_says_so(cluster: FakeCluster) -> None:
    rules = [{"name": "ours", "action": "FailJobSet", "onJobFailureReasons": ["BackoffLimitExceeded"]}]
    job_set(cluster, "raise SystemExit(1)", failurePolicy={"maxRestarts": 5, "rules": rules})
    assert condition(cluster, "Failed", names.JOB_SETS)["reason"] == "FailJobSetFailurePolicyAction"
    assert cluster.store.get(names.JOB_SETS, NAMESPACE, "train")["status"]["restarts"] == 0


# Kueue


def queue(cluster: FakeCluster, gpus: int) -> None:
    resources = [{"name": "nvidia.com/gpu", "nominalQuota": gpus}]
    flavors = [{"name": "a100", "resources": resources}]
    group = {"coveredResources": ["nvidia.com/gpu"], "flavors": flavors}
    body = {"metadata": {"name": "research"}, "spec": {"namespaceSelector": {}, "resourceGroups": [group]}}
    cluster.create(names.CLUSTER_QUEUES, body)
    local = {"metadata": {"name": "gpus"}, "spec": {"clusterQueue": "research"}}
    cluster.create(names.LOCAL_QUEUES, local, NAMESPACE)


def queued(cluster: FakeCluster, script: str, gpus: int) -> None:
    submit(cluster, script, 2, labels={"kueue.x-k8s.io/queue-name": "gpus"}, pod=template(script, gpus=gpus))


def workload(cluster: FakeCluster) -> Object:
    return wait(lambda: cluster.store.list(names.WORKLOADS, NAMESPACE))[0]


def test_a_queue_admits_what_fits_and_the_job_runs(cluster: FakeCluster) -> None:
    queue(cluster, 4)
    queued(cluster, "pass", 2)
    condition(cluster, "Complete")
    name = workload(cluster)["metadata"]["name"]
    assert name.startswith("job-train-")
    assert condition(cluster, "Finished", names.WORKLOADS, name)["reason"] == "Succeeded"
    assert {"QuotaReserved", "Admitted", "Finished"} <= set(conditions(workload(cluster)))


def test_a_job_that_is_more_than_its_queue_waits_and_says_so(cluster: FakeCluster) -> None:
    queue(cluster, 3)
    queued(cluster, "pass", 2)
    found = wait(lambda: conditions(workload(cluster)).get("QuotaReserved"))
    assert (found["status"], found["reason"]) == ("False", "Pending")
    assert "insufficient quota for nvidia.com/gpu in flavor a100" in found["message"]
    assert not pods(cluster) and cluster.store.get(names.JOBS, NAMESPACE, "train")["spec"]["suspend"]


def test_a_job_set_in_a_queue_starts_when_it_is_admitted(cluster: FakeCluster) -> None:
    queue(cluster, 4)
    cluster.levers.hold_queues()
    job_set(cluster, "pass", labels={"kueue.x-k8s.io/queue-name": "gpus"}, pod=template("pass", gpus=2))
    wait(lambda: conditions(workload(cluster)).get("QuotaReserved"))
    child = wait(lambda: cluster.store.find(names.JOBS, NAMESPACE, "train-worker-0"))
    assert child["spec"]["suspend"] and not pods(cluster)
    cluster.levers.hold_queues(False)
    condition(cluster, "Completed", names.JOB_SETS)
    condition(cluster, "Finished", names.WORKLOADS, workload(cluster)["metadata"]["name"])


def test_a_queue_that_is_not_there_is_said(cluster: FakeCluster) -> None:
    queued(cluster, "pass", 1)
    found = wait(lambda: conditions(workload(cluster)).get("QuotaReserved"))
    assert (found["reason"], found["message"]) == ("Inadmissible", "LocalQueue gpus doesn't exist")


def test_a_workload_that_is_evicted_gives_its_pods_back_and_comes_again(cluster: FakeCluster) -> None:
    queue(cluster, 4)
    queued(cluster, NAP, 2)
    running(cluster, 2)
    cluster.levers.hold_queues()
    cluster.levers.evict_workload(NAMESPACE, workload(cluster)["metadata"]["name"])
    wait(lambda: not pods(cluster))
    held = conditions(workload(cluster))
    assert held["Evicted"]["reason"] == "Preempted" and held["QuotaReserved"]["status"] == "False"
    cluster.levers.hold_queues(False)
    running(cluster, 2)


def test_a_job_that_is_deleted_while_its_image_is_pulled_leaves_nothing(cluster: FakeCluster) -> None:
    pod = template("pass")
    pod["spec"]["containers"][0]["image"] = "registry.invalid/team/trainer:v9"
    pod["spec"]["terminationGracePeriodSeconds"] = 30
    submit(cluster, "pass", 2, pod=pod)
    wait(lambda: [each for each in pods(cluster) if each["status"].get("containerStatuses")])
    cluster.store.delete(names.JOBS, NAMESPACE, "train")
    wait(lambda: not pods(cluster) and not cluster.store.list(names.JOBS, NAMESPACE))


def test_a_pod_that_is_gone_cannot_be_evicted(cluster: FakeCluster) -> None:
    with pytest.raises(Problem, match="not found"):
        cluster.levers.evict((NAMESPACE, "nobody"))
