"""What a test left running is named, ended, and fails the run."""

from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

RunSuite = Callable[..., pytest.RunResult]

PARALLEL = pytest.mark.parametrize("parallel", [(), ("-n2",)], ids=["serial", "parallel"])
LEAVES = """
import subprocess, sys

def test_good():
    subprocess.run([sys.executable, "-c", ""], check=True)

def test_leaves():
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
    subprocess.run([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.DEVNULL)
"""


@PARALLEL
def test_a_grandchild_that_lives_on_fails_the_run_and_names_its_test(run_suite: RunSuite, parallel: tuple[str]) -> None:
    result = run_suite(LEAVES, *parallel)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*What it started was still there at the end of the run:*",
            "*time.sleep(600)*",
            "ERROR test_it.py::test_leaves*",
        ]
    )
    assert result.parseoutcomes() == {"passed": 2, "errors": 1}
    # Once, or where CI is set also in pytest's summary, which is whole there.
    line = next(line for line in result.outlines if "time.sleep(600)" in line)
    assert not _lives(int(line.partition(":")[0]))


def test_a_second_run_cannot_take_it_back(run_suite: RunSuite) -> None:
    source = LEAVES.replace("def test_leaves():", "def test_leaves():\n    if Path('mark').exists(): return")
    result = run_suite("from pathlib import Path\n" + source + "    Path('mark').touch()\n", "--again")
    assert result.ret == 1 and result.parseoutcomes() == {"passed": 2, "errors": 1}


@PARALLEL
def test_what_ends_by_itself_or_by_its_fixture_is_nothing_left(run_suite: RunSuite, parallel: tuple[str]) -> None:
    result = run_suite(
        """
import subprocess, sys, pytest

@pytest.fixture(scope="session")
def server():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield
        process.kill()

def test_server(server): pass

def test_ends_soon():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"], start_new_session=True)
""",
        *parallel,
    )
    assert result.ret == 0 and result.parseoutcomes() == {"passed": 2}


def test_what_a_crashed_worker_left_is_found_too(run_suite: RunSuite) -> None:
    source = LEAVES + "\ndef test_crash(): import os; os._exit(3)\n"
    result = run_suite(source, "-n1")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_leaves*"])


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
