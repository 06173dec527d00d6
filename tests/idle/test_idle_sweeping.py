"""What is removed of servers that were killed, and what may still be needed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from idleservers import FIRST, SECOND, kernel, server, write

from mlk_jupyter.idle.sweeping import sweep

DAY = 86400.0


@pytest.fixture
def idle(data_dir: Path) -> Path:
    return data_dir / "idle"


def left(idle: Path, kernel_id: str, age_s: float) -> Path:
    """A kernel's folder with a wish in it."""
    folder = idle / "kernels" / kernel_id
    folder.mkdir(parents=True)
    (folder / "keep-panel.json").write_text("{}")
    for path in (folder / "keep-panel.json", folder):
        os.utime(path, (time.time() - age_s,) * 2)
    return folder


def test_folders_of_kernels_that_no_server_has_go_after_a_day(data_dir: Path, idle: Path) -> None:
    write(data_dir, kernel())
    told, own = left(idle, FIRST, 9 * DAY), left(idle, SECOND, 9 * DAY)
    old, young = left(idle, "old", 2 * DAY), left(idle, "young", 0.5 * DAY)
    used = left(idle, "used", 9 * DAY)
    (used / "keep-panel.json").write_text("{ }")
    sweep(idle, {SECOND})
    assert [path.exists() for path in (told, own, young, used, old)] == [True, True, True, True, False]


def test_state_of_dead_servers_goes_and_their_kernels_with_it(data_dir: Path, idle: Path) -> None:
    write(data_dir, kernel(), pid=2**22 + 1)
    (state,) = (idle / "servers").iterdir()
    folder = left(idle, FIRST, 2 * DAY)
    sweep(idle, ())
    assert state.exists() and folder.exists()  # of another machine of this name, it may be
    os.utime(state, (time.time() - 2 * DAY,) * 2)
    sweep(idle, ())
    assert not folder.exists() and list((idle / "servers").iterdir()) == []


@pytest.mark.parametrize(("age_s", "stays"), [(DAY, True), (8 * DAY, False)])
def test_a_server_of_another_machine_may_live_for_a_week(idle: Path, age_s: float, stays: bool) -> None:
    elsewhere = idle / "servers" / "another-pod-1.json"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_text(server(kernel()).model_dump_json())
    os.utime(elsewhere, (time.time() - age_s,) * 2)
    folder = left(idle, FIRST, 30 * DAY)
    sweep(idle, ())
    assert (elsewhere.exists(), folder.exists()) == (stays, stays)


def test_as_long_as_a_server_cannot_be_understood_no_folder_goes(idle: Path) -> None:
    broken = idle / "servers" / "host-1.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    folder = left(idle, FIRST, 30 * DAY)
    sweep(idle, ())
    assert broken.exists() and folder.exists()


def test_what_is_not_there_is_no_trouble(tmp_path: Path) -> None:
    sweep(tmp_path / "none", ())
    assert not (tmp_path / "none").exists()
