"""One cluster over HTTP: raw JSON in and out. Every method raises `api_errors.ApiError`s only (and what `load` raises).

The import of aiohttp, credentials and large lists are dealt with in threads, off the event loop.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ....threads import in_thread
from ..timing import Limits
from .api_errors import ApiError, Expired, LoginNeeded, NotFoundInCluster, Throttled, Unreachable, error_of
from .decoding import Keep, NotAnObject, decode, decode_list
from .redaction import redacted
from .session import Call, Session
from .targets import Target

_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{_JSON}"
_LARGE_BYTES = 1 << 20
_PAGE = 500
_PAGE_BYTES = 4 << 20
_LARGEST_LINE_BYTES = 32 << 20
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Answer:
    """What creating something gave."""

    body: dict[str, Any]
    warnings: list[str]
    """What the API server remarked beside, redacted."""


@dataclass(frozen=True)
class Listing:
    """All objects of one kind at one moment."""

    items: list[dict[str, Any]]
    version: str
    """Where a watch goes on."""


@dataclass(frozen=True)
class Event:
    """One line of a watch."""

    type: str
    """ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: dict[str, Any]


class Connection:
    """A way to one API server. Opened by its first call; use as `async with`, or call `close`."""

    def __init__(self, target: Target, limits: Limits | None = None) -> None:
        self.target = target
        self.limits = limits or Limits()
        self._session = Session(target, self.limits)
        self._paused_until = 0.0

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections. A call after this opens new ones."""
        await self._session.close()

    def clock(self) -> float:
        """Seconds since the epoch on the API server; by our own clock before its first answer."""
        return self._session.clock.now()

    @property
    def pause_s(self) -> float:
        """For how long the API server asked not to be polled, from now."""
        return max(0.0, self._paused_until - time.monotonic())

    async def get(self, path: str, **params: str) -> dict[str, Any]:
        """One object, or any document that the API server has there."""
        return await self._json(Call("GET", path, params))

    async def text(self, path: str, **params: str) -> str:
        """A document that is no JSON, e.g. `/readyz`."""
        async with self._answer(Call("GET", path, params)) as response:
            return (await self._session.body(response)).decode("utf-8", "replace")

    async def create(self, path: str, body: dict[str, Any], *, dry_run: bool = False) -> Answer:
        """Creates an object; unknown and doubled fields are errors. With `dry_run` everything is checked, nothing made.

        After `Unreachable` it may have been created all the same.
        """
        params = {"fieldValidation": "Strict"} | ({"dryRun": "All"} if dry_run else {})
        async with self._answer(Call("POST", path, params, json.dumps(body).encode())) as response:
            raw = await self._session.body(response)
            warnings = [text for header in response.headers.getall("Warning", []) for text in _WARNING.findall(header)]
            return Answer(await self._decoded(raw), [redacted(text.replace('\\"', '"')) for text in warnings])

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        """Changes an object by a JSON patch. A `test` in it that fails raises `Conflict`."""
        body = json.dumps(operations).encode()
        return await self._json(Call("PATCH", path, {"fieldValidation": "Strict"}, body, "application/json-patch+json"))

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None:
        """Deletes an object and what it owns; one that is gone already is no error.

        Raises: Conflict when the object of that name has another uid.
        """
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self._json(Call("DELETE", path, {}, json.dumps(options).encode()))
        except NotFoundInCluster:
            return

    async def list(
        self,
        path: str,
        *,
        labels: str | None = None,
        fields: str | None = None,
        keep: Keep | None = None,
        metadata_only: bool = False,
    ) -> Listing:
        """All objects of a collection, page by page.

        Args: keep: cuts each object down, in the thread that decodes it. metadata_only: names and labels alone.
        """
        call = Call("GET", path, _selection(labels, fields), accept=_METADATA if metadata_only else _JSON)
        for _ in range(3):
            try:
                return await self._pages(call, keep, _PAGE)
            except Expired:  # the pages took longer than the server remembers: from the start
                continue
        return await self._pages(call, keep, None)

    def watch(
        self,
        path: str,
        *,
        version: str,
        labels: str | None = None,
        fields: str | None = None,
        timeout_s: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """What changes after `version`, bookmarks included, until the server ends it in 4 to 5 min (or `timeout_s`).

        Raises (on entering or while iterating): Expired, Silent after 70 s without a line, and all others.
        """
        whole = timeout_s if timeout_s is not None else random.uniform(*self.limits.watch_s)
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, round(whole))),
            **_selection(labels, fields),
        }
        return self._watch(Call("GET", path, params, silence_s=self.limits.silence_s))

    @asynccontextmanager
    async def _watch(self, call: Call) -> AsyncIterator[AsyncIterator[Event]]:
        async with self._answer(call) as response, aclosing(self._events(response)) as events:
            yield events

    def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        since: str | None,
        follow: bool,
        previous: bool = False,
        limit_bytes: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A container's log in pieces as they come, each line behind its time (RFC 3339).

        Args:   since: RFC 3339 time of the first line to give. follow: go on until the container ends.
        Raises: NotFoundInCluster, InvalidObject (the container has not started), Silent after 70 s without a byte.
        """
        params = {"container": container, "timestamps": "true"}
        params |= {"sinceTime": since} if since else {}
        params |= {"follow": "true"} if follow else {}
        params |= {"previous": "true"} if previous else {}
        params |= {"limitBytes": str(limit_bytes)} if limit_bytes is not None else {}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self._log(Call("GET", path, params, accept="*/*", silence_s=self.limits.silence_s))

    @asynccontextmanager
    async def _log(self, call: Call) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._answer(call) as response, aclosing(self._session.pieces(response)) as pieces:
            yield pieces

    async def _pages(self, call: Call, keep: Keep | None, limit: int | None) -> Listing:
        items: list[dict[str, Any]] = []
        token, version = "", ""
        while True:
            params = call.params | ({"limit": str(limit)} if limit else {}) | ({"continue": token} if token else {})
            async with self._answer(replace(call, params=params)) as response:
                raw = await self._session.body(response)
            try:
                large = len(raw) > _LARGE_BYTES
                metadata, page = await in_thread(decode_list, raw, keep) if large else decode_list(raw, keep)
            except NotAnObject as error:
                _refuse_foreign(raw, error)
            items += page
            version = version or str(metadata.get("resourceVersion") or "")
            token = str(metadata.get("continue") or "")
            if not token:
                return Listing(items, version)
            if limit and len(raw) > _PAGE_BYTES:  # large objects: fewer at once
                limit = max(20, limit * _PAGE_BYTES // len(raw))

    async def _events(self, response: Any) -> AsyncGenerator[Event, None]:
        rest = bytearray()
        rested_at = time.monotonic()
        async with aclosing(self._session.pieces(response)) as pieces:
            async for piece in pieces:
                rest += piece
                if b"\n" not in piece:
                    if len(rest) > _LARGEST_LINE_BYTES:
                        _refuse_foreign(bytes(rest[:200]), None)
                    continue
                *lines, last = bytes(rest).split(b"\n")
                rest = bytearray(last)
                for line in lines:
                    if line.strip():
                        yield await self._event(line)
                    if time.monotonic() - rested_at > 0.01:  # a burst is no reason to hold up everybody else
                        await asyncio.sleep(0)
                        rested_at = time.monotonic()
        if rest.strip():
            raise Unreachable("The connection to the cluster was cut in mid-sentence.", hint="It is tried again.")

    async def _event(self, line: bytes) -> Event:
        document = await self._decoded(line)
        kind, content = document.get("type"), document.get("object")
        if not isinstance(kind, str) or not isinstance(content, dict):
            _refuse_foreign(line, None)
        if kind == "ERROR":
            code = content.get("code")
            details = content.get("details")
            retry = details.get("retryAfterSeconds") if isinstance(details, dict) else None
            raise self._noted(error_of(code if isinstance(code, int) else 500, content, retry))
        return Event(kind, content)

    async def _json(self, call: Call) -> dict[str, Any]:
        async with self._answer(call) as response:
            return await self._decoded(await self._session.body(response))

    async def _decoded(self, raw: bytes) -> dict[str, Any]:
        try:
            return await in_thread(decode, raw) if len(raw) > _LARGE_BYTES else decode(raw)
        except NotAnObject as error:
            _refuse_foreign(raw, error)

    @asynccontextmanager
    async def _answer(self, call: Call) -> AsyncIterator[Any]:
        """A response with a good status, its body not read yet. Credentials are renewed once on 401."""
        async with AsyncExitStack() as opened:
            try:
                response = await self._checked(opened, call)
            except LoginNeeded as error:
                if error.status_code != 401 or not await self._session.renew(call):
                    raise
                response = await self._checked(opened, call)
            yield response

    async def _checked(self, opened: AsyncExitStack, call: Call) -> Any:
        response = await opened.enter_async_context(self._session.answer(call))
        await self._check(response)
        return response

    async def _check(self, response: Any) -> None:
        if 200 <= response.status < 300:
            return
        if 300 <= response.status < 400:
            raise Unreachable(
                "Something in between sends elsewhere, where the API server should answer.",
                hint="Check the server's address in the kubeconfig, and that no login page or proxy stands before it.",
            )
        raw = await self._session.body(response)
        raise self._noted(
            error_of(response.status, raw.decode("utf-8", "replace"), response.headers.get("Retry-After"))
        )

    def _noted(self, error: ApiError) -> ApiError:
        if isinstance(error, Throttled):
            self._paused_until = max(self._paused_until, time.monotonic() + (error.retry_after_s or 1.0))
        return error


def _selection(labels: str | None, fields: str | None) -> dict[str, str]:
    return ({"labelSelector": labels} if labels else {}) | ({"fieldSelector": fields} if fields else {})


def _refuse_foreign(raw: bytes, error: Exception | None) -> NoReturn:
    start = raw[:200].decode("utf-8", "replace").lstrip()
    said = "a web page" if start.startswith("<") else repr(redacted(start, 80))
    raise Unreachable(
        f"What answers at the cluster's address is no Kubernetes API server, or is cut short: it sends {said}.",
        hint="Check the server's address in the kubeconfig, and what stands between here and there (VPN, proxy).",
    ) from error
