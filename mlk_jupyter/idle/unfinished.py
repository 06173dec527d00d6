"""Which of the jobs that a kernel submitted are not over, by their records on this machine. Blocking."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from ..record.folder import JobFolder, is_job_id, jobs_dir

_Stamp = tuple[int, int, int]


class Unfinished:
    """Reads a job's record again only when it has changed."""

    def __init__(self, root: Path | None = None) -> None:
        """Args: root: the folder of all job folders; None: the usual one."""
        self._root = root
        self._known: dict[str, tuple[_Stamp, bool]] = {}

    def of(self, job_ids: Collection[str]) -> set[str]:
        """Those that are not over. One without a record, or with one that cannot be read, counts as over: nobody could
        find it again. Never raises."""
        known, self._known = self._known, {}
        return {job_id for job_id in job_ids if is_job_id(job_id) and self._is_unfinished(job_id, known)}

    def _is_unfinished(self, job_id: str, known: dict[str, tuple[_Stamp, bool]]) -> bool:
        with contextlib.suppress(OSError):
            stat = ((self._root or jobs_dir()) / job_id / "status.json").lstat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if job_id not in known or known[job_id][0] != stamp:
                status = JobFolder((self._root or jobs_dir()) / job_id).read_status()
                known[job_id] = (stamp, status is not None and not status.phase.final)
            self._known[job_id] = known[job_id]
            return known[job_id][1]
        return False
