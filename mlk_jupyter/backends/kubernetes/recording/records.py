"""The job folders that one cluster and namespace have on this machine.

DATA/clusters/KEY/
  cluster.json     which cluster and namespace KEY stands for
  jobs/ID/         job folders (record.folder)
  unfinished/ID    empty; there as long as the end of the job has not been written down

In a job folder whose objects are still being created lies `submitting`, so that a submission that was cut off is
completed or named, never forgotten. Whoever creates them holds a lock on it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from ....errors import JobNotFound
from ....model import JobSpec, JobStatus, JobSummary
from ....record.files import read_regular, remove
from ....record.folder import JobFolder, data_dir, is_job_id, write_atomically
from ....record.privacy import close
from ..api.targets import Target

_Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Record:
    """What lies in one job's folder at one moment."""

    exists: bool
    status: JobStatus | None
    unfinished: bool
    """Its end was not written down."""
    submitting: bool
    """Its objects are still being created, as far as was written down."""
    being_submitted: bool
    """A living process creates them."""


class Submission:
    """A job that is being submitted, for as long as the context lasts or its process lives."""

    def __init__(self, folder: JobFolder, file: int | None) -> None:
        self.folder = folder
        self._file = file

    def __enter__(self) -> Submission:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)


class Records:
    """Paths, and the list of all that was written down. Blocking; safe to call from several threads.

    Args: root: the data directory; None means that of `record.folder.data_dir`.
    """

    def __init__(self, target: Target, root: Path | None = None) -> None:
        self._target = target
        self._data_dir = root or data_dir()
        self.path = self._data_dir / "clusters" / _key(target)
        self.jobs = self.path / "jobs"
        self._unfinished = self.path / "unfinished"
        self._known: dict[str, tuple[_Stamp, JobSummary]] = {}
        self._lock = threading.Lock()

    def folder(self, job_id: str) -> JobFolder:
        """The folder of a job, whether or not it exists.

        Raises: JobNotFound when `job_id` is no job id.
        """
        try:
            return JobFolder.of(job_id, self.jobs)
        except ValueError:
            raise JobNotFound(job_id) from None

    def create(self, job_id: str, spec: JobSpec, bundle: bytes, status: Callable[[JobFolder], JobStatus]) -> Submission:
        """The folder of a new job, in being submitted; one that is there already is left as it is.

        Raises: OSError as the file system gives it.
        """
        folder = JobFolder(self.jobs / job_id)
        close(self._data_dir)
        for private in (self.path.parent, self.path, self.jobs, self._unfinished):  # `mode` holds for the last one only
            private.mkdir(mode=0o700, exist_ok=True)
        if not (self.path / "cluster.json").exists():
            about = {"server": self._target.server, "namespace": self._target.namespace}
            write_atomically(self.path / "cluster.json", json.dumps(about, indent=1).encode())
        made = Path(tempfile.mkdtemp(dir=self.jobs, prefix=".new-"))
        file = None
        try:
            new = JobFolder(made)
            for name in ("outputs", "logs"):
                (made / name).mkdir()
            new.bundle.touch(mode=0o600)
            new.bundle.write_bytes(bundle)
            new.write_spec(spec)
            new.write_status(status(folder), lasting=False)
            new.sync()
            (made / "submitting").touch(mode=0o600)
            file = _held(made / "submitting")
            self.begun([job_id])
            try:
                made.rename(folder.path)
            except OSError:
                if not folder.path.is_dir():
                    raise
                if file is not None:  # a second submission in the same moment was first
                    os.close(file)
                file = _held(folder.path / "submitting")
        except BaseException:
            if file is not None:
                os.close(file)
            raise
        finally:
            remove(made)
        return Submission(folder, file)

    def submitting(self, job_id: str) -> bool:
        """Whether the job's objects are still being created, as far as was written down."""
        return (self.jobs / job_id / "submitting").exists()

    def adding(self, job_id: str) -> Submission:
        """More objects of a job are being created. Raises: OSError."""
        folder = JobFolder(self.jobs / job_id)
        marker = folder.path / "submitting"
        marker.touch(mode=0o600)
        return Submission(folder, _held(marker))

    def being_submitted(self, job_id: str) -> bool:
        """Whether a living process creates the job's objects at this moment."""
        try:
            file = os.open(self.jobs / job_id / "submitting", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def submitted(self, job_id: str) -> None:
        """All its objects are there."""
        with contextlib.suppress(OSError):
            (self.jobs / job_id / "submitting").unlink()

    def begun(self, job_ids: Iterable[str]) -> None:
        """Remembers that the end of these jobs is still to be written down."""
        self._unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)
        for job_id in job_ids:
            (self._unfinished / job_id).touch()

    def ended(self, job_id: str) -> None:
        """Nothing of the job is left to be written down."""
        with contextlib.suppress(OSError):
            (self._unfinished / job_id).unlink()

    def unfinished(self) -> set[str]:
        """The jobs whose end was not written down."""
        try:
            return {name for name in os.listdir(self._unfinished) if is_job_id(name)}  # noqa: PTH208
        except OSError:
            return set()

    def remove(self, job_id: str) -> None:
        """Removes a job's record.

        Raises: OSError as the file system gives it.
        """
        grave = self.jobs / f".deleted-{job_id}-{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            (self.jobs / job_id).rename(grave)  # gone for everybody at once; the files follow
        remove(grave)
        self.ended(job_id)

    @property
    def stamp(self) -> int:
        """Another number whenever a folder came or went."""
        try:
            return self.jobs.stat().st_mtime_ns
        except OSError:
            return 0

    def names(self) -> set[str]:
        """The jobs that have a folder."""
        try:
            return {name for name in os.listdir(self.jobs) if is_job_id(name)}  # noqa: PTH208  (five times faster)
        except OSError:
            return set()

    def read(self, job_ids: Collection[str]) -> dict[str, Record]:
        """What lies in the folders of these jobs."""
        unfinished = self.unfinished()
        return {job_id: self._record(job_id, unfinished=job_id in unfinished) for job_id in job_ids}

    def _record(self, job_id: str, *, unfinished: bool) -> Record:
        folder = self.folder(job_id)
        if not folder.path.is_dir():
            return Record(False, None, unfinished, False, False)
        submitting = self.submitting(job_id)
        return Record(True, folder.read_status(), unfinished, submitting, submitting and self.being_submitted(job_id))

    def summaries(self) -> dict[str, JobSummary]:
        """What was written down of every job; an unchanged one is the same object as before."""
        with self._lock:
            names = self.names()
            for name in self._known.keys() - names:
                del self._known[name]
            for name in names:
                self._read(name)
            return {name: summary for name, (_, summary) in self._known.items()}

    def _read(self, name: str) -> None:
        path = self.jobs / name / "status.json"
        try:
            stat = path.lstat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if name not in self._known or self._known[name][0] != stamp:
                self._known[name] = (stamp, JobSummary.model_validate_json(read_regular(path)))
        except (OSError, ValidationError):  # torn or gone: the cluster may still know the job
            self._known.pop(name, None)


def _held(marker: Path) -> int | None:
    """The marker, open and locked until it is closed; None when the submission is over already.

    Several submissions of one job share the lock; whoever asks whether there is one tries to have it alone.
    """
    try:
        file = os.open(marker, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _key(target: Target) -> str:
    """A folder's name for one namespace of one cluster, whatever its context is called."""
    digest = hashlib.sha256(f"{target.server} {target.namespace}".encode()).hexdigest()[:10]
    host = urlsplit(target.server).hostname or "cluster"
    readable = re.sub(r"[^a-z0-9]+", "-", f"{host}-{target.namespace}".lower()).strip("-")[:60]
    return f"{readable.strip('-')}-{digest}"


def put_aside(folder: JobFolder, before: int, number: int, begin: Callable[[int, Mapping[str, int]], None]) -> None:
    """Makes room for the frames of attempt `number`, whose sequence numbers begin anew. Blocking.

    `frames.jsonl` and `samples.jsonl` of attempt `before` become `frames-aN.jsonl` and `samples-aN.jsonl`; each log
    goes on behind a line that says so.

    Args:   begin: gets the number, and the sizes of the files that changed, by their path in the folder.
    Raises: OSError.
    """
    begin(number, _put_aside(folder, before, f"attempt {before} ended here; attempt {number} begins"))


def put_run_aside(folder: JobFolder, number: int, begin: Callable[[int, Mapping[str, int]], None]) -> None:
    """The same within an attempt whose job was taken out of the cluster and let in again. Blocking.

    `frames.jsonl` becomes `frames-aN.1.jsonl`, the next time `frames-aN.2.jsonl`. Raises: OSError.
    """
    earlier = sum(1 for _ in folder.path.glob(_kept(folder.frames, number, "*").name))
    sizes = _put_aside(folder, number, "it was taken out of the cluster here; its ranks begin again", f"{earlier + 1}")
    begin(number, sizes)


def _put_aside(folder: JobFolder, number: int, words: str, run: str = "") -> Mapping[str, int]:
    """Gives the sizes of the files that changed."""
    sizes = {}
    for path in (folder.frames, folder.samples):
        kept = _kept(path, number, run)
        if not kept.exists():  # else it was done before, and cut off before it was remembered
            with contextlib.suppress(FileNotFoundError):
                path.rename(kept)
        sizes[path.name] = 0
    for log in sorted((folder.path / "logs").glob("rank-*.log")):
        with log.open("ab") as file:
            file.write(f"\n[mlk: {words}]\n".encode())
            sizes[log.relative_to(folder.path).as_posix()] = file.tell()
    return sizes


def frames_of_all(folder: JobFolder, last: int) -> Iterator[tuple[bool, dict[str, Any]]]:
    """All frames of the job, the newest start of its ranks first; with each, whether it is of that one."""
    for frame in folder.each_frame():
        yield True, frame
    for number in range(last, 0, -1):
        runs = sorted(folder.path.glob(_kept(folder.frames, number, "*").name), key=lambda path: (len(path.name), path))
        for path in [_kept(folder.frames, number), *reversed(runs)]:
            for frame in _Frames(folder.path, path).each_frame():
                yield False, frame


class _Frames(JobFolder):
    """A folder's frames under another name."""

    def __init__(self, path: Path, frames: Path) -> None:
        super().__init__(path)
        self._frames = frames

    @property
    def frames(self) -> Path:
        return self._frames


def _kept(path: Path, attempt: int, run: str = "") -> Path:
    return path.with_name(f"{path.stem}-a{attempt}{f'.{run}' if run else ''}{path.suffix}")
