"""What the extension adds to an idle jupyter_server: time to start and memory."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from .measure import Row, row

# A server imports also the extensions that its configuration switches off, so it is given only those it is to have.
_MAIN = """
from jupyter_server.extension.config import ExtensionConfigManager
from jupyter_server.serverapp import main
ExtensionConfigManager.get_jpserver_extensions = lambda self: {}
main()
"""
_START_LIMIT_S = 60
_REST_S = 1.0  # after the first answer, before memory is read


@dataclass(frozen=True)
class _Server:
    """One server that was started."""

    start_ms: float
    """Wall time until it answered."""
    cpu_ms: float
    """Its CPU time until then."""
    idle_mb: float
    """Resident memory a moment later."""
    used_mb: float
    """The same after one more request."""


def rows(runs: int) -> list[Row]:
    alone: list[_Server] = []
    with_us: list[_Server] = []
    for number in range(runs + 1):
        pair = _start(False), _start(True)
        if number:
            alone.append(pair[0])
            with_us.append(pair[1])

    def middle(figure: str) -> float:
        return statistics.median(getattr(one, figure) for one in alone)

    def added(figure: str) -> float:
        """By the pairs: a slow minute of the machine meets both of one."""
        return statistics.median(getattr(b, figure) - getattr(a, figure) for a, b in zip(alone, with_us, strict=True))

    return [
        row("jupyter_server alone, start", middle("start_ms"), "ms"),
        row("server extension, added to its start", added("start_ms"), "ms", most=100),
        row("jupyter_server alone, CPU time of its start", middle("cpu_ms"), "ms"),
        row("server extension, added to that CPU time", added("cpu_ms"), "ms", most=100),
        row("jupyter_server alone, resident memory", middle("idle_mb"), "MB"),
        row("server extension, added resident memory when idle", added("idle_mb"), "MB", most=15),
        row("server extension, the same after its first request", added("used_mb"), "MB", most=15),
    ]


def _start(enabled: bool) -> _Server:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        extensions = {"mlk_jupyter": True} if enabled else {}
        config = {
            "ServerApp": {
                "ip": "127.0.0.1",
                "port": port,
                "port_retries": 0,
                "open_browser": False,
                "allow_root": True,
                "root_dir": home,
                "jpserver_extensions": extensions,
            },
            "IdentityProvider": {"token": "benchmark"},
        }
        file = Path(home, "config.json")
        file.write_text(json.dumps(config))
        env = {**os.environ, "HOME": home, "MLK_DATA_DIR": f"{home}/data", "JUPYTER_RUNTIME_DIR": f"{home}/runtime"}
        started = time.perf_counter()
        server = subprocess.Popen(
            [sys.executable, "-c", _MAIN, "--config", str(file)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _until_it_answers(server, f"http://127.0.0.1:{port}/api")
            taken = time.perf_counter() - started
            process = psutil.Process(server.pid)
            cpu = process.cpu_times()
            time.sleep(_REST_S)
            idle = process.memory_info().rss
            # Were our extension not there, its address would answer 404, which is raised: nothing was measured then.
            path = "mlk/info" if enabled else "api/kernels"
            _until_it_answers(server, f"http://127.0.0.1:{port}/{path}?token=benchmark")
            used = process.memory_info().rss
            return _Server(taken * 1000, (cpu.user + cpu.system) * 1000, idle / 1024**2, used / 1024**2)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _until_it_answers(server: subprocess.Popen[bytes], address: str) -> None:
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"jupyter_server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise RuntimeError("jupyter_server did not answer")
