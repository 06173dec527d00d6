"""A log as the API serves it, scripted: whole seconds, cuts, rotation, refusals. No network."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from mlk_jupyter.errors import MlkError


class Cut(MlkError):
    """The connection broke."""

    code, title, status = "scripted_cut", "Cut", 503

    def __init__(self) -> None:
        super().__init__("The connection was cut.", hint="None.")


class Refusal(MlkError):
    """Any answer that is no log."""

    code, title = "scripted_refusal", "Refused"

    def __init__(self, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"The server said {status}.", hint="None.")
        self.status = status
        self.retry_after_s = retry_after_s


def stamp(at: float) -> str:
    """Nine digits, UTC, as a kubelet has it; `at` in seconds after some midnight."""
    whole, nanos = divmod(round(at * 1e9), 10**9)
    hours, minutes = divmod(whole // 60, 60)
    return f"2026-11-22T{hours:02d}:{minutes:02d}:{whole % 60:02d}.{nanos:09d}Z"


@dataclass
class Asked:
    """One request."""

    since: str | None
    follow: bool


@dataclass
class LogServer:
    """The log of one container of one pod, filled with `write` and read through `log`."""

    piece_bytes: int = 1000
    cut_after: int | None = None
    """Bytes after which each answer breaks off; None: never."""
    over: bool = False
    """The container has ended: a following answer ends too."""
    refusals: list[MlkError] = field(default_factory=list)
    """What the next requests are answered with."""
    silent: int = 0
    """How many of the next following requests say nothing, though there is something to say."""
    asked: list[Asked] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._news = asyncio.Event()

    def write(self, at: float, *texts: bytes) -> None:
        """Lines of one moment; each with its newline, but the last may lack it."""
        self.lines += [(stamp(at), text) for text in texts]
        self._news.set()

    def rotate(self, kept: int) -> None:
        """Only the newest lines are still there."""
        self.lines = self.lines[len(self.lines) - kept :]

    def end(self) -> None:
        self.over = True
        self._news.set()

    @contextlib.asynccontextmanager
    async def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        since: str | None,
        follow: bool,
        previous: bool = False,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(Asked(since, follow))
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        silent = follow and self.silent > 0
        self.silent -= silent
        yield self._silence() if silent else self._answer(since, follow)

    async def _silence(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    async def _answer(self, since: str | None, follow: bool) -> AsyncIterator[bytes]:
        sent, left = 0, self.cut_after
        while True:
            self._news.clear()
            new, sent = self.lines[sent:], len(self.lines)
            data = b"".join(f"{at} ".encode() + text for at, text in new if since is None or at[:19] + "Z" >= since)
            for start in range(0, len(data), self.piece_bytes):
                piece = data[start : start + self.piece_bytes]
                if left is not None and len(piece) > left:
                    yield piece[:left]
                    raise Cut
                left = None if left is None else left - len(piece)
                yield piece
                await asyncio.sleep(0)
            if self.over or not follow:
                return
            await self._news.wait()
