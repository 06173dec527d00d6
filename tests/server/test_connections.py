"""A connection serves other people's requests too where a proxy stands in front: JupyterHub's keeps a pool of them.

The pool here is one connection, on which the next request follows as the proxy would send it: at once, unless the
answer says that the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.base.handlers import JupyterHandler

from mlk_jupyter.server.base import BODY_LIMIT, READ_LIMIT

CHUNK = 1 << 20
FRAMINGS = ("declared", "chunked")


@dataclass
class Pooled:
    """A connection that is kept for the next request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    host: str
    base: str

    async def head(self, method: str, path: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {self.base}{path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def post(self, path: str, headers: dict[str, str], size: int, framing: str) -> tuple[int, bool, bytes]:
        """Sends head and body, and gives status, whether the connection is said to be closed, and the body."""
        how = {"Content-Length": str(size)} if framing == "declared" else {"Transfer-Encoding": "chunked"}
        await self.head("POST", path, {**headers, **how})
        for at in range(0, size, CHUNK):
            piece = b" " * min(CHUNK, size - at)
            self.writer.write(piece if framing == "declared" else b"%x\r\n%b\r\n" % (len(piece), piece))
            await self.writer.drain()
        if framing == "chunked" and size <= READ_LIMIT:
            self.writer.write(b"0\r\n\r\n")
        return await self.answer()

    async def answer(self) -> tuple[int, bool, bytes]:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 20)).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers.get("connection") == "close", body


Pool = Callable[[], Awaitable[Pooled]]


@pytest.fixture
def pool(http_server_client: Any, jp_serverapp: Any) -> Pool:
    async def connected() -> Pooled:
        port = http_server_client.get_http_port()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return Pooled(reader, writer, f"127.0.0.1:{port}", jp_serverapp.web_app.settings["base_url"])

    return connected


class Denies(Authorizer):
    def is_authorized(self, handler: JupyterHandler, user: Any, action: str, resource: str) -> bool:
        return action != "write"


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    ("who", "path", "size", "code"),
    [
        ("nobody", "mlk/jobs", 300, b"not_logged_in"),
        ("nobody", "mlk/jobs/x/stop", 2 * BODY_LIMIT, b"not_logged_in"),
        ("nobody", "mlk/nothing", 300, b"not_logged_in"),
        ("cookie", "mlk/jobs", 300, b"xsrf"),
        ("stranger", "mlk/jobs", 300, b"bad_request"),
        ("denied", "mlk/jobs", 300, b"not_allowed"),
        ("owner", "mlk/jobs", 300, b"bad_request"),
        ("owner", "mlk/jobs", BODY_LIMIT + 1, b"body_too_large"),
        ("owner", "mlk/jobs/x/stop", 3 * BODY_LIMIT, b"body_too_large"),
    ],
)
async def test_a_refusal_leaves_the_connection_to_the_next_request(
    who: str,
    path: str,
    size: int,
    code: bytes,
    framing: str,
    pool: Pool,
    backend: Any,
    jp_auth_header: dict[str, str],
    jp_serverapp: Any,
    login: Callable[[], Awaitable[dict[str, str]]],
) -> None:
    pooled = await pool()
    cookie = (await login())["Cookie"]
    backend.put("x")
    if who == "denied":
        jp_serverapp.web_app.settings["authorizer"] = Denies(parent=jp_serverapp)
    sent = {
        "nobody": {},
        "cookie": {"Cookie": cookie},
        "stranger": {"Cookie": cookie, "Origin": "https://evil.example"},
    }.get(who, jp_auth_header)
    for _ in range(3):
        status, closed, body = await pooled.post(path, sent, size, framing)
        assert (status >= 400, closed) == (True, False) and b'"code": "%b"' % code in body, body
        await pooled.head("GET", "mlk/jobs", jp_auth_header)
        status, closed, body = await pooled.answer()
        assert (status, closed) == (200, False), body
    pooled.writer.close()
    assert list(backend.statuses) == ["x"] and backend.stopped == []


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("logged_in", [True, False])
async def test_a_body_without_end_is_answered_and_its_connection_said_to_be_closed(
    logged_in: bool, framing: str, pool: Pool, backend: Any, jp_auth_header: dict[str, str]
) -> None:
    pooled = await pool()
    status, closed, body = await pooled.post("mlk/jobs", jp_auth_header if logged_in else {}, READ_LIMIT + 1, framing)
    assert (status, closed) == (413, True) and b'"code": "body_too_large"' in body
    assert await pooled.reader.read() == b""
    pooled.writer.close()


async def test_a_method_that_http_does_not_know_is_refused_and_its_connection_said_to_be_closed(
    pool: Pool, backend: Any, jp_auth_header: dict[str, str]
) -> None:
    pooled = await pool()
    await pooled.head("PROPFIND", "mlk/jobs", {**jp_auth_header, "Content-Length": "5"})
    status, closed, _ = await pooled.answer()
    assert (status, closed) == (405, True)
    pooled.writer.close()
