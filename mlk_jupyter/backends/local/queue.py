"""Who gets which GPU: first come, first served among all jobs of one data directory, whoever submitted them.

Each job that wants GPUs has one ticket, a file `gpus/JOB.json` that says who holds what; one lock file orders all
changes. A ticket whose process is gone counts for nothing, so a killed job frees its GPUs without anybody's help.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...record.files import read_regular
from ...record.folder import write_atomically
from . import process


@dataclass(frozen=True)
class Ticket:
    """One job's place in the queue, and what it holds."""

    job: str
    created_at: float
    """When the job was submitted, in seconds since the epoch: the order of the queue."""
    wants: int
    """GPUs in all."""
    owner: process.Identity
    holds: list[str] = field(default_factory=list)
    """UUIDs; empty while it waits."""

    @property
    def place(self) -> tuple[float, str]:
        return self.created_at, self.job


@dataclass(frozen=True)
class Grant:
    """The answer to a job that wants GPUs."""

    uuids: list[str]
    """What it got; empty when it has to wait."""
    why: str | None = None
    """Why it waits, in one sentence."""


class GpuQueue:
    """The tickets of one data directory. Every method may raise OSError (disk full, no access)."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "gpus"

    def ask(self, ticket: Ticket, uuids: list[str]) -> Grant:
        """Takes a place in the queue, and the GPUs if it is this job's turn. Ask again later while it has to wait.

        Args: uuids: GPUs that the job may be given, the preferred ones first; at least `ticket.wants`.
        """
        with self._locked():
            others = [other for other in self._living() if other.job != ticket.job]
            held = {uuid: other.job for other in others for uuid in other.holds}
            free = [uuid for uuid in uuids if uuid not in held]
            ahead = [other for other in others if not other.holds and other.place < ticket.place]
            fits = ticket.wants <= len(free)
            if fits and not ahead:
                granted = Ticket(ticket.job, ticket.created_at, ticket.wants, ticket.owner, free[: ticket.wants])
                self._write(granted)
                return Grant(granted.holds)
            self._write(ticket)
            return Grant([], _why(ticket, len(free), len(uuids), sorted({held[u] for u in uuids if u in held}), ahead))

    def release(self, job: str) -> None:
        """Gives a job's GPUs and place back."""
        with self._locked():
            self._path(job).unlink(missing_ok=True)

    def held(self) -> dict[str, str]:
        """UUID to the job that holds it, for GPUs held by a living job."""
        if not self._folder.is_dir():
            return {}
        return {uuid: ticket.job for ticket in self._living() for uuid in ticket.holds}

    def waiting(self) -> list[str]:
        """Jobs that wait for GPUs, first come first."""
        if not self._folder.is_dir():
            return []
        return [ticket.job for ticket in sorted(self._living(), key=lambda one: one.place) if not ticket.holds]

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.json"

    def _write(self, ticket: Ticket) -> None:
        if self._read(self._path(ticket.job)) != ticket:
            write_atomically(self._path(ticket.job), json.dumps(asdict(ticket)).encode(), lasting=False)

    def _living(self) -> list[Ticket]:
        tickets = (self._read(path) for path in self._folder.glob("*.json"))
        return [ticket for ticket in tickets if ticket is not None and process.alive(ticket.owner)]

    @staticmethod
    def _read(path: Path) -> Ticket | None:
        try:
            return Ticket(**json.loads(read_regular(path)))
        except (OSError, ValueError, TypeError, RecursionError):
            return None  # gone meanwhile, or not ours: no ticket

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _why(ticket: Ticket, free: int, total: int, holders: list[str], ahead: list[Ticket]) -> str:
    text = f"It needs {gpus_in_words(ticket.wants)}; {free} of {total} {'is' if free == 1 else 'are'} free"
    if holders:
        text += f", the others are held by {_names(holders)}"
    if ahead:
        text += f"; {_names([one.job for one in sorted(ahead, key=lambda one: one.place)])} came first"
    return text + "."


def gpus_in_words(count: int) -> str:
    """ "1 GPU", "4 GPUs"."""
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _names(jobs: list[str]) -> str:
    return ", ".join(jobs) if len(jobs) <= 3 else f"{', '.join(jobs[:3])} and {len(jobs) - 3} more"
