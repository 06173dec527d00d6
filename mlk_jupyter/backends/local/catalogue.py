"""All job folders of one data directory as a list, quickly: what did not change is not read again."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ...model import JobSpec, JobStatus, JobSummary, Phase, Reason
from ...record.files import read_regular
from ...record.folder import JobFolder, is_job_id
from ...record.ownership import Ownership, Taken
from . import settle

# How long after its end a record may still change (its MLflow run is recorded).
_SETTLING_S = 120.0

Stamp = tuple[int, int, int]


@dataclass
class _Entry:
    stamp: Stamp
    summary: JobSummary
    live: JobStatus | None
    """The whole status of a job whose owner still has something to write: that it lives has to be looked after."""


class Catalogue:
    """Summaries by job id. Blocking; safe to call from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def scan(self, *, thorough: bool = True) -> dict[str, JobSummary]:
        """Every job as it is now; an unchanged job is the same object as before.

        Args: thorough: also look at jobs that were over long ago; they can only vanish.
        """
        with self._lock:
            names = self._names()
            for name in self._entries.keys() - names:
                del self._entries[name]
            for name in names:
                self._look_at(name, thorough)
            return {name: entry.summary for name, entry in self._entries.items()}

    def _names(self) -> set[str]:
        try:
            return {name for name in os.listdir(self._root) if is_job_id(name)}  # noqa: PTH208  (five times faster)
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def _look_at(self, name: str, thorough: bool) -> None:
        entry = self._entries.get(name)
        if entry is not None and not thorough and entry.live is None and _is_old(entry):
            return
        folder = JobFolder(self._root / name)
        stamp = _stamp(folder)
        if entry is None or entry.stamp != stamp:
            found = self._read(folder, stamp, entry)
            if found is None:
                return
            entry = self._entries[name] = found
        if entry.live is not None and settle.is_stale(entry.live):
            self._settle(folder, entry)

    def _read(self, folder: JobFolder, stamp: Stamp, before: _Entry | None) -> _Entry | None:
        try:
            data = read_regular(folder.path / "status.json")
            summary = JobSummary.model_validate_json(data)
            live = JobStatus.model_validate_json(data) if settle.unfinished(summary) else None
        except FileNotFoundError:
            if not os.path.lexists(folder.path):  # deleted meanwhile
                self._entries.pop(folder.id, None)
                return None
            return self._unreadable(folder, stamp, before)
        except (OSError, ValidationError):
            return self._unreadable(folder, stamp, before)
        if (summary.id, summary.backend) != (folder.id, "local"):  # what is not said of this job is not said
            return self._unreadable(folder, stamp, before)
        return _Entry(stamp, summary, live)

    def _unreadable(self, folder: JobFolder, stamp: Stamp, before: _Entry | None) -> _Entry | None:
        if _is_owned(folder):  # its supervisor will write it anew; until then it is as it was
            return before
        return _Entry(stamp, unreadable(folder).summary(), None)

    def _settle(self, folder: JobFolder, entry: _Entry) -> None:
        assert entry.live is not None
        try:
            status = settle.settle(folder)
        except OSError:  # cannot be written down; it is true all the same
            status = settle.ended(folder, entry.live)
        if status is not None and status.phase.final:
            entry.summary, entry.live = status.summary(), None


def unreadable(folder: JobFolder) -> JobStatus:
    """What can be said of a job whose status cannot be read."""
    spec = folder.read_spec() or JobSpec(name=folder.id, notebook="unknown")
    try:
        created_at = folder.path.lstat().st_mtime
    except OSError:
        created_at = time.time()
    text = "The record of this job (status.json) is missing or damaged."
    return JobStatus.of(
        spec,
        id=folder.id,
        backend="local",
        phase=Phase.FAILED,
        reason=Reason(
            code="record_unreadable", text=text, hint=f"Its logs and frames may be whole; look into {folder.path}."
        ),
        error=text,
        run=None,
        created_at=created_at,
        folder=str(folder.path),
    )


def _stamp(folder: JobFolder) -> Stamp:
    try:
        stat = (folder.path / "status.json").lstat()
    except OSError:
        return (0, 0, 0)
    return (stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _is_old(entry: _Entry) -> bool:
    _, written_ns, _ = entry.stamp
    return time.time() - written_ns / 1e9 > _SETTLING_S


def _is_owned(folder: JobFolder) -> bool:
    try:
        with Ownership(folder):
            return False
    except Taken:
        return True
    except OSError:
        return False
