"""Why a job is over. Pure."""

from __future__ import annotations

from ....model import JobSpec, Phase, Reason
from ..current import Started
from ..phases import finished_at
from ..seen import WorkerSeen
from .words import clean, duration


def explain_end(start: Started, workers: dict[int, WorkerSeen], spec: JobSpec, phase: Phase) -> Reason | None:
    if phase is Phase.SUCCEEDED:
        began = min((worker.started_at for worker in workers.values() if worker.started_at is not None), default=None)
        ended = finished_at(start, workers, phase)
        who = "The only rank" if spec.world_size == 1 else f"All {spec.world_size} ranks"
        took = f" in {duration(ended - began)}" if began is not None and ended is not None else ""
        return Reason(code="succeeded", text=f"{who} finished{took}.")
    if phase is Phase.STOPPED and start.stop is not None:
        who = f"{clean(start.stop.by, 100)} stopped it" if start.stop.by else "It was stopped on request"
        return Reason(code="stopped", text=f"{who}.")
    if phase is Phase.FAILED:
        return _failure(start, workers)
    return None


def _failure(start: Started, workers: dict[int, WorkerSeen]) -> Reason:
    failed = [worker for worker in workers.values() if worker.exit_code]
    first = min(failed, key=lambda worker: (worker.finished_at or 0.0, worker.worker), default=None)
    if first is None:
        return Reason(code="failed", text="The job failed; the cluster does not say why.", hint="See its events.")
    if first.last_words is not None:
        words = first.last_words
        where = f"cell {words.get('number')}, rank {words.get('rank')}"
        said = clean(f"{words.get('ename')}: {words.get('evalue')}")
        return Reason(code="cell_failed", text=f"{where}: {said}", hint="The traceback is in the notebook.")
    text = f"Rank {first.worker} ended with exit code {first.exit_code}."
    return Reason(code="rank_failed", text=text, hint=f"See the log of rank {first.worker}.")
