"""What becomes of jobs when something is killed, full, gone or damaged."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from endjobs import end_jobs, processes_of
from machine_jobs import FOREVER, Jobs, wait_for

from mlk_jupyter.backends.local import settle
from mlk_jupyter.model import JobStatus, Phase, RankState, Transition
from mlk_jupyter.record.folder import JobFolder

# Each leaves its own session, and one leaves its parent: nothing but the tree, or its environment, leads to them.
GRANDCHILDREN = """
import subprocess, sys
idle = "import time; time.sleep(3600)"
subprocess.Popen([sys.executable, "-c", idle], start_new_session=True)
subprocess.run(["sh", "-c", f"setsid {sys.executable} -c '{idle}' & exit"])
"""


def owner_of(status: JobStatus) -> int:
    assert status.owner is not None
    return int(status.owner["pid"])


def test_a_killed_supervisor_takes_every_rank_and_grandchild_along(jobs: Jobs) -> None:
    job = jobs.submit(GRANDCHILDREN, FOREVER, workers=2)
    status = jobs.until_running(job, cell=2)
    wait_for(lambda: len(processes_of(job)) >= 2 * 4)  # keeper, notebook, two grandchildren; rank 1 may be behind
    os.kill(owner_of(status), signal.SIGKILL)
    wait_for(lambda: processes_of(job) == [], lambda: processes_of(job))
    status = jobs.status(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "supervisor_killed"
    assert [rank.state for rank in status.ranks] == [RankState.STOPPED, RankState.STOPPED]
    assert status.finished_at is not None and status.timeline[-1].phase is Phase.FAILED
    assert len(json.loads(jobs.notebook_text(job))["cells"]) == 2
    assert jobs.status(job) == status


def test_what_outlives_supervisor_and_keepers_that_die_at_once_is_ended_by_whoever_looks(jobs: Jobs) -> None:
    job = jobs.submit(GRANDCHILDREN, FOREVER)
    status = jobs.until_running(job, cell=2)
    keeper = status.ranks[0].pid
    assert keeper is not None
    for number in (signal.SIGSTOP, signal.SIGKILL):  # held first, so that none of them sees the other die
        for pid in (keeper, owner_of(status)):
            os.kill(pid, number)
    reason = jobs.until_over(job).reason
    assert reason is not None and reason.code == "supervisor_killed"
    wait_for(lambda: processes_of(job) == [], lambda: processes_of(job))


def test_a_notebook_too_large_to_replay_while_somebody_waits_is_written_soon_after(jobs: Jobs) -> None:
    job = jobs.submit("print('so far')", FOREVER)
    os.kill(owner_of(jobs.until_running(job, cell=2)), signal.SIGKILL)
    with jobs.folder(job).frames.open("ab") as frames:
        frames.write(b" " * (9 << 20) + b"\n")
    jobs.until_over(job)
    wait_for(lambda: jobs.folder(job).executed.exists())
    assert "so far" in jobs.notebook_text(job)


def test_a_killed_supervisor_is_noticed_by_the_list(jobs: Jobs) -> None:
    job = jobs.submit("print('so far')", FOREVER)
    status = jobs.until_running(job, cell=2)
    assert asyncio.run(jobs.backend.jobs())[0].phase is Phase.RUNNING
    os.kill(owner_of(status), signal.SIGKILL)
    listed = wait_for(lambda: [one for one in asyncio.run(jobs.backend.jobs()) if one.phase.final])
    assert listed[0].reason.code == "supervisor_killed"
    assert "so far" in jobs.notebook_text(job)


def test_a_job_outlives_whoever_submitted_it_and_their_whole_process_group(jobs: Jobs, tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import sys, time
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
        from pathlib import Path
        from machine_jobs import Jobs
        from mlk_jupyter.record.folder import data_dir
        cell = lambda source: {{"cell_type": "code", "id": "a", "metadata": {{}}, "source": source, "outputs": [],
                               "execution_count": None}}
        make = lambda *cells: {{"nbformat": 4, "nbformat_minor": 5, "metadata": {{}}, "cells": list(map(cell, cells))}}
        jobs = Jobs(data_dir(), Path({str(tmp_path / "work")!r}), make)
        wait = "import os, time\\nwhile not os.path.exists('go'):\\n    time.sleep(0.05)\\nprint('went on')"
        print(jobs.submit(wait), flush=True)
        time.sleep(3600)
        """
    )
    submitter = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert submitter.stdout is not None
    job = submitter.stdout.readline().strip()
    jobs.until_running(job)
    os.killpg(submitter.pid, signal.SIGKILL)
    submitter.wait()
    submitter.stdout.close()
    assert jobs.status(job).phase is Phase.RUNNING
    (tmp_path / "work" / "go").touch()
    assert jobs.until_over(job).phase is Phase.SUCCEEDED
    assert "went on" in jobs.notebook_text(job)


def test_a_supervisor_that_is_asked_to_end_stops_its_job_in_order(jobs: Jobs) -> None:
    job = jobs.submit("print('so far')", FOREVER)
    os.kill(owner_of(jobs.until_running(job, cell=2)), signal.SIGTERM)
    status = jobs.until_over(job)
    assert status.phase is Phase.STOPPED
    assert status.reason is not None and "SIGTERM" in status.reason.text
    assert "so far" in jobs.notebook_text(job)
    assert processes_of(job) == []


def test_a_job_from_before_a_restart_of_the_machine_is_shown_as_failed(jobs: Jobs) -> None:
    job = jobs.submit("print('so far')")
    status = jobs.until_over(job)
    wait_for(lambda: not Path(f"/proc/{owner_of(status)}").exists())
    folder = jobs.folder(job)
    folder.executed.unlink()
    as_it_was = status.model_copy(
        update={
            "phase": Phase.RUNNING,
            "finished_at": None,
            "timeline": [step for step in status.timeline if not step.phase.final],
            "owner": {"boot": "of another time", "pid": os.getpid(), "start": "1"},
        }
    )
    folder.write_status(as_it_was)
    after = jobs.status(job)
    assert after.phase is Phase.FAILED
    assert after.reason is not None and "machine was restarted" in after.reason.text
    assert "so far" in jobs.notebook_text(job)


def test_a_pid_that_was_given_to_somebody_else_is_not_the_supervisor(jobs: Jobs) -> None:
    job = jobs.submit("1")
    status = jobs.until_over(job)
    wait_for(lambda: not Path(f"/proc/{owner_of(status)}").exists())
    stolen = {**(status.owner or {}), "pid": os.getpid()}
    jobs.folder(job).write_status(status.model_copy(update={"phase": Phase.RUNNING, "owner": stolen}))
    reason = jobs.status(job).reason
    assert reason is not None and reason.code == "supervisor_killed"


def test_a_job_whose_supervisor_never_started_says_so_after_a_while(jobs: Jobs) -> None:
    job = jobs.submit("1")
    status = jobs.until_over(job)
    queued = {"phase": Phase.QUEUED, "owner": None, "ranks": [], "timeline": [Transition(phase=Phase.QUEUED, at=1.0)]}
    young, old = (status.model_copy(update={**queued, "created_at": at}) for at in (status.created_at, 1.0))
    assert not settle.is_stale(young) and settle.is_stale(old)
    jobs.folder(job).write_status(old)
    reason = jobs.status(job).reason
    assert reason is not None and reason.code == "never_started"


@pytest.mark.parametrize("damage", [b"", b'{"id": "half', b"\x00" * 64, None])
def test_a_damaged_status_is_shown_as_such_and_disturbs_no_other_job(jobs: Jobs, damage: bytes | None) -> None:
    job, other = jobs.submit("1"), jobs.submit("2")
    for one in (job, other):
        wait_for(lambda one=one: not Path(f"/proc/{owner_of(jobs.until_over(one))}").exists())
    path = jobs.folder(job).path / "status.json"
    path.unlink() if damage is None else path.write_bytes(damage)
    listed = {one.id: one for one in asyncio.run(jobs.backend.jobs())}
    assert listed[job].phase is Phase.FAILED and listed[job].name == "a job"
    assert listed[job].reason.code == jobs.status(job).reason.code == "record_unreadable"
    assert listed[other].phase is Phase.SUCCEEDED
    asyncio.run(jobs.backend.delete(job))
    assert [one.id for one in asyncio.run(jobs.backend.jobs())] == [other]


def test_a_torn_spec_or_plan_is_a_clear_failure(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlk_jupyter.backends.local import detach

    started = detach.start

    def tear_then_start(module: str, folder: JobFolder) -> None:
        (folder.path / "spec.json").write_bytes(b'{"name": "half')
        (folder.path / "launch.json").write_bytes(b'{"python": "half')
        started(module, folder)

    monkeypatch.setattr(detach, "start", tear_then_start)
    job = jobs.submit("1")
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "folder_damaged"


def test_a_bug_in_the_supervisor_ends_the_job_and_names_its_log(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlk_jupyter.backends.local import detach, launch

    started = detach.start

    def spoil_then_start(module: str, folder: JobFolder) -> None:
        plan = launch.read(folder)
        assert plan is not None
        launch.write(folder, plan.model_copy(update={"python": "no\0path"}))  # no OSError: nothing expects it
        started(module, folder)

    monkeypatch.setattr(detach, "start", spoil_then_start)
    job = jobs.submit("1")
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "supervisor_failed"
    assert status.reason.hint is not None and "supervisor.log" in status.reason.hint
    wait_for(lambda: "ValueError" in (jobs.folder(job).path / "supervisor.log").read_text())


def test_a_notebook_folder_that_is_gone_is_a_clear_failure(jobs: Jobs, tmp_path: Path) -> None:
    spec, bundle = jobs.bundle("1")
    shutil.rmtree(tmp_path / "work")
    job = asyncio.run(jobs.backend.submit(spec, bundle, request_id=uuid.uuid4().hex)).id
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "could_not_start"
    assert str(tmp_path / "work") in status.reason.text


def test_a_job_whose_folder_is_removed_ends_and_leaves_no_process(jobs: Jobs) -> None:
    job = jobs.submit("import time\nwhile True:\n    print('word')\n    time.sleep(0.01)", workers=2)
    pid = owner_of(jobs.until_running(job))
    shutil.rmtree(jobs.folder(job).path, ignore_errors=True)
    wait_for(lambda: processes_of(job) == [] and not Path(f"/proc/{pid}").exists(), lambda: processes_of(job))


@pytest.fixture
def small_disk(jobs: Jobs, data_dir: Path) -> Iterator[Path]:
    """The data directory on a file system of 12 MiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(data_dir)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a small file system: {mounted.stderr.strip()}")
    yield data_dir
    end_jobs(data_dir)
    subprocess.run(["umount", "-l", str(data_dir)], check=True)


def test_a_full_disk_ends_the_job_with_that_reason(jobs: Jobs, small_disk: Path) -> None:
    flood = "import time\nfor _ in range(100_000):\n    print('x' * 10_000)\n    time.sleep(0.001)"
    job = jobs.submit("print('so far')", flood, FOREVER, workers=2)
    status = jobs.until_over(job)
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "disk_full"
    assert "disk is full" in status.reason.text
    assert processes_of(job) == []


def test_a_disk_that_others_fill_to_the_last_byte_still_takes_the_reason(jobs: Jobs, small_disk: Path) -> None:
    job = jobs.submit("print('so far')", FOREVER)
    jobs.until_running(job, cell=2)
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        with pytest.raises(OSError, match="space"):
            while True:
                filler.write(b"x" * 4096)
        jobs.stop(job)  # there is no room to write the request down
        with pytest.raises(OSError, match="space"):
            while True:  # also the room that the job held back
                filler.write(b"x" * 4096)
        status = jobs.until_over(job)
    assert status.phase is Phase.STOPPED
    assert status.reason is not None and status.reason.code == "stopped"
    assert processes_of(job) == []
