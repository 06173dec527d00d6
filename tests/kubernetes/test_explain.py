"""Every reason that a cluster can give, from the texts that it really gives."""

from __future__ import annotations

import json
import re

import pytest
from clusterobjects import (
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
    waiting,
)
from signals import FORBIDDEN, GPU, IMAGE, PULL, Told, words
from signals_before import ADMISSION, SCHEDULING
from signals_of_pods import CONTAINERS, ENDS
from signals_of_queues import QUEUES

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.resources import Manifest
from mlk_jupyter.backends.kubernetes.status.attempts import retryable
from mlk_jupyter.backends.kubernetes.status.explain.background import Background, largest_of
from mlk_jupyter.backends.kubernetes.status.explain.scheduling import Cause, parse
from mlk_jupyter.backends.kubernetes.status.read import Reading, read
from mlk_jupyter.model import Phase

EVERYTHING = [*SCHEDULING, *ADMISSION, *CONTAINERS, *ENDS, *QUEUES]
BY_NAME = [pytest.param(told, id=told.name) for told in EVERYTHING]


def reading_of(told: Told) -> Reading:
    return read(told.given, told.asked, facts=told.facts)


@pytest.mark.parametrize("told", BY_NAME)
def test_what_the_cluster_signals_is_said_in_words_with_its_figures(told: Told) -> None:
    reading = reading_of(told)
    assert reading.phase is told.phase
    assert reading.reason is not None
    assert reading.reason.code == told.code, reading.reason
    for part in told.words:
        assert part in reading.reason.text, reading.reason.text


@pytest.mark.parametrize("told", BY_NAME)
def test_every_reason_is_one_readable_line(told: Told) -> None:
    reason = reading_of(told).reason
    assert reason is not None
    assert re.fullmatch(r"[a-z][a-z_]+", reason.code)
    assert 10 < len(reason.text) <= 500
    assert reason.text.isprintable() and "  " not in reason.text and ".." not in reason.text
    assert reason.text[-1] not in " :,"


def test_there_is_a_way_out_of_all_that_does_not_pass_by_itself() -> None:
    passing = {"creating", "mounting", "pulling_image", "staging", "scheduling", "pods_to_come", "crash_loop"}
    passing |= {"queue_preempting", "queue_one_by_one", "queue_admitted"}
    without = {told.code for told in EVERYTHING if (reason := reading_of(told).reason) and not reason.hint}
    assert without <= passing


def test_at_least_thirty_situations_are_told_apart() -> None:
    assert len({told.code for told in EVERYTHING}) >= 30


LOST = {"preempted", "node_tainted", "drained", "node_gone", "node_shutdown", "evicted", "disrupted", "node_lost"}
LOST |= {"node_refused", "evicted_disk", "evicted_memory"}


@pytest.mark.parametrize("told", BY_NAME)
def test_only_what_the_cluster_took_away_is_started_again(told: Told) -> None:
    reading = reading_of(told)
    assert retryable(told.given, reading) is (told.phase is Phase.FAILED and told.code in LOST)


def test_the_sentence_and_its_way_out_read_as_one() -> None:
    reason = reading_of(SCHEDULING[0]).reason
    assert reason is not None
    said = f"{reason.text} {reason.hint}"
    assert said == "Waiting: needs 2 × 16 GPUs; the largest node has 8. Ask for at most 8 per worker."


def test_a_scheduler_s_message_is_taken_apart_into_causes_with_their_counts() -> None:
    verdict = parse(
        "0/9 nodes are available: 1 node(s) had untolerated taint {a/b: c}, 2 Insufficient cpu, 3 Insufficient memory, "
        "3 node(s) didn't match Pod's node affinity/selector. preemption: 0/9 nodes are available: 9 No victims."
    )
    assert verdict is not None
    assert (verdict.fitting, verdict.total) == (0, 9)
    assert list(verdict.causes) == [
        Cause("untolerated_taint", 1, "node(s) had untolerated taint {…}", ("a/b=c",)),
        Cause("insufficient", 2, "cpu"),
        Cause("insufficient", 3, "memory"),
        Cause("node_selector", 3, "node(s) didn't match Pod's node affinity/selector"),
    ]
    assert sum(cause.nodes or 0 for cause in verdict.causes) == verdict.total


def test_a_node_that_is_being_made_changes_the_advice() -> None:
    one = unschedulable("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", limits=GPU)
    scaling = event(one, "TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 0->1 (max: 5)}]")
    reason = read(objects(job(), pods=[one], events=[scaling]), spec()).reason
    assert reason is not None and reason.code == "node_coming" and "A new node is being started" in reason.text
    refusal = event(one, "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")
    reason = read(objects(job(), pods=[one], events=[refusal]), spec()).reason
    assert reason is not None and reason.code == "insufficient_gpu" and "max node group size reached" in reason.text


def test_one_rank_that_waits_is_named_with_those_that_wait_for_it() -> None:
    late = unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", 3, limits={"nvidia.com/gpu": "1"})
    reading = read(objects(job(4), pods=[running(0), running(1), running(2), late]), spec(4, 1))
    assert reading.phase is Phase.STARTING
    assert reading.reason is not None
    assert reading.reason.text.startswith("Rank 3 of 4 does not run yet; the 3 that run wait for it. Needs 4 × 1 GPU;")
    assert reading.ranks_by_worker[3].why is not None and "1 GPU" in reading.ranks_by_worker[3].why
    assert reading.ranks_by_worker[0].why is None


def test_trouble_stands_above_what_passes_by_itself() -> None:
    pulling = pod(0, state={"waiting": {"reason": "ContainerCreating"}})
    broken = pod(1, state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "hf" not found'}})
    reading = read(objects(job(2), pods=[pulling, broken]), spec(2))
    assert reading.reason is not None and reading.reason.code == "secret_not_found"


def test_a_back_off_without_a_cause_is_explained_by_the_event_before() -> None:
    one = waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"')
    failed = event(one, "Failed", f'Failed to pull image "{IMAGE}": {PULL}{IMAGE}: not found')
    reason = read(objects(job(), pods=[one], events=[failed]), spec()).reason
    assert reason is not None and reason.code == "image_not_found"


def test_a_missing_pull_secret_is_named() -> None:
    one = waiting("ErrImagePull", PULL + "401 Unauthorized")
    absent = event(
        one, "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (regcred); attempting"
    )
    reason = read(objects(job(), pods=[one], events=[absent]), spec()).reason
    assert reason is not None and reason.hint is not None and "regcred" in reason.hint


def test_the_first_failure_counts_and_not_its_consequences() -> None:
    first = ended(2, 1, message=words(rank=2), when=50)
    lost = [ended(worker, 75, message=words(rank=worker, ename="DistBackendError"), when=50) for worker in (0, 1)]
    killed = ended(3, 143, when=49, deleted=80)
    reason = read(objects(failed_job(4), pods=[*lost, first, killed]), spec(4)).reason
    assert reason is not None and reason.text == "Rank 2, cell 4: KeyError: 'train'"


def test_a_worker_that_ended_well_while_others_waited_for_it_is_named() -> None:
    lost = ended(0, 75, message=words(ename="RuntimeError", evalue="Connection closed by peer"), when=50)
    reason = read(objects(failed_job(2), pods=[lost, ended(1, 0, when=49)]), spec(2)).reason
    assert reason is not None and "Connection closed by peer" in reason.text
    assert reason.text.startswith("Rank 1 had ended well while others still waited. Rank 0")


def test_a_preemption_counts_though_the_other_ranks_failed_of_it() -> None:
    gone = ended(
        1, 137, conditions=[condition("DisruptionTarget", "PreemptionByScheduler", when=49)], when=52, deleted=80
    )
    other = ended(0, 1, message=words(ename="RuntimeError", evalue="Connection closed by peer"), when=50)
    given = objects(failed_job(2), pods=[other, gone])
    reading = read(given, spec(2))
    assert reading.reason is not None and reading.reason.code == "preempted"
    assert retryable(given, reading)


def test_an_exception_before_the_preemption_is_the_job_s_own() -> None:
    own = ended(0, 1, message=words(), when=30)
    later = ended(1, 137, conditions=[condition("DisruptionTarget", "PreemptionByScheduler", when=49)], when=52)
    given = objects(failed_job(2), pods=[own, later])
    reading = read(given, spec(2))
    assert reading.reason is not None and reading.reason.code == "cell_failed"
    assert not retryable(given, reading)


@pytest.mark.parametrize(
    ("workers", "requested", "hint"),
    [(1, "3", "Wait until others"), (2, "3", "never has room"), (1, "5", "never has room")],
)
def test_nobody_is_told_to_wait_for_a_quota_that_is_too_small(workers: int, requested: str, hint: str) -> None:
    used = f"exceeded quota: team, requested: requests.cpu={requested}, used: requests.cpu=2, limited: requests.cpu=4"
    one = job(workers)
    reason = read(objects(one, events=[event(one, "FailedCreate", FORBIDDEN + used, kind="Job")]), spec(workers)).reason
    assert reason is not None and hint in (reason.hint or ""), reason


def test_an_event_of_a_pod_that_is_gone_names_its_own_rank() -> None:
    preempted = event(pod(1), "Preempted", "Preempted by pod 77 on node node1")
    reason = read(objects(failed_job(3), pods=[ended(2, 75)], events=[preempted]), spec(3)).reason
    assert reason is not None and reason.code == "preempted" and reason.text.startswith("Rank 1 ")


def test_a_pod_that_is_gone_is_explained_by_its_event() -> None:
    vanished = pod(1)
    preempted = event(vanished, "Preempted", "Preempted by pod 77 on node node1")
    given = objects(failed_job(2), pods=[ended(0, 75)], events=[preempted])
    reading = read(given, spec(2))
    assert reading.reason is not None and reading.reason.code == "preempted" and "Rank 1" in reading.reason.text


EVICTED = [condition("DisruptionTarget", "EvictionByEvictionAPI", when=45)]
STOP = {labels.STOPPED: json.dumps({"by": "alice", "at": NOW + 40})}
ASKED = ended(0, 143, deleted=80)
KILLED = ended(0, 137, deleted=80)  # it did not end in its grace period
NO_DATA = pod(1, phase="Failed", init={"terminated": {"exitCode": 2, "finishedAt": at(9)}})
LOST_PEER = ended(0, 75, message=words(ename="RuntimeError", evalue="Connection closed by peer"))


@pytest.mark.parametrize(
    ("rank_0", "others", "whole", "said"),
    [
        (ASKED, [], failed_job(reason="DeadlineExceeded", deadline_s=6), "because the job's time limit had passed."),
        (KILLED, [], failed_job(reason="DeadlineExceeded", deadline_s=6), "because the job's time limit had passed."),
        (ASKED, [running(1, deleted=80)], job(2, suspend=True, annotations=STOP), "because the job was stopped."),
        (ASKED, [], job(metadata={"deletionTimestamp": at(40)}), "because the job was deleted."),
        (ASKED, [], job(suspend=True, queue="research"), "because the job was suspended."),
        (ASKED, [ended(1, 143, conditions=EVICTED)], failed_job(2), "because of rank 1. Rank 1 was evicted, as when"),
        (LOST_PEER, [ended(1, 137, conditions=EVICTED)], failed_job(2), "connection to rank 1. Rank 1 was evicted"),
        (ASKED, [ended(1, 3, when=40)], failed_job(2), "because of rank 1. Rank 1 ended with exit code 3."),
        (ASKED, [NO_DATA], failed_job(2), "because of rank 1. Staging data for rank 1 ended with exit code 2"),
        (LOST_PEER, [ended(1, 3)], failed_job(2), "lost its connection to rank 1. Rank 1 ended with exit code 3."),
    ],
)
def test_a_rank_that_was_ended_says_on_whose_account(
    rank_0: Manifest, others: list[Manifest], whole: Manifest, said: str
) -> None:
    why = read(objects(whole, pods=[rank_0, *others]), spec(1 + len(others))).ranks_by_worker[0].why
    assert why is not None and why.startswith("Rank 0 ") and said in why, why


def test_a_rank_says_so_too_when_the_evicted_pod_is_gone_already() -> None:
    evicted = running(1, conditions=EVICTED, deleted=80)
    before = read(objects(job(2), pods=[running(0), evicted]), spec(2))
    ending = read(objects(job(2), pods=[running(0, deleted=80)]), spec(2), before=before)
    assert ending.reason is not None and ending.reason.code == "drained"
    why = read(objects(failed_job(2), pods=[ASKED]), spec(2), before=ending).ranks_by_worker[0].why
    assert why is not None and "because of rank 1. Rank 1 was evicted" in why


def test_a_rank_whose_pod_went_unseen_says_so_too() -> None:
    before = read(objects(job(), pods=[running(0)]), spec())
    reading = read(objects(failed_job(reason="DeadlineExceeded", deadline_s=6)), spec(), before=before)
    assert reading.ranks_by_worker[0].why == "Rank 0 was ended because the job's time limit had passed."


def test_a_job_that_is_started_again_by_itself_is_not_to_be_run_again() -> None:
    evicted = objects(failed_job(), pods=[ended(0, 137, conditions=EVICTED)])
    hints = [reason.hint or "" for retries in (0, 1) if (reason := read(evicted, spec(retries=retries)).reason)]
    assert "Run it again" in hints[0] and "started again without your doing" in hints[1]


def test_ranks_that_are_done_do_not_wait_for_those_to_come() -> None:
    late = unschedulable("0/3 nodes are available: 3 Insufficient nvidia.com/gpu.", 1, limits={"nvidia.com/gpu": "1"})
    reason = read(objects(job(2), pods=[ended(0), late]), spec(2, 1)).reason
    assert reason is not None and reason.text.startswith("Rank 1 of 2 does not run yet. Needs 2 × 1 GPU;")


def test_text_of_a_cluster_is_cut_and_holds_no_control_characters_or_secrets() -> None:
    nasty = "\x1b[31mred\u202e Authorization: Bearer abcdefghijklmnop " + "x " * 5000
    for given in (
        objects(one := job(), events=[event(one, "FailedCreate", nasty, kind="Job")]),
        objects(job(), pods=[unschedulable(nasty)]),
        objects(job(), pods=[waiting("ErrImagePull", nasty)]),
        objects(failed_job(), pods=[ended(exit_code=1, message=nasty)]),
        objects(failed_job(), pods=[pod(phase="Failed", reason="Evicted", message=nasty)]),
    ):
        reason = read(given, spec()).reason
        assert reason is not None
        assert reason.text.isprintable() and len(reason.text) <= 500
        assert "abcdefghijklmnop" not in reason.text


def test_the_largest_of_the_nodes_is_known_by_resource() -> None:
    nodes = [
        {"status": {"allocatable": {"cpu": "3920m", "memory": "16Gi", "nvidia.com/gpu": "8"}}},
        {"status": {"allocatable": {"cpu": "32", "memory": "8000Mi"}}},
    ]
    known = Background(largest=largest_of(nodes))
    assert [known.most(one) for one in ("cpu", "memory", "nvidia.com/gpu", "amd.com/gpu")] == ["32", "16Gi", "8", "0"]
    assert Background().most("cpu") is None


def test_a_running_job_tells_of_a_node_that_does_not_answer() -> None:
    one = running(conditions=[condition("Ready", status="False", when=30)])
    reading = read(objects(job(), pods=[one], events=[event(one, "NodeNotReady", "Node is not ready")], now=90), spec())
    assert reading.phase is Phase.RUNNING
    assert reading.reason is not None and reading.reason.code == "node_silent" and "1 min" in reading.reason.text


@pytest.mark.parametrize("retries", [0, 2])
def test_a_pod_that_was_deleted_by_hand_is_said_not_to_be_retried_where_others_are(retries: int) -> None:
    reading = read(objects(failed_job(2), pods=[ended(0, 0)]), spec(2, retries=retries))
    assert reading.reason is not None and reading.reason.code == "pod_deleted"
    assert ("not retried" in reading.reason.text) is bool(retries)
    assert not retryable(objects(failed_job(2)), reading)


def test_what_holds_a_job_that_should_be_gone_is_named() -> None:
    held = job(metadata={"deletionTimestamp": at(0), "finalizers": ["example.com/audit"]})
    reading = read(objects(held, now=300), spec())
    assert reading.phase is Phase.STOPPING
    assert reading.reason is not None
    assert reading.reason.code == "held_by_finalizer" and "example.com/audit" in reading.reason.text
    lost = running(deleted=30)
    reading = read(objects(job(metadata={"deletionTimestamp": at(0)}), pods=[lost], now=330), spec())
    assert reading.reason is not None and reading.reason.code == "stuck_pod" and "5 min" in reading.reason.text


def test_times_are_told_by_the_cluster_s_clock() -> None:
    assert read(objects(job()), spec()).created_at == NOW
