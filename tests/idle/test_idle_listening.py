"""A kernel that its kernelspec starts in a container or on another machine is unknown; one that is here is measured."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from standin_kernel import until

from mlk_jupyter.idle.kernels import Process
from mlk_jupyter.idle.processes import Usages

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"
ELSEWHERE = "the kernel itself is not among the processes"

Start = Callable[..., Process]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def connection(tmp_path: Path, port: int) -> Path:
    folder = tmp_path / "John's files"
    folder.mkdir()
    file = folder / "kernel-k.json"
    file.write_text(json.dumps({"shell_port": port, "transport": "tcp"}))
    return file


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(*words: object) -> Process:
        started.append(subprocess.Popen([str(word) for word in words], start_new_session=True))
        return Process(started[-1].pid, psutil.Process(started[-1].pid).create_time())

    yield begin
    for process in started:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def why(usages: Usages, process: Process) -> str:
    """Why its CPU is unknown; "" where it is known or is going to be."""
    found = usages.sample({"k": process})["k"].cpu.why or ""
    return "" if found == "not measured yet" else found


def test_a_kernel_that_listens_is_here_and_stays_so(start: Start, port: int, connection: Path) -> None:
    process, usages = start(sys.executable, "-c", LISTEN, port, connection), Usages()
    until(lambda: why(usages, process) == "")
    connection.write_text(json.dumps({"shell_port": 1}))
    assert why(usages, process) == ""
    assert why(Usages(), process).startswith(ELSEWHERE)


def test_a_kernel_below_a_shell_that_activates_an_environment_is_here(
    start: Start, port: int, connection: Path
) -> None:
    words = shlex.join([sys.executable, "-c", LISTEN, str(port), connection.name])
    process, usages = start("sh", "-c", f'cd "{connection.parent}"; : {{}} "{connection}"; {words} & wait'), Usages()
    until(lambda: why(usages, process) == "")


def test_a_command_that_started_a_kernel_elsewhere_is_not_the_kernel(start: Start, connection: Path) -> None:
    process = start("sh", "-c", "sleep 600 & wait", "docker", "run", "-v", f"{connection}:/connection.json")
    usages = Usages()
    for _ in range(2):
        usage = usages.sample({"k": process})["k"]
        assert {signal.known for signal in (usage.cpu, usage.io, usage.gpus, usage.gpu_busy)} == {False}
        assert usage.cpu.why is not None and usage.cpu.why.startswith(ELSEWHERE)


def test_somebody_else_who_listens_is_not_the_kernel(start: Start, port: int, connection: Path) -> None:
    start(sys.executable, "-c", LISTEN, port)
    until(lambda: is_open(port))
    process = start(sys.executable, "-c", "import time; time.sleep(600)", connection)
    assert why(Usages(), process).startswith(ELSEWHERE)


def test_a_tunnel_is_not_the_kernel(start: Start, port: int, connection: Path, tmp_path: Path) -> None:
    (tmp_path / "ssh").symlink_to(Path(sys.executable).resolve())
    process = start(tmp_path / "ssh", "-c", LISTEN, port, connection)
    until(lambda: psutil.Process(process.pid).name() == "ssh")
    until(lambda: is_open(port))
    assert why(Usages(), process).startswith(ELSEWHERE)


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"shell_port": 0}', '{"shell_port": 5, "transport": "ipc"}'])
def test_a_connection_file_that_tells_no_port_hides_nothing(start: Start, connection: Path, text: str) -> None:
    connection.write_text(text)
    process = start(sys.executable, "-c", "import time; time.sleep(600)", connection)
    assert why(Usages(), process) == ""
