"""A `jupyter server` with the extension, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

TOKEN = "a-token-for-this-test"


class Server:
    """A `jupyter server` of its own process."""

    def __init__(self, home: Path, root: Path, **options: Any) -> None:
        self._home, self._root, self._options = home, root, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}/base/mlk/", headers={"Authorization": f"token {TOKEN}"}, timeout=30
        )

    def start(self) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MLFLOW"))},
            "HOME": str(self._home),
            "JUPYTER_CONFIG_DIR": str(self._home / "config"),
            "JUPYTER_DATA_DIR": str(self._home / "data"),
            "JUPYTER_RUNTIME_DIR": str(self._home / "runtime"),
            "MLK_DATA_DIR": str(self._home / "mlk"),
        }
        options = {
            "ServerApp.port": self.port,
            "ServerApp.port_retries": 0,
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.base_url": "/base/",
            "ServerApp.root_dir": self._root,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.jpserver_extensions": "{'mlk_jupyter': True}",
            "IdentityProvider.token": TOKEN,
            **{f"MlkJupyterApp.{name}": value for name, value in self._options.items()},
        }
        with (self._home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *(f"--{name}={value}" for name, value in options.items())],
                env=environment,
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, lambda: (self._home / "server.log").read_text())

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None
        try:
            return self.http.get("info").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"jobs/{job_id}").raise_for_status().json())

    def submit(self, request_id: str, **spec: Any) -> httpx.Response:
        return self.http.post("jobs", json={"spec": spec, "request_id": request_id})


def wait_for(wanted: Callable[[], bool], why: Callable[[], str] = lambda: "") -> None:
    for _ in range(600):
        if wanted():
            return
        time.sleep(0.1)  # between looks, not instead of one
    raise AssertionError(f"it never became true. {why()}")
