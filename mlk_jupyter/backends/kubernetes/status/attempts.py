"""Whether all ranks of a job are started again together, after something that was not their own fault. Pure.

A plain Job replaces one pod at best, and a rank that is replaced cannot rejoin its process group: so the whole set is
made anew, as the next attempt. Some kinds do the same by themselves.
"""

from __future__ import annotations

import dataclasses

from ....model import Attempt, JobSpec, Phase, Reason
from ..kinds.registry import kind_of_job, starts
from ..resources import Objects
from .explain.disruptions import AGAIN
from .explain.ending import explain_stopped
from .read import Reading


def next_attempt(objects: Objects, reading: Reading, spec: JobSpec) -> int | None:
    """The number of the attempt to start now, or None when there is nothing to start."""
    if reading.attempt > spec.cluster.retries or not retryable(objects, reading):
        return None
    return reading.attempt + 1


def between(objects: Objects, reading: Reading, number: int, spec: JobSpec) -> Reading:
    """The reading of a job whose last attempt has failed and whose next one is being made: it is not over.

    One that was stopped meanwhile is.
    """
    last = reading.reason or Reason(code="interrupted", text="It was interrupted.")
    failed = starts(objects)[-1]
    if failed.stop is not None:
        reason = explain_stopped(failed, {}, spec)
        text = f"{reason.text} {last.text} Attempt {number} was not started."
        ended_at = failed.stop.at or reading.finished_at
        return dataclasses.replace(
            reading, phase=Phase.STOPPED, reason=reason.model_copy(update={"text": text}), finished_at=ended_at
        )
    text = f"{last.text} Attempt {number} of {spec.cluster.retries + 1} is being started."
    attempt = Attempt(number=reading.attempt, started_at=reading.began_at, ended_at=reading.finished_at, reason=last)
    return dataclasses.replace(
        reading,
        phase=Phase.QUEUED,
        reason=Reason(code="restarting", text=text, hint=None),
        starts_again=True,
        ranks_by_worker={},  # those of the attempt that is over
        disrupted=None,
        began_at=None,
        finished_at=None,
        attempt=number,
        attempts=[*reading.attempts, attempt],
    )


def retryable(objects: Objects, reading: Reading) -> bool:
    """Whether the last attempt was lost to the cluster (preempted, evicted, node lost) and not by the job's own doing.

    An error of the notebook, memory, time limits and images come again with every attempt, so they are none. Some
    kinds start their ranks again by themselves.
    """
    reason = reading.reason
    return (
        objects.exists
        and not kind_of_job(objects).restarts_itself
        and reading.phase is Phase.FAILED
        and reason is not None
        and reason.code in AGAIN
    )
