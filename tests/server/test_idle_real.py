"""A `jupyter server` of its own and real kernels: what is idle ends, work goes on."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from server_process import Server, wait_for

pytestmark = pytest.mark.slow

IN_A_THREAD = """
import threading
def work():
    while True:
        sum(range(10_000))
threading.Thread(target=work, daemon=True).start()
"""

OVER_THE_NETWORK = """
import socket, threading, time
listening = socket.create_server(("127.0.0.1", 0))
def send():
    with listening.accept()[0] as connection:
        while True:
            connection.sendall(bytes(50_000))
            time.sleep(0.25)
def receive():
    with socket.create_connection(listening.getsockname()) as connection:
        while connection.recv(65536):
            pass
for work in (send, receive):
    threading.Thread(target=work, daemon=True).start()
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(**variables: str) -> Server:
        for name, value in variables.items():
            monkeypatch.setenv(f"MLK_IDLE_{name}", value)
        home, root = tmp_path / "home", tmp_path / "root"
        home.mkdir(exist_ok=True)
        root.mkdir(exist_ok=True)
        started.append(Server(home, root))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        process = one.process
        if process is not None and process.poll() is None:
            kernels = psutil.Process(process.pid).children(recursive=True)
            one.kill()
            for child in kernels:
                child.kill()
            psutil.wait_procs(kernels, timeout=10)


def new_kernel(server: Server, code: str = "") -> str:
    kernel_id = str(server.http.post("../api/kernels", json={}).raise_for_status().json()["id"])
    if code:
        run(server, kernel_id, code)
    return kernel_id


def run(server: Server, kernel_id: str, code: str) -> None:
    """Runs a cell past the server, as a person's script would."""
    file = server._home / "runtime" / f"kernel-{kernel_id}.json"
    client = BlockingKernelClient(connection_file=str(file))
    client.load_connection_file()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        assert client.execute_interactive(code, timeout=60)["content"]["status"] == "ok"
    finally:
        client.stop_channels()


def kernels(server: Server) -> set[str]:
    return {kernel["id"] for kernel in server.http.get("../api/kernels").json()}


def idle(server: Server) -> dict[str, Any]:
    return dict(server.http.get("idle").raise_for_status().json())


def test_an_idle_kernel_is_stopped_within_a_minute_and_silent_work_is_not(server: Callable[..., Server]) -> None:
    jupyter = server(MODE="enforce", TTL="20")
    forgotten, training = new_kernel(jupyter), new_kernel(jupyter, IN_A_THREAD)
    loading = new_kernel(jupyter, OVER_THE_NETWORK)
    began = time.monotonic()
    wait_for(lambda: forgotten not in kernels(jupyter), lambda: json.dumps(idle(jupyter)))
    took_s = time.monotonic() - began
    wait_for(lambda: bool(idle(jupyter)["stopped"]), lambda: json.dumps(idle(jupyter)))
    (stopped,) = idle(jupyter)["stopped"]
    assert (stopped["id"], stopped["kind"]) == (forgotten, "idle")
    assert took_s < 60, "the requirement is a minute"
    told = jupyter.http.get(f"idle/explain/{training}").json()
    assert told["kernel"]["state"] == "active" and "CPU" in told["kernel"]["words"]
    wait_for(lambda: "reads and writes" in jupyter.http.get(f"idle/explain/{loading}").json()["kernel"]["words"])
    assert kernels(jupyter) == {training, loading}


def test_a_server_that_is_suspended_stops_nothing_when_it_goes_on(server: Callable[..., Server]) -> None:
    jupyter = server(MODE="enforce", TTL="6")
    kernel_id = new_kernel(jupyter)
    wait_for(lambda: any(one["quiet_since"] for one in idle(jupyter)["kernels"]))
    assert jupyter.process is not None
    os.kill(jupyter.process.pid, signal.SIGSTOP)
    try:
        time.sleep(8)  # time itself is what is tested: longer than its limit, so that it would be due all the while
    finally:
        os.kill(jupyter.process.pid, signal.SIGCONT)
    wait_for(lambda: bool(idle(jupyter)["kernels"][0]["quiet_since"]))
    assert kernels(jupyter) == {kernel_id}  # its clocks began anew
    wait_for(lambda: not kernels(jupyter))
