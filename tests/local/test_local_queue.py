"""Who gets which GPU, and what the others are told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from machine_jobs import FOREVER, Jobs, wait_for

from mlk_jupyter.backends.base import Refused
from mlk_jupyter.backends.local import process
from mlk_jupyter.backends.local.queue import GpuQueue, Ticket
from mlk_jupyter.model import JobStatus, Phase

EIGHT = [f"GPU-{index}" for index in range(8)]
SHOW = "import os\nprint('sees', os.environ['RANK'], os.environ['CUDA_VISIBLE_DEVICES'])"


def ticket(job: str, wants: int, created_at: float) -> Ticket:
    return Ticket(job, created_at, wants, process.identity())


def waits_for_gpus(status: JobStatus) -> bool:
    return status.reason is not None and status.reason.code == "waiting_for_gpus"


def test_gpus_go_to_whoever_came_first(tmp_path: Path) -> None:
    queue = GpuQueue(tmp_path)
    assert queue.ask(ticket("one", 6, 1), EIGHT).uuids == EIGHT[:6]
    big = queue.ask(ticket("big", 4, 2), EIGHT)
    assert big.uuids == []
    assert big.why == "It needs 4 GPUs; 2 of 8 are free, the others are held by one."
    small = queue.ask(ticket("small", 1, 3), EIGHT)
    assert small.uuids == [], "a small job must not pass a big one that came first, or that one waits for ever"
    assert small.why == "It needs 1 GPU; 2 of 8 are free, the others are held by one; big came first."
    assert queue.waiting() == ["big", "small"]
    queue.release("one")
    assert queue.ask(ticket("small", 1, 3), EIGHT).uuids == []
    assert queue.ask(ticket("big", 4, 2), EIGHT).uuids == EIGHT[:4]
    assert queue.ask(ticket("small", 1, 3), EIGHT).uuids == [EIGHT[4]]
    assert queue.held() == {**dict.fromkeys(EIGHT[:4], "big"), EIGHT[4]: "small"}


def test_what_a_dead_process_holds_or_waits_for_counts_for_nothing(tmp_path: Path) -> None:
    queue = GpuQueue(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    who = process.identity(child.pid)
    assert len(queue.ask(Ticket("holder", 1, 8, who), EIGHT).uuids) == 8
    assert queue.ask(ticket("next", 1, 2), EIGHT).uuids == []
    child.kill()
    child.wait()
    assert queue.held() == {}
    assert queue.ask(ticket("next", 1, 2), EIGHT).uuids == EIGHT[:1]


def test_a_torn_ticket_holds_nothing(tmp_path: Path) -> None:
    queue = GpuQueue(tmp_path)
    queue.ask(ticket("one", 8, 1), EIGHT)
    (tmp_path / "gpus" / "one.json").write_text('{"job": "one", "hol')
    assert queue.ask(ticket("two", 8, 2), EIGHT).uuids == EIGHT


def test_asking_reads_nothing_where_no_job_ever_wanted_gpus(tmp_path: Path) -> None:
    assert GpuQueue(tmp_path).held() == {} and GpuQueue(tmp_path).waiting() == []
    assert not (tmp_path / "gpus").exists()


def test_jobs_share_the_gpus_and_the_one_that_does_not_fit_waits_and_then_runs(
    jobs: Jobs, gpus: Callable[[int], None]
) -> None:
    gpus(4)
    first = jobs.submit(SHOW, FOREVER, workers=2, gpus=1, ranks_per_worker=1)
    jobs.until_running(first, cell=2)
    second = jobs.submit(SHOW, FOREVER, gpus=3, ranks_per_worker=1)
    waiting = jobs.until(second, waits_for_gpus)
    assert waiting.phase is Phase.QUEUED
    assert waiting.reason is not None
    assert waiting.reason.text == f"It needs 3 GPUs; 2 of 4 are free, the others are held by {first}."
    info = asyncio.run(jobs.backend.info())
    assert (info.gpus, info.gpus_free, info.gpu_names) == (4, 2, ["Pretended GPU"])
    jobs.stop(first)
    jobs.until_over(first)
    jobs.until_running(second, cell=2)
    seen = [jobs.folder(first).log(rank).read_text().split()[2] for rank in (0, 1)]
    assert seen == ["GPU-00000000", "GPU-00000001"]
    assert jobs.folder(second).log(0).read_text().split()[2] == "GPU-00000000,GPU-00000001,GPU-00000002"
    jobs.stop(second)
    jobs.until_over(second)
    assert asyncio.run(jobs.backend.info()).gpus_free == 4


def test_a_job_that_waits_for_gpus_can_be_stopped(jobs: Jobs, gpus: Callable[[int], None]) -> None:
    gpus(1)
    first = jobs.submit(FOREVER, gpus=1)
    jobs.until_running(first)
    second = jobs.submit("1", gpus=1)
    jobs.until(second, waits_for_gpus)
    jobs.stop(second)
    status = jobs.until_over(second)
    assert status.phase is Phase.STOPPED and status.ranks == [] and status.started_at is None


def test_the_gpus_of_a_killed_supervisor_go_to_the_next(jobs: Jobs, gpus: Callable[[int], None]) -> None:
    gpus(1)
    first = jobs.submit(FOREVER, gpus=1)
    owner = jobs.until_running(first).owner
    second = jobs.submit("1", gpus=1)
    jobs.until(second, waits_for_gpus)
    assert owner is not None
    os.kill(int(owner["pid"]), signal.SIGKILL)
    assert jobs.until_over(second).phase is Phase.SUCCEEDED
    assert jobs.status(first).phase is Phase.FAILED


def test_more_gpus_than_exist_are_refused_before_anything_is_made(jobs: Jobs, gpus: Callable[[int], None]) -> None:
    gpus(2)
    with pytest.raises(Refused, match="asks for 3 GPUs; this machine has 2"):
        jobs.submit("1", workers=3, gpus=1)
    assert asyncio.run(jobs.backend.jobs()) == []


def test_gpus_that_vanished_since_the_submission_are_a_clear_failure(
    jobs: Jobs, gpus: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlk_jupyter.backends.local import detach

    gpus(2)
    started = detach.start

    def unplug_then_start(module: str, folder: object) -> None:
        gpus(0)
        started(module, folder)

    monkeypatch.setattr(detach, "start", unplug_then_start)
    status = jobs.until_over(jobs.submit("1", gpus=2))
    assert status.phase is Phase.FAILED
    assert status.reason is not None and status.reason.code == "not_enough_gpus"


def test_a_job_without_gpus_does_not_take_one(jobs: Jobs, gpus: Callable[[int], None]) -> None:
    gpus(1)
    job = jobs.submit("import json, os\nprint(json.dumps(os.environ['CUDA_VISIBLE_DEVICES']))")
    assert jobs.until_over(job).phase is Phase.SUCCEEDED
    assert json.loads(jobs.folder(job).log(0).read_text()) == ""
    assert wait_for(lambda: not (jobs.backend._data_dir / "gpus").exists())
