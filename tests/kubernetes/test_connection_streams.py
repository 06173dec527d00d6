"""Watches and logs of one cluster over HTTP: how they come, break and are left."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from badserver import PODS, Scripted, connected, pod, run, status, streaming

from mlk_jupyter.backends.kubernetes.api.api_errors import Expired, NotFoundInCluster, Unreachable
from mlk_jupyter.backends.kubernetes.api.connection import Connection, Event

pytestmark = pytest.mark.usefixtures("alone")


async def collected(connection: Connection, version: str = "1") -> list[Event]:
    async with connection.watch(PODS, version=version) as events:
        return [event async for event in events]


def test_a_watch_asks_for_bookmarks_and_an_end_and_gives_lines_however_they_are_cut(tmp_path: Path) -> None:
    large = {**pod("b", 3), "status": {"text": "x" * (4 << 20)}}

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["allowWatchBookmarks"] == "true" and 240 <= int(request.query["timeoutSeconds"]) <= 300
        response = await streaming(request)
        lines = "".join(json.dumps({"type": "ADDED", "object": one}) + "\n" for one in (pod("ä", 2), large)).encode()
        for place in (0, 1):
            await response.write(lines[place * 97 : (place + 1) * 97])
        await response.write(lines[2 * 97 :])
        await response.write(json.dumps({"type": "BOOKMARK", "object": pod("", 9)}).encode() + b"\n\n")
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            events = await collected(connection)
            assert [event.type for event in events] == ["ADDED", "ADDED", "BOOKMARK"]
            assert events[0].object["metadata"]["name"] == "ä" and len(events[1].object["status"]["text"]) == 4 << 20

    run(test)


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 5 (9)"}


@pytest.mark.parametrize("in_stream", [True, False])
def test_a_forgotten_version_is_told_apart_in_the_stream_and_before_it(in_stream: bool, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await streaming(request, ("ERROR", GONE)) if in_stream else web.json_response(GONE, status=410)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Expired):
                await collected(connection)

    run(test)


@pytest.mark.parametrize(
    "rest",
    [b'{"type":"ADDED","obj', b"<html>502</html>\n", b'{"no":"event"}\n', b'"text"\n'],
    ids=["cut", "page", "other", "text"],
)
def test_a_line_that_is_no_event_ends_the_watch_with_an_error(rest: bytes, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = await streaming(request, ("ADDED", pod("a", 2)))
        await response.write(rest)
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Unreachable):
                await collected(connection)

    run(test)


def test_a_connection_that_is_reset_in_a_watch_is_unreachable_and_nothing_else(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = await streaming(request, ("ADDED", pod("a", 2)))
        assert request.transport is not None
        request.transport.abort()
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            with pytest.raises(Unreachable):
                await collected(connection)

    run(test)


def test_leaving_a_watch_early_closes_its_connection(tmp_path: Path) -> None:
    async def test() -> None:
        left = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await streaming(request)
            with suppress(ConnectionError):
                while True:
                    await response.write(json.dumps({"type": "ADDED", "object": pod("a", 2)}).encode() + b"\n")
                    await asyncio.sleep(0.01)
            left.set()
            return response

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            async with connection.watch(PODS, version="1") as events:
                async for _ in events:
                    break
            await asyncio.wait_for(left.wait(), 20)

    run(test)


def test_a_log_comes_in_pieces_and_a_refusal_is_no_log(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if "/gone/" in request.path:
            return status(404, 'pods "gone" not found', "NotFound")
        assert dict(request.query) == {
            "container": "worker", "timestamps": "true", "sinceTime": "2026-11-22T08:00:00Z", "follow": "true"
        }  # fmt: skip
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"2026-11-22T08:00:01Z one\n2026-", b"11-22T08:00:02Z \xff\n"):
            await response.write(piece)
        return response

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            since = "2026-11-22T08:00:00Z"
            async with connection.log("ml", "p", "worker", since=since, follow=True) as pieces:
                whole = b"".join([piece async for piece in pieces])
            assert whole == b"2026-11-22T08:00:01Z one\n2026-11-22T08:00:02Z \xff\n"
            with pytest.raises(NotFoundInCluster):
                async with connection.log("ml", "gone", "worker", since=None, follow=False):
                    pass

    run(test)
