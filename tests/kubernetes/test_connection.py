"""What one cluster is asked over HTTP, and what is said of answers that are none."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from badserver import PODS, Scripted, connected, listing, pod, run, status, streaming

from mlk_jupyter.backends.kubernetes.api.api_errors import (
    ApiError,
    Conflict,
    ServerTrouble,
    Silent,
    Throttled,
    Unreachable,
)
from mlk_jupyter.backends.kubernetes.timing import Limits

pytestmark = pytest.mark.usefixtures("alone")


def test_a_list_is_put_together_from_its_pages(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["limit"] == "500" and request.query["labelSelector"] == "a=b"
        if "continue" not in request.query:
            return listing([pod("a", 3)], 9, token="second page")
        assert request.query["continue"] == "second page"
        return listing([pod("b", 4)], 9)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS, labels="a=b")
            assert [one["metadata"]["name"] for one in found.items] == ["a", "b"] and found.version == "9"
            assert {(one["kind"], one["apiVersion"]) for one in found.items} == {("Pod", "v1")}

    run(test)


def test_a_list_whose_pages_expire_is_begun_again(tmp_path: Path) -> None:
    async def test() -> None:
        first = True

        async def answer(request: web.Request) -> web.StreamResponse:
            nonlocal first
            if "continue" not in request.query:
                return listing([pod("a", 3)], 9 if first else 12, token="t")
            if first:
                first = False
                return status(410, "The provided continue parameter is too old", "Expired")
            return listing([pod("b", 11)], 12)

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS)
            assert [one["metadata"]["name"] for one in found.items] == ["a", "b"] and found.version == "12"

    run(test)


def test_a_custom_resource_whose_kind_stands_behind_its_items_is_read_alike(tmp_path: Path) -> None:
    body = {"apiVersion": "x/v1", "items": [{"metadata": {"name": "a"}}], "kind": "FooList", "metadata": {"a": 1}}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, dumps=lambda it: json.dumps(it, indent=1))

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list("/apis/x/v1/foos", keep=lambda one: {"was": one["kind"]})
            assert found.items == [{"was": "Foo"}]

    run(test)


def test_a_large_list_is_decoded_without_holding_up_the_loop(tmp_path: Path) -> None:
    items = [{**pod(f"p{n}", n), "status": {"text": ["x" * 20] * 300}} for n in range(1500)]
    page = json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items})

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(text=page, content_type="application/json")

    async def test() -> None:
        threads: set[int] = set()

        def keep(one: dict[str, Any]) -> dict[str, Any]:
            threads.add(threading.get_ident())
            return {"metadata": one["metadata"]}

        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            found = await connection.list(PODS, keep=keep)
            assert len(found.items) == 1500 and len(page) > 1 << 20
            assert threads and threading.get_ident() not in threads

    run(test)


def test_creating_asks_for_strict_fields_and_gives_the_servers_warnings(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.query["fieldValidation"] == "Strict" and request.query.get("dryRun") in (None, "All")
        headers = [("Warning", '299 - "would violate PodSecurity \\"restricted\\""'), ("Warning", '299 - "second"')]
        return web.json_response(await request.json(), status=201, headers=headers)

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            answer_ = await connection.create("/apis/batch/v1/namespaces/ml/jobs", {"a": 1}, dry_run=True)
            assert answer_.body == {"a": 1}
            assert answer_.warnings == ['would violate PodSecurity "restricted"', "second"]

    run(test)


def test_deleting_names_the_uid_and_finds_nothing_wrong_with_what_is_gone(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        assert body["propagationPolicy"] == "Background"
        if request.path.endswith("gone"):
            return status(404, "not found", "NotFound")
        return status(409, f"the UID in the precondition ({body['preconditions']['uid']}) does not match", "Conflict")

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            await connection.delete(f"{PODS}/gone", uid="u")
            with pytest.raises(Conflict):
                await connection.delete(f"{PODS}/other", uid="u")

    run(test)


def test_a_patch_is_a_json_patch(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/json-patch+json"
        return web.json_response({"patched": await request.json()})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            operations = [{"op": "test", "path": "/metadata/uid", "value": "u"}]
            assert await connection.patch(f"{PODS}/a", operations) == {"patched": operations}

    run(test)


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (lambda: web.Response(text="<html>login</html>", content_type="text/html"), Unreachable, "web page"),
        (lambda: web.Response(text="[1]", content_type="application/json"), Unreachable, "no Kubernetes"),
        (lambda: web.Response(text='{"cut', content_type="application/json"), Unreachable, "cut short"),
        (lambda: web.HTTPFound("https://login.example"), Unreachable, "elsewhere"),
        (lambda: web.Response(text="<html><body>no</body>", status=502), ServerTrouble, "web page"),
        (lambda: status(429, "busy"), Throttled, "busy"),
        (lambda: status(500, "etcd is away"), ServerTrouble, "etcd"),
    ],
    ids=["html", "list", "cut", "redirect", "proxy page", "busy", "trouble"],
)
def test_what_is_no_answer_of_an_api_server_is_said_to_be_none(
    response: Callable[[], web.Response], kind: type[ApiError], words: str, tmp_path: Path
) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        made = response()
        if isinstance(made, web.HTTPException):
            raise made
        return made

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            for call in (connection.get, connection.list):
                with pytest.raises(kind) as caught:
                    await call(PODS)
                assert words in caught.value.detail and "<" not in caught.value.detail

    run(test)


def test_a_server_that_is_away_is_said_to_refuse_and_used_again_once_it_is_back(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": True})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert await connection.get("/version")
            await server.stop()
            with pytest.raises(Unreachable) as caught:
                await connection.get("/version")
            assert "refused" in caught.value.detail
            await server.start()
            assert await connection.get("/version")

    run(test)


def test_silence_is_an_error_of_its_own(tmp_path: Path) -> None:
    async def test() -> None:
        over = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            watched = "watch" in request.query
            response = await streaming(request, ("ADDED", pod("a", 2))) if watched else web.json_response({})
            await over.wait()
            return response

        limits = Limits(answer_s=0.2, silence_s=0.2)
        async with Scripted(answer) as server, connected(tmp_path, server, limits) as connection:
            with pytest.raises(Silent):
                await connection.get("/version")
            seen = []
            with pytest.raises(Silent):
                async with connection.watch(PODS, version="1") as events:
                    async for event in events:
                        seen.append(event.type)
            over.set()
            assert seen == ["ADDED"]

    run(test)


def test_the_servers_clock_is_known_from_its_answers(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, headers={"Date": "Sun, 22 Nov 2026 08:00:00 GMT"})

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert abs(connection.clock() - time.time()) < 5
            await connection.get("/version")
            assert abs(connection.clock() - datetime(2026, 11, 22, 8, tzinfo=timezone.utc).timestamp()) < 5

    run(test)


def test_a_pause_that_the_server_asks_for_is_known_to_all(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "30"}, text="Too many requests")

    async def test() -> None:
        async with Scripted(answer) as server, connected(tmp_path, server) as connection:
            assert connection.pause_s == 0
            with pytest.raises(Throttled):
                await connection.get("/version")
            assert 25 < connection.pause_s <= 30

    run(test)
