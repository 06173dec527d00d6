"""What the system tells of processes, asked of the real one."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import psutil
import pytest

from mlk_jupyter.idle.table import LinuxSystem, PsutilSystem, is_near


def test_device_files_are_told_by_name_and_files_that_are_only_named_so_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nvidia0", "nvidia-uvm", "nvidia-cap12", "nvidiactl", "my-nvidia0"):
        (tmp_path / name).touch()
    opened = [path.open() for path in tmp_path.iterdir()]
    assert LinuxSystem().opened(os.getpid()) == frozenset()
    monkeypatch.setattr(stat, "S_ISCHR", lambda mode: True)
    assert LinuxSystem().opened(os.getpid()) == {"nvidia0", "nvidia-uvm", "nvidia-cap12"}
    for file in opened:
        file.close()


def test_both_ways_to_ask_tell_the_same() -> None:
    environ = {**os.environ, "MLK_KERNEL_ID": "k", "MLK_JOB": "not without a tag"}
    with subprocess.Popen(["sleep", "600"], start_new_session=True, env=environ) as process:
        linux, other = LinuxSystem(), PsutilSystem()
        for system in (linux, other):
            row = system.rows()[process.pid]
            assert (row.parent, row.session) == (os.getpid(), process.pid)
            assert is_near(system.created(row), psutil.Process(process.pid).create_time())
            assert system.facts(row) == (True, "k", False) == system.facts(row)
            assert system.row(process.pid) is not None
        process.kill()
        process.wait()
        assert linux.row(process.pid) is other.row(process.pid) is None


def test_a_name_that_holds_brackets_and_blanks_breaks_nothing(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "600"]) as process:
        row = LinuxSystem().row(process.pid)
        assert row is not None and row.parent == os.getpid()
        process.kill()
