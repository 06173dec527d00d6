"""Whoever of a job is killed whenever, it comes to an end that is true, and nothing of it is left."""

from __future__ import annotations

from machine_jobs import Jobs
from suite.kills import VICTIMS, kill_each


def test_each_who_may_be_killed_is_and_the_record_tells_the_truth(jobs: Jobs) -> None:
    """The short form of what `make soak` does with sixty."""
    kills, wrong = kill_each(jobs.backend, seed=9, count=len(VICTIMS), at_once=len(VICTIMS))
    assert [kill.victim for kill in kills if kill.done] and wrong == []
