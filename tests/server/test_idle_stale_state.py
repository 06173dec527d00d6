"""A kernel that died in a cell and was restarted by itself: what the server says of it may be of the process before."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from mlk_jupyter.idle.table import age_of
from mlk_jupyter.server import kernel_host
from mlk_jupyter.server.kernel_frames import Request
from mlk_jupyter.server.kernel_messages import KernelMessages

PID = 7
Said = Callable[..., "str | None"]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What is thought of a state of that age, of a process of that age."""

    def say(state: str, age_s: float, process_s: float | None, *, before: str = "idle", cell: bool = False) -> object:
        monkeypatch.setattr(kernel_host, "age_of", lambda pid: process_s)
        messages = KernelMessages(before)
        messages.change(state)
        now = time.monotonic()
        messages.state = (state, now - age_s)
        if cell:
            messages.use(Request("execute_request", "a", {}, is_cell=True, by_person=True), PID)
        return kernel_host.execution_of(SimpleNamespace(), messages, now, PID).value

    return say  # type: ignore[return-value]


def test_a_state_that_is_older_than_the_process_is_not_its_own(said: Said) -> None:
    assert said("busy", 600, 10) == "starting"
    assert said("busy", 600, 100) == "idle"
    assert said("busy", 600, 700) == said("busy", 600, 599) == said("busy", 0, 0) == "busy", "its own"
    assert said("busy", 600, 100, cell=True) == "busy", "a cell was sent to it"
    assert said("busy", 600, None) == "busy", "in doubt it works"


def test_one_that_came_up_before_and_is_not_used_does_not_start_for_ever(said: Said) -> None:
    assert said("starting", 5, 5) == "starting"
    assert said("starting", 600, 600) == "idle"
    assert said("starting", 600, 600, before="starting") == "starting", "it never came up"


def test_the_age_of_a_process_follows_no_clock_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 0.0)
    own_s = age_of(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        younger_s = age_of(process.pid)
        process.kill()
    assert own_s is not None and younger_s is not None and 0 <= younger_s + 0.02 < own_s + 0.02
    assert age_of(2**22 + 1) is None
