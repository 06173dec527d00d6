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


def rows(runs: int) -> list[Row]:
    seen: dict[bool, list[tuple[float, float, float]]] = {False: [], True: []}
    for number in range(runs + 1):
        for enabled in (False, True):
            figures = _start(enabled)
            if number:
                seen[enabled].append(figures)
    start, memory, used = (
        {enabled: statistics.median(one[figure] for one in all_) for enabled, all_ in seen.items()}
        for figure in range(3)
    )
    return [
        row("jupyter_server alone, start", start[False], "ms"),
        row("server extension, added to its start", start[True] - start[False], "ms", most=100),
        row("jupyter_server alone, resident memory", memory[False], "MB"),
        row("server extension, added resident memory when idle", memory[True] - memory[False], "MB", most=15),
        row("server extension, the same after its first request", used[True] - used[False], "MB", most=15),
    ]


def _start(enabled: bool) -> tuple[float, float, float]:
    """Milliseconds until the server answers; its resident memory in MB a moment later, and after one more request."""
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
            time.sleep(_REST_S)
            process = psutil.Process(server.pid)
            idle = process.memory_info().rss
            # Were our extension not there, its address would answer 404, which is raised: nothing was measured then.
            path = "mlk/info" if enabled else "api/kernels"
            _until_it_answers(server, f"http://127.0.0.1:{port}/{path}?token=benchmark")
            return taken * 1000, idle / 1024**2, process.memory_info().rss / 1024**2
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
