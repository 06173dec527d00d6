"""A feature is one module and a name in the registry: its handlers, routes and topics are there, and protected."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import toy_feature
from memory_backend import MemoryBackend
from socket_window import Socket, eventually
from walk import check_anonymous_is_refused

from mlk_jupyter.server import openapi, registry
from mlk_jupyter.server.app import MlkJupyterApp


@pytest.fixture(autouse=True)
def with_a_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "FEATURES", (*registry.FEATURES, toy_feature.FEATURE))


async def test_it_is_served_over_rest_and_websocket(
    app: MlkJupyterApp, backend: MemoryBackend, connect: Callable[[], Awaitable[Socket]], jp_fetch: Any
) -> None:
    socket = await connect()
    await socket.ask("subscribe", "bell")
    first = await socket.read()
    assert (first["topic"], first["kind"], first["seq"], first["data"]) == ("bell", "snapshot", 0, {"rung": 0})
    answer = await jp_fetch("mlk", "bell", method="POST", body="{}")
    assert json.loads(answer.body) == {"rung": 1}
    second = await socket.read()
    assert (second["kind"], second["seq"], second["data"]) == ("delta", 1, {"rung": 1})
    tower = app.services.the(toy_feature.Tower)
    socket.connection.close()
    await eventually(lambda: not tower.listeners)
    await app.stop_extension()
    assert tower.closed


async def test_its_topic_is_offered_to_whoever_asks_for_one_that_is_none(
    backend: MemoryBackend, connect: Callable[[], Awaitable[Socket]]
) -> None:
    socket = await connect()
    await socket.ask("subscribe", "bells")
    assert "job/ID/log/RANK" in (hint := (await socket.read())["data"]["hint"]) and "bell" in hint


async def test_who_is_not_logged_in_is_refused(jp_serverapp: Any, http_server_client: Any) -> None:
    found = await check_anonymous_is_refused(http_server_client, jp_serverapp.web_app)
    assert [endpoint.path for endpoint in found if endpoint.handler is toy_feature.BellHandler] == ["/a%40b/mlk/bell"]


def test_it_is_in_the_api_document() -> None:
    document = openapi.document()
    assert document["paths"]["/mlk/bell"]["post"]["operationId"] == "ringBell"
    assert "Bell" in document["components"]["schemas"]
