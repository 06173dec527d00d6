"""A small HTTP server that answers as a test tells it to: for faults that a well-behaved API server cannot have."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from mlk_jupyter.backends.kubernetes.api.targets import Target, targets

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
