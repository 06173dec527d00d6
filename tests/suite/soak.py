"""Many short jobs on one server for a while: `python -m tests.suite.soak --minutes 10`. What it holds must not grow.

First sixty jobs of which somebody is killed. Then jobs are submitted to a `jupyter server`, left to their end, stopped,
killed or deleted while they run, and looked at. What the server holds is counted after the first jobs and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from mlk_jupyter.backends.local import LocalBackend, process

from ..endjobs import end_jobs
from .kills import kill_each

_TOKEN = "soak"
_LIMIT_S = 120.0
_WARM_UP_JOBS = 30
_AT_ONCE = 3
_MOST = {"memory_mb": 20.0, "files": 3, "threads": 3, "processes": 0}  # more at the end than at the beginning
_QUICK = "print('quick')"
_LONG = "import time\nwhile True:\n    print('on', flush=True)\n    time.sleep(0.05)"


@dataclass(frozen=True)
class Held:
    """What a server holds."""

    memory_mb: float
    files: int
    threads: int
    processes: int

    @classmethod
    def by(cls, pid: int) -> Held:
        one = psutil.Process(pid)
        with one.oneshot():
            memory = one.memory_info().rss / 1e6
            return cls(round(memory, 1), one.num_fds(), one.num_threads(), len(one.children(recursive=True)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.suite.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlk-soak-") as home:
        wrong = _killed(Path(home), asked.seed, asked.kills) + _soaked(Path(home), asked.seed, asked.minutes * 60)
    for sentence in wrong:
        print(f"soak: {sentence}")
    print(f"soak: {'failed' if wrong else 'all is well'}")
    return 1 if wrong else 0


def _killed(home: Path, seed: int, count: int) -> list[str]:
    kills, wrong = kill_each(LocalBackend(home / "killed"), seed, count, at_once=4)
    done = Counter(kill.victim for kill in kills if kill.done)
    print(f"soak: killed {dict(done)}; {count - sum(done.values())} of {count} jobs were over before", flush=True)
    return wrong


def _soaked(home: Path, seed: int, seconds: float) -> list[str]:
    draw = random.Random(seed)
    with _server(home) as (http, pid):
        for _ in range(_WARM_UP_JOBS // _AT_ONCE):
            _round(http, draw)
        begin = _at_rest(http, pid)
        end, jobs = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            _round(http, draw)
            jobs += _AT_ONCE
        after = _at_rest(http, pid)
    print(f"soak: {jobs} jobs; the server held {begin} at the beginning and {after} at the end", flush=True)
    grown = {name: getattr(after, name) - getattr(begin, name) for name in _MOST}
    return [f"the server holds {more:+.1f} {name}" for name, more in grown.items() if more > _MOST[name]]


def _round(http: httpx.Client, draw: random.Random) -> None:
    """Some jobs at once, each to its end in one way or another; looked at, and deleted."""
    kinds = [draw.choice(["end", "stop", "kill", "delete"]) for _ in range(_AT_ONCE)]
    jobs = {_submit(http, "quick" if kind == "end" else "long"): kind for kind in kinds}
    for job, kind in jobs.items():
        if kind != "end":
            _until(lambda job=job: _job(http, job)["phase"] == "Running")
        if kind == "stop":
            http.post(f"jobs/{job}/stop").raise_for_status()
        elif kind == "kill":
            process.send(process.bearing("MLK_JOB", job), signal.SIGKILL)
        if kind != "delete":
            _until(lambda job=job: _job(http, job)["phase"] in ("Succeeded", "Failed", "Stopped"))
        for part in ("log", "frames", "notebook", "metrics"):
            http.get(f"jobs/{job}/{part}").raise_for_status()
        http.get("jobs").raise_for_status()
        http.delete(f"jobs/{job}").raise_for_status()


def _submit(http: httpx.Client, name: str) -> str:
    spec = {"name": name, "notebook": f"{name}.ipynb", "mlflow": False}
    answer = http.post("jobs", json={"spec": spec, "request_id": uuid.uuid4().hex}).raise_for_status()
    return str(answer.json()["id"])


def _job(http: httpx.Client, job: str) -> dict[str, Any]:
    return dict(http.get(f"jobs/{job}").raise_for_status().json())


def _at_rest(http: httpx.Client, pid: int) -> Held:
    """What the server holds once it has no jobs, and twice the same number of threads."""
    _until(lambda: http.get("jobs").raise_for_status().json()["jobs"] == [])
    seen = [Held.by(pid)]

    def steady() -> bool:
        time.sleep(1.5)  # its threads end after a second without work
        seen.append(Held.by(pid))
        return seen[-1].threads >= seen[-2].threads

    _until(steady)
    return seen[-1]


@contextmanager
def _server(home: Path) -> Iterator[tuple[httpx.Client, int]]:
    root = home / "root"
    root.mkdir()
    for name, code in (("quick", _QUICK), ("long", _LONG)):
        cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
        notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
        (root / f"{name}.ipynb").write_text(json.dumps(notebook))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "MLFLOW", "MLK_"))}
    own = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**kept, **own, "HOME": str(home), "MLK_DATA_DIR": str(home / "mlk"), "MLK_BACKEND": "local"}
    options = {
        "ServerApp.port": port, "ServerApp.ip": "127.0.0.1", "ServerApp.root_dir": root, "ServerApp.allow_root": True,
        "ServerApp.open_browser": False, "ServerApp.jpserver_extensions": "{'mlk_jupyter': True}",
        "IdentityProvider.token": _TOKEN, "MlkJupyterApp.submissions_per_minute": 10_000,
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyter_server", *(f"--{name}={value}" for name, value in options.items())]
    http = httpx.Client(
        base_url=f"http://127.0.0.1:{port}/mlk/", headers={"Authorization": f"token {_TOKEN}"}, timeout=60
    )
    with http, (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _until(lambda: _answers(http))
            yield http, server.pid
        finally:
            server.kill()
            server.wait()
            end_jobs(home / "mlk")


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("info").status_code == 200
    except httpx.TransportError:
        return False


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + _LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("soak: it did not happen in time")
        time.sleep(0.05)  # between looks


if __name__ == "__main__":
    sys.exit(main())
