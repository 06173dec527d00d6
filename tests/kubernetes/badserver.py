"""An HTTP server that answers as a test tells it to, and connections to it: for faults that no good API server has."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.api.targets import Target, targets
from mlk_jupyter.backends.kubernetes.timing import Limits

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
PODS = "/api/v1/namespaces/ml/pods"
EAGER = Limits(look_s=0.0, renew_s=0.0)
"""Files are looked at before each request, and a renewal is never too soon."""


def status(code: int, message: str = "", reason: str = "", **more: Any) -> web.Response:
    """A Status object as the API server refuses with."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message, **more}
    return web.json_response({**body, "reason": reason}, status=code)


def pod(name: str, version: int, *, uid: str | None = None, **labels: str) -> dict[str, Any]:
    """A pod with nothing in it but who it is."""
    metadata = {"name": name, "namespace": "ml", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}}


def listing(items: list[dict[str, Any]], version: int, *, token: str = "", kind: str = "Pod") -> web.Response:
    """A list as the API server gives it: its items do not repeat their kind."""
    bare = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    return web.json_response({"kind": f"{kind}List", "apiVersion": "v1", "metadata": metadata, "items": bare})


async def streaming(request: web.Request, *events: tuple[str, dict[str, Any]]) -> web.StreamResponse:
    """A watch that has sent these events and is still open."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for kind, content in events:
        await response.write(json.dumps({"type": kind, "object": content}).encode() + b"\n")
    return response


@dataclass
class Scripted:
    """A running server. `answer` may be replaced at any time; `requests` holds what came, oldest first."""

    answer: Answering
    requests: list[web.Request] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Scripted:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; on the same port as before, if it did before."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cuts all connections and listens no more."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append(request)
        return await self.answer(request)


def write_kubeconfig(path: Path, server: str, *, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
    """A kubeconfig with one context `test`, as JSON, which is YAML too."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {"token": "secret-token"} if user is None else user}],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def only_target() -> Target:
    """The first target of the kubeconfig that the environment names."""
    return targets()[0]


async def until(condition: Callable[[], Any], limit_s: float = 20.0) -> None:
    """Returns once the condition holds; fails after `limit_s`, which is there to end a broken test only."""
    for _ in range(int(limit_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that")


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a test to its end, or to that of its patience."""
    asyncio.run(asyncio.wait_for(test(), 60))


def connected(tmp_path: Path, server: Scripted, limits: Limits | None = None, **config: Any) -> Connection:
    """A connection to it, through a kubeconfig in `tmp_path`; `config` as `write_kubeconfig` takes it."""
    write_kubeconfig(tmp_path / "kubeconfig", server.url, **config)
    return Connection(only_target(), limits)


def authorizations(server: Scripted) -> list[str | None]:
    """The logins that came with its requests, oldest first."""
    return [request.headers.get("Authorization") for request in server.requests]


def guarded(*accepted: str) -> tuple[set[str], Any]:
    """Tokens that are accepted, to be changed at will, and what answers accordingly."""
    tokens = set(accepted)

    async def answer(request: web.Request) -> web.StreamResponse:
        known = request.headers.get("Authorization", "").removeprefix("Bearer ") in tokens
        return web.json_response({"ok": True}) if known else status(401, "Unauthorized", "Unauthorized")

    return tokens, answer
