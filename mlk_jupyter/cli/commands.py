"""The commands of `mlk`, each from its options to its exit code."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .. import library, text
from ..backends.many import Backends
from ..figures import size, took
from ..model import JobStatus, JobSummary, RankStatus
from ..threads import in_thread
from .arguments import chosen
from .gpus import gpus
from .idle import idle
from .orphans import orphans
from .printing import give, give_json, say
from .recorded import recorded
from .render import render
from .run import run
from .which import which

_SHOWN = 20
_LOG_PIECE_BYTES = 1024 * 1024
_LOG_POLL_S = 0.3
_CATCH_UP_S = 10.0  # how long a log that only comes out of the cluster now may take, unless it is followed
_Answer = TypeVar("_Answer")


def list_jobs(options: argparse.Namespace) -> int:
    """`mlk jobs`: a table, newest first."""

    async def listed(backends: Backends) -> tuple[list[JobSummary], int]:
        if not (options.all or options.json):
            return await backends.newest(_SHOWN)
        every = await backends.jobs()
        return every, len(every)

    shown, total = asyncio.run(_with_backends(options, listed))
    if options.json:
        from ..model.api import JobList

        give_json(JobList(jobs=shown).model_dump_json())
        return 0
    if not total:
        say("No jobs yet. Run one: `mlk run NOTEBOOK`.")
        return 0
    rows = [("JOB", "PHASE", "DONE", "SIZE", "AGE", "SET", "METRICS"), *map(_job_row, shown)]
    if not any(job.changed for job in shown):
        rows = [(*row[:-2], row[-1]) for row in rows]
    give(*text.table(rows))
    if total > len(shown):
        say(f"{total - len(shown):,} older ones are not shown; `mlk jobs --all` lists them.")
    return 0


def show(options: argparse.Namespace) -> int:
    """`mlk show`: everything known of one job."""

    async def known(backends: Backends, job_id: str) -> JobStatus:
        async with recorded(backends, job_id) as job:
            return await job.latest()

    job = _with_job(options, known)
    if options.json:
        # Often secrets, and what is printed is kept in files and tickets: as in `mlk show` without --json.
        spec = job.spec.model_copy(update={"env": dict.fromkeys(job.spec.env, "")})
        give_json(job.model_copy(update={"spec": spec}).model_dump_json())
        return 0
    give(*_story(job))
    return 0


def logs(options: argparse.Namespace) -> int:
    """`mlk logs`: the log of one rank, as bytes, to the end or as long as the job lives."""
    _with_job(options, lambda backend, job_id: _copy_log(backend, job_id, options.rank, follow=options.follow))
    return 0


def stop(options: argparse.Namespace) -> int:
    """`mlk stop`: asks, and does not wait."""

    async def ask(backend: Backends, job_id: str) -> JobStatus:
        await backend.stop(job_id)
        return await backend.job(job_id)

    job = _with_job(options, ask, likely=lambda job: not job.phase.final)
    ended = f"{job.id} is over already: {job.phase.value}." if job.phase.final else f"Stopping {job.id}."
    say(ended)
    return 0


def delete(options: argparse.Namespace) -> int:
    """`mlk delete`: the job and all it wrote."""

    async def remove(backend: Backends, job_id: str) -> str:
        await backend.delete(job_id)
        return job_id

    say(f"Deleted {_with_job(options, remove)} and its record.")
    return 0


def open_notebook(options: argparse.Namespace) -> int:
    """`mlk open`: the path of a notebook that Jupyter can open."""

    async def locate(backends: Backends, job_id: str) -> str:
        async with recorded(backends, job_id) as job:
            return str(library.notebook_file(job.folder))

    give(_with_job(options, locate))
    return 0


def _with_job(
    options: argparse.Namespace,
    action: Callable[[Backends, str], Awaitable[_Answer]],
    likely: Callable[[JobSummary], bool] = lambda job: True,
) -> _Answer:
    """Does something with the job that was named.

    Args:   likely: as of `library.find_one`.
    Raises: JobNotFound; SeveralJobs when the name fits several and nobody chooses one.
    """

    async def find_and_act(backends: Backends) -> _Answer:
        try:
            job = await library.find_one(backends, options.job, likely)
        except library.SeveralJobs as several:
            job = await in_thread(which, several, several.named)
        return await action(backends, job.id)

    return asyncio.run(_with_backends(options, find_and_act))


async def _with_backends(options: argparse.Namespace, action: Callable[[Backends], Awaitable[_Answer]]) -> _Answer:
    backends = chosen(options)
    try:
        return await action(backends)
    finally:
        await backends.close()


async def _copy_log(backends: Backends, job_id: str, rank: int, *, follow: bool) -> None:
    """Copies a log to stdout. Following, it ends once the job is over and everything was copied."""
    async with recorded(backends, job_id, rank) as job:
        library.check_rank(await job.latest(), rank)
        offset, quiet, until = 0, job.here, time.monotonic() + _CATCH_UP_S
        while True:
            over = await job.over()  # asked before reading: what comes later is still copied
            data, size = await in_thread(job.folder.read_log, rank, offset, _LOG_PIECE_BYTES)
            offset += len(data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            if offset >= size:
                if over or (not follow and (quiet or time.monotonic() > until)):
                    if not offset and not over:
                        say(f"Nothing that rank {rank} wrote is here yet.")
                    return
                await asyncio.sleep(_LOG_POLL_S)
            quiet = offset >= size


def _job_row(job: JobSummary) -> tuple[str, ...]:
    share, age = text.percent(job.progress.fraction).strip(), text.age(time.time() - job.created_at)
    changed = text.clip(text.changed(job), 40)
    return job.id, job.phase.value, share, text.shape(job), age, changed, text.metrics(job.metrics)


def _story(job: JobStatus) -> list[str]:
    """A job as lines to read."""
    facts = [
        ("Job", job.id),
        ("Name", job.name),
        ("Notebook", job.notebook),
        ("By", job.submitted_by),
        ("Phase", f"{job.phase.value}: {job.reason.text}" if job.reason else job.phase.value),
        ("What to do", job.reason.hint if job.reason else None),
        ("Error", job.error),
        ("Size", text.shape(job)),
        ("Progress", "  ".join(part for part in (text.cells(job.progress), job.progress.text) if part)),
        ("Arguments", shlex.join(job.spec.arguments)),
        ("Parameters", ", ".join(f"{name} = {value!r}" for name, value in job.spec.parameters.items())),
        ("Metrics", text.metrics(job.metrics, limit=len(job.metrics))),
        ("Timeline", _timeline(job)),
        ("Folder", job.folder),
        ("MLflow", _run_in_words(job)),
    ]
    lines = [f"{title + ':':12}{value}" for title, value in facts if value]
    if job.ranks:
        rows = [("RANK", "WORKER", "STATE", "PID", "CPU", "MEMORY", "LAST LINE"), *map(_rank_row, job.ranks)]
        lines += ["", *text.table(rows)]
    return [*lines, *(["", *job.notices] if job.notices else [])]


def _timeline(job: JobStatus) -> str:
    """The phases with the time each took: `Queued 4 s, Starting 1 s, Running 2 min 10 s, Succeeded`."""
    ends = [step.at for step in job.timeline[1:]]
    if job.timeline and not job.phase.final:
        ends.append(time.time())
    times = [took(end - step.at) for step, end in zip(job.timeline, ends, strict=False)]
    return ", ".join(
        f"{step.phase.value} {times[number]}" if number < len(times) else step.phase.value
        for number, step in enumerate(job.timeline)
    )


def _run_in_words(job: JobStatus) -> str | None:
    run = job.run
    if run is None or run.run_id is None:
        return run.text if run else None
    return f"{run.run_name or run.run_id} ({run.run_id}) in {run.experiment}, {run.tracking_uri}"


def _rank_row(rank: RankStatus) -> tuple[str, ...]:
    sample = rank.sample
    cpu = f"{sample.cpu_cores:.1f}" if sample and sample.cpu_cores is not None else ""
    memory = size(sample.memory_bytes) if sample and sample.memory_bytes is not None else ""
    end = f" ({rank.signal or rank.exit_code})" if rank.exit_code or rank.signal else ""
    pid = str(rank.pid) if rank.pid else ""
    state = f"{rank.state.value.capitalize()}{end}"
    return str(rank.rank), str(rank.worker), state, pid, cpu, memory, rank.last_line or ""


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "render": render,
    "jobs": list_jobs,
    "show": show,
    "logs": logs,
    "stop": stop,
    "delete": delete,
    "open": open_notebook,
    "orphans": orphans,
    "gpus": gpus,
    "idle": idle,
}
