"""What a kernel tells whoever watches it: leases, waits and jobs, as files that only its person may read."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import mlk_jupyter
from mlk_jupyter.idle import inside
from mlk_jupyter.idle.table import beginning

KERNEL = "0a1b2c3d-0000-4000-8000-123456789abc"


@pytest.fixture
def told(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a kernel, which this process now is."""
    monkeypatch.setenv("MLK_KERNEL_ID", KERNEL)
    yield data_dir / "idle" / "kernels" / KERNEL


def read(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(pattern))]


def test_a_block_holds_a_lease_that_names_its_process_until_it_ends(told: Path) -> None:
    with mlk_jupyter.keep("training"):
        (lease,) = read(told, "keep-*.json")
        assert lease["until"] is None and lease["reason"] == "training"
        assert (lease["pid"], lease["created"]) == (os.getpid(), psutil.Process().create_time())
        assert abs(lease["asked"] - time.time()) < 60
    assert read(told, "*") == []


def test_only_the_person_may_look_at_it(told: Path) -> None:
    with mlk_jupyter.keep():
        (file,) = told.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for folder in (told, told.parent, told.parent.parent, told.parents[2]):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_length_is_written_as_when_it_ends(told: Path) -> None:
    with mlk_jupyter.keep("waits for data", hours=1.5):
        (lease,) = read(told, "keep-*.json")
        assert lease["until"] == pytest.approx(lease["asked"] + 5400, abs=5)


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf")])
def test_a_length_that_is_none_is_refused_before_the_block(told: Path, hours: float) -> None:
    with pytest.raises(ValueError, match="positive number of hours"):
        mlk_jupyter.keep(hours=hours)


def test_the_lease_ends_also_with_an_exception(told: Path) -> None:
    with pytest.raises(KeyboardInterrupt), mlk_jupyter.keep():
        raise KeyboardInterrupt
    assert read(told, "*") == []


def test_blocks_within_blocks_hold_each_their_own_also_of_one_lease(told: Path) -> None:
    lease = mlk_jupyter.keep("both")
    with lease, mlk_jupyter.keep("inner"):
        with lease:
            assert sorted(one["reason"] for one in read(told, "keep-*.json")) == ["both", "both", "inner"]
        assert sorted(one["reason"] for one in read(told, "keep-*.json")) == ["both", "inner"]
    assert read(told, "*") == []


def test_threads_and_tasks_hold_each_their_own(told: Path) -> None:
    inside_of_it, leave = threading.Barrier(9), threading.Event()

    def hold() -> None:
        with mlk_jupyter.keep("thread"):
            inside_of_it.wait(60)
            leave.wait(60)

    async def tasks() -> int:
        async def one() -> int:
            with mlk_jupyter.keep("task"):
                await asyncio.sleep(0)
                return len(read(told, "keep-*.json"))

        return max(await asyncio.gather(*(one() for _ in range(5))))

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    inside_of_it.wait(60)
    assert asyncio.run(tasks()) == 13
    leave.set()
    for thread in threads:
        thread.join()
    assert read(told, "*") == []


def test_a_forked_child_that_leaves_the_block_leaves_its_parents_lease(told: Path) -> None:
    code = (
        "import os, mlk_jupyter, pathlib\n"
        f"folder = pathlib.Path({str(told)!r})\n"
        "child = 0\n"
        "with mlk_jupyter.keep():\n"
        "    child = os.fork()\n"
        "    if child:\n"
        "        os.waitpid(child, 0)\n"
        "        print(len(list(folder.iterdir())))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n" and read(told, "*") == []


def test_outside_of_a_kernel_nothing_is_kept_and_nothing_said(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLK_KERNEL_ID", raising=False)
    with mlk_jupyter.keep("script"), inside.waiting("a-job"):
        inside.submitted("a-job")
    assert list(data_dir.iterdir()) == [] and capsys.readouterr() == ("", "")


def test_a_lease_that_cannot_be_written_is_told_and_the_work_goes_on(
    told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.parent.parent.write_text("in the way")
    with pytest.warns(UserWarning, match=r"This kernel is not kept: .* It may be stopped"), mlk_jupyter.keep():
        pass
    with inside.waiting("a-job"):
        inside.submitted("a-job")


@pytest.mark.parametrize("tag", ["../../etc", "a b", "", "x" * 65])
def test_a_tag_that_is_no_id_names_no_kernel(data_dir: Path, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    monkeypatch.setenv("MLK_KERNEL_ID", tag)
    assert inside.kernel_id() is None


def test_the_kernel_of_a_server_within_a_kernel_is_itself(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class App:
        connection_file = f"/run/kernel-{KERNEL}.json"

        @staticmethod
        def initialized() -> bool:
            return True

        @classmethod
        def instance(cls) -> App:
            return cls()

    monkeypatch.setenv("MLK_KERNEL_ID", "0a1b2c3d-0000-4000-8000-00000000outer")
    monkeypatch.setitem(sys.modules, "ipykernel.kernelapp", SimpleNamespace(IPKernelApp=App))  # type: ignore[arg-type]
    assert inside.kernel_id() == KERNEL
    monkeypatch.setattr(App, "connection_file", "/run/kernel-4711.json")
    assert inside.kernel_id() == "0a1b2c3d-0000-4000-8000-00000000outer"


def test_a_wait_is_there_while_it_lasts_and_names_the_job(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "ends_its_cell", lambda: True)
    with inside.waiting("pi-0a1b"):
        (wait,) = read(told, "wait-*.json")
        assert wait == {
            "job": "pi-0a1b",
            "pid": os.getpid(),
            "created": psutil.Process().create_time(),
            "began": beginning(os.getpid()),
        }
    assert read(told, "*") == []


def test_a_wait_after_which_the_cell_goes_on_is_none(told: Path) -> None:
    with inside.waiting("pi-0a1b"):
        assert read(told, "*") == []


def test_a_wait_in_another_thread_says_nothing_of_the_cell(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "ends_its_cell", lambda: True)
    seen: list[int] = []

    def wait() -> None:
        with inside.waiting("pi-0a1b"):
            seen.append(len(list(told.glob("*"))))

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join()
    assert seen == [0]


def test_what_a_person_asked_for_is_replaced_and_taken_back_but_not_what_a_block_holds(told: Path) -> None:
    inside.wish(KERNEL, "magic", 7200, "x" * 500)
    inside.wish(KERNEL, "magic", 3600, "first")
    inside.wish(KERNEL, "cli", 60)
    (lease,) = read(told, "keep-magic.json")
    assert lease["until"] == pytest.approx(lease["asked"] + 3600, abs=5)
    assert (lease["pid"], lease["created"], lease["reason"]) == (None, None, "first")
    with mlk_jupyter.keep("block"):
        assert inside.release(KERNEL) and not inside.release(KERNEL)
        assert [one["reason"] for one in read(told, "keep-*.json")] == ["block"]


def test_jobs_that_a_kernel_submitted_are_written_down(told: Path) -> None:
    inside.submitted("pi-0a1b")
    assert [one["job"] for one in read(told, "job-pi-0a1b.json")] == ["pi-0a1b"]
