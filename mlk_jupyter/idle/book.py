"""What is written down of kernels: decisions, samples, and what stops have saved. One writer, in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model.kernels import IdleTotals
from ..record.privacy import close
from ..threads import in_thread
from . import savings
from .audit import Audit, decision
from .policy import Policy, as_values
from .recording import Recording
from .watched import Watched

logger = logging.getLogger(__name__)

_LIMIT_S = 5.0
_MOST_PENDING = 10_000
"""Records that wait for a disk; the oldest give way."""


class Book:
    """Of one server. Takes records at once, and writes them when `flush` is awaited."""

    def __init__(self, folder: Path, audit: Audit | None = None) -> None:
        """Args: audit: what writes into that folder; None: one of its own."""
        self._folder = folder
        self._audit = audit or Audit(folder)
        self._recording = Recording()
        self._savings: savings.Savings | None = None
        self._opening: asyncio.Task[None] | None = None
        self._pending: list[dict[str, Any]] = []
        self._writer: asyncio.Task[None] | None = None
        self._dropped = 0

    @property
    def lost(self) -> int:
        """Records that could not be written."""
        return self._audit.lost + self._dropped

    @property
    def is_open(self) -> bool:
        """Whether anything was ever to be written down."""
        return self._opening is not None

    def open(self) -> bool:
        """Begins to read what was saved so far; nobody waits for it. Gives whether that was not done before."""
        if self._opening is not None:
            return False
        self._opening = asyncio.create_task(self._open(), name="mlk idle savings")
        return True

    async def _open(self) -> None:
        found = await in_thread(self._read)
        for record in self._pending:  # none was written meanwhile, and so read
            found.take(record)
        self._savings = found
        await self.flush()

    def _read(self) -> savings.Savings:
        with contextlib.suppress(OSError):  # `write` says what is wrong with it
            close(self._folder.parent)
        try:
            return savings.read_savings(self._folder, time.time())
        except FileNotFoundError:
            return savings.Savings()
        except Exception as error:
            logger.warning("What stops have saved so far cannot be read: %s", error)
            return savings.Savings()

    def decided(self, event: str, kernel: Watched, at: float, **more: Any) -> None:
        """One decision about a kernel, with all that was behind it. Args: at: seconds since the epoch."""
        record = decision(
            event,
            kernel=kernel.id,
            path=kernel.look.path,
            sample=kernel.sample,
            verdict=kernel.verdict,
            policy=as_values(kernel.policy),
        )
        self.note({**record, "at": at, "cost_per_hour": kernel.cost_per_hour, **more})

    def sampled(self, kernel: Watched, at: float) -> None:
        """One sample, which is written where it says something new."""
        if kernel.sample is None:
            return
        look = kernel.look
        line = self._recording.sample(
            kernel.id,
            kernel.sample,
            at=at,
            path=look.path,
            name=look.name,
            started=look.started,
            cost_per_hour=kernel.cost_per_hour,
        )
        if line is not None:
            self.note(line)

    def gone(self, kernel_id: str, at: float) -> None:
        """A kernel has ended, whoever ended it."""
        line = self._recording.gone(kernel_id, at=at)
        if line is not None:
            self.note(line)

    def note(self, record: Mapping[str, Any]) -> None:
        """Any record. Args: record: with `at`, seconds since the epoch, and `event`."""
        full = {"at": time.time(), **record}
        self._pending.append(full)
        if self._savings is not None:
            self._savings.take(full)

    async def flush(self, limit_s: float = _LIMIT_S) -> None:
        """Writes what was taken since the last time.

        Kernels are watched on when the disk does not answer: after `limit_s` this returns, and what came meanwhile is
        written, in its order, once the disk has answered. While what was saved is still being read, nothing is written.
        """
        if self._opening is not None and self._savings is None and not self._opening.done():
            self._let_go()
            return
        clock = asyncio.get_running_loop().time
        until = clock() + limit_s
        while True:
            writer = self._writer
            if writer is None or writer.done():
                if not self._pending:
                    return
                pending, self._pending = self._pending, []
                writer = self._writer = asyncio.create_task(in_thread(self._write, pending), name="mlk idle audit")
            await asyncio.wait({writer}, timeout=max(0.0, until - clock()))
            if not writer.done():
                self._let_go()
                return
            writer.result()

    async def close(self, limit_s: float = _LIMIT_S) -> None:
        """Writes all that was taken, also where what was saved could not be read in time."""
        if self._opening is not None and not self._opening.done():
            await asyncio.wait({self._opening}, timeout=limit_s)
            self._opening.cancel()
            await asyncio.wait({self._opening})
        await self.flush(limit_s)

    def _let_go(self) -> None:
        self._dropped += max(0, len(self._pending) - _MOST_PENDING)
        del self._pending[:-_MOST_PENDING]

    def _write(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            self._audit.write(record)

    def totals(self, policy: Policy, kernels: Mapping[str, float | None], gpus: list[int | None]) -> IdleTotals:
        """What idleness costs.

        Args:
            kernels: cost per hour of each kernel that does nothing; None: unknown.
            gpus:    what each of them holds; None: unknown.
        """
        mode = "enforce" if policy.mode == "enforce" else "shadow"
        saved = None
        if self._savings is not None:
            saved = self._savings.month(time.time(), mode=mode, currency=policy.currency)  # type: ignore[arg-type]
        costs = list(kernels.values())
        return IdleTotals(
            wasted_per_hour=None if None in costs else sum(cost for cost in costs if cost is not None),
            wasted_gpus=None if None in gpus else sum(held for held in gpus if held is not None),
            saved=None if saved is None or saved.saved is None else round(saved.saved, 1),
            saved_gpu_s=None if saved is None or saved.gpu_s is None else round(saved.gpu_s / 60) * 60.0,
            stops=0 if saved is None else saved.stops,
            saved_limit_s=savings.LIMIT_S,
        )
