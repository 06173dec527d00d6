"""What is asked of JupyterHub, and what happens when it refuses, is away or slow."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mlk_jupyter.idle.hub import Hub, HubActivity, HubRefused

ENVIRONMENT = {
    "JUPYTERHUB_API_URL": "http://hub:8081/hub/api",
    "JUPYTERHUB_API_TOKEN": "t0ken",
    "JUPYTERHUB_USER": "ada@example.org",
    "JUPYTERHUB_SERVER_NAME": "",
}


class Asked:
    """A Hub's API that answers as it is told and keeps what it was asked."""

    def __init__(self, answer: Callable[[], Any] = lambda: httpx.Response(200)) -> None:
        self.answer = answer
        self.requests: list[tuple[str, str, Any]] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "token t0ken"
        body = json.loads(request.content) if request.content else None
        self.requests.append((request.method, str(request.url), body))
        given = self.answer()
        return await given if asyncio.iscoroutine(given) else given

    def hub(self, server_name: str = "", answer_s: float = 5) -> Hub:
        transport = httpx.MockTransport(self)
        return Hub("http://hub/hub/api", "t0ken", "ada", server_name, transport=transport, answer_s=answer_s)


def test_a_server_that_no_hub_started_has_none() -> None:
    assert Hub.from_environment({}) is None
    assert Hub.from_environment({**ENVIRONMENT, "JUPYTERHUB_API_TOKEN": ""}) is None
    assert Hub.from_environment(ENVIRONMENT) is not None


@pytest.mark.parametrize(("name", "path"), [("", "server"), ("gpu box", "servers/gpu%20box")])
def test_a_server_asks_for_its_own_end(name: str, path: str) -> None:
    asked = Asked(lambda: httpx.Response(204))
    asyncio.run(asked.hub(name).stop_server())
    assert asked.requests == [("DELETE", f"http://hub/hub/api/users/ada/{path}", None)]


@pytest.mark.parametrize("status", [403, 404, 500, 302])
def test_a_refusal_is_told(status: int) -> None:
    with pytest.raises(HubRefused, match=str(status)):
        asyncio.run(Asked(lambda: httpx.Response(status)).hub().stop_server())


def test_a_hub_that_is_away_or_slow_refuses() -> None:
    def away() -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    async def never() -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(HubRefused, match="nobody listens"):
        asyncio.run(Asked(away).hub().stop_server())
    with pytest.raises(HubRefused, match="does not answer"):
        asyncio.run(Asked(never).hub(answer_s=0.05).stop_server())


def until(asked: Asked) -> list[str]:
    return [body["servers"][""]["last_activity"] for _, _, body in asked.requests]


def test_a_lease_is_told_as_activity_that_lies_ahead_but_never_beyond_its_end_or_the_hour() -> None:
    async def story() -> list[str]:
        asked = Asked()
        activity = HubActivity(asked.hub(), every_s=240)
        assert await activity.keep(8 * 3600.0, now=0.0, at=0.0)
        assert not await activity.keep(8 * 3600.0 - 15, now=15.0, at=15.0)
        assert await activity.keep(600.0, now=240.0, at=240.0)
        assert await activity.keep(0.0, now=480.0, at=480.0)
        return until(asked)

    assert asyncio.run(story()) == ["1970-01-01T00:59:00Z", "1970-01-01T00:14:00Z", "1970-01-01T00:08:00Z"]


def test_a_new_lease_is_told_at_once() -> None:
    async def story() -> list[str]:
        asked = Asked()
        activity = HubActivity(asked.hub(), every_s=240)
        await activity.keep(0.0, now=0.0, at=0.0)
        await activity.keep(1800.0, now=15.0, at=15.0)
        return until(asked)

    assert asyncio.run(story()) == ["1970-01-01T00:00:00Z", "1970-01-01T00:30:15Z"]


def test_a_clock_that_jumps_asks_no_more_often() -> None:
    async def story() -> int:
        asked = Asked()
        activity = HubActivity(asked.hub(), every_s=240)
        for tick, now in enumerate((86400.0, 0.0, 172800.0 - 86400.0, 86401.0)):
            await activity.keep(0.0, now=now, at=tick * 15.0)
        return len(asked.requests)

    assert asyncio.run(story()) == 1


def test_a_failure_is_logged_once_and_the_next_one_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        asked = Asked(lambda: httpx.Response(403))
        activity = HubActivity(asked.hub(), every_s=240)
        for tick in range(40):
            assert not await activity.keep(3600.0, now=tick * 15.0, at=tick * 15.0)
        assert len(asked.requests) == 3

    with caplog.at_level(logging.WARNING):
        asyncio.run(story())
    assert [record.getMessage() for record in caplog.records] == [
        "JupyterHub could not be told that this server is in use: HTTP 403"
    ]


def test_a_hub_whose_clock_is_behind_is_told_of_less_time() -> None:
    async def story() -> list[str]:
        asked = Asked(lambda: httpx.Response(400))
        activity = HubActivity(asked.hub(), every_s=240)
        for at in (0.0, 240.0):
            await activity.keep(86400.0, now=0.0, at=at)
        return until(asked)

    assert asyncio.run(story()) == ["1970-01-01T00:59:00Z", "1970-01-01T00:29:30Z"]
