"""The library that every face uses: read a notebook, describe its form, prepare its bundle, find its job.

Everything that reads files or parses code is async and works in a thread, so that no event loop waits for it.
"""

from __future__ import annotations

import difflib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from . import text
from .backends.base import Carriage
from .backends.many import Backends
from .bundle import (
    Bundle,
    NotebookDict,
    build,
    form_of,
    parameters_of,
    parse_script,
    read_notebook,
)
from .bundle.paths import is_file, is_folder
from .errors import BadInput, JobNotFound, MlkError
from .model import JobSpec, JobSummary
from .model.api import Form, Parameter
from .model.problems import validated
from .record.folder import JobFolder, RecordUnwritable, write_atomically
from .record.notebook import NoNotebook, as_file, executed
from .threads import in_thread

_MOST_NAMED = 20
_LARGEST_SOURCE = 256 * 1024 * 1024  # bytes; a notebook with heavy outputs, which are not carried


class NoSuchRank(MlkError):
    """The job has fewer ranks."""

    code, title, status = "no_such_rank", "No such rank", 404

    def __init__(self, rank: int, world_size: int) -> None:
        there = "rank 0 only" if world_size == 1 else f"ranks 0 to {world_size - 1}"
        super().__init__(f"The job has no rank {rank}; it has {there}.", hint="Choose one of these.")


class SeveralJobs(MlkError):
    """What was typed fits several jobs, and is not guessed."""

    code, title, status = "several_jobs", "Several jobs are meant", 409

    def __init__(self, wanted: str, jobs: Sequence[JobSummary]) -> None:
        how = "are called" if all(job.name == wanted for job in jobs) else "have ids that begin with"
        more = f"\n  and {len(jobs) - _MOST_NAMED} more" if len(jobs) > _MOST_NAMED else ""
        rows = [f"  {line}" for line in text.table([_told_apart(job) for job in jobs[:_MOST_NAMED]])]
        lines = "\n".join([f"{len(jobs)} jobs {how} {wanted!r}:", *rows])
        super().__init__(f"{lines}{more}", hint="Name one by its id, or as much of the id as no other begins with.")
        self.jobs = tuple(jobs)
        self.named = self.jobs[:_MOST_NAMED]
        """Those that the words list, a line each."""


def _told_apart(job: JobSummary) -> tuple[str, str, str, str]:
    age = f"{text.age(time.time() - job.created_at)} ago"
    return job.id, job.phase.value, age, text.clip(text.changed(job), 60)


@dataclass(frozen=True)
class Source:
    """A notebook or script that was read and can be run."""

    notebook: NotebookDict = field(repr=False)
    """Valid nbformat 4.5; of a script, its cells."""
    path: str
    """As the person knows it (in JupyterLab: the contents path)."""
    directory: Path | None
    """The folder on this machine that it lies in and runs in; None when there is none."""
    script: bool = False
    notices: tuple[str, ...] = ()
    """What is worth saying of how it was read."""

    @property
    def stem(self) -> str:
        """What a job made from it is called unless somebody says otherwise."""
        return PurePosixPath(self.path).stem[:100].strip() or "job"


async def read_source(path: str | os.PathLike[str]) -> Source:
    """A notebook (.ipynb) or script (.py) from a file of this machine.

    Raises: BadInput when there is no such file, or it holds nothing that can be run.
    """
    return await in_thread(_read, Path(path))


async def source_of(content: Mapping[str, Any] | str, path: str, directory: Path | None) -> Source:
    """A notebook (a dict, or the text of an .ipynb) or the text of a script that somebody else has read.

    Args:
        path:      as the person knows it; its ending tells notebook from script.
        directory: the folder on this machine that it lies in, or None.

    Raises: BadInput when it is nothing that can be run.
    """
    return await in_thread(_source, content, path, directory)


async def prepare(
    source: Source, spec: JobSpec, carriage: Carriage, extra: Mapping[str, bytes] | None = None
) -> Bundle:
    """The bundle of a job: parameters injected, local modules and files found. Creates nothing on disk.

    Args:
        carriage: of the backend that it is for.
        extra:    more entries of the bundle (`shipping.Parcel.extra`: the values that are sent along).

    Raises: BadInput for parameters or files that cannot be used; BundleTooLarge.
    """
    return await in_thread(_prepare, source, spec, carriage, extra)


async def form(source: Source, *, cluster: bool = False, image: str | None = None) -> Form:
    """What the submit dialog needs.

    Args:
        cluster: whether it also asks what only a cluster has.
        image:   what a job in the cluster gets that names none; None where there is no default.
    """

    def described() -> Form:
        return form_of(source.notebook, source.path, source.stem, cluster=cluster, image=image)

    return await in_thread(described)


def parameters(source: Source) -> list[Parameter]:
    """The parameters that the notebook declares, in its order."""
    return parameters_of(source.notebook)


def spec_from(data: Mapping[str, Any]) -> JobSpec:
    """A spec from plain data that a person wrote.

    Raises: BadInput that names the field and, for an unknown one, the closest that exists.
    """
    return validated(JobSpec, data)


def submitter() -> str | None:
    """Who submits what this process submits; None where that need not be told apart. A JupyterHub says whose server,
    and so whose kernels and terminals, these are."""
    return os.environ.get("JUPYTERHUB_USER") or None


async def find(backend: Backends, name_or_id: str) -> JobSummary:
    """The job with this id, else the newest of this name, else the only one whose id begins so.

    Raises: JobNotFound with the closest names; SeveralJobs when several ids begin so.
    """
    found = await _fitting(backend, name_or_id)
    if len(found) > 1 and any(job.name != name_or_id for job in found):
        raise SeveralJobs(name_or_id, found)
    return max(found, key=lambda job: job.created_at)


async def find_one(
    backend: Backends, name_or_id: str, likely: Callable[[JobSummary], bool] = lambda job: True
) -> JobSummary:
    """The only job with this id, this name, or an id that begins so.

    Args:   likely: which of several is meant, where only one is so: of those to be stopped, the one that goes on.
    Raises: JobNotFound with the closest names; SeveralJobs.
    """
    found = await _fitting(backend, name_or_id)
    meant = [job for job in found if likely(job)] if len(found) > 1 else found
    if len(meant) == 1:
        return meant[0]
    raise SeveralJobs(name_or_id, meant or found)


async def _fitting(backend: Backends, name_or_id: str) -> list[JobSummary]:
    """The job with this id, else those of this name, else those whose ids begin so; at least one.

    Raises: JobNotFound with the closest names.
    """
    jobs = await backend.jobs()
    found = (
        [job for job in jobs if job.id == name_or_id]
        or [job for job in jobs if job.name == name_or_id]
        or [job for job in jobs if name_or_id and job.id.startswith(name_or_id)]
    )
    if not found:
        known = list(dict.fromkeys(word for job in jobs for word in (job.name, job.id)))
        raise JobNotFound(name_or_id, difflib.get_close_matches(name_or_id, known, 3))
    return found


def check_rank(job: JobSummary, rank: int) -> None:
    """Raises: NoSuchRank when the job does not have it."""
    if not 0 <= rank < job.world_size:
        raise NoSuchRank(rank, job.world_size)


def notebook_file(folder: JobFolder) -> Path:
    """A notebook that Jupyter can open: the executed one, or while the job runs, a copy of what it showed so far.

    Raises: NoNotebook when the folder holds none; RecordUnwritable.
    """
    if folder.has_notebook:
        return folder.executed
    notebook = executed(folder)
    if notebook is None:
        raise NoNotebook(folder.id)
    path = folder.path / "so-far.ipynb"
    try:
        write_atomically(path, as_file(notebook), lasting=False)
    except OSError as error:
        raise RecordUnwritable(error, path) from error
    return path


def _read(path: Path) -> Source:
    if not is_file(path):
        what = "a folder" if is_folder(path) else "no file"
        near = difflib.get_close_matches(path.name, _runnable_beside(path), 1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise BadInput(f"{path} is {what}.{meant}", hint="Name a notebook (.ipynb) or a script (.py).")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_SOURCE + 1)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", hint="Check its permissions.") from error
    if len(data) > _LARGEST_SOURCE:
        raise BadInput(f"{path} has more than {_LARGEST_SOURCE:,} bytes.", hint="Clear the notebook's outputs.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not UTF-8 text.", hint="Name a notebook (.ipynb) or a script (.py).") from error
    return _source(text, str(path), path.absolute().parent)


def _source(content: Mapping[str, Any] | str, path: str, directory: Path | None) -> Source:
    suffix = PurePosixPath(path).suffix.lower()
    if isinstance(content, str) and suffix == ".py":
        return Source(parse_script(content, path), path, directory, script=True)
    if suffix != ".ipynb":
        raise BadInput(f"{path} is neither a notebook nor a script.", hint="Name an .ipynb or a .py file.")
    notebook, notices = read_notebook(content, path)
    return Source(notebook, path, directory, notices=tuple(notices))


def _prepare(source: Source, spec: JobSpec, carriage: Carriage, extra: Mapping[str, bytes] | None) -> Bundle:
    decoded = _decoded(spec.parameters, parameters_of(source.notebook))
    spec = spec.model_copy(update={"parameters": decoded})
    bundle = build(
        source.notebook,
        spec,
        source.directory,
        script=source.script,
        limit_bytes=carriage.limit_bytes,
        byte_code=carriage.byte_code,
        carries=carriage.files,
        extra=extra,
    )
    return replace(bundle, notices=[*source.notices, *bundle.notices])


def _decoded(values: Mapping[str, Any], known: list[Parameter]) -> dict[str, Any]:
    """Values as their parameters want them.

    Where the default is a list or a dict, text may hold one as JSON: a form has no field for these but a text field.
    Where it is a float, a whole number becomes one: JavaScript writes 1.0 as 1.
    """
    kinds = {parameter.name: type(parameter.default) for parameter in known}
    decoded = dict(values)
    for name, value in values.items():
        kind = kinds.get(name)
        if kind is float and type(value) is int and abs(value) < 1 << 53:
            decoded[name] = float(value)
        elif kind in (list, dict) and isinstance(value, str):
            try:
                read = json.loads(value)
            except (ValueError, RecursionError):
                continue
            if isinstance(read, (list, dict)):
                decoded[name] = read
    return decoded


def _runnable_beside(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.iterdir() if entry.suffix in (".ipynb", ".py")]
    except OSError:
        return []
