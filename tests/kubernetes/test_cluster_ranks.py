"""What is said of the ranks of a job that was stopped."""

from __future__ import annotations

import pytest

from mlk_jupyter.backends.kubernetes.recording.merging import changes
from mlk_jupyter.backends.kubernetes.status.read import Reading, WorkerStatus
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RankState, RankStatus
from mlk_jupyter.record.replay import Replay


def _seen(state: RankState, **more: object) -> WorkerStatus:
    about = {"worker": 0, "pod": "a-0", "uid": "u", "node": None, "state": state, "exit_code": None, "signal": None,
             "why": "something about its pod", "finished": True, "last_words": None}  # fmt: skip
    return WorkerStatus(**{**about, **more})  # type: ignore[arg-type]


def _rank(phase: Phase, seen: WorkerStatus | None, before: list[RankStatus]) -> RankStatus:
    spec = JobSpec(name="a", notebook="a.ipynb")
    status = JobStatus(id="a-0123456789", name="a", notebook="a.ipynb", backend="k", phase=Phase.RUNNING, workers=1,
                       gpus=0, world_size=1, created_at=1.0, spec=spec, ranks=before)  # fmt: skip
    reading = Reading(
        phase=phase, reason=None, ranks_by_worker={0: seen} if seen else {}, created_at=1.0, started_at=None,
        finished_at=None, attempt=1, attempts=[], transitions=[], notices=[],
    )  # fmt: skip
    found = changes(
        status,
        reading,
        Replay({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}),
        lambda rank: None,
        lambda rank: None,
    )
    (rank,) = found["ranks"]
    assert isinstance(rank, RankStatus)
    return rank


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(_seen(RankState.WAITING, finished=False), id="its pod never ran"),
        pytest.param(_seen(RankState.RUNNING, finished=False), id="nobody saw its pod end"),
        pytest.param(_seen(RankState.FAILED, signal="SIGKILL"), id="it did not listen"),
        pytest.param(_seen(RankState.FAILED, exit_code=143), id="it listened"),
    ],
)
def test_ranks_of_a_stopped_job_are_stopped_and_nothing_more(seen: WorkerStatus) -> None:
    rank = _rank(Phase.STOPPED, seen, [])
    assert (rank.state, rank.why) == (RankState.STOPPED, None)


def test_a_rank_whose_pod_was_removed_is_stopped_with_its_job() -> None:
    before = RankStatus(rank=0, worker=0, state=RankState.WAITING, why="needs more CPUs")
    assert _rank(Phase.STOPPED, None, [before]).state is RankState.STOPPED
    assert _rank(Phase.STOPPING, None, [before]).state is RankState.WAITING


@pytest.mark.parametrize(("state", "code"), [(RankState.SUCCEEDED, 0), (RankState.FAILED, 1)])
def test_a_rank_that_had_ended_before_its_job_was_stopped_stays_as_it_ended(state: RankState, code: int) -> None:
    assert _rank(Phase.STOPPED, _seen(state, exit_code=code), []).state is state


def test_a_rank_that_was_killed_in_a_job_that_failed_says_so() -> None:
    rank = _rank(Phase.FAILED, _seen(RankState.FAILED, signal="SIGKILL"), [])
    assert (rank.state, rank.signal, rank.why) == (RankState.FAILED, "SIGKILL", "something about its pod")
