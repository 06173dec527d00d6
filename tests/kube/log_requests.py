"""`pods/log`: the query of a request, turned to what the kubelet is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from aiohttp import web

from .faults import Faults
from .problems import Problem, bad_request
from .store import Object


class LogSource(Protocol):
    """What kubelets keep of their containers' output (`pod_logs.PodLogs` is one)."""

    unreachable: set[str]

    def problem(self, pod: Object, asked: str | None, *, previous: bool = False) -> str | None:
        """Why the log cannot be read; None when it can."""

    def container_of(self, pod: Object, asked: str | None) -> str:
        """The container to read."""

    async def read(self, pod: Object, container: str, **options: Any) -> bytes:
        """What is kept."""

    def follow(self, pod: Object, container: str, **options: Any) -> AsyncIterator[bytes]:
        """What is kept and what comes."""


async def serve_log(
    request: web.Request, pod: Object, query: dict[str, str], source: LogSource | None, faults: Faults
) -> web.StreamResponse:
    """Answer a request for a container's log. Raises `Problem` 400 and 500."""
    asked, previous = query.get("container"), _true(query, "previous")
    if source is None:
        raise Problem(500, 'Get "https://10.0.0.1:10250/containerLogs": dial tcp 10.0.0.1:10250: connection refused')
    options = {
        "since": _since(query),
        "tail_lines": _number(query, "tailLines"),
        "timestamps": _true(query, "timestamps"),
        "limit_bytes": _number(query, "limitBytes"),
        "previous": previous,
    }
    if (why := source.problem(pod, asked, previous=previous)) is not None:
        raise bad_request(why)
    node = pod["spec"].get("nodeName", "")
    if node in source.unreachable:
        address = pod.get("status", {}).get("hostIP", "10.0.0.1")
        where = f"https://{address}:10250/containerLogs/{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        raise Problem(500, f'Get "{where}/{source.container_of(pod, asked)}": dial tcp {address}:10250: i/o timeout')
    container = source.container_of(pod, asked)
    if not _true(query, "follow"):
        return web.Response(body=await source.read(pod, container, **options), content_type="text/plain")
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_pass_on(source.follow(pod, container, **options), response, faults), faults.stream_s)
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def _pass_on(chunks: AsyncIterator[bytes], response: web.StreamResponse, faults: Faults) -> None:
    async for chunk in chunks:
        await faults.silence()
        await response.write(chunk)


def _true(query: dict[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1", "t")


def _number(query: dict[str, str], name: str) -> int | None:
    return int(query[name]) if query.get(name) else None


def _since(query: dict[str, str]) -> datetime | None:
    if query.get("sinceSeconds"):
        return datetime.now(timezone.utc) - timedelta(seconds=int(query["sinceSeconds"]))
    text = query.get("sinceTime")
    if not text:
        return None
    whole, _, _ = text.removesuffix("Z").partition(".")  # more digits than Python reads; seconds count
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    raise bad_request(f'sinceTime: Invalid value: "{text}": parsing time')
