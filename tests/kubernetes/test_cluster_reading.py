"""A job's phase, workers, attempts and timeline, from its objects."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from clusterobjects import (
    ID,
    NOW,
    at,
    condition,
    ended,
    event,
    failed_job,
    job,
    objects,
    pod,
    running,
    spec,
    unschedulable,
)
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.kinds.fields import seconds
from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.attempts import between, next_attempt, retryable
from mlk_jupyter.backends.kubernetes.status.read import read
from mlk_jupyter.model import Phase, RankState

STOPPED = {labels.STOPPED: json.dumps({"by": "alice", "at": NOW + 40})}
SUSPENDED = [condition("Suspended", "JobSuspended", when=42)]
COMPLETE = [condition("SuccessCriteriaMet", when=50), condition("Complete", when=51)]

LIFE: list[tuple[str, Objects, Phase]] = [
    ("no pods yet", objects(job(2)), Phase.QUEUED),
    ("pods without a node", objects(job(2), pods=[pod(0, node=None), pod(1, node=None)]), Phase.QUEUED),
    ("one pod has a node", objects(job(2), pods=[pod(0), pod(1, node=None)]), Phase.STARTING),
    ("one of two runs", objects(job(2), pods=[running(0), pod(1)]), Phase.STARTING),
    ("both run", objects(job(2), pods=[running(0), running(1)]), Phase.RUNNING),
    ("one is done", objects(job(2), pods=[ended(0), running(1)]), Phase.RUNNING),
    ("one is done and gone", objects(job(2, completedIndexes="0"), pods=[running(1)]), Phase.RUNNING),
    ("all done and not counted", objects(job(2), pods=[ended(0), ended(1)]), Phase.RUNNING),
    ("about to succeed", objects(job(2, conditions=COMPLETE[:1])), Phase.RUNNING),
    ("complete", objects(job(2, conditions=COMPLETE), pods=[ended(0), ended(1)]), Phase.SUCCEEDED),
    ("one has failed", objects(job(2), pods=[ended(0, 1), running(1)]), Phase.RUNNING),
    (
        "the rest is being ended",
        objects(job(2, conditions=[condition("FailureTarget")]), pods=[ended(0, 1), running(1, deleted=80)]),
        Phase.STOPPING,
    ),
    ("failed", objects(failed_job(2), pods=[ended(0, 1), ended(1, 143)]), Phase.FAILED),
    ("suspended by somebody", objects(job(suspend=True, conditions=SUSPENDED)), Phase.SUSPENDED),
    ("suspended by Kueue", objects(job(suspend=True, queue="q", conditions=SUSPENDED)), Phase.QUEUED),
    ("stopped, ending", objects(job(suspend=True, annotations=STOPPED), pods=[running(deleted=80)]), Phase.STOPPING),
    ("stopped, not yet noticed", objects(job(suspend=True, annotations=STOPPED)), Phase.STOPPING),
    (
        "stopped",
        objects(job(suspend=True, annotations=STOPPED, conditions=SUSPENDED), pods=[ended(0, 143)]),
        Phase.STOPPED,
    ),
    ("stopped, and counted as failed", objects(failed_job(annotations=STOPPED), pods=[ended(0, 143)]), Phase.STOPPED),
    ("stopped, by clocks that differ", objects(failed_job(when=39, annotations=STOPPED)), Phase.STOPPED),
    (
        "stopped by its deadline, by a clock that is behind",
        objects(failed_job(when=20, reason="DeadlineExceeded", deadline_s=1, annotations=STOPPED)),
        Phase.STOPPED,
    ),
    ("failed before it was stopped", objects(failed_job(when=30, annotations=STOPPED)), Phase.FAILED),
    ("complete before it was stopped", objects(job(conditions=COMPLETE, annotations=STOPPED)), Phase.SUCCEEDED),
    ("being deleted", objects(job(metadata={"deletionTimestamp": at(50)}), pods=[running()]), Phase.STOPPING),
    ("deleted, pods ending", objects(pods=[running(deleted=80)]), Phase.STOPPING),
    ("pods seen before their Job", objects(pods=[pod(0)]), Phase.STARTING),
    ("gone", objects(), Phase.STOPPED),
]


@pytest.mark.parametrize(("given_", "phase"), [one[1:] for one in LIFE], ids=[one[0] for one in LIFE])
def test_the_phase_of_a_job_is_that_of_its_objects(given_: Objects, phase: Phase) -> None:
    workers = given_.owners[0]["spec"]["completions"] if given_.owners else 1
    reading = read(given_, spec(workers))
    assert reading.phase is phase
    assert reading.transitions[-1].phase is phase


@given(st.lists(st.sampled_from([one[1] for one in LIFE]), min_size=1, max_size=8))
def test_readings_in_whatever_order_never_leave_a_final_phase(many: list[Objects]) -> None:
    before = None
    for objects_ in many:
        now = read(objects_, spec(2), before=before)
        if before is not None and before.phase.final:
            assert now == before
        before = now


def test_a_timeline_has_the_times_of_the_objects() -> None:
    whole = objects(job(2, conditions=COMPLETE, completionTime=at(51)), pods=[ended(0), ended(1)])
    reading = read(whole, spec(2))
    assert [(step.phase, step.at - NOW) for step in reading.transitions] == [
        (Phase.QUEUED, 0),
        (Phase.STARTING, 1),
        (Phase.RUNNING, 5),
        (Phase.SUCCEEDED, 51),
    ]
    assert (reading.created_at, reading.started_at, reading.finished_at) == (NOW, NOW + 5, NOW + 51)
    assert reading.reason is not None and reading.reason.text == "All 2 processes finished in 46 s."


def test_a_job_that_never_ran_has_no_start() -> None:
    reading = read(objects(failed_job(), pods=[unschedulable("0/1 nodes are available: 1 Insufficient cpu.")]), spec())
    assert reading.started_at is None
    assert Phase.RUNNING not in [step.phase for step in reading.transitions]


def test_a_stop_is_told_with_who_asked_for_it_and_when() -> None:
    stopped = objects(job(suspend=True, annotations=STOPPED, conditions=SUSPENDED), pods=[ended(0, 143, when=45)])
    reading = read(stopped, spec())
    assert reading.reason is not None and reading.reason.text == "alice stopped it."
    assert reading.finished_at == NOW + 45
    assert [step.phase for step in reading.transitions][-2:] == [Phase.STOPPING, Phase.STOPPED]
    ending = read(objects(job(suspend=True, annotations=STOPPED), pods=[running(deleted=80)]), spec())
    assert ending.reason is not None and ending.reason.text == "alice stopped it. 1 worker is still ending."


def test_a_stop_that_had_to_kill_says_whom_and_after_how_long() -> None:
    pods = [ended(0, 137, when=75), ended(1, 143, when=45)]
    stopped = objects(job(2, suspend=True, annotations=STOPPED, conditions=SUSPENDED), pods=pods)
    reason = read(stopped, spec(2, grace_period_s=45)).reason
    assert reason is not None
    assert reason.text == "alice stopped it. Rank 0 was killed, not having ended within 45 s."
    assert "--grace-period" in (reason.hint or "")


def test_a_worker_is_its_newest_pod_unless_one_has_succeeded() -> None:
    old, new = running(0), running(0)
    new["metadata"] = {**new["metadata"], "name": "newer", "uid": "newer", "creationTimestamp": at(20)}
    assert read(objects(job(), pods=[new, old]), spec()).ranks_by_worker[0].pod == "newer"
    assert read(objects(job(), pods=[new, ended(0)]), spec()).ranks_by_worker[0].state is RankState.SUCCEEDED


def test_a_lost_attempt_is_followed_by_the_next_one() -> None:
    lost = ended(0, 137, conditions=[condition("DisruptionTarget", "EvictionByEvictionAPI", when=49)])
    first = objects(failed_job(), pods=[lost])
    asked = spec(retries=2)
    failed = read(first, asked)
    assert failed.phase is Phase.FAILED and failed.attempt == 1 and retryable(first, failed)
    both = objects(failed_job(), job(attempt=2, created=70), pods=[lost, pod(0, attempt=2)], now=80)
    reading = read(both, asked, before=failed)
    assert (reading.phase, reading.attempt) == (Phase.STARTING, 2)
    (earlier,) = reading.attempts
    assert (earlier.number, earlier.reason.code) == (1, "drained")
    assert (earlier.started_at, earlier.ended_at) == (NOW + 5, NOW + 60)
    assert reading.created_at == NOW and reading.started_at == NOW + 5
    assert [step.phase for step in reading.transitions] == [
        Phase.QUEUED,
        Phase.STARTING,
        Phase.RUNNING,
        Phase.QUEUED,
        Phase.STARTING,
    ]
    assert [worker.pod for worker in reading.ranks_by_worker.values()] == [f"{ID}-r2-0-abcde"]


def test_why_a_rank_was_lost_is_known_though_its_pod_vanished_before_the_job_failed() -> None:
    lost = running(1, conditions=[condition("DisruptionTarget", "PreemptionByScheduler", when=49)], deleted=80)
    before = read(objects(job(2), pods=[running(0), lost]), spec(2))
    assert before.phase is Phase.RUNNING
    assert before.reason is not None and before.reason.code == "preempted"
    after = objects(failed_job(2), pods=[ended(0, 75)])
    reading = read(after, spec(2), before=before)
    assert reading.reason is not None and reading.reason.code == "preempted"
    assert sorted(reading.ranks_by_worker) == [0, 1]
    assert retryable(after, reading)
    assert not retryable(objects(), reading)


def test_a_job_still_runs_while_a_lost_pod_is_gone_and_the_job_has_not_said_so() -> None:
    lost = running(1, conditions=[condition("DisruptionTarget", "EvictionByEvictionAPI", when=20)], deleted=80)
    before = read(objects(job(2), pods=[running(0), lost]), spec(2))
    between_ = read(objects(job(2), pods=[running(0)]), spec(2), before=before)
    assert between_.phase is Phase.RUNNING
    assert between_.reason is not None and between_.reason.code == "drained"
    assert Phase.STARTING not in [step.phase for step in between_.transitions[-1:]]
    after = read(objects(failed_job(2), pods=[]), spec(2), before=between_)
    assert after.reason is not None and after.reason.code == "drained"


def test_a_lost_attempt_is_not_over_while_the_next_one_is_made_though_its_pods_vanish() -> None:
    asked = spec(retries=1)
    lost = ended(0, 137, conditions=[condition("DisruptionTarget", "PreemptionByScheduler", when=49)])
    failed = read(objects(failed_job(), pods=[lost]), asked)
    announced = between(objects(failed_job()), failed, 2, asked)
    assert announced.starts_again and not failed.starts_again
    bare = objects(failed_job())
    reading = read(bare, asked, before=announced)
    assert reading.reason is not None and reading.reason.code == "preempted"
    assert next_attempt(bare, reading, asked) == 2


def job_set(restarts: int = 0, **status: Any) -> Manifest:
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": ID, "uid": "uid-set", "creationTimestamp": at(0), "labels": {labels.JOB: ID}},
        "spec": {"suspend": False},
        "status": {"restarts": restarts, **status},
    }


def of_set(worker: Manifest, restart: int) -> Manifest:
    worker = copy.deepcopy(worker)
    worker["metadata"]["labels"]["jobset.sigs.k8s.io/restart-attempt"] = str(restart)
    return worker


def test_a_job_set_s_restarts_are_attempts() -> None:
    child = of_set(job(2, metadata={"name": f"{ID}-worker-0"}), 1)
    old, new = of_set(ended(0, 1), 0), of_set(running(0), 1)
    reading = read(objects(job_set(1), children=[child], pods=[old, new]), spec(2, retries=3))
    assert (reading.phase, reading.attempt) == (Phase.STARTING, 2)
    assert [(one.number, one.reason.code) for one in reading.attempts] == [(1, "restarted")]


def test_a_job_set_that_restarts_says_so() -> None:
    reading = read(objects(job_set(2)), spec(2, retries=3))
    assert (reading.phase, reading.attempt) == (Phase.QUEUED, 3)
    assert reading.reason is not None and reading.reason.code == "restarting" and "second time" in reading.reason.text
    assert not reading.starts_again  # the cluster does so by itself


def test_a_job_set_that_restarted_too_often_says_how_often_and_why() -> None:
    over = {"conditions": [condition("Failed", "ReachedMaxRestarts", "jobset failed due to reaching max restarts")]}
    bare = read(objects(job_set(3, **over)), spec(2, retries=3))
    assert bare.phase is Phase.FAILED
    assert bare.reason is not None and bare.reason.code == "restarts_used_up" and "3 times" in bare.reason.text
    failed = of_set(ended(1, 3), 3)
    told = objects(job_set(3, **over), children=[of_set(failed_job(2), 3)], pods=[failed])
    reason = read(told, spec(2, retries=3)).reason
    assert reason is not None and reason.code == "rank_failed"
    assert "exit code 3" in reason.text and "3 times" in reason.text
    assert not retryable(told, read(told, spec(2, retries=3)))


def test_a_job_set_ends_as_its_conditions_say() -> None:
    done = {"conditions": [condition("Completed", "AllJobsCompleted", when=70)], "terminalState": "Completed"}
    reading = read(objects(job_set(0, **done)), spec(2))
    assert (reading.phase, reading.finished_at) == (Phase.SUCCEEDED, NOW + 70)


def test_several_ranks_in_a_pod_are_called_a_worker() -> None:
    reading = read(objects(failed_job(2), pods=[ended(1, 139), ended(0, 75)]), spec(2, 4))
    assert reading.reason is not None and reading.reason.text.startswith("Worker 1 crashed")
    assert reading.ranks_by_worker[1].signal == "SIGSEGV"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-01-15T08:00:00Z", 1_800_000_000.0),
        ("2027-01-15T08:00:00.5Z", 1_800_000_000.5),
        ("2027-01-15T08:00:00.123456789Z", 1_800_000_000.123456),
        ("2027-01-15T09:00:00+01:00", 1_800_000_000.0),
        ("1970-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("soon", None),
        (None, None),
    ],
)
def test_times_of_the_api_are_read(text: str | None, expected: float | None) -> None:
    found = seconds(text)
    assert found == (pytest.approx(expected) if expected is not None else None)


WHOLE: Manifest = {
    "jobs": [failed_job(2, annotations=STOPPED, deadline_s=60, startTime=at(0))],
    "pods": [
        ended(0, 137, reason="OOMKilled", message='{"ename": "E", "evalue": 1}', limits={"memory": "1Gi"}),
        unschedulable("0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods.", 1),
        running(2, deleted=20, conditions=[condition("DisruptionTarget", "PreemptionByScheduler")]),
    ],
    "events": [
        event(pod(0), "FailedMount", "Multi-Attach"),
        event(job(), "FailedCreate", "exceeded quota: q, requested: a=1"),
    ],
    "workload": {"metadata": {}, "spec": {}, "status": {"conditions": [condition("Evicted", "Preempted")]}},
}
ODD = st.sampled_from([None, 0, -1, 1e300, True, "", "x", "-", [], {}, [None], {"a": None}, [[]], "9" * 400])


def places(item: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


PLACES = [path for path in places(WHOLE) if len(path) > 1]


@given(st.lists(st.tuples(st.sampled_from(PLACES), ODD), min_size=1, max_size=4), st.booleans())
def test_objects_of_whatever_shape_are_read_without_an_error(
    changes: list[tuple[tuple[Any, ...], Any]], set_too: bool
) -> None:
    whole = copy.deepcopy(WHOLE)
    for path, value in changes:
        inner: Any = whole
        try:
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    kept = {key: [one for one in whole[key] if isinstance(one, dict)] for key in ("jobs", "pods", "events")}
    jobs = kept.pop("jobs")
    made = {"owners": [job_set(1)], "children": jobs} if set_too else {"owners": jobs}
    reading = read(Objects(ID, **made, **kept, workload=whole["workload"], now=NOW), spec(3))
    assert reading.transitions


def test_a_pod_that_was_deleted_is_named_also_where_its_job_was_heard_of_first() -> None:
    """Jobs and pods are told apart: that a Job has failed may be known before what became of its pod."""
    failing = job(failed=1, conditions=[condition("FailureTarget", "BackoffLimitExceeded", when=55)])
    first = read(objects(failing, pods=[running(0)]), spec())
    assert first.phase is Phase.STOPPING and first.reason is not None and first.reason.code == "failed"
    reading = read(objects(failed_job()), spec(), before=first)
    assert reading.phase is Phase.FAILED and reading.reason is not None and reading.reason.code == "pod_deleted"
