"""What a display shows of a job at one moment, and the words for it. Pure: every display is drawn from this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .. import text
from ..figures import duration, size
from ..follow.tail import Point
from ..model import GpuSample, JobStatus, JobSummary, Phase, RankState, RankStatus, RunState


@dataclass(frozen=True)
class View:
    """A job as it was at one moment."""

    job: JobStatus
    at: float
    """When it was read, in seconds since the epoch."""
    log: tuple[str, ...] = ()
    """The last lines of rank 0, oldest first."""
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    """Metrics by name, by step where they have one; those of the last seconds first."""
    gpus: Sequence[Point] = ()
    """Mean share that the job's GPUs were busy, 0-1, by seconds since the epoch; empty where it has none."""
    trouble: str | None = None
    """Why this is not the latest, where that is so."""
    settled: bool = False
    """Whether nothing more will change."""


def elapsed(view: View) -> str:
    """How long the job has been there, or took."""
    return duration(text.elapsed(view.job, view.at))


def reason(job: JobSummary) -> str:
    """Why the job is in its phase, and what can be done about it; empty where there is nothing to say."""
    if job.reason is None or job.phase is Phase.SUCCEEDED:
        return ""
    return text.sentences(job.reason.text, job.reason.hint) if job.reason.hint else job.reason.text


def progress(job: JobSummary) -> str:
    """How far the job is: `42%, cell 3 of 9, epoch 2 of 5, about 1:20 to go`; empty while nothing is known."""
    done = job.progress
    percent = text.percent(done.fraction).strip()
    left = f"about {duration(done.eta_s)} to go" if done.eta_s is not None and not job.phase.final else ""
    return ", ".join(part for part in (percent, text.cells(done), done.text, left) if part)


def workers(job: JobStatus) -> str:
    """How many workers in which state, and what they use: `4 × 1 GPU: 3 running, 1 waiting; CPU 2.1 cores, 3.4 GiB`."""
    counts = [(state, sum(rank.state is state for rank in job.ranks)) for state in RankState]
    states = ", ".join(f"{count} {state.value}" for state, count in counts if count)
    used = "" if job.phase.final else usage(job.ranks)
    shape = f"{text.shape(job)}: {states}" if states else text.shape(job)
    return f"{shape}; {used}" if used else shape


def usage(ranks: Sequence[RankStatus]) -> str:
    """What ranks use together; empty where that is not known."""
    samples = [rank.sample for rank in ranks if rank.sample is not None]
    cores = [sample.cpu_cores for sample in samples if sample.cpu_cores is not None]
    memory = [sample.memory_bytes for sample in samples if sample.memory_bytes is not None]
    gpus = [gpu for sample in samples for gpu in sample.gpus]
    parts = [
        f"CPU {sum(cores):.1f} cores" if cores else "",
        f"memory {size(sum(memory))}" if memory else "",
        _gpu_usage(gpus),
    ]
    return ", ".join(part for part in parts if part)


def trouble_of(rank: RankStatus) -> str:
    """Why one rank waits or failed; empty where there is nothing to say."""
    if rank.state is RankState.FAILED and not rank.why:
        ended = f"killed by {rank.signal}" if rank.signal else f"exit code {rank.exit_code}"
        return f"rank {rank.rank}: {ended}"
    return f"rank {rank.rank}: {rank.why}" if rank.why and rank.state is not RankState.SUCCEEDED else ""


def run(job: JobSummary) -> str:
    """The MLflow run of the job, or why it has none; empty where that is not known yet."""
    if job.run is None or job.run.state is RunState.OFF:
        return ""
    if job.run.state is RunState.RECORDED:
        name = job.run.run_name or job.run.run_id or ""
        return f"MLflow run {name}" + (f" in {job.run.experiment}" if job.run.experiment else "")
    if job.run.state is RunState.PENDING:
        return "The MLflow run is being recorded"
    return job.run.text or "No MLflow run"


def _gpu_usage(gpus: Sequence[GpuSample]) -> str:
    busy = [gpu.busy for gpu in gpus if gpu.busy is not None]
    if not busy:
        return ""
    memory = [gpu.memory_bytes for gpu in gpus if gpu.memory_bytes is not None]
    with_memory = f" with {size(sum(memory))}" if memory else ""
    return f"GPU {sum(busy) / len(busy):.0%}{with_memory}"
