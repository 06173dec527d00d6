"""`%%mlk` and `%mlk` (`%%k8s_train` and `%k8s_train`): from what was typed to the end of the job, and back."""

from __future__ import annotations

import argparse
import re
from typing import Any

from ..client import Detached, Job, RemoteError
from ..client.places import Where
from ..errors import BadInput
from ..model.api import Level
from ..options import parted, spec_fields
from . import parsing, profiles, sending
from .display import show
from .preview import Preview
from .pulling import Pull

_OURS = re.compile(r"\b(k8s_train|mlk)\b")


def mlk(shell: Any, line: str, cell: str | None = None) -> Job | Preview | None:
    """`%%mlk` and `%mlk FILE`; as `_train`."""
    return _train(shell, line, cell, "mlk")


def k8s_train(shell: Any, line: str, cell: str | None = None) -> Job | Preview | None:
    """`%%k8s_train` and `%k8s_train FILE`; as `_train`."""
    return _train(shell, line, cell, "k8s_train")


def _train(shell: Any, line: str, cell: str | None, magic: str) -> Job | Preview | None:
    """Runs a cell or a file as a job.

    Returns: the job when it was not waited for (else it is in `_`), or with --dry-run what would be submitted.
    Raises:  BadInput, Refused before anything was created; Detached when the waiting was interrupted; what the job
             raised.
    """
    options = _options(line, cell, magic)
    where = Where.of(options.backend, options.context, options.namespace)
    asked = _asked(shell, options, cell)
    ready = sending.checked(asked, where)
    if options.dry_run:
        return Preview(asked, ready, sending.rendered(asked, ready))
    job = sending.submitted(asked, ready, where)
    if options.job:
        shell.user_ns[options.job] = job
    said = _worth_saying(asked, ready)
    for sentence in said:
        print(sentence)
    pull = Pull(job, asked.pull, shell.user_ns)
    if options.detach:
        pull.at_end()
        return job
    _wait(shell, job, said)
    pull.now()
    return None


def _options(line: str, cell: str | None, magic: str) -> argparse.Namespace:
    parser = parsing.train(f"%{magic}" if cell is None else f"%%{magic}")
    words, of_script = parted(parsing.words_of(line))
    options = parser.read_words(words)
    if options.profile is not None:
        options = parser.read_words([*profiles.words_of(options.profile), *words])
    options.arguments = of_script
    if options.job is not None and not options.job.isidentifier():
        raise BadInput(f"--job {options.job}: this is no name of a variable.", hint="Write for example --job training.")
    if cell is None and options.source is None:
        raise BadInput(
            f"%{magic}: the file is missing.",
            hint=f"Name one: %{magic} train.ipynb; a cell has two signs, %%{magic}.",
        )
    if cell is not None and options.source is not None:
        raise BadInput(
            f"%%{magic} runs the cell below it, and {options.source!r} is no option.",
            hint=f"Separate names by commas without blanks: --push x,y. One sign runs a file: %{magic} train.ipynb",
        )
    if cell is not None and of_script:
        raise BadInput("A cell has no command line for what stands behind --.", hint="Write the values into the cell.")
    if cell is None and (options.push or options.pull or options.pickle):
        raise BadInput(
            "Only a cell takes --push, --pull and --pickle.",
            hint="Set parameters of a notebook: --param epochs=3; what it gives to `result()` is job.result().",
        )
    return options


def _asked(shell: Any, options: argparse.Namespace, cell: str | None) -> sending.JobRequest:
    fields = spec_fields(options)
    if cell is None:
        return sending.asked_of_file(options.source, fields)
    return sending.asked_of_cell(
        cell,
        fields,
        shell.user_ns,
        _before(list(shell.user_ns.get("In", []))),
        push=parsing.names_of(options.push, "--push"),
        pull=parsing.names_of(options.pull, "--pull"),
        pickle=options.pickle,
    )


def _before(cells: list[str]) -> list[str]:
    """The cells that ran, without the one that runs now: it is among them unless its client keeps no history."""
    return cells[:-1] if cells and _OURS.search(cells[-1]) else cells


def _worth_saying(asked: sending.JobRequest, ready: sending.Ready) -> list[str]:
    """What is no reason to refuse the job. Errors are raised when it is submitted."""
    found = [finding for finding in ready.preflight.findings if finding.level is Level.WARNING]
    return [*asked.notices, *(" ".join(part for part in (one.text, one.hint) if part) for one in found)]


def _wait(shell: Any, job: Job, said: list[str]) -> None:
    """Shows a job until it is over. Afterwards `_` is the job, as if it had been the cell's value, but without a line.

    Raises: what the job raised, shown with the job's own traceback; Detached.
    """
    display = show(job)
    try:
        job.wait()
    except Detached:
        words = f"{job.id} goes on. Follow it: %k8s_logs {job.id} -f. Come back: mlk_jupyter.job({job.id!r})."
        display.detach(words)
        shell.displayhook.update_user_ns(job)
        raise Detached(words, job.id) from None
    except BaseException:
        display.close()
        raise
    display.close()
    for sentence in job.warnings:
        if sentence not in said:
            print(sentence)
    shell.displayhook.update_user_ns(job)
    try:
        job.result()
    except Exception as error:
        if isinstance(error.__cause__, RemoteError):
            lines = (error.__cause__.traceback or str(error)).splitlines()
            shown = [*lines, *getattr(error, "__notes__", ())]
            # IPython's own way for an exception to say how it is shown: where it was raised, not where it arrived.
            error.__dict__["_render_traceback_"] = lambda: shown
        raise
