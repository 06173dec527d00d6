"""The job folder: the one place where a job's life is written down, whichever backend ran it.

JOBS/ID/
  spec.json         what was asked (model.JobSpec)
  bundle.pyz        the code that ran
  status.json       model.JobStatus, replaced atomically
  frames.jsonl      one frame a line, all ranks, without the kinds `log` and `sample`
  samples.jsonl     `sample` frames, thinned as the job grows old
  logs/rank-N.log   text of one rank: its streams, its log frames, foreign lines
  executed.ipynb    the notebook with its outputs, once the job is over
  files/            the bundle's files, unpacked
  outputs/          outputs too large for the notebook
  checkpoints/      what `checkpoint_dir()` names
  stop.json         its presence asks for the job to be stopped
  values.key        the key of the job's pickled values, where it was submitted from this machine and may pickle any
  so-far.ipynb      a copy of the notebook so far, for whoever wants to open it while the job runs

The local backend also keeps here:

  launch.json       how the ranks are started (backends.local.launch)
  supervisor.log    what the supervisor had to say
  .lock             held by the one process that may write the status
  .ballast          room held back while the job runs, so that its end can be written on a full disk
  .settling         its age: when the record of a job whose supervisor is gone was last completed

A backend that reads the ranks' output from afar keeps here, beside `.lock`:

  positions.json    how far each log was read, and how large the files were then (backends.kubernetes.positions)
  frames-aN.jsonl   frames of the Nth start of all ranks, once a later one has begun: `frames.jsonl` is always the
  samples-aN.jsonl  last one's, whose ranks count from 0 again. The logs go on, with a line in between that says so
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import MlkError
from ..model import JobSpec, JobStatus
from ..worker.frames import FRAME_LIMIT
from .files import is_regular, opened, read_regular, size_of
from .places import data_dir as data_dir

_Model = TypeVar("_Model", bound=BaseModel)
FRAMES_LIMIT = 256 * 1024 * 1024
"""Bytes of `frames.jsonl`. What stands in it behind them is not ours, and not read."""
_LINE_BYTES = FRAME_LIMIT + 64 * 1024  # of one frame; written anew it has its rank and number besides
_PIECE_BYTES = 1024 * 1024
_SYNC_THREADS = 16
_SYNCED_BY_ONE = 4  # files
_JOB_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")


def jobs_dir() -> Path:
    """The folder of all job folders."""
    return data_dir() / "jobs"


def is_job_id(text: str) -> bool:
    """Whether `text` can name a job folder: nothing else is ever joined to a path."""
    return _JOB_ID.fullmatch(text) is not None


def write_atomically(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Replaces a file so that a reader sees the old content or the new, never a part.

    Args:   lasting: the new content survives a power cut from now on, which takes the disk some milliseconds. Without
                     it a power cut within the next half minute may leave the old content, the new, or on some file
                     systems neither: for what is soon replaced, or told again.
    Raises: OSError as the file system gives it (disk full, read-only).
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(handle)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if lasting:
        sync(path.parent)


def sync(*paths: Path) -> None:
    """Brings files, and the entries of folders, to the disk; those that are not there are left out.

    Raises: OSError when the disk refuses.
    """
    threads = min(len(paths) // _SYNCED_BY_ONE, _SYNC_THREADS)
    if threads < 2:
        for path in paths:
            _sync(path)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:  # the disk writes in one go what is asked for at once
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that syncs no folders
            raise
    finally:
        os.close(handle)


class RecordUnwritable(MlkError):
    """A job's record on this machine cannot be created or changed."""

    code, title, status = "job_record_unwritable", "The job's record cannot be written", 507

    def __init__(self, error: OSError, folder: Path) -> None:
        super().__init__(
            f"{folder}: {error.strerror or error}.",
            hint="Make room, check the permissions, or choose another place with MLK_DATA_DIR.",
        )


class JobFolder:
    """Paths and whole-file access of one job's record."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, job_id: str, root: Path | None = None) -> JobFolder:
        """The folder of a job, whether or not it exists.

        Raises: ValueError when `job_id` is no job id.
        """
        if not is_job_id(job_id):
            raise ValueError(f"{job_id!r} is not a job id")
        return cls((root or jobs_dir()) / job_id)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def bundle(self) -> Path:
        return self.path / "bundle.pyz"

    @property
    def frames(self) -> Path:
        return self.path / "frames.jsonl"

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def executed(self) -> Path:
        return self.path / "executed.ipynb"

    @property
    def stop_request(self) -> Path:
        return self.path / "stop.json"

    def log(self, rank: int) -> Path:
        return self.path / "logs" / f"rank-{rank:d}.log"

    @property
    def has_notebook(self) -> bool:
        """Whether the executed notebook was written."""
        return is_regular(self.executed)

    @property
    def stop_requested(self) -> bool:
        return os.path.lexists(self.stop_request)

    def log_bytes(self, rank: int) -> int:
        """Bytes of a rank's log so far."""
        return size_of(self.log(rank))

    def read_spec(self) -> JobSpec | None:
        """What was asked, or None when it is missing or unreadable."""
        return _read(self.path / "spec.json", JobSpec)

    def write_spec(self, spec: JobSpec) -> None:
        """Does not last by itself: `sync` makes the folder last."""
        write_atomically(self.path / "spec.json", spec.model_dump_json(indent=1).encode(), lasting=False)

    def read_status(self) -> JobStatus | None:
        """The latest status, or None when it is missing or unreadable."""
        status = _read(self.path / "status.json", JobStatus)
        if status is None or status.folder in (None, str(self.path)):
            return status
        return status.model_copy(update={"folder": str(self.path)})  # it was moved, or the job names another

    def write_status(self, status: JobStatus, *, lasting: bool = True) -> None:
        write_atomically(self.path / "status.json", status.model_dump_json().encode(), lasting=lasting)

    def sync(self) -> None:
        """Makes all that stands in it so far survive a power cut, but what the notebook itself wrote.

        Raises: OSError when the disk refuses.
        """
        files = (file for folder in (self.path, self.path / "logs") for file in _files_of(folder))
        sync(*files, self.path / "logs", self.path, self.path.parent)

    def read_frames(self, offset: int = 0, limit_bytes: int = FRAMES_LIMIT) -> tuple[list[dict[str, Any]], int]:
        """Whole frames from a byte offset on, and the offset where to go on.

        A torn last line is left for the next call; a broken line in between, or one longer than any frame, is skipped.
        """
        limit_bytes = min(limit_bytes, FRAMES_LIMIT - offset)
        if limit_bytes <= 0:
            return [], offset
        try:
            with opened(self.frames) as file:
                file.seek(offset)
                data = file.read(limit_bytes)
                if len(data) == limit_bytes and b"\n" not in data:
                    data += file.readline(min(_LINE_BYTES, FRAMES_LIMIT - offset - limit_bytes))
        except OSError:
            return [], offset
        end = data.rfind(b"\n") + 1
        if not end and len(data) >= _LINE_BYTES:
            return [], offset + len(data)
        frames = []
        for line in data[:end].splitlines():
            try:
                frame = json.loads(line) if len(line) <= _LINE_BYTES else None
            except (ValueError, RecursionError):
                continue
            if isinstance(frame, dict):
                frames.append(frame)
        return frames, offset + end

    def frames_bytes(self) -> int:
        """Bytes of frames so far."""
        return min(size_of(self.frames), FRAMES_LIMIT)

    def each_frame(self) -> Iterator[dict[str, Any]]:
        """All whole frames so far, read in pieces."""
        offset = 0
        while True:
            frames, following = self.read_frames(offset, _PIECE_BYTES)
            yield from frames
            if following == offset:
                return
            offset = following

    def read_log(self, rank: int, offset: int, limit_bytes: int) -> tuple[bytes, int]:
        """At most `limit_bytes` of a rank's log from a byte offset on (negative: from the end), and the file's size."""
        try:
            with opened(self.log(rank)) as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size + offset) if offset < 0 else min(offset, size)
                file.seek(start)
                return file.read(limit_bytes), size
        except OSError:
            return b"", 0


def _files_of(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if is_regular(file)] if folder.is_dir() else []


def _read(path: Path, model: type[_Model]) -> _Model | None:
    try:
        return model.model_validate_json(read_regular(path))
    except (OSError, ValidationError):
        return None
