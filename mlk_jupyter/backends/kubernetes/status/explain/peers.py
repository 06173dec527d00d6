"""Why each worker is in its state, and whose doing it was where that was another's. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from .....model import JobSpec, RankState, Reason
from .....worker.member import LOST_PEER
from ...kinds.attempt import Started
from ...kinds.fields import WorkerStatus, container, deleted_at, mapping, state_of
from ...resources import Manifest
from .disruptions import explain_disruption
from .ending import NO_FAILURES
from .exits import explain_exit
from .messages import who

_NAMED = re.compile(r"\b(rank|worker) (\d+)\b", re.IGNORECASE)
# What ended all workers at once, by the code of the job's reason.
_ALL_AT_ONCE = {
    "stopped": "the job was stopped",
    "stopping": "the job was stopped",
    "deleted": "the job was deleted",
    "deleting": "the job was deleted",
    "removed": "the job was deleted",
    "time_limit": "the job's time limit had passed",
    "suspended": "the job was suspended",
}


def explain_workers(
    start: Started,
    workers: Mapping[int, WorkerStatus],
    waiting: Mapping[int, Reason],
    job: Reason | None,
    spec: JobSpec,
) -> dict[int, WorkerStatus]:
    """The workers, each with why it is in its state where there is more to say.

    Args:
        waiting: why each does not run yet.
        job:     why the job is in its phase: what came first, of which the end of other workers is a consequence.
    """
    found = {}
    for index, worker in workers.items():
        pod, why = start.pods.get(index), worker.why
        if pod is not None:
            reason = waiting.get(index)
            why = reason.text if reason is not None else None
            if worker.state is RankState.FAILED:
                why = _why_failed(index, worker, pod, start, job, spec)
        elif why is None and not worker.finished:  # its pod went before it could be seen how it ended
            why = _consequence(index, start, job, spec)
        found[index] = worker if worker.why == why else dataclasses.replace(worker, why=why)
    return found


def _why_failed(
    index: int, worker: WorkerStatus, pod: Manifest, start: Started, job: Reason | None, spec: JobSpec
) -> str:
    name = who(index, spec.ranks_in_worker)
    disrupted = explain_disruption(pod, name)
    if disrupted is not None:
        return disrupted.text
    lost, why = worker.exit_code == LOST_PEER, None
    if lost or _was_asked(worker, pod):
        why = _consequence(index, start, job, spec, lost=lost)
    return why or explain_exit(pod, worker, name).text


def _consequence(index: int, start: Started, job: Reason | None, spec: JobSpec, *, lost: bool = False) -> str | None:
    """Why a worker ended that was asked to, or that lost its connection to another; None where that was its own end."""
    if job is None or job.code in NO_FAILURES - _ALL_AT_ONCE.keys():
        return None
    name = who(index, spec.ranks_in_worker)
    all_at_once = "the job was suspended" if start.suspended and start.stop is None else _ALL_AT_ONCE.get(job.code)
    if all_at_once is not None:
        return f"{name} was ended because {all_at_once}."
    cause = _NAMED.search(job.text)
    if cause is None:
        return None
    other = int(cause[2]) // (spec.ranks_in_worker if cause[1].lower() == "rank" else 1)
    if other == index:
        return None
    head = f"{name} lost its connection to" if lost else f"{name} was ended because of"
    return f"{head} {who(other, spec.ranks_in_worker).lower()}. {job.text}"


def _was_asked(worker: WorkerStatus, pod: Manifest) -> bool:
    """Whether the cluster ended it: by SIGTERM, and when its grace period was over by SIGKILL."""
    return worker.signal == "SIGTERM" or (
        worker.signal == "SIGKILL" and deleted_at(pod) is not None and not _for_memory(pod)
    )


def _for_memory(pod: Manifest) -> bool:
    return mapping(state_of(container(pod), "terminated")).get("reason") == "OOMKilled"
