"""What is kept of a cluster's jobs in memory."""

from __future__ import annotations

import gc

from clusterobjects import ID, event, job, pod

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.resources import JOBS, Manifest
from mlk_jupyter.backends.kubernetes.watch.holdings import Holdings, Snapshot
from mlk_jupyter.backends.kubernetes.watch.pruning import keep_event, keep_job, keep_pod, packing

KEEPS = {"jobs": keep_job(JOBS), "pods": keep_pod, "events": keep_event}


def packed(place: str, whole: Manifest, about: str = ID) -> Manifest:
    found = packing(KEEPS[place], lambda _: about)(whole)
    assert found is not None
    return found


def with_version(one: Manifest, version: str) -> Manifest:
    return {**one, "metadata": {**one["metadata"], "resourceVersion": version}}


def test_a_job_is_there_as_long_as_something_of_it_is() -> None:
    held = Holdings()
    assert held.put("jobs", packed("jobs", job())) == held.put("pods", packed("pods", pod())) == ID
    assert held.exists(ID) and held.job_ids() == {ID}
    assert held.drop("jobs", packed("jobs", job())) == ID
    assert not held.exists(ID) and held.job_ids() == {ID} and len(held.objects(ID, 0.0).pods) == 1
    held.drop("pods", packed("pods", pod()))
    held.drop("pods", packed("pods", pod()))  # told of twice
    assert not held.job_ids() and not Snapshot(held, 0.0)


def test_what_is_of_none_of_our_jobs_is_not_kept() -> None:
    held = Holdings()
    assert held.put("pods", packed("pods", pod(), about="web-server")) is None
    assert not held.job_ids()


def test_an_object_that_changed_is_there_once_as_it_is_now() -> None:
    held = Holdings()
    for version in ("1", "2"):
        held.put("pods", packed("pods", with_version(pod(), version)))
    assert [one["metadata"]["resourceVersion"] for one in held.objects(ID, 0.0).pods] == ["2"]


def test_an_event_that_changed_is_the_latest() -> None:
    held = Holdings()
    first, second = event(pod(), "Pulling", when=1), event(pod(), "Pulled", when=2)
    for one in (first, second, first):
        held.put("events", packed("events", one))
    assert [one["name"] for one in held.packed("events", ID)] == [
        second["metadata"]["name"],
        first["metadata"]["name"],
    ]


def test_the_garbage_collector_has_nothing_more_to_walk_through_for_many_jobs() -> None:
    held = Holdings()
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1_000):
        job_id = f"digits-{number:010x}"
        whole = job(metadata={"name": job_id, "uid": job_id, "labels": {labels.JOB: job_id}})
        held.put("jobs", packed("jobs", whole, job_id))
        held.put("pods", packed("pods", pod(), job_id) | {"uid": f"{job_id}-0"})
    gc.collect()
    assert len(held.job_ids()) == 1_000
    assert len(gc.get_objects()) - before < 100
