"""What can go wrong between a client and the API server, on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from .problems import Problem

FaultKind = Literal["delay", "hang", "throttle", "error", "html", "lost_answer", "reset"]
HTML = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"


@dataclass
class Fault:
    """What to do to requests that match.

    `delay`: wait `seconds`, then answer. `hang`: accept and go silent, open streams included, until it is lifted.
    `throttle`: 429 with `Retry-After: seconds`. `error`: `status` (500…) with a Status body. `html`: a proxy's
    502 page.
    `lost_answer`: do it, then drop the connection unanswered. `reset`: drop the connection, do nothing.
    """

    kind: FaultKind
    seconds: float = 1.0
    status: int = 500
    message: str = "etcdserver: leader changed"
    """Of an `error`; webhooks' and policies' refusals are such."""
    reason: str = ""
    methods: tuple[str, ...] = ()
    path: str = ""
    """Regular expression that the path (with its query) must contain."""
    times: int | None = None
    """How many requests it meets; None: all until it is lifted."""
    met: int = 0

    def matches(self, request: web.Request) -> bool:
        """Whether it meets this request."""
        if self.times is not None and self.met >= self.times:
            return False
        return (not self.methods or request.method in self.methods) and bool(re.search(self.path, request.path_qs))


class Faults:
    """The faults of one server. Change them in the server's loop only (`FakeCluster` does)."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._silent = asyncio.Event()
        self._silent.set()
        self.dropped_events = 0
        """How many watch events from now on are lost."""
        self.broken_lines = 0
        """How many watches from now on end in the middle of an event."""
        self.stream_s: float | None = None
        """Every watch and every followed log ends after so many seconds."""

    def add(self, fault: Fault) -> None:
        """From now on."""
        self._active.append(fault)
        self._retell()

    def lift(self, fault: Fault | None = None) -> None:
        """No longer; all of them where none is named."""
        self._active = [each for each in self._active if fault is not None and each is not fault]
        if fault is None:
            self.dropped_events, self.broken_lines, self.stream_s = 0, 0, None
        self._retell()

    def _retell(self) -> None:
        if any(fault.kind == "hang" for fault in self._active):
            self._silent.clear()
        else:
            self._silent.set()

    def of(self, request: web.Request) -> Iterator[Fault]:
        """The faults that this request meets."""
        for fault in list(self._active):
            if fault.matches(request):
                fault.met += 1
                yield fault

    async def silence(self) -> None:
        """Say nothing while a `hang` lasts."""
        await self._silent.wait()

    def drops_event(self) -> bool:
        """Whether the next watch event is lost."""
        if self.dropped_events:
            self.dropped_events -= 1
            return True
        return False

    def breaks_line(self) -> bool:
        """Whether the next watch event is cut in two."""
        if self.broken_lines:
            self.broken_lines -= 1
            return True
        return False

    async def before(self, request: web.Request, met: list[Fault]) -> web.Response | None:
        """Do what happens before the server looks at a request. Gives the answer where there is one already."""
        for fault in met:
            if fault.kind == "delay":
                await asyncio.sleep(fault.seconds)
            elif fault.kind == "hang":
                await self.silence()
            elif fault.kind == "reset":
                drop(request)
                return web.Response(status=500)
            elif fault.kind == "throttle":
                text = "Too many requests, please try again later.\n"
                return web.Response(status=429, text=text, headers={"Retry-After": str(int(fault.seconds))})
            elif fault.kind == "html":
                return web.Response(status=502, text=HTML, content_type="text/html")
            elif fault.kind == "error":
                body = Problem(fault.status, fault.message, reason=fault.reason or None).status()
                text = json.dumps(body)
                return web.Response(status=fault.status, body=text.encode(), content_type="application/json")
        return None


def drop(request: web.Request) -> None:
    """Cut a request's connection."""
    with contextlib.suppress(Exception):
        if request.transport is not None:
            request.transport.abort()
