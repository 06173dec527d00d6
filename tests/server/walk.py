"""Finds every endpoint of ours in a running server, as tornado routes it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from socket_window import Socket
from tornado.httpclient import HTTPResponse
from tornado.routing import PathMatches, Rule
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from mlk_jupyter.server.features import Route
from mlk_jupyter.server.registry import FEATURES, routes

XSRF = {"Cookie": "_xsrf=a", "X-XSRFToken": "a"}
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw=="}
UPGRADE["Sec-WebSocket-Version"] = "13"
OUTPUT = "cell-1-output-1.png"
KERNEL = "2f5f2b1c-6f0f-4b8e-9a53-6b1d4f0c7a11"
ADVICE = "idle-0123456789abcdef"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Endpoint:
    handler: type[RequestHandler]
    verb: str
    path: str
    """With base URL, groups filled in."""

    @property
    def is_websocket(self) -> bool:
        return issubclass(self.handler, WebSocketHandler)

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def endpoints(web_app: Any, job_id: str = "x") -> list[Endpoint]:
    """Every implemented verb of every handler below `/mlk`."""
    return [
        Endpoint(rule.target, verb, _filled(rule.matcher, job_id))
        for rule in _rules(web_app.default_router.rules)
        if isinstance(rule.matcher, PathMatches)
        and isinstance(rule.target, type)
        and "/mlk/" in rule.matcher.regex.pattern
        for verb in VERBS
        if getattr(rule.target, verb.lower()) is not RequestHandler._unimplemented_method
        and getattr(rule.target, verb.lower()) is not getattr(RequestHandler, verb.lower())
    ]


async def ask(client: Any, endpoint: Endpoint, headers: dict[str, str]) -> HTTPResponse:
    """What an endpoint answers to a request that could be one of a page's."""
    body = "{}" if endpoint.verb in ("POST", "PUT", "PATCH") else None
    upgrade = UPGRADE if endpoint.is_websocket else {}
    return await client.fetch(
        endpoint.path,
        method=endpoint.verb,
        body=body,
        headers={**XSRF, **upgrade, **headers},
        raise_error=False,
        follow_redirects=False,
    )


async def check_anonymous_is_refused(client: Any, web_app: Any) -> list[Endpoint]:
    """Every endpoint refuses who is not logged in. Gives them all."""
    found = endpoints(web_app)
    for endpoint in found:
        response = await ask(client, endpoint, {})
        assert response.code in (401, 403), f"{endpoint} answered {response.code}"
        assert b'"code": "not_logged_in"' in response.body, f"{endpoint}: {response.body!r}"
    return found


async def everything_told_of(
    fetch: Callable[..., Awaitable[HTTPResponse]], connect: Callable[[], Awaitable[Socket]], job_id: str = "x"
) -> str:
    """What all answers and all topics say to somebody who looks at a job."""
    told = []
    for route in routes():
        if route.method == "GET" and route.operation not in ("openChannel", "getForm"):
            path = filled(route, job_id).strip("/").split("/")
            told.append((await fetch(*path, raise_error=False)).body.decode())
    socket = await connect()
    for kind in (kind for feature in FEATURES for kind in feature.topics):
        topic = kind.usage.replace("ID", job_id).replace("RANK", "0")
        await socket.ask("subscribe", topic)
        told.append(json.dumps((await socket.until(lambda message: message["topic"] == topic))[-1]))  # noqa: B023
    return "".join(told).replace(": ", ":")


def filled(route: Route, job_id: str = "x") -> str:
    """The path of a route, of one job and one file of it."""
    return route.path.format(job_id=job_id, kernel_id=KERNEL, name=OUTPUT, advice_id=ADVICE)


def _rules(rules: list[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        yield from _rules(getattr(rule.target, "rules", []))


def _filled(matcher: PathMatches, job_id: str) -> str:
    values = {"job_id": job_id, "kernel_id": KERNEL, "name": OUTPUT, "advice_id": ADVICE}
    filled = re.sub(r"\(\?P<(\w+)>[^)]*\)", lambda group: values[group[1]], matcher.regex.pattern)
    return filled.rstrip("$").replace("\\", "")
