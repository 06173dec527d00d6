"""A real JupyterHub: a server is stopped through it although a tab is open, and the next one says why."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

pytestmark = [pytest.mark.jupyterhub, pytest.mark.timeout(300)]

TOKEN = "a-token-for-this-test"
HERE = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(wanted: Callable[[], Any], why: Callable[[], str] = lambda: "") -> Any:
    for _ in range(1200):
        if found := wanted():
            return found
        time.sleep(0.1)  # between looks
    raise AssertionError(f"it never became true. {why()}")


class Hub:
    """One JupyterHub, its API, and the servers that it starts."""

    def __init__(self, folder: Path, **profiles: dict[str, str]) -> None:
        self.folder = folder
        url = f"http://127.0.0.1:{free_port()}"
        (folder / "profiles.json").write_text(json.dumps(profiles))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MLK_", "KUBER"))},
            "TEST_FOLDER": str(folder),
            "TEST_TOKEN": TOKEN,
            "TEST_HUB_URL": url,
            "TEST_BIND_URL": f"http://127.0.0.1:{free_port()}",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(HERE / "jupyterhub_config.py")],
                cwd=folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.http = httpx.Client(base_url=f"{url}/hub/api", headers={"Authorization": f"token {TOKEN}"}, timeout=60)
        wait_for(self._answers, self.told)

    @property
    def log(self) -> Path:
        return self.folder / "hub.log"

    def told(self) -> str:
        """The end of its log, in which its servers write too."""
        return self.log.read_text()[-6000:]

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.told()
        try:
            return self.http.get("/info").status_code == 200
        except httpx.TransportError:
            return False

    def start(self, user: str, profile: str) -> httpx.Client:
        """Starts a person's server; gives its own API."""
        self.http.post(f"/users/{user}")
        self.http.post(f"/users/{user}/server", json={"profile": profile}).raise_for_status()
        wait_for(lambda: self.state(user) == "ready", self.told)
        target = json.loads((self.folder / "routes.json").read_text())[f"/user/{user}/"]
        return httpx.Client(base_url=f"{target}/user/{user}", headers={"Authorization": f"token {TOKEN}"}, timeout=30)

    def state(self, user: str) -> str:
        """`ready`, `pending` or `stopped`."""
        server = self.http.get(f"/users/{user}").raise_for_status().json()["servers"].get("")
        return "stopped" if server is None else "ready" if server["ready"] else "pending"

    def active_in_s(self, user: str) -> float:
        """How far ahead the moment lies until which the Hub takes the server to be in use, in seconds."""
        server = self.http.get(f"/users/{user}").raise_for_status().json()["servers"][""]
        return datetime.fromisoformat(server["last_activity"].replace("Z", "+00:00")).timestamp() - time.time()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.http.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    started: list[Hub] = []

    def start(**profiles: dict[str, str]) -> Hub:
        started.append(Hub(tmp_path, **profiles))
        return started[-1]

    yield start
    for one in started:
        one.end()


def kernel_of(server: httpx.Client) -> str:
    """Starts a kernel; gives its id."""
    return str(server.post("api/kernels", json={"name": "python3"}).raise_for_status().json()["id"])


async def with_a_tab(server: httpx.Client, kernel_id: str, wait: Callable[[], Any]) -> None:
    """Waits while a page's websocket to a kernel is open and its lists are asked for, as JupyterLab does."""
    url = str(server.base_url).replace("http", "ws", 1) + f"api/kernels/{kernel_id}/channels"
    tab = await websocket_connect(HTTPRequest(url, headers={"Authorization": f"token {TOKEN}"}))

    async def poll() -> None:
        while True:
            for path in ("api/kernels", "api/sessions", "api/terminals", "api/contents"):
                try:
                    await asyncio.to_thread(server.get, path)
                except httpx.TransportError:
                    return
            await asyncio.sleep(1)

    polling = asyncio.create_task(poll())
    try:
        await asyncio.to_thread(wait)
    finally:
        polling.cancel()
        await asyncio.wait({polling})
        tab.close()


GPU = {
    "MLK_IDLE_MODE": "enforce",
    "MLK_IDLE_TTL": "600",
    "MLK_IDLE_GPU_TTL": "20",
    "MLK_IDLE_WARN": "3",
    "MLK_IDLE_SERVER_TTL": "10",
}


def test_a_gpu_server_is_stopped_with_a_tab_open_a_cpu_server_is_not_and_the_next_one_says_why(
    hub: Callable[..., Hub],
) -> None:
    here = hub(gpu={**GPU, "TEST_GPU": "1"}, cpu={**GPU, "MLK_IDLE_SERVER_TTL": "600"})
    cpu = here.start("bob", "cpu")
    kept = kernel_of(cpu)
    gpu = here.start("ada", "gpu")
    asyncio.run(with_a_tab(gpu, kernel_of(gpu), lambda: wait_for(lambda: here.state("ada") == "stopped", here.told)))
    assert here.state("bob") == "ready" and cpu.get(f"api/kernels/{kept}").status_code == 200
    again = here.start("ada", "gpu")
    told = again.get("mlk/idle").raise_for_status().json()
    assert "nobody had used it for" in told["server_ended"]
    assert [stopped["kind"] for stopped in told["stopped"]] == ["idle_gpu"]


def test_a_server_without_the_right_to_stop_itself_leaves_and_the_hub_sees_it(hub: Callable[..., Hub]) -> None:
    here = hub(cpu={"MLK_IDLE_MODE": "enforce", "MLK_IDLE_SERVER_TTL": "5"})
    server = here.start("ada", "cpu")
    wait_for(lambda: here.state("ada") == "stopped", here.told)
    assert "JupyterHub did not stop this server (HTTP 403)" in here.told()
    server.close()


def test_the_hub_takes_a_server_to_be_in_use_for_an_hour_ahead_while_a_kernel_is_kept(hub: Callable[..., Hub]) -> None:
    here = hub(cpu={"MLK_IDLE_MODE": "enforce", "MLK_IDLE_TTL": "20"})
    server = here.start("ada", "cpu")
    lease = f"mlk/idle/{kernel_of(server)}/lease"
    wait_for(lambda: server.post(lease, json={"seconds": 7200}).status_code == 200, here.told)
    wait_for(lambda: 3000 < here.active_in_s("ada") <= 3600, here.told)
