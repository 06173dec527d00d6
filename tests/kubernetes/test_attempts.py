"""Attempts as they are read one after the other: none is taken for another."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
from clusterobjects import ID, NOW, at, condition, ended, failed_job, job, objects, pod, running, spec
from kube import recordings

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.job_status import reading_of, submission_of
from mlk_jupyter.backends.kubernetes.kinds.registry import kind_of_job, kinds
from mlk_jupyter.backends.kubernetes.recording import merging
from mlk_jupyter.backends.kubernetes.resources import JOBS, Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.read import Reading
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob
from mlk_jupyter.backends.kubernetes.watch.holdings import Holdings
from mlk_jupyter.backends.kubernetes.watch.pruning import keep_event, keep_job, keep_pod, packing
from mlk_jupyter.model import JobSpec, Phase, RankState, RankStatus
from mlk_jupyter.record.folder import JobFolder
from mlk_jupyter.record.replay import Replay

KEEPS = {
    "jobs": ("jobs", keep_job(JOBS)),
    "jobsets": ("jobs", keep_job(kinds()["jobset"].resource)),
    "pods": ("pods", keep_pod),
    "events": ("events", keep_event),
}
Q, S, R = Phase.QUEUED, Phase.STARTING, Phase.RUNNING
SUSPENDED = [condition("Suspended", "JobSuspended", when=42)]
RESUMED = [condition("Suspended", "JobResumed", status="False", when=70)]


def told(story: Sequence[Objects], asked: JobSpec) -> list[Reading]:
    """What each step is read as, each knowing the one before, as the recorder reads them."""
    found: list[Reading] = []
    about = SubmittedJob(id=ID, namespace="default", spec=asked, nonce="0")
    for step in story:
        found.append(reading_of(step, about, None, found[-1] if found else None))
    return found


def again(worker: Manifest, created: float) -> Manifest:
    """A pod of the same name's beginning, made later."""
    found = copy.deepcopy(worker)
    name = f"{found['metadata']['name'][:-5]}fghij"
    found["metadata"].update(name=name, uid=f"uid-{name}", creationTimestamp=at(created))
    return found


def lost_to(reason: str) -> list[Objects]:
    """Made: a Job of two pods, one of which the cluster ends; the next attempt; the same again."""
    steps = [objects(job(2), pods=[running(0), running(1)], now=10)]
    jobs: list[Manifest] = []
    for attempt, since in ((1, 40), (2, 140)):
        here, following = job(2, attempt=attempt, created=since - 40), job(2, attempt=attempt + 1, created=since + 60)
        left = running(0, attempt=attempt, started=since - 35)
        target = [condition("DisruptionTarget", reason, when=since)]
        gone = running(1, attempt=attempt, started=since - 35, conditions=target, deleted=since + 30)
        steps.append(objects(*jobs, here, pods=[left, gone], now=since))
        steps.append(objects(*jobs, here, pods=[left], now=since + 10))
        jobs.append(failed_job(2, attempt=attempt, when=since + 20, created=since - 40))
        begun = [running(rank, attempt=attempt + 1, started=since + 65) for rank in (0, 1)]
        steps.append(objects(*jobs, now=since + 20))
        steps.append(objects(*jobs, following, now=since + 60))
        steps.append(objects(*jobs, following, pods=[begun[0], pod(1, attempt=attempt + 1)], now=since + 65))
        steps.append(objects(*jobs, following, pods=begun, now=since + 66))
    return steps


@pytest.mark.parametrize("reason", ["EvictionByEvictionAPI", "DeletionByTaintManager", "PreemptionByScheduler"])
def test_an_attempt_runs_when_its_own_ranks_do_and_began_when_they_began(reason: str) -> None:
    asked = spec(2, retries=3)
    readings = told(lost_to(reason), asked)
    seen = [(one.attempt, one.phase) for one in readings]
    assert list(dict.fromkeys(seen)) == [(1, R), (2, Q), (2, S), (2, R), (3, Q), (3, S), (3, R)]
    last = readings[-1]
    assert [(one.number, one.started_at) for one in last.attempts] == [(1, NOW + 5), (2, NOW + 105)]
    assert last.started_at == NOW + 5
    kept = []
    for reading, step in zip(readings, lost_to(reason), strict=True):
        kept = merging.timeline_of(kept, reading, reading.phase, step.now)
    assert [step.phase for step in kept] == [Q, S, R, Q, S, R, Q, S, R]


def test_a_job_that_its_queue_takes_out_and_lets_in_again_waits_until_its_new_pods_run() -> None:
    first = [running(0), running(1)]
    queued = {"queue": "team", "created": 0}
    second = [again(running(rank, started=80), 75) for rank in (0, 1)]
    steps = [
        objects(job(2, startTime=at(0), **queued), pods=first, now=10),
        objects(job(2, suspend=True, **queued), pods=[running(0, deleted=60), running(1, deleted=60)], now=41),
        objects(job(2, suspend=True, conditions=SUSPENDED, **queued), pods=[], now=50),
        objects(job(2, startTime=at(70), conditions=RESUMED, **queued), pods=[running(0, deleted=75)], now=71),
        objects(job(2, startTime=at(70), conditions=RESUMED, **queued), pods=[second[0]], now=82),
        objects(job(2, startTime=at(70), conditions=RESUMED, **queued), pods=second, now=83),
    ]
    expected = [R, Q, Q, Q, S, R]
    assert [one.phase for one in told(steps, spec(2))] == expected
    missed = [steps[0], *steps[3:]]  # by whoever was away while it was suspended
    assert [one.phase for one in told(missed, spec(2))] == [R, Q, S, R]
    assert told(missed, spec(2))[-1].reason is None


def test_no_attempt_follows_when_the_namespace_is_deleted() -> None:
    """Made: a namespace goes with its pods first, whose Job is there for a while (KEP-5080)."""
    ends = [ended(rank, 143, deleted=70) for rank in (0, 1)]
    failing = job(2, conditions=[condition("FailureTarget", "BackoffLimitExceeded", when=60)], failed=2)
    steps = [
        objects(job(2), pods=[running(0), running(1)]),
        objects(job(2), pods=[running(0, deleted=70), running(1, deleted=70)]),
        objects(failing, pods=ends),
        objects(failed_job(2)),
        objects(failed_job(2, metadata={"deletionTimestamp": at(80)})),
        objects(),
    ]
    readings = told(steps, spec(2, retries=3))
    assert [one.phase for one in readings] == [R, R, Phase.STOPPING, Phase.FAILED, Phase.FAILED, Phase.FAILED]
    assert {one.attempt for one in readings} == {1}
    assert readings[-1].reason is not None and "not retried" in readings[-1].reason.text


def test_what_was_heard_of_the_attempt_before_is_not_shown_as_this_one_s() -> None:
    asked = spec(1, retries=1)
    lost = ended(0, 137, conditions=[condition("DisruptionTarget", "EvictionByEvictionAPI", when=49)])
    announced = told([objects(failed_job(), pods=[lost])], asked)[-1]
    assert announced.starts_again and announced.ranks_by_worker == {}
    about = SubmittedJob(id=ID, namespace="default", spec=asked, nonce="0")
    first = merging.first_status(about, "kubernetes", JobFolder.of(ID))
    ran = first.model_copy(update={"ranks": [RankStatus(rank=0, worker=0, state=RankState.FAILED, exit_code=137)]})
    changed = merging.changes(ran, announced, Replay({"cells": []}, job_id=ID), lambda rank: None, lambda rank: None)
    assert changed["attempt"] == 2 and changed["ranks"] == []


@pytest.mark.parametrize("late", ["jobs", "jobsets", "pods", "events"])
@pytest.mark.parametrize("by", [3, 20])
def test_a_job_set_s_restart_is_left_to_it_whichever_watch_is_behind(late: str, by: int) -> None:
    told = list(recordings.entries("jobset-restarted-after-eviction"))
    name = next(one["object"]["metadata"]["name"] for one in told if one["resource"] == "jobsets")
    held, before, attempts = Holdings(), None, set()
    for _, one in sorted(enumerate(told), key=lambda item: item[0] + (by if item[1]["resource"] == late else 0)):
        place, keep = KEEPS[one["resource"]]
        packed = packing(keep, lambda whole: name)(one["object"])
        if packed is not None:
            (held.drop if one["type"] == "DELETED" else held.put)(place, packed)
        found = held.objects(name, NOW)
        about = submission_of(found)
        if about is not None:
            before = reading_of(found, about, None, before)
            attempts.add(before.attempt)
            assert not before.starts_again
    assert before is not None and before.phase is Phase.SUCCEEDED and attempts == {1, 2}


def test_a_job_set_restarts_by_itself_though_a_job_of_it_has_lost_its_owner() -> None:
    labelled = {labels.JOB: ID, labels.MANAGED_BY: labels.OURS, labels.ATTEMPT: "1"}
    owner = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": ID, "uid": "uid-set", "creationTimestamp": at(1), "labels": labelled},
    }
    made = failed_job(2, metadata={"name": f"{ID}-worker-0", "uid": "uid-child", "creationTimestamp": at(0)})
    keeps = {"JobSet": KEEPS["jobsets"][1], "Job": KEEPS["jobs"][1]}
    held = Holdings()
    for one in (owner, made):
        held.put("jobs", packing(keeps[one["kind"]], lambda whole: ID)(one) or {})
    found = held.objects(ID, NOW)
    assert [one["metadata"]["name"] for one in found.owners] == [ID]
    assert kind_of_job(found).restarts_itself
