"""The tests' cluster does what a real one was recorded to do, and runs pods as processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kube import names
from kube.cluster import FakeCluster
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
    """The Job with its pods' naps replaced by waiting for a file, so that they all wake at once."""
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    head, _, tail = command[2].rpartition("time.sleep(")
    wait = f"[time.sleep(.01) for _ in iter(lambda: __import__('os').path.exists({str(door)!r}), True)]"
    command[2] = f"{head}{wait}{tail.partition(')')[2]}"
    return job


def all_ready(cluster: FakeCluster, count: int) -> Callable[[], bool]:
    def ready() -> bool:
        return (cluster.store.get(names.JOBS, NAMESPACE, "train").get("status") or {}).get("ready") == count

    return ready


def check(recording: Recording, name: str) -> None:
    wanted = story(recorded(name))
    until(lambda: not differences(recording.story(), wanted), 15)
    assert differences(recording.story(), wanted) == []


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


def test_failed_pods_are_replaced_after_a_while_as_recorded(tmp_path: Path) -> None:
    with FakeCluster(nodes=[{"name": "node1"}], speed=6) as cluster:
        cluster.namespace(NAMESPACE)
        recording, door = Recording(cluster.store), tmp_path / "door"
        cluster.create(names.JOBS, held(submitted("retries-then-succeeds"), door))
        assert until(all_ready(cluster, 2))
        door.touch()
        check(recording, "retries-then-succeeds")


def test_pods_of_a_deleted_job_may_finish_as_recorded(cluster: FakeCluster, tmp_path: Path) -> None:
    recording, door = Recording(cluster.store), tmp_path / "door"
    cluster.create(names.JOBS, held(submitted("deleted-while-running"), door))
    assert until(all_ready(cluster, 2))
    cluster.store.delete(names.JOBS, NAMESPACE, "train")
    assert until(lambda: all(pod["metadata"].get("deletionTimestamp") for pod in cluster.store.list(names.PODS)))
    door.touch()
    check(recording, "deleted-while-running")
    assert until(lambda: not cluster.store.list(names.PODS, NAMESPACE))
