"""Real kernels in a real server that stops idle ones: a lease keeps one, a job outlives one that only waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client.blocking import BlockingKernelClient
from server_process import Server, wait_for

pytestmark = pytest.mark.slow

MLK = str(Path(sys.executable).parent / "mlk")
KEPT = """
import threading, mlk_jupyter
def hold():
    with mlk_jupyter.keep("waits for the lab's data"):
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MLK_IDLE_MODE", "enforce")
    monkeypatch.setenv("MLK_IDLE_TTL", "20")
    monkeypatch.setenv("MLK_BACKEND", "local")
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir()
    root.mkdir()
    server = Server(home, root)
    server.start()
    yield server
    assert server.process is not None
    for job in server.http.get("jobs").json()["jobs"]:
        server.http.delete(f"jobs/{job['id']}")
    kernels = psutil.Process(server.process.pid).children(recursive=True)
    server.kill()
    for kernel in kernels:
        kernel.kill()
    psutil.wait_procs(kernels, timeout=10)


class Kernel:
    """One of the server's, which a client of its own speaks to."""

    def __init__(self, server: Server, home: Path) -> None:
        self.id = str(server.http.post("../api/kernels", json={}).raise_for_status().json()["id"])
        self._client = BlockingKernelClient(connection_file=str(home / "runtime" / f"kernel-{self.id}.json"))
        self._client.load_connection_file()
        self._client.start_channels(hb=False)  # a kernel that begins beside others answers late, and lives
        self._client.wait_for_ready(timeout=60)

    def send(self, cell: str) -> None:
        self._client.execute(cell)

    def run(self, cell: str) -> str:
        printed: list[str] = []

        def show(message: dict[str, Any]) -> None:
            printed.append(message["content"].get("text", ""))

        reply = self._client.execute_interactive(cell, timeout=90, output_hook=show)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def close(self) -> None:
        self._client.stop_channels()


def test_a_lease_keeps_a_kernel_and_a_job_outlives_one_that_only_waits_for_it(server: Server, tmp_path: Path) -> None:
    home, go = tmp_path / "home", tmp_path / "go"

    def idle() -> dict[str, Any]:
        return dict(server.http.get("idle").raise_for_status().json())

    def mlk(*words: str) -> str:
        env = {**os.environ, "MLK_DATA_DIR": str(home / "mlk")}
        done = subprocess.run([MLK, "idle", *words], env=env, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout + done.stderr

    kept, waiting = Kernel(server, home), Kernel(server, home)
    kept.run(KEPT)
    waiting.run("%load_ext mlk_jupyter")
    waiting.send(
        "%%mlk --no-mlflow\nimport pathlib, time, mlk_jupyter\n"
        f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.05)\nmlk_jupyter.result(3)\n"
    )

    def of(kernel: Kernel) -> dict[str, Any]:
        return next((one for one in idle()["kernels"] if one["id"] == kernel.id), {})

    wait_for(lambda: bool(of(waiting).get("jobs")), lambda: json.dumps(idle()))
    (job_id,) = of(waiting)["jobs"]
    wait_for(lambda: of(waiting)["kind"] == "delegated", lambda: json.dumps(idle()))
    wait_for(lambda: bool(idle()["stopped"]), lambda: json.dumps(idle()))
    (stopped,) = idle()["stopped"]
    assert (stopped["id"], stopped["kind"], stopped["jobs"]) == (waiting.id, "delegated", [job_id])
    assert server.job(job_id)["phase"] == "Running"

    assert of(kept)["lease"]["reason"] == "waits for the lab's data"
    assert kept.id[:8] in mlk() and "waits for the lab's data" in mlk("explain", kept.id)
    assert "is kept for 1 h" in mlk("keep", kept.id[:8], "1h")
    said = kept.run("%load_ext mlk_jupyter\n%k8s_keep")
    assert "This kernel is kept while a block runs (waits for the lab's data)." in said
    assert "A block still keeps this kernel" in kept.run("%k8s_keep off")

    go.touch()
    found = Kernel(server, home)
    assert found.run(f"import mlk_jupyter\nprint(mlk_jupyter.job({job_id!r}).result())") == "3\n"
    for kernel in (kept, waiting, found):
        kernel.close()
