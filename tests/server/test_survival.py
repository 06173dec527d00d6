"""The real thing: a job outlives the Jupyter server that started it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from memory_backend import NOTEBOOK

TOKEN = "a-token-for-this-test"


class Server:
    """A `jupyter server` of its own process."""

    def __init__(self, home: Path, root: Path) -> None:
        self._home, self._root = home, root
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    root.mkdir()
    server = Server(home, root)
    server.start()
    yield server
    if server.process is not None and server.process.poll() is None:
        for job in server.http.get("jobs").json()["jobs"]:
            server.http.delete(f"jobs/{job['id']}")
        server.kill()


@pytest.mark.slow
def test_a_job_goes_on_while_the_server_is_killed_and_comes_back(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    cells = [
        "print('first')",
        f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\nprint('second')",
        "6 * 7",
    ]
    content = json.loads(json.dumps(NOTEBOOK))
    content["cells"] += [{**content["cells"][1], "id": f"c{at}", "source": cell} for at, cell in enumerate(cells)]
    (tmp_path / "root" / "long.ipynb").write_text(json.dumps(content))
    spec = {"name": "long", "notebook": "long.ipynb", "parameters": {"epochs": 11}, "mlflow": False}
    answer = server.submit("survival-1", **spec)
    assert answer.status_code == 201, answer.text
    job_id = answer.json()["id"]
    wait_for(lambda: server.job(job_id)["progress"]["cell"] == 5, lambda: json.dumps(server.job(job_id)))

    server.kill()
    server.start()

    again = server.job(job_id)
    assert again["phase"] == "Running"
    assert [step["phase"] for step in again["timeline"]][-1] == "Running"
    so_far = server.http.get(f"jobs/{job_id}/notebook").json()
    assert so_far["running_cell"] == 4
    assert so_far["notebook"]["cells"][3]["outputs"][0]["text"] in ("first\n", ["first\n"])
    answer = server.submit("survival-1", **spec)
    assert (answer.status_code, answer.json()["id"]) == (200, job_id)

    server.kill()
    gate.touch()
    folder = tmp_path / "home" / "mlk" / "jobs" / job_id
    wait_for(lambda: (folder / "executed.ipynb").exists())
    server.start()

    wait_for(lambda: server.job(job_id)["phase"] == "Succeeded", lambda: json.dumps(server.job(job_id)))
    done = server.http.get(f"jobs/{job_id}/notebook", params={"download": 1}).json()
    outputs = [cell["outputs"][0] for cell in done["cells"] if cell["outputs"]]
    assert ["".join(output.get("text", "")) for output in outputs[:3]] == ["11\n", "first\n", "second\n"]
    assert "".join(outputs[3]["data"]["text/plain"]) == "42"
    assert "second" in server.http.get(f"jobs/{job_id}/log/download").text


@pytest.mark.slow
def test_a_server_that_is_ended_during_a_submission_finishes_it_and_ends(server: Server, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "work.ipynb").write_text(json.dumps(NOTEBOOK))
    (root / "data").mkdir()
    for number in range(50):  # so that it takes a while
        (root / "data" / str(number)).write_bytes(os.urandom(100_000))
    assert server.process is not None
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(
            server.submit, "survival-2", name="work", notebook="work.ipynb", files=["data"], mlflow=False
        )
        # Said as the contents manager reads it, which is the beginning.
        wait_for(lambda: "work.ipynb is not trusted" in (tmp_path / "home" / "server.log").read_text())
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
        answer = submitting.result()
    assert answer.status_code == 201, answer.text
    server.start()
    assert server.job(answer.json()["id"])["name"] == "work"
