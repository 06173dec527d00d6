"""The magics that look after jobs: lists, logs, stopping, removing, opening."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .. import text
from ..client import Detached
from ..client.background import run
from ..client.places import Where, places
from ..errors import BadInput
from ..library import find_one
from ..model import JobSummary, Phase, RunState
from . import parsing
from .table import Table

if TYPE_CHECKING:
    from ..client import Job
    from ..model.api import BackendInfo

_NONE_YET = "No jobs yet. Run a cell as one: write %%mlk above it."


def k8s_jobs(shell: Any, line: str) -> Table:
    """`%k8s_jobs`."""
    asked = parsing.jobs().read(line)
    found = run(_jobs(_where(asked)))
    return jobs_table(_newest(found, asked.limit), len(found), time.time())


def k8s_runs(shell: Any, line: str) -> Table:
    """`%k8s_runs`."""
    asked = parsing.runs().read(line)
    found = [job for job in run(_jobs(_where(asked))) if job.run is not None and job.run.state is not RunState.OFF]
    return runs_table(_newest(found, asked.limit), len(found))


def k8s_gpus(shell: Any, line: str) -> Table:
    """`%k8s_gpus`."""
    return gpus_table(run(_infos(_where(parsing.gpus().read(line)))))


def k8s_logs(shell: Any, line: str) -> None:
    """`%k8s_logs JOB [-f] [--rank N]`."""
    asked = parsing.logs().read(line)
    job = job_of(asked)
    if not asked.follow:
        sys.stdout.write(job.logs(rank=asked.rank, tail=asked.lines or None))
        return
    lines = job.logs(rank=asked.rank, follow=True)
    try:
        for one in lines:
            print(one)
    except KeyboardInterrupt:
        raise Detached.of(job.id) from None
    finally:
        lines.close()


def k8s_open(shell: Any, line: str) -> Opened:
    """`%k8s_open JOB [--to PATH]`."""
    asked = parsing.open_().read(line)
    path = job_of(asked).notebook()
    return Opened(path if asked.to is None else _copied(path, Path(asked.to).expanduser()))


class Opened:
    """Where a notebook is; in a notebook beside it, a link."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        try:
            relative = self.path.absolute().relative_to(Path.cwd())
        except ValueError:  # a browser reaches nothing above the folder of its notebook
            return f"<code>{escape(str(self.path))}</code>"
        return f'<a href="{escape(quote(str(relative)))}" target="_blank">{escape(str(relative))}</a>'


def _copied(path: Path, to: Path) -> Path:
    """A copy of a notebook.

    Raises: BadInput when it cannot be written there, or something is there already.
    """
    target = to / path.name if to.is_dir() else to
    try:
        with path.open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
    except FileExistsError as error:
        raise BadInput(f"--to {target}: there is a file of that name.", hint="Choose another name.") from error
    except OSError as error:
        raise BadInput(f"--to {target}: {error.strerror}.", hint="Name a file in a folder that exists.") from error
    return target


def k8s_stop(shell: Any, line: str) -> None:
    """`%k8s_stop JOB`."""
    job = only_job_of(parsing.stop().read(line), likely=lambda job: not job.phase.final)
    before = job.status()
    if before.phase.final:
        print(f"{job.id} is over already: {before.phase.value}.")
        return
    job.stop()
    print(f"Stopping {job.id}. Its notebook so far is kept: %k8s_open {job.id}")


def k8s_delete(shell: Any, line: str) -> None:
    """`%k8s_delete JOB`."""
    job = only_job_of(parsing.delete().read(line))
    job.delete()
    print(f"Deleted {job.id} and its record.")


def jobs_table(jobs: Sequence[JobSummary], number: int, now: float) -> Table:
    """Jobs as rows.

    Args: number: of all jobs, where only the newest are shown. now: seconds since the epoch.
    """
    rows = [
        (
            job.id,
            job.phase.value,
            text.percent(job.progress.fraction).strip(),
            text.shape(job),
            text.age(now - job.created_at),
            text.clip(_why(job) or text.metrics(job.metrics), 80),
        )
        for job in jobs
    ]
    return Table(("Job", "Phase", "Done", "Size", "Age", ""), rows, empty=_NONE_YET, note=_left_out(jobs, number))


def runs_table(jobs: Sequence[JobSummary], number: int) -> Table:
    """The MLflow runs of jobs as rows."""
    rows = []
    for job in jobs:
        ref = job.run
        assert ref is not None
        name = ref.run_name or ref.run_id or ref.text or ref.state.value
        rows.append((job.id, text.clip(name, 60), ref.experiment or "", job.phase.value, text.metrics(job.metrics)))
    empty = "No job has an MLflow run yet. One that logs to MLflow gets one."
    return Table(("Job", "Run", "Experiment", "Phase", "Metrics"), rows, empty=empty, note=_left_out(jobs, number))


def gpus_table(infos: Sequence[BackendInfo]) -> Table:
    """The GPUs of each place as rows; what is not known is said so."""
    rows = [
        (
            text.place(info.name),
            _number(info.gpus),
            _number(info.gpus_free),
            ", ".join(info.gpu_names),
            text.clip(info.gpus_why or info.watch_why or "", 80),
        )
        for info in infos
    ]
    return Table(("Where", "GPUs", "Free", "Type", ""), rows, empty="There is no place where jobs can run.")


def job_of(asked: argparse.Namespace) -> Job:
    """The job that was named; the newest of that name.

    Raises: JobNotFound with the closest names; SeveralJobs when several ids begin so.
    """
    from ..client import job

    return job(asked.job, backend=asked.backend, context=asked.context, namespace=asked.namespace)


def only_job_of(asked: argparse.Namespace, likely: Callable[[JobSummary], bool] = lambda job: True) -> Job:
    """The job that was named, for what cannot be taken back.

    Args:   likely: as of `library.find_one`.
    Raises: JobNotFound with the closest names; SeveralJobs.
    """
    from ..client import Job

    where = _where(asked)

    async def found() -> Job:
        return Job(await find_one(await places().backends(where), asked.job, likely), where)

    return run(found())


def _where(asked: argparse.Namespace) -> Where:
    return Where.of(asked.backend, asked.context, asked.namespace)


async def _jobs(where: Where) -> list[JobSummary]:
    return await (await places().backends(where)).jobs()


async def _infos(where: Where) -> list[BackendInfo]:
    return await (await places().backends(where)).infos()


def _newest(jobs: list[JobSummary], limit: int) -> list[JobSummary]:
    return jobs[:limit] if limit else jobs


def _left_out(shown: Sequence[JobSummary], number: int) -> str:
    return f"{number - len(shown):,} older ones are not shown; --limit 0 shows all." if number > len(shown) else ""


def _why(job: JobSummary) -> str:
    """What a job waits for, or why it did not succeed."""
    if job.phase in (Phase.RUNNING, Phase.SUCCEEDED):
        return ""
    return job.error or (job.reason.text if job.reason else "")


def _number(known: int | None) -> str:
    return "not known" if known is None else str(known)
