"""Nothing that a test started may outlive the run: what does is named with its test, ended, and fails the run.

Each process that a test starts bears the test's name in its environment, and hands it on to its own children.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Generator
from typing import Any, NamedTuple

import psutil
import pytest

from .again import FOR_GOOD

STARTED_BY = "TEST_STARTED_BY"
"""The variable: the run, a space, the test."""

GRACE_S = 20.0
"""How long processes may take to end by themselves: a job settles its MLflow run after it is over."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("leftovers_grace", "seconds in which what a test started may end by itself", default=str(GRACE_S))


def pytest_configure(config: pytest.Config) -> None:
    run = config.workerinput["run"] if hasattr(config, "workerinput") else uuid.uuid4().hex
    config.pluginmanager.register(Leftovers(config, run), "leftovers")


class Leftover(NamedTuple):
    """One living process."""

    process: psutil.Process
    test: str


class Leftovers:
    """Names processes as they are started; in the process that sums up, looks for them at the end."""

    def __init__(self, config: pytest.Config, run: str) -> None:
        self._config, self._run = config, run

    def pytest_configure_node(self, node: Any) -> None:
        """xdist's: a worker's tests belong to this run."""
        node.workerinput["run"] = self._run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = os.environ.get(STARTED_BY)
        os.environ[STARTED_BY] = f"{self._run} {item.nodeid}"
        try:
            return (yield)
        finally:
            os.environ.pop(STARTED_BY)
            if before is not None:  # a test of these tests
                os.environ[STARTED_BY] = before

    @pytest.hookimpl(trylast=True)  # when fixtures and workers have ended
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput"):
            return
        found = left_by(self._run, float(self._config.getini("leftovers_grace")))
        for test in sorted({each.test for each in found}):
            lines = [_in_words(each.process) for each in found if each.test == test]
            self._fail(session, test, "\n".join(["What it started was still there at the end of the run:", *lines]))
        for each in found:
            with contextlib.suppress(psutil.Error):  # psutil knows when the number is another's by now
                each.process.kill()

    def _fail(self, session: pytest.Session, test: str, words: str) -> None:
        report = pytest.TestReport(
            nodeid=test,
            location=(test.split("::")[0], None, test),
            keywords={},
            outcome="failed",
            longrepr=words,
            when="teardown",
            user_properties=[FOR_GOOD],
        )
        self._config.hook.pytest_runtest_logreport(report=report)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def left_by(run: str, grace_s: float) -> list[Leftover]:
    """The processes of a run that do not end within `grace_s`."""
    deadline = time.monotonic() + grace_s
    while (found := _living(run)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _living(run: str) -> list[Leftover]:
    found = []
    for process in psutil.process_iter():
        try:
            values = process.environ().values()
            marks = [value.partition(f"{run} ")[2] for value in values if f"{run} " in value]
            if marks and process.status() != psutil.STATUS_ZOMBIE:
                found.append(Leftover(process, marks[0]))
        except (psutil.Error, OSError):
            continue  # somebody else's, or gone
    return found


def _in_words(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return f"{process.pid}: it ended just now"
