"""A job's row in the list, which is worked out for itself: it says what the whole status does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from clusterobjects import ID, NOW, condition, job, objects, running, spec
from recorded import STORIES, steps
from signals_before import ADMISSION, SCHEDULING
from signals_of_pods import CONTAINERS, ENDS
from signals_of_queues import QUEUES

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.job_status import status_of, summary_of
from mlk_jupyter.backends.kubernetes.resources import Objects
from mlk_jupyter.backends.kubernetes.status.explain.background import Background
from mlk_jupyter.backends.kubernetes.status.submitted import SubmittedJob
from mlk_jupyter.model import (
    ClusterOptions,
    JobSpec,
    JobStatus,
    JobSummary,
    Metric,
    Phase,
    Progress,
    RankState,
    RankStatus,
)

SIGNALS = [*SCHEDULING, *ADMISSION, *CONTAINERS, *ENDS, *QUEUES]


def told(
    objects_: Objects, asked: JobSpec, written: JobStatus | None = None, facts: Background | None = None
) -> JobSummary | None:
    """The row, which is the one of the whole status."""
    about = SubmittedJob(id=ID, namespace="ml", spec=asked, nonce="0" * 16, notices=["No IPython."])
    whole = status_of(objects_, written, "lab", facts, submitted_job=about)
    row = summary_of(objects_, written, "lab", facts, submitted_job=about)
    assert row == (whole.summary() if whole is not None else None)
    return row


def ways(asked: JobSpec) -> Iterator[JobSpec]:
    """The job as it was asked for, and with retries."""
    yield asked
    yield asked.model_copy(update={"cluster": asked.cluster.model_copy(update={"retries": 2})})


@pytest.mark.parametrize("story", STORIES)
def test_the_row_of_a_recorded_job_is_that_of_its_status_at_each_event(story: str) -> None:
    for objects_ in steps(story):
        for asked in ways(spec(2)):
            told(objects_, asked)
            told(objects_, asked, written(Phase.STARTING))


@pytest.mark.parametrize("signal", SIGNALS, ids=[signal.name for signal in SIGNALS])
def test_the_row_of_a_job_with_a_reason_is_that_of_its_status(signal) -> None:  # type: ignore[no-untyped-def]
    for asked in ways(signal.asked):
        told(signal.given, asked, facts=signal.facts)


def written(phase: Phase) -> JobStatus:
    return JobStatus.of(
        spec(),
        id=ID,
        backend="lab",
        phase=phase,
        created_at=NOW,
        started_at=NOW + 5,
        progress=Progress(cells_done=3),
        metrics=[Metric(name="loss", value=0.5, at=NOW)],
        ranks=[RankStatus(rank=0, worker=0, state=RankState.RUNNING)],
    )


def test_what_was_written_of_a_job_that_is_over_stays() -> None:
    row = told(objects(job(), pods=[running()]), spec(), written(Phase.FAILED))
    assert row is not None and row.phase is Phase.FAILED and row.progress.cells_done == 3


def test_how_far_a_job_is_stays_until_another_attempt_begins() -> None:
    same = told(objects(job(), pods=[running()]), spec(), written(Phase.RUNNING))
    assert same is not None and (same.progress.cells_done, len(same.metrics)) == (3, 1)
    retried = JobSpec(name="a", notebook="a.ipynb", cluster=ClusterOptions(retries=1))
    second = job(attempt=2)
    again = told(objects(second), retried, written(Phase.RUNNING))
    assert again is not None and (again.attempt, again.progress.cells_done, again.metrics) == (2, 0, [])


@pytest.mark.parametrize("at", ["NaN", "Infinity", "-1", "1" + "0" * 400, '"now"'])
def test_a_time_of_a_stop_that_is_none_is_not_known(at: str) -> None:
    stopped = {labels.STOPPED: f'{{"by": "alice", "at": {at}}}'}
    over = objects(job(suspend=True, annotations=stopped, conditions=[condition("Suspended", when=42)]))
    row = told(over, spec())
    assert row is not None and row.phase in (Phase.STOPPING, Phase.STOPPED)
    assert json.loads(row.model_dump_json())["finished_at"] is None
