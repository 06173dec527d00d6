"""What real runs on Kubernetes 1.36 are read as, event by event."""

from __future__ import annotations

import pytest
from recorded import STORIES, steps

from mlk_jupyter.backends.kubernetes.status.read import Reading, read
from mlk_jupyter.model import JobSpec, Phase

Q, S, R, E, F, X = Phase.QUEUED, Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.FAILED, Phase.STOPPED
OK, SUSPENDED = Phase.SUCCEEDED, Phase.SUSPENDED

# Story, phases in order, code of the last reason, words that its sentence must hold.
TOLD: list[tuple[str, list[Phase], str, list[str]]] = [
    ("bad-command", [Q, S, E, F], "bad_command", ["/no/such/python", "not in the image"]),
    ("deadline-exceeded", [Q, S, R, E, F], "time_limit", ["6 s", "wait counts"]),
    ("deleted-while-running", [Q, S, R, E, X], "deleted", ["deleted"]),
    ("fails", [Q, S, R, E, F], "rank_failed", ["Rank 1", "exit code 3"]),
    ("foreign-architecture", [Q, S, R, E, F], "rank_failed", ["Rank 0", "exit code 1"]),
    ("image-pull-error", [Q, S], "registry_unknown", ["registry.invalid/team/trainer:v9", "host name"]),
    ("jobset-restarted-after-eviction", [Q, S, R, Q, S, R, OK], "succeeded", ["All 2 processes"]),
    ("kueue-waits-then-admitted", [Q, S, R, OK], "succeeded", ["The only process"]),
    ("missing-secret", [Q, S], "secret_not_found", ["not-there"]),
    ("orphaned-pods", [Q, S, R, E, R, X], "deleted", ["deleted"]),
    ("out-of-memory", [Q, S, R, E, F], "out_of_memory", ["128 MiB", "not GPU memory"]),
    ("pod-deleted-and-replaced", [Q, S, R, OK], "succeeded", ["All 2 processes"]),
    ("quota-exceeded", [Q, S, R], "", []),
    ("retries-then-succeeds", [Q, S, R, S, R, OK], "succeeded", ["All 2 processes"]),
    ("succeeds", [Q, S, R, OK], "succeeded", ["All 2 processes"]),
    ("suspended-then-resumed", [SUSPENDED, Q, S, R, OK], "succeeded", ["All 2 processes"]),
    ("unschedulable-gpu", [Q], "larger_than_any_node", ["needs 2 × 16 GPUs; the only node has less than that"]),
    ("volume-pending", [Q], "claim_unbound", ["imagenet", "no volume"]),
]


def readings(story: str) -> list[Reading]:
    """A reading after each event from the first that shows something of the job, each knowing the one before."""
    found: list[Reading] = []
    workers = 1
    for objects in steps(story):
        if not objects.exists and not objects.pods and not found:
            continue
        jobs = [one for one in (*objects.owners, *objects.children) if one["kind"] == "Job"]
        workers = jobs[0]["spec"]["completions"] if jobs else workers
        spec = JobSpec(name="train", notebook="train.ipynb", workers=workers)
        found.append(read(objects, spec, before=found[-1] if found else None))
    return found


def test_every_recording_is_told_here() -> None:
    assert sorted(story for story, *_ in TOLD) == STORIES


@pytest.mark.parametrize(("story", "phases", "code", "words"), TOLD, ids=[story for story, *_ in TOLD])
def test_a_recorded_story_goes_through_its_phases_and_says_why(
    story: str, phases: list[Phase], code: str, words: list[str]
) -> None:
    told = readings(story)
    seen: list[Phase] = []
    for reading in told:
        if not seen or seen[-1] is not reading.phase:
            seen.append(reading.phase)
    assert seen == phases
    reason = told[-1].reason
    assert (reason.code if reason else "") == code
    assert all(word in (reason.text if reason else "") for word in words), reason


@pytest.mark.parametrize("story", STORIES)
def test_a_story_s_timeline_never_goes_back_and_ends_in_its_phase(story: str) -> None:
    for reading in readings(story):
        times = [step.at for step in reading.transitions]
        assert times == sorted(times)
        assert reading.transitions[-1].phase is reading.phase
        assert reading.created_at is None or reading.created_at <= times[0]


def test_while_a_quota_holds_some_workers_back_the_others_are_said_to_wait_for_them() -> None:
    texts = [reading.reason.text for reading in readings("quota-exceeded") if reading.reason]
    assert any(
        text.startswith("Ranks 2 and 3 of 4 do not run yet; the 2 that run wait for them. The quota ml-team-quota")
        and "asks 1, 2 of 2 used" in text
        for text in texts
    )


def test_what_pods_told_is_known_after_they_are_gone() -> None:
    last = readings("deadline-exceeded")[-1]
    assert last.phase is Phase.FAILED
    assert sorted(last.ranks_by_worker) == [0, 1]
    assert last.started_at is not None
    assert last.finished_at is not None


def test_a_worker_s_end_is_told_with_its_exit_code_and_signal() -> None:
    fails = readings("fails")[-1].ranks_by_worker
    assert (fails[0].exit_code, fails[1].exit_code) == (0, 3)
    killed = readings("out-of-memory")[-1].ranks_by_worker[0]
    assert (killed.exit_code, killed.signal, killed.finished, killed.node) == (137, "SIGKILL", True, "node1")
    never_ran = readings("bad-command")[-1].ranks_by_worker[0]
    assert never_ran.started_at is None


def test_an_eviction_that_restarts_a_job_whole_is_told_with_its_reason() -> None:
    told = readings("jobset-restarted-after-eviction")
    codes = [reading.reason.code for reading in told if reading.reason]
    assert "drained" in codes and "restarting" in codes
    assert told[-1].attempt == 2
    reason = told[-1].attempts[0].reason
    assert reason is not None and reason.code == "drained" and "evicted" in reason.text


def test_a_queue_says_what_is_missing_until_it_admits() -> None:
    codes = dict.fromkeys(reading.reason.code for reading in readings("kueue-waits-then-admitted") if reading.reason)
    waiting = [code for code in codes if code.startswith("queue_")]
    assert waiting == ["queue_unseen", "queue_waiting", "queue_quota", "queue_admitted"]
