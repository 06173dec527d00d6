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

_OTHERS = ("jupyterlab", "notebook", "notebook_shim", "jupyter_lsp", "jupyter_server_terminals")
_START_LIMIT_S = 60
_REST_S = 1.0  # after the first answer, before memory is read


def rows(runs: int) -> list[Row]:
    seen: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for number in range(runs + 1):
        for enabled in (False, True):
            figures = _start(enabled)
            if number:
                seen[enabled].append(figures)
    start = {enabled: statistics.median(one[0] for one in all_) for enabled, all_ in seen.items()}
    memory = {enabled: statistics.median(one[1] for one in all_) for enabled, all_ in seen.items()}
    return [
        row("jupyter_server alone, start", start[False], "ms"),
        row("server extension, added to its start", start[True] - start[False], "ms", most=100),
        row("jupyter_server alone, resident memory", memory[False], "MB"),
        row("server extension, added resident memory when idle", memory[True] - memory[False], "MB", most=15),
    ]


def _start(enabled: bool) -> tuple[float, float]:
    """Milliseconds until the server answers, and its resident memory in MB a moment later."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        extensions = {**dict.fromkeys(_OTHERS, False), "mlk_jupyter": enabled}
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
            [sys.executable, "-m", "jupyter_server", "--config", str(file)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _until_it_answers(server, f"http://127.0.0.1:{port}/api")
            taken = time.perf_counter() - started
            time.sleep(_REST_S)
            memory = psutil.Process(server.pid).memory_info().rss / 1024**2
            if enabled:  # after the reading, and a failure when the extension is not there: then nothing was measured
                _until_it_answers(server, f"http://127.0.0.1:{port}/mlk/info?token=benchmark")
            return taken * 1000, memory
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

