"""The tests' cluster does what a real one was recorded to do, and runs pods as processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kube import names
from kube.cluster import JOB_SET_CRDS, KUEUE_CRDS, FakeCluster
from kube.stories import Recording, differences, recorded, story, submitted

Object = dict[str, Any]
NAMESPACE = "ml-team"


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """One node with GPUs. Slow enough that pods which end together are seen together."""
    with FakeCluster(nodes=[{"name": "node1", "gpus": 8}], speed=3) as found:
        found.namespace(NAMESPACE)
        yield found
        assert found.controllers is not None and found.controllers.failures == []


def until(holds: Callable[[], bool], within_s: float = 30) -> bool:
    """Wait until something holds; gives whether it does."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def held(job: Object, door: Path) -> Object:
    """The Job with its pods' naps replaced by waiting for a file, all waking at once, or each by its number."""
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    head, _, tail = command[2].rpartition("time.sleep(")
    own = f"{str(door)!r} + os.environ['JOB_COMPLETION_INDEX']"
    wait = f"[time.sleep(.01) for _ in iter(lambda: os.path.exists({str(door)!r}) or os.path.exists({own}), True)]"
    command[2] = f"import os; {head}{wait}{tail.partition(')')[2]}"
    return job


NAP = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
open({door!r} + "." + os.environ["HOSTNAME"], "w").close()  # from here on it can be ended
while not os.path.exists({door!r}):
    time.sleep(0.01)
"""


def napping(spec: Object, door: Path) -> None:
    """Of a pod's spec: its container waits for a file in place of running a notebook, and needs no volumes for that."""
    del spec["volumes"]
    for container in spec["containers"]:
        container["command"] = ["python3", "-c", NAP.format(door=str(door))]
        del container["volumeMounts"], container["workingDir"]


def all_ready(cluster: FakeCluster, count: int, name: str = "train") -> Callable[[], bool]:
    def ready() -> bool:
        job = cluster.store.find(names.JOBS, NAMESPACE, name) or {}
        return (job.get("status") or {}).get("ready") == count

    return ready


def check(
    recording: Recording, name: str, *, missing: Mapping[str, int] | None = None, more: Mapping[str, int] | None = None
) -> None:
    """What happened is what was recorded.

    Args:
        missing: of which object's story the tests' cluster does not tell an entry, by the entry's number.
        more: of which object's story the recording lacks one that the tests' cluster tells.
    """
    wanted = story(recorded(name))
    for key, number in (missing or {}).items():
        del wanted[key][number]

    def found() -> list[str]:
        told = recording.story()
        for key, number in (more or {}).items():
            del told.get(key, [])[number : number + 1]
        return differences(told, wanted)

    until(lambda: not found(), 15)
    assert found() == [], "\n".join(found())


def test_a_job_succeeds_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("succeeds"), door))
    assert until(all_ready(cluster, 2))
    door.touch()
    check(recording, "succeeds")


def test_a_job_fails_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("fails"), door))
    assert until(all_ready(cluster, 2))
    door.touch()
    check(recording, "fails")


@pytest.mark.parametrize("name", ["bad-command", "unschedulable-gpu", "missing-secret"])
def test_a_job_that_cannot_start_says_so_as_recorded(cluster: FakeCluster, name: str) -> None:
    recording = Recording(cluster.store)
    cluster.create(names.JOBS, submitted(name))
    check(recording, name)


def test_an_image_that_cannot_be_pulled_is_tried_again_as_recorded() -> None:
    with FakeCluster(nodes=[{"name": "node1"}], speed=20) as cluster:
        cluster.namespace(NAMESPACE)
        recording = Recording(cluster.store)
        cluster.create(names.JOBS, submitted("image-pull-error"))
        check(recording, "image-pull-error")


def test_a_quota_lets_some_pods_in_and_the_rest_later_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    quota = {"metadata": {"name": "ml-team-quota"}, "spec": {"hard": {"requests.nvidia.com/gpu": "2"}}}
    cluster.create(names.QUOTAS, quota, NAMESPACE)
    cluster.create(names.JOBS, held(submitted("quota-exceeded"), door))

    def refusals() -> int:
        return sum(each["reason"] == "FailedCreate" for each in cluster.store.list(names.EVENTS, NAMESPACE))

    assert until(all_ready(cluster, 2)) and until(lambda: refusals() >= 3)
    door.touch()
    wanted, said = story(recorded("quota-exceeded")), "events of train by job-controller"
    # How often it was tried in vain, and what was counted meanwhile, is a matter of time.
    words = {entry[1:3] for entry in wanted.pop(said)}
    wanted.pop("job train")

    def others() -> list[str]:
        told = recording.story()
        return differences({key: told[key] for key in told if key not in (said, "job train")}, wanted)

    until(lambda: not others())
    assert others() == []
    assert {entry[1:3] for entry in recording.story()[said]} >= words
    assert [entry[0]["active"] for entry in recording.story()["job train"]][:2] == [None, 2]


def test_a_suspended_job_waits_and_resumes_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("suspended-then-resumed"), door))
    assert until(lambda: any(each["reason"] == "Suspended" for each in cluster.store.list(names.EVENTS, NAMESPACE)))
    cluster.store.change(names.JOBS, NAMESPACE, "train", lambda job: job["spec"].update(suspend=False))
    assert until(all_ready(cluster, 2))
    door.touch()
    check(recording, "suspended-then-resumed")


def test_a_job_past_its_deadline_is_ended_as_recorded(cluster: FakeCluster) -> None:
    job = submitted("deadline-exceeded")
    job["spec"]["activeDeadlineSeconds"] = 3
    job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1
    recording = Recording(cluster.store)
    cluster.create(names.JOBS, job)
    check(recording, "deadline-exceeded")


def test_a_container_without_memory_is_killed_as_recorded(cluster: FakeCluster) -> None:
    job = submitted("out-of-memory")
    job["spec"]["template"]["spec"]["containers"][0]["command"][2] = "import time; time.sleep(60)"
    recording = Recording(cluster.store)
    cluster.create(names.JOBS, job)
    assert until(all_ready(cluster, 1))
    cluster.levers.oom_kill(cluster.store.list(names.PODS, NAMESPACE)[0])
    check(recording, "out-of-memory")


def test_a_claim_without_its_storage_class_holds_the_pod_as_recorded(cluster: FakeCluster) -> None:
    recording = Recording(cluster.store)
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "imagenet"}, "spec": {"storageClassName": "fsx-lustre", **asked}}
    cluster.create(names.CLAIMS, claim, NAMESPACE)
    cluster.create(names.JOBS, submitted("volume-pending"))
    check(recording, "volume-pending")


def settled(job: list[Any]) -> list[Any]:
    """Of a Job's story what it comes to while all of its two pods are alike: whether their ends are counted in one step
    or in two is chance, also in a real cluster."""
    found = [
        ({name: counts[name] for name in ("active", "succeeded", "failed", "completedIndexes")}, conditions)
        for counts, conditions, uncounted, *_ in job
        if counts["active"] in (None, 2) and not any((uncounted or {}).values())
    ]
    return [one for number, one in enumerate(found) if number == 0 or one != found[number - 1]]


def test_failed_pods_are_replaced_after_a_while_as_recorded(tmp_path: Path) -> None:
    with FakeCluster(nodes=[{"name": "node1"}], speed=6) as cluster:
        cluster.namespace(NAMESPACE)
        recording, door = Recording(cluster.store), tmp_path / "door"
        cluster.create(names.JOBS, held(submitted("retries-then-succeeds"), door))
        assert until(all_ready(cluster, 2))
        door.touch()
        wanted, job = story(recorded("retries-then-succeeds")), "job train"
        counted = settled(wanted.pop(job))

        def others() -> list[str]:
            told = recording.story()
            return differences({key: told[key] for key in told if key != job}, wanted)

        until(lambda: not others() and settled(recording.story()[job]) == counted)
        assert others() == []
        assert settled(recording.story()[job]) == counted


def test_pods_of_a_deleted_job_may_finish_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("deleted-while-running"), door))
    assert until(all_ready(cluster, 2))
    cluster.store.delete(names.JOBS, NAMESPACE, "train")
    assert until(lambda: all(pod["metadata"].get("deletionTimestamp") for pod in cluster.store.list(names.PODS)))
    door.touch()
    check(recording, "deleted-while-running")
    assert until(lambda: not cluster.store.list(names.PODS, NAMESPACE))


def test_a_pod_that_was_deleted_may_succeed_all_the_same_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("pod-deleted-and-replaced"), door))
    assert until(all_ready(cluster, 2))
    second = next(pod for pod in cluster.store.list(names.PODS) if pod["metadata"]["name"].startswith("train-1-"))
    name = second["metadata"]["name"]
    cluster.store.delete(names.PODS, NAMESPACE, name)
    assert until(lambda: cluster.store.get(names.PODS, NAMESPACE, name)["status"]["observedGeneration"] == 2)
    door.with_name("door1").touch()
    assert until(lambda: cluster.store.find(names.PODS, NAMESPACE, name) is None)
    door.with_name("door0").touch()
    check(recording, "pod-deleted-and-replaced")


def test_what_cannot_run_on_its_node_s_processor_fails_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording = Recording(cluster.store)
    job = submitted("foreign-architecture")
    pod = job["spec"]["template"]["spec"]
    napping(pod, tmp_path)
    pod["containers"][0]["command"] = ["sh", "-c", "exit 1"]
    cluster.create(names.JOBS, job)
    check(recording, "foreign-architecture")


def test_pods_of_a_job_that_is_deleted_alone_run_on_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    job = submitted("orphaned-pods")
    napping(job["spec"]["template"]["spec"], door)
    cluster.create(names.JOBS, job)
    assert until(all_ready(cluster, 2, job["metadata"]["name"]))
    cluster.store.delete(names.JOBS, NAMESPACE, job["metadata"]["name"], propagation="Orphan")
    assert until(lambda: not cluster.store.list(names.JOBS, NAMESPACE))
    door.touch()
    check(recording, "orphaned-pods")


def test_an_evicted_job_set_is_restarted_whole_as_recorded(tmp_path: Path) -> None:
    with FakeCluster(nodes=[{"name": "node1"}], crds=JOB_SET_CRDS, speed=3) as cluster:
        cluster.namespace(NAMESPACE)
        recording, door = Recording(cluster.store), tmp_path / "door"
        job_set = submitted("jobset-restarted-after-eviction", "JobSet")
        name = job_set["metadata"]["name"]
        child = f"{name}-worker-0"
        napping(job_set["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"], door)
        cluster.create(names.JOB_SETS, job_set)
        assert until(all_ready(cluster, 2, child))
        first = {pod["metadata"]["name"] for pod in cluster.store.list(names.PODS, NAMESPACE)}
        assert until(lambda: len(list(tmp_path.glob("door.*"))) == 2)
        cluster.levers.evict((NAMESPACE, min(first)))
        assert until(lambda: not first & {pod["metadata"]["name"] for pod in cluster.store.list(names.PODS, NAMESPACE)})
        assert until(all_ready(cluster, 2, child))
        door.touch()
        # The recorded JobSet looked between its Job's success and the end of it, which are one step here.
        check(recording, "jobset-restarted-after-eviction", missing={f"jobset {name}": 10})


def test_a_queue_admits_one_job_after_the_other_as_recorded(tmp_path: Path) -> None:
    with FakeCluster(nodes=[{"name": "node1"}], crds=KUEUE_CRDS, speed=3) as cluster:
        cluster.namespace(NAMESPACE)
        recording = Recording(cluster.store)
        quota = [{"name": "cpu", "nominalQuota": "1"}, {"name": "memory", "nominalQuota": "8Gi"}]
        group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "default", "resources": quota}]}
        queue = {"metadata": {"name": "research"}, "spec": {"namespaceSelector": {}, "resourceGroups": [group]}}
        cluster.create(names.CLUSTER_QUEUES, queue)
        cluster.create(
            names.LOCAL_QUEUES, {"metadata": {"name": "team"}, "spec": {"clusterQueue": "research"}}, NAMESPACE
        )
        jobs = [submitted("kueue-waits-then-admitted", about=about) for about in ("holder", "train")]
        for job in jobs:
            job["spec"].pop("suspend")
            napping(job["spec"]["template"]["spec"], tmp_path / job["metadata"]["name"])
        holder, train = (job["metadata"]["name"] for job in jobs)
        cluster.create(names.JOBS, jobs[0])
        assert until(all_ready(cluster, 2, holder))
        cluster.create(names.JOBS, jobs[1])
        assert until(lambda: any(each["reason"] == "Pending" for each in cluster.store.list(names.EVENTS, NAMESPACE)))
        (tmp_path / holder).touch()
        assert until(all_ready(cluster, 1, train))
        (tmp_path / train).touch()
        # The recorded kubelet told of the pod's first two steps at once.
        check(recording, "kueue-waits-then-admitted", more={f"pod {train}-0-xxxxx": 2})
