"""Lists in pages, and watches: streams of what happened since a version."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

from aiohttp import web

from . import selectors
from .faults import Faults
from .kinds import Kind
from .problems import Problem, bad_request, expired
from .store import Event, Object, Store

SNAPSHOTS = 64


class Lists:
    """Lists, in pages of one version where a limit is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: OrderedDict[str, tuple[int, list[Object]]] = OrderedDict()

    def answer(self, kind: Kind, namespace: str | None, query: dict[str, str]) -> Object:
        """The list that a query asks for. Raises `Problem` 400 and 410."""
        limit = int(query.get("limit") or 0)
        wanted = selectors.labels(query.get("labelSelector"))
        has = selectors.fields(query.get("fieldSelector"), kind.resource)
        version_asked = query.get("resourceVersion", "")
        if version_asked and not version_asked.isdigit():
            raise bad_request(f'resourceVersion: Invalid value: "{version_asked}": strconv.ParseUint: parsing '
                              f'"{version_asked}": invalid syntax')  # fmt: skip
        if int(version_asked or 0) > self._store.version:
            raise Problem(504, f"Too large resource version: {version_asked}, current: {self._store.version}",
                          details={"causes": [{"reason": "ResourceVersionTooLarge",
                                               "message": "Too large resource version"}]},
                          retry_after_s=1)  # fmt: skip
        with self._store.lock:
            if token := query.get("continue"):
                version, rest = self._continued(token)
            else:
                version = self._store.version
                rest = [found for found in self._store.peek_all(kind.resource, namespace) if wanted(found)]
                rest = [found for found in rest if has(found)]
        page = rest[:limit] if limit else rest
        meta: Object = {"resourceVersion": str(version)}
        if len(page) < len(rest):
            meta["continue"] = self._keep(version, rest[limit:])
            if not query.get("labelSelector") and not query.get("fieldSelector"):
                meta["remainingItemCount"] = len(rest) - limit
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": page}

    def _keep(self, version: int, rest: list[Object]) -> str:
        said = {"v": "meta.k8s.io/v1", "rv": version, "start": rest[0]["metadata"]["name"], "n": random.getrandbits(48)}
        token = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        self._snapshots[token] = version, rest
        while len(self._snapshots) > SNAPSHOTS:
            self._snapshots.popitem(last=False)
        return token

    def _continued(self, token: str) -> tuple[int, list[Object]]:
        held = self._snapshots.get(token)
        if held is None:
            raise bad_request("continue key is not valid: illegal base64 data")
        if held[0] < self._store.oldest:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results. Continuing with the provided token results in an inconsistent list - "
                "objects that were created, modified, or deleted between the time the first chunk was returned and "
                "now may show up in the list.",
                token=self._keep(self._store.version, held[1]),
            )
        return held


class Watches:
    """All open watches."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store, self._faults = store, faults
        self.bookmark_s = 60.0
        """How often a watch that asked for it hears how far it is."""
        self.expired_as_status = False
        """Answer a version that is too old with HTTP 410, not with 200 and an error in the stream."""

    async def serve(
        self,
        request: web.Request,
        kind: Kind,
        namespace: str | None,
        query: dict[str, str],
        shown: Callable[[Object], Object],
    ) -> web.StreamResponse:
        """Stream until the time asked for is over or the client is gone."""
        text = query.get("resourceVersion", "")
        if text and not text.isdigit():
            raise Problem(500, f'strconv.ParseUint: parsing "{text}": invalid syntax', reason="InternalError")
        wanted = selectors.labels(query.get("labelSelector"))
        has = selectors.fields(query.get("fieldSelector"), kind.resource)

        def mine(found: Object) -> bool:
            inside = namespace is None or found["metadata"].get("namespace") == namespace
            return inside and wanted(found) and has(found)

        loop = asyncio.get_running_loop()
        waiting: deque[Event] = deque()
        woken = asyncio.Event()

        def hear(event: Event) -> None:
            if event.resource == kind.resource:
                waiting.append(event)
                loop.call_soon_threadsafe(woken.set)

        lines: list[bytes] = []
        refusal: Problem | None = None
        with self._store.lock:
            at = self._store.version
            if text in ("", "0"):
                found_now = [found for found in self._store.peek_all(kind.resource, namespace) if mine(found)]
                lines = [_line("ADDED", shown(found)) for found in found_now]
            else:
                at = max(int(text), 0)
                try:
                    waiting.extend(event for event in self._store.watch(at) if event.resource == kind.resource)
                except Problem as problem:
                    refusal = problem
            end = self._store.subscribe(hear)
        if refusal is not None and self.expired_as_status:
            end()
            raise refusal
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            if refusal is not None:
                await response.write(_line("ERROR", refusal.status()))
                return response
            for line in lines:
                await response.write(line)
            await self._follow(response, kind, waiting, woken, mine, shown, query, at)
        finally:
            end()
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
        return response

    async def _follow(
        self,
        response: web.StreamResponse,
        kind: Kind,
        waiting: deque[Event],
        woken: asyncio.Event,
        mine: Callable[[Object], bool],
        shown: Callable[[Object], Object],
        query: dict[str, str],
        at: int,
    ) -> None:
        loop = asyncio.get_running_loop()
        lasts = float(query.get("timeoutSeconds") or random.uniform(1800, 3600))
        over = loop.time() + min(lasts, self._faults.stream_s or lasts)
        bookmarks = query.get("allowWatchBookmarks") in ("true", "True", "1")
        bookmark_due = loop.time() + self.bookmark_s
        final_due = over - 2 if bookmarks and lasts > 2 else None
        while True:
            woken.clear()
            while waiting:
                event = waiting.popleft()
                if event.version <= at:
                    continue
                at = event.version
                sent = _as_seen(event, mine)
                if sent is None or self._faults.drops_event():
                    continue
                await self._faults.silence()
                line = _line(sent[0], shown(sent[1]))
                if self._faults.breaks_line():
                    await response.write(line[: len(line) // 2])
                    return
                await response.write(line)
            now = loop.time()
            if now >= over:
                return
            if bookmarks and (now >= bookmark_due or (final_due is not None and now >= final_due)):
                if final_due is not None and now >= final_due:
                    final_due = None
                bookmark_due = now + self.bookmark_s
                await self._faults.silence()
                with self._store.lock:
                    caught_up, version = not waiting, self._store.version
                if caught_up:
                    mark = {"kind": kind.kind, "apiVersion": kind.api_version}
                    await response.write(_line("BOOKMARK", {**mark, "metadata": {"resourceVersion": str(version)}}))
            due = min(over, bookmark_due if bookmarks else over, final_due or over)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(woken.wait(), max(due - loop.time(), 0.001))


def _as_seen(event: Event, mine: Callable[[Object], bool]) -> tuple[str, Object] | None:
    """A change as a watch with selectors sees it: what leaves the selection is gone, what enters is new."""
    now = event.type != "DELETED" and mine(event.object)
    before = event.previous is not None and mine(event.previous)
    if now:
        return ("MODIFIED" if before else "ADDED"), event.object
    if not before:
        return None
    if event.type == "DELETED":
        return "DELETED", event.object
    assert event.previous is not None
    version = event.object["metadata"]["resourceVersion"]
    return "DELETED", {**event.previous, "metadata": {**event.previous["metadata"], "resourceVersion": version}}


def _line(kind: str, found: Any) -> bytes:
    return json.dumps({"type": kind, "object": found}, separators=(",", ":")).encode() + b"\n"
