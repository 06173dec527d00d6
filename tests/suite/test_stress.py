"""Rounds beside a load: told, counted, ended at the first failure, and never outlived by what was started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
COUNTS = """
from pathlib import Path
def test_it():
    rounds = Path(__file__).with_name("rounds")
    rounds.write_text(rounds.read_text() + "." if rounds.exists() else ".")
    assert len(rounds.read_text()) != {bad}
"""
WAITS = """
from pathlib import Path
import subprocess
def test_it():
    child = subprocess.Popen(["sleep", "600"])
    Path(__file__).with_name("pid").write_text(str(child.pid))
    try:
        child.wait()
    finally:
        child.kill()
"""


@pytest.fixture
def stress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], subprocess.Popen[str]]:
    """Starts three rounds of a test file beside the load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def start(source: str) -> subprocess.Popen[str]:
        file = tmp_path / "test_it.py"
        file.write_text(source)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        command = [
            sys.executable,
            "-m",
            "tests.suite.stress",
            "--rounds",
            "3",
            "--load",
            "1",
            "--",
            "-p",
            "no:cacheprovider",
        ]
        return subprocess.Popen([*command, str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    return start


def test_all_rounds_are_run_and_told(stress: Callable[[str], subprocess.Popen[str]]) -> None:
    process = stress(COUNTS.format(bad=0))
    said = [line for line in process.communicate()[0].splitlines() if line.startswith("stress:")]
    assert process.returncode == 0
    assert [line.split(" after")[0] for line in said[:-1]] == [f"stress: round {n} of 3 passed" for n in (1, 2, 3)]
    assert "beside 1 busy processes" in said[0] and "all 3 rounds passed" in said[-1]


def test_the_first_failure_ends_it(stress: Callable[[str], subprocess.Popen[str]]) -> None:
    process = stress(COUNTS.format(bad=2))
    said = process.communicate()[0].splitlines()
    assert process.returncode == 1 and said[-1].startswith("stress: round 2 of 3 failed after")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_ends_load_and_tests(
    stress: Callable[[str], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = stress(WAITS)
    started = _once_waiting(process, tmp_path)
    process.send_signal(number)
    process.communicate()
    _until(lambda: not any(_lives(each) for each in started))
    assert process.returncode != 0


def test_the_load_ends_by_itself_when_nobody_is_left_to_end_it(
    stress: Callable[[str], subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = stress(WAITS)
    load, runner, child = _once_waiting(process, tmp_path)
    process.kill()
    process.wait()
    runner.kill()
    child.kill()
    _until(lambda: not _lives(load))
    process.communicate()


def _once_waiting(process: subprocess.Popen[str], folder: Path) -> list[psutil.Process]:
    """The load, pytest and the child of its test, which is last."""
    _until(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) == 3
    return started


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
