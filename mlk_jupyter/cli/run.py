"""`mlk run`: from a notebook or script to the end of its job."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import uuid

from .. import library, text
from ..backends.base import Backend
from ..backends.many import Backends
from ..bundle import Bundle
from ..bundle.notebook import numbered, source_of
from ..idle.inside import submitted
from ..model import JobStatus, Phase, RunState
from ..model.api import Level
from ..record.folder import JobFolder
from ..threads import in_thread
from .arguments import chosen, spec_of
from .follow import follow
from .printing import give, give_json, say
from .screen import Screen, screen_for

SUCCEEDED, NOT_SUCCEEDED, LEFT_RUNNING = 0, 1, 130


def run(options: argparse.Namespace) -> int:
    """`mlk run`: submits a job and follows it to its end, unless it is to be left alone."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    backends = chosen(options)
    try:
        choice = await backends.choice()
        if choice.backend.kind == "local" and options.backend is None and choice.instead:
            say(choice.why)
        return await _run_at(backends, choice.backend, options)
    finally:
        await backends.close()


async def _run_at(backends: Backends, backend: Backend, options: argparse.Namespace) -> int:
    screen = screen_for(sys.stderr)
    source = await library.read_source(options.source)
    spec = spec_of(options, source)
    bundle = await library.prepare(source, spec, backend.carriage)
    findings = (await backend.preflight(spec, bundle)).findings
    for finding in findings:
        if finding.level is not Level.ERROR:  # errors are raised by submit
            screen.say(text.sentences(finding.text, finding.hint))
    job = await backend.submit(spec, bundle, request_id=uuid.uuid4().hex, submitted_by=library.submitter())
    await in_thread(submitted, job.id)
    if options.detach:
        screen.say(
            f"Submitted {job.id}. Follow it with `mlk logs {job.id} --follow`, stop it with `mlk stop {job.id}`."
        )
        _print_result(options, backend, job)
        return SUCCEEDED
    ended = await follow(backends.follow(job.id, backend), screen, _code(bundle))
    if ended is None:
        screen.say(f"{job.id} goes on running. See it with `mlk show {job.id}`, stop it with `mlk stop {job.id}`.")
        _print_result(options, backend, await backend.job(job.id))
        return LEFT_RUNNING
    _explain(screen, ended, {finding.text for finding in findings})
    _print_result(options, backend, ended)
    return SUCCEEDED if ended.phase is Phase.SUCCEEDED else NOT_SUCCEEDED


def _code(bundle: Bundle) -> list[str]:
    """The first line of each cell that runs: what the running cell is called."""
    return [source_of(cell).strip().splitlines()[0] for _, cell in numbered(bundle.notebook)]


def _explain(screen: Screen, job: JobStatus, said: set[str]) -> None:
    """Why a job ended as it did, and what is worth knowing beside it and was not said before."""
    for notice in job.notices:
        if notice not in said:
            screen.say(notice)
    if job.run is not None and job.run.state is RunState.UNAVAILABLE and job.run.text:
        screen.say(job.run.text)
    reason = job.reason.text if job.reason else ""
    if job.error and job.error not in reason:
        screen.say(job.error)
    screen.say(text.sentences(reason, job.reason.hint if job.reason else None))


def _print_result(options: argparse.Namespace, backend: Backend, job: JobStatus) -> None:
    """What the job left behind, for people or as one JSON object; of a job left alone, what is there by now."""
    folder = backend.folder(job.id)
    executed = str(folder.executed) if folder.has_notebook else None
    if options.json:
        result = {
            "id": job.id,
            "name": job.name,
            "phase": job.phase.value,
            "reason": job.reason.text if job.reason else None,
            "folder": str(folder.path),
            "notebook": executed,
            "run_id": job.run.run_id if job.run else None,
            "metrics": {metric.name: metric.value for metric in job.metrics},
        }
        give_json(json.dumps(result))
    elif not job.phase.final:
        give(job.id)
    else:
        give(*places(job, folder))


def places(job: JobStatus, folder: JobFolder) -> list[str]:
    """Where the executed notebook, the logs and the MLflow run of a finished job are."""
    logs = folder.log(0).parent if folder.log(0).parent.is_dir() else None
    run = job.run if job.run and job.run.run_id else None
    coming = job.run is not None and job.run.state is RunState.PENDING
    named = f"being written; `mlk show {job.id}` names it" if coming else None
    found = [
        ("Notebook", str(folder.executed) if folder.has_notebook else None),
        ("Logs", str(logs) if logs else None),
        ("MLflow run", f"{run.run_name or run.run_id} in {run.experiment or 'its experiment'}" if run else named),
        ("MLflow store", run.tracking_uri if run else None),
    ]
    return [f"{title + ':':14}{value}" for title, value in found if value]
