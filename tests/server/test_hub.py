"""Behind a JupyterHub: several people share one server, and the Hub knows who may come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hub import Hub, token
from memory_backend import MemoryBackend
from socket_window import Socket
from tornado.httpclient import HTTPClientError, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect
from walk import everything_told_of

from mlk_jupyter.model import JobSpec
from mlk_jupyter.server.app import MlkJupyterApp

Fetch = Callable[..., Awaitable[HTTPResponse]]
SPEC = {"name": "x", "notebook": "work.ipynb", "env": {"API_TOKEN": "hunter2"}}


@pytest.fixture
def hub(jp_serverapp: Any) -> Hub:
    made = Hub(parent=jp_serverapp)
    jp_serverapp.identity_provider = jp_serverapp.web_app.settings["identity_provider"] = made
    return made


@pytest.fixture
def as_user(http_server_client: Any, jp_serverapp: Any) -> Callable[[str], Fetch]:
    def of(name: str) -> Fetch:
        async def fetch(*parts: str, **more: Any) -> HTTPResponse:
            path = jp_serverapp.web_app.settings["base_url"] + "/".join(parts)
            return await http_server_client.fetch(path, headers=token(name), **{"raise_error": False, **more})

        return fetch

    return of


@pytest.fixture
def connect_as(http_server_client: Any, jp_serverapp: Any) -> Callable[[str], Awaitable[Socket]]:
    async def of(name: str) -> Socket:
        address = http_server_client.get_url(f"{jp_serverapp.web_app.settings['base_url']}mlk/channel")
        return Socket(await websocket_connect(HTTPRequest(address.replace("http", "ws", 1), headers=token(name))))

    return of


@pytest.mark.parametrize(("submitted_by", "sees"), [("ada", "ada"), ("bob", "bob"), (None, None)])
async def test_values_of_environment_variables_are_for_who_set_them(
    submitted_by: str | None, sees: str | None, hub: Hub, backend: MemoryBackend, as_user: Any, connect_as: Any
) -> None:
    backend.put("x", spec=JobSpec.model_validate(SPEC), submitted_by=submitted_by)
    for name in ("ada", "bob"):

        async def connect(name: str = name) -> Socket:
            return await connect_as(name)

        told = await everything_told_of(as_user(name), connect)
        assert told.count("hunter2") == (2 if name == sees else 0)
        assert json.dumps(submitted_by) in told
        stopped = await as_user(name)("mlk", "jobs", "x", "stop", method="POST", body="{}")
        assert (b"hunter2" in stopped.body) == (name == sees)


async def test_a_job_bears_the_name_of_who_submitted_it_and_no_other_can_take_it(
    hub: Hub, backend: MemoryBackend, as_user: Any, notebook: Any
) -> None:
    notebook("work.ipynb")
    body = json.dumps({"spec": SPEC, "request_id": "request-1"})
    first = await as_user("ada")("mlk", "jobs", method="POST", body=body)
    assert (first.code, json.loads(first.body)["submitted_by"]) == (201, "ada")
    assert json.loads(first.body)["spec"]["env"] == {"API_TOKEN": "hunter2"}
    again = await as_user("bob")("mlk", "jobs", method="POST", body=body)
    assert (again.code, json.loads(again.body)["submitted_by"]) == (200, "ada")
    assert json.loads(again.body)["spec"]["env"] == {"API_TOKEN": ""}


async def test_a_hub_that_is_away_is_said_to_be_so(
    hub: Hub, backend: MemoryBackend, as_user: Any, connect_as: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hub.away = True
    for method, body in (("GET", None), ("POST", "{}")):
        answer = await as_user("ada")("mlk", "jobs", method=method, body=body)
        error = json.loads(answer.body)
        assert (answer.code, error["code"]) == (503, "login_unavailable")
        assert "bug" not in error["detail"] and "JupyterHub" in error["detail"]
    with pytest.raises(HTTPClientError) as refused:
        await connect_as("ada")
    assert refused.value.code == 503
    assert "Bug" not in caplog.text


async def test_who_is_known_and_has_no_rights_is_told_so(hub: Hub, backend: MemoryBackend, as_user: Any) -> None:
    for name, code in (("eve", "not_allowed"), ("nobody", "not_logged_in")):
        answer = await as_user(name)("mlk", "jobs")
        error = json.loads(answer.body)
        assert (answer.code, error["code"]) == (403, code)
        assert ("eve" in error["detail"]) == (name == "eve")


@pytest.mark.parametrize("loss", ["logout", "share revoked"])
async def test_a_socket_is_closed_when_its_user_loses_access_and_not_because_the_hub_is_away(
    loss: str, hub: Hub, app: MlkJupyterApp, backend: MemoryBackend, connect_as: Any
) -> None:
    app.access_check_s = 0.01
    backend.put("x")
    socket, other = await connect_as("bob"), await connect_as("ada")
    hub.away = True
    await socket.ask("subscribe", "jobs")
    assert (await socket.read())["kind"] == "snapshot"
    (hub.known if loss == "logout" else hub.allowed).discard("bob")
    hub.away = False
    assert await asyncio.wait_for(socket.connection.read_message(), 20) is None
    assert socket.connection.close_code == 1008
    await other.ask("subscribe", "jobs")
    assert (await other.read())["kind"] == "snapshot"
    other.connection.close()
