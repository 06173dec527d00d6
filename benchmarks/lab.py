"""A JupyterLab of its own, and the sockets that its windows would have."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .measure import say

_START_LIMIT_S = 120
_ANSWER_LIMIT_S = 120.0
_LARGEST_MESSAGE = 256 << 20


@dataclass
class Lab:
    """A server that runs. Times are seconds, memory is MB."""

    port: int
    token: str
    process: psutil.Process
    blocks: Path
    """See slow_callbacks."""
    collections: Path
    """The same."""
    _sockets: list[WebSocketClientConnection] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}/lab?reset&token={self.token}"

    def memory(self) -> float:
        """Resident."""
        return float(self.process.memory_info().rss) / 1024**2

    def cpu(self) -> float:
        """Used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def longest_blocks(self, since: float) -> tuple[float, float]:
        """The longest that the event loop was busy at once since a moment (seconds since the epoch), in ms: by the
        clock, and by the processor's time. Says what kept it."""
        lines = self.blocks.read_text(encoding="utf-8").splitlines()
        found = [line.split(" ", 3) for line in lines if float(line.split(" ", 1)[0]) > since]
        for _, clock, processor, what in sorted(found, key=lambda one: -float(one[2]))[:5]:
            say(f"  {clock} ms, {processor} ms of the processor: {what}")
        return (
            max((float(clock) for _, clock, _, _ in found), default=0.0),
            max((float(processor) for _, _, processor, _ in found), default=0.0),
        )

    def longest_collection(self, since: float) -> float:
        """The longest garbage collection since a moment (seconds since the epoch), in ms of the processor."""
        lines = self.collections.read_text(encoding="utf-8").splitlines()
        found = [line.split() for line in lines if float(line.split(" ", 1)[0]) > since]
        return max((float(taken) for _, taken in found), default=0.0)

    async def look(self, count: int = 0) -> float:
        """Opens what a window's socket is; gives the seconds until it has had so many jobs, and a first list."""
        started = time.perf_counter()
        address = f"ws://127.0.0.1:{self.port}/mlk/channel?token={self.token}"
        connection = await websocket_connect(HTTPRequest(address), max_message_size=_LARGEST_MESSAGE)
        self._sockets.append(connection)
        for topic in ("jobs", "backends"):
            await connection.write_message(json.dumps({"op": "subscribe", "topic": topic}))
        jobs: set[str] | None = None
        while jobs is None or len(jobs) < count:
            text = await asyncio.wait_for(connection.read_message(), _ANSWER_LIMIT_S)
            if text is None:
                raise RuntimeError("the server closed the socket")
            message = json.loads(text)
            if message["topic"] == "jobs" and message["kind"] != "error":
                data = message["data"]
                jobs = {*(jobs or ()), *(job["id"] for job in data.get("jobs") or data.get("changed") or ())}
        return time.perf_counter() - started

    def look_away(self) -> None:
        """Closes the sockets."""
        for connection in self._sockets:
            connection.close()
        self._sockets.clear()


@asynccontextmanager
async def lab(home: Path, env: Mapping[str, str]) -> AsyncIterator[Lab]:
    """A server that answers, with everything of its own in `home`."""
    server, found = _started(home, env)
    try:
        await asyncio.to_thread(_until_it_answers, server, f"http://127.0.0.1:{found.port}/api", home / "log")
        yield found
    finally:
        found.look_away()
        server.terminate()
        await asyncio.to_thread(server.wait)


def _started(home: Path, env: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Lab]:
    home.mkdir(parents=True)
    (home / "work").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.allow_root": True,
        "ServerApp.open_browser": False,
        "ServerApp.root_dir": home / "work",
        "IdentityProvider.token": "benchmark",
        "LabApp.expose_app_in_browser": True,
        "LabApp.user_settings_dir": home / "settings",
        "LabApp.workspaces_dir": home / "workspaces",
        "config": Path(__file__).with_name("slow_callbacks.py"),
    }
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    blocks = home / "blocks"
    blocks.touch()
    collections = home / "collections"
    collections.touch()
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())],
        env={
            **os.environ,
            "MLK_DATA_DIR": str(home / "data"),
            "MLK_BENCH_BLOCKS": str(blocks),
            "MLK_BENCH_COLLECTIONS": str(collections),
            **env,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(home / "log").open("wb"),
    )
    return server, Lab(port, "benchmark", psutil.Process(server.pid), blocks, collections)


def _until_it_answers(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"jupyterlab did not answer: {log.read_text(errors='replace')[-2000:]}")
