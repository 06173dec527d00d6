"""A job's status out of two accounts of it: what its objects say from outside, and what its frames say from inside.

Pure. The objects know the phase and why the cluster ended something; the frames know cells, exceptions and ranks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ....model import (
    JobSpec,
    JobStatus,
    Phase,
    Progress,
    RankFailure,
    RankState,
    RankStatus,
    Reason,
    Sample,
    Transition,
)
from ....record.failure import Failure, cause_of, first_of
from ....record.folder import JobFolder
from ....record.replay import Replay
from ....record.verdict import failed, rank_failure
from ....worker.member import LOST_PEER
from ..status.explain.exits import INIT_FAILED_UNTOLD
from ..status.explain.messages import clean
from ..status.read import Reading, WorkerStatus
from ..status.submitted import SubmittedJob

# What the objects say when all they know is that a container ended badly: the frames know better.
_PLAIN_FAILURES = frozenset({"cell_failed", "rank_failed", "pod_failed", "failed"})
_TOLD_TO_END = frozenset({130, 137, 143})  # exit codes of processes that SIGINT, SIGKILL, SIGTERM end
_MOST_RANKS = 4_096
_MOST_SAID = 8  # ranks whose missing messages are told one by one


def first_status(job: SubmittedJob, backend: str, folder: JobFolder) -> JobStatus:
    """The status of a job that nothing is written down of."""
    spec = job.spec
    return JobStatus.of(
        spec,
        id=job.id,
        backend=backend,
        phase=Phase.QUEUED,
        submitted_by=job.submitted_by,
        created_at=time.time(),
        notices=list(job.notices),
        folder=str(folder.path),
    )


def reason_of(spec: JobSpec, reading: Reading, replay: Replay, last_line: Callable[[int], str | None]) -> Reason | None:
    """Why the job is in its phase. A failing cell is told as cell, exception and rank, not as an exit code.

    Where the cluster ended a pod (eviction, memory, time limit) its account stays: exceptions in other ranks are then
    the broken connections to that one.
    """
    reason = reading.reason
    if reason is not None and reason.code == INIT_FAILED_UNTOLD:  # its log tells
        worker = next((one.worker for one in reading.ranks_by_worker.values() if one.why == reason.text), 0)
        said = last_line(rank := worker * spec.ranks_in_worker)
        more = f" The last line of rank {rank}'s log: {clean(said, 200)}" if said else ""
        return reason.model_copy(update={"code": "init_failed", "text": f"{reason.text}{more}"})
    first = _first_failure(reading, replay)
    return _in_words(first, replay) if first is not None else reason


def failure_of(reading: Reading, replay: Replay) -> RankFailure | None:
    """The failure that ended the job, where it was a rank's own."""
    first = _first_failure(reading, replay)
    return rank_failure(first) if first is not None else None


def _first_failure(reading: Reading, replay: Replay) -> Failure | None:
    reason = reading.reason
    ends_badly = reading.phase is Phase.FAILED or (
        reading.phase is Phase.STOPPING and reason is not None and reason.code in _PLAIN_FAILURES
    )
    if not ends_badly or (reason is not None and reason.code not in _PLAIN_FAILURES):
        return None
    lost_peer = {rank.rank for rank in replay.ranks() if rank.exit_code == LOST_PEER}
    first = first_of(failure for failure in replay.failures() if failure.rank not in lost_peer)
    return cause_of(first, replay.left) if first is not None else None


def _in_words(first: Failure, replay: Replay) -> Reason:
    status = next((rank for rank in replay.ranks() if rank.rank == first.rank), None)
    ending = failed(
        first,
        signal_name=status.signal if status else None,
        exit_code=status.exit_code if status else None,
        out_of_memory=False,
    )
    return ending.reason


def ranks_of(
    spec: JobSpec,
    reading: Reading,
    replay: Replay,
    sample: Callable[[int], Sample | None],
    last_line: Callable[[int], str | None],
) -> list[RankStatus]:
    """Every rank whose pod was seen or that was heard of, by number."""
    heard = {rank.rank: rank for rank in replay.ranks()}
    in_worker = spec.ranks_in_worker
    known = set(heard)
    for worker in reading.ranks_by_worker:
        known.update(range(worker * in_worker, (worker + 1) * in_worker))
    return [
        _rank(
            number, number // in_worker, reading.ranks_by_worker.get(number // in_worker), heard.get(number)
        ).model_copy(update={"sample": sample(number), "last_line": last_line(number)})
        for number in sorted(known)[:_MOST_RANKS]
    ]


def _rank(number: int, worker: int, seen: WorkerStatus | None, heard: RankStatus | None) -> RankStatus:
    """What the rank said of itself, and where it said nothing, what is seen of its pod."""
    state = heard.state if heard else RankState.WAITING
    exit_code = heard.exit_code if heard else None
    signal = heard.signal if heard else None
    if seen is not None and exit_code is None and signal is None:
        state = seen.state if seen.finished or heard is None else state
        exit_code, signal = (seen.exit_code, seen.signal) if seen.finished else (None, None)
    return RankStatus(
        rank=number,
        worker=worker,
        state=state,
        where=_where(seen, heard),
        pid=heard.pid if heard else None,
        exit_code=exit_code,
        signal=signal,
        why=seen.why if seen else None,
    )


def _told_to_stop(rank: RankStatus) -> RankStatus:
    """A rank of a job that was stopped: how its process went, or that it never came, is no news of its own."""
    ended_otherwise = rank.state is RankState.SUCCEEDED or (
        rank.state is RankState.FAILED and rank.signal is None and rank.exit_code not in _TOLD_TO_END
    )
    return rank if ended_otherwise else rank.model_copy(update={"state": RankState.STOPPED, "why": None})


def _where(seen: WorkerStatus | None, heard: RankStatus | None) -> str | None:
    host = heard.where if heard else None
    if seen is None:
        return host
    return f"{host or seen.pod} on {seen.node}" if seen.node else host


def timeline_of(before: list[Transition], reading: Reading, phase: Phase, at: float) -> list[Transition]:
    """The timeline with what is new: the phase it is in now, and phases that nobody was there to see.

    Args:
        before: the timeline so far; what stands there stays.
        phase:  the one to show now, which may lag behind `reading.phase`.
        at:     seconds since the epoch, for a phase whose time nothing says.
    """
    told = [step for step in reading.transitions if not step.phase.final]
    if not before:
        timeline = [step for step in told if step.phase is not phase]
    else:
        seen = {step.phase for step in before}
        timeline = [
            *before,
            *(s for s in told if s.at > before[-1].at and s.phase not in seen and s.phase is not phase),
        ]
    if not timeline or timeline[-1].phase is not phase:
        times = [step.at for step in reading.transitions if step.phase is phase]
        began = times[-1] if times else at
        timeline.append(Transition(phase=phase, at=max([began, *(step.at for step in timeline[-1:])])))
    return timeline


def changes(
    status: JobStatus,
    reading: Reading,
    replay: Replay,
    sample: Callable[[int], Sample | None],
    last_line: Callable[[int], str | None],
) -> Mapping[str, Any]:
    """The fields of a status that both accounts give, phase and run left out."""
    # One that waits again, as in its queue, has done nothing yet: what was heard is of the pods that it had.
    waits = reading.phase in (Phase.QUEUED, Phase.SUSPENDED) and reading.began_at is None
    progress = replay.progress()
    if waits:
        replay, progress = Replay({"cells": []}, job_id=status.id), Progress(cells_total=progress.cells_total)
    ranks = ranks_of(status.spec, reading, replay, sample, last_line)
    known = {rank.rank for rank in ranks}
    if status.attempt >= reading.attempt and not waits:
        ranks += [rank for rank in status.ranks if rank.rank not in known]  # their pods were removed
    if reading.phase is Phase.STOPPED:
        ranks = [_told_to_stop(rank) for rank in ranks]
    started = [at for at in (status.started_at, reading.started_at, replay.started_at) if at is not None]
    longest = max(status.attempts, reading.attempts, key=len)
    return {
        "progress": progress,
        "metrics": replay.metrics(most=8),
        "ranks": sorted(ranks, key=lambda rank: rank.rank),
        "created_at": reading.created_at or status.created_at,
        "started_at": min(started, default=None),
        "attempt": max(status.attempt, reading.attempt),
        "attempts": longest,
    }


def what_is_missing(missing: Mapping[int, int], replay: Replay, status: JobStatus, reading: Reading) -> list[str]:
    """Sentences on what the record of a job that is over lacks, as far as it can be told.

    Args: missing: how many frames of each rank never came. reading: the final one, which the status may not know yet.
    """
    found = []
    for rank, count in list(missing.items())[:_MOST_SAID]:
        what = "1 message" if count == 1 else f"{count:,} messages"
        found.append(f"{what} of rank {rank} could not be read: the cluster did not keep its log that long.")
    first = next((rank for rank in replay.ranks() if rank.rank == 0), None)
    worker, succeeded = reading.ranks_by_worker.get(0), reading.phase is Phase.SUCCEEDED
    # Of a worker that was not seen it is not known whether it ran; one of a later attempt may not have.
    began = worker.started_at if worker is not None else status.started_at if reading.attempt == 1 else None
    if first is None and (succeeded or began is not None):
        found.append("Nothing of rank 0's log could be read: its pod is gone, or it wrote nothing.")
    elif first is not None and first.exit_code is None and succeeded:
        found.append("The end of rank 0's log could not be read: the notebook may lack its last outputs.")
    return found
