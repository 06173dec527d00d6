"""The face is called from anywhere: running loops, threads, forked children, several processes; and is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clientjobs import FOREVER, script, until

import mlk_jupyter as mlk
from mlk_jupyter.client import Detached
from mlk_jupyter.client.background import Background, background, run
from mlk_jupyter.model import Phase

RESULT = "import mlk_jupyter\nmlk_jupyter.result(7)"
WHEN_TOLD = (
    "import os, time\nimport mlk_jupyter\nwhile not os.path.exists('go'): time.sleep(0.01)\nmlk_jupyter.result(7)"
)


def test_every_call_works_inside_of_a_running_loop(here: Path) -> None:
    async def cell() -> object:
        job = mlk.train(script(here, RESULT), mlflow=False)
        job.wait()
        assert mlk.job(job.id).logs() == ""
        return job.result()

    assert asyncio.run(cell()) == 7


def test_awaiting_a_job_leaves_the_loop_free(anywhere: Path) -> None:
    ready = anywhere / "go"
    code = RESULT if os.environ["MLK_BACKEND"] == "kubernetes" else WHEN_TOLD

    async def cell() -> object:
        job = mlk.train(script(anywhere, code), mlflow=False)
        waiting = asyncio.ensure_future(asyncio.wait_for(_result(job), 60))
        await asyncio.sleep(0)  # the loop goes on while the job waits for this file
        ready.touch()
        return await waiting

    assert asyncio.run(cell()) == 7


async def _result(job: mlk.Job) -> object:
    return await job


def test_awaiting_a_failed_job_raises_its_exception(here: Path) -> None:
    async def cell() -> None:
        await mlk.train(script(here, "raise ValueError('there')"), mlflow=False)

    with pytest.raises(ValueError, match="there"):
        asyncio.run(cell())


def test_giving_up_an_await_leaves_the_job_running(here: Path) -> None:
    async def cell() -> mlk.Job:
        job = mlk.train(script(here, FOREVER), mlflow=False)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_result(job), 0.1)
        return job

    job = asyncio.run(cell())
    assert not job.phase.final
    job.stop()
    assert job.wait().phase is Phase.STOPPED


def test_the_log_is_followed_without_blocking_a_loop(anywhere: Path) -> None:
    async def cell() -> list[str]:
        job = mlk.train(script(anywhere, "for n in range(5000): print('line', n)"), mlflow=False)
        return [line async for line in job.logs(follow=True)]

    assert asyncio.run(cell()) == [f"line {n}" for n in range(5000)]


def test_many_threads_share_one_background(here: Path) -> None:
    path = script(here, RESULT)
    names = [f"job-{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: mlk.train(path, name=name, mlflow=False), names))
        assert list(pool.map(lambda job: job.result(60), made)) == [7] * 6
    assert sorted(job.name for job in mlk.jobs()) == names
    assert sum(thread.name == "mlk" and thread.is_alive() for thread in threading.enumerate()) == 1


def test_the_background_is_never_made_to_wait_for_itself() -> None:
    async def inside() -> None:
        run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="waits for the thread that it is called in"):
        run(inside())


def test_a_forked_child_begins_a_background_of_its_own(here: Path) -> None:
    job = mlk.train(script(here, RESULT), mlflow=False)
    parents = background()
    child = os.fork()
    if child == 0:
        try:
            well = background() is not parents and job.result(60) == 7 and mlk.job(job.id) == job
            os._exit(0 if well else 1)
        except BaseException:
            os._exit(2)
    assert job.result(60) == 7
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert background() is parents and job.result() == 7


def test_closing_a_background_cancels_what_runs_in_it_and_closes_what_it_holds() -> None:
    told: list[str] = []
    there = Background()
    started = threading.Event()

    async def forever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    async def close() -> None:
        told.append("closed")

    there.at_end(close)
    waiting = there.start(forever())
    assert started.wait(10)
    there.close()
    there.close()
    assert sorted(told) == ["cancelled", "closed"] and waiting.done()
    with pytest.raises(RuntimeError):
        there.start(forever())


@pytest.mark.usefixtures("interrupt")
def test_an_interrupt_detaches_and_says_how_to_come_back(anywhere: Path) -> None:
    job = mlk.train(script(anywhere, FOREVER), mlflow=False)
    until(lambda: job.phase is Phase.RUNNING)
    main = threading.main_thread().ident
    assert main is not None
    for wait in (job.wait, job.result):
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt, match=rf"mlk_jupyter\.job\('{job.id}'\)") as caught:
            wait()
        assert isinstance(caught.value, Detached) and caught.value.job_id == job.id
        assert caught.value._render_traceback_() == [str(caught.value)]
    again = mlk.job(job.id)
    assert again.phase is Phase.RUNNING
    again.stop()
    assert again.wait().phase is Phase.STOPPED


def python(code: str, cwd: Path) -> subprocess.Popen[str]:
    """A process of its own that uses the face."""
    return subprocess.Popen(
        [sys.executable, "-c", "import mlk_jupyter as mlk\n" + code],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_ends_leaves_its_job_running_and_no_words(anywhere: Path) -> None:
    script(anywhere, FOREVER)
    first = python("print(mlk.train('train.py', mlflow=False).id)", anywhere)
    out, words = first.communicate(timeout=60)
    assert first.returncode == 0 and words == ""
    job = mlk.job(out.strip())
    until(lambda: job.phase is Phase.RUNNING)
    assert next(iter(job.logs(follow=True))) == "here"
    job.stop()
    assert job.wait().phase is Phase.STOPPED


def test_a_process_may_end_while_a_thread_waits(here: Path) -> None:
    script(here, FOREVER)
    code = (
        "import threading\njob = mlk.train('train.py', mlflow=False)\n"
        "threading.Thread(target=job.wait, daemon=True).start()\nprint(job.phase.final)"
    )
    process = python(code, here)
    out, words = process.communicate(timeout=60)
    assert process.returncode == 0 and out == "False\n" and "Traceback" not in words


@pytest.mark.slow
def test_several_processes_at_once_see_the_same_jobs(anywhere: Path) -> None:
    script(anywhere, RESULT)
    job = mlk.train("train.py", name="mine", mlflow=False)
    others = [
        python(
            f"own = mlk.train('train.py', name='other-{number}', mlflow=False)\n"
            f"print(own.result(90), mlk.job({job.id!r}).result(90))",
            anywhere,
        )
        for number in range(3)
    ]
    assert [other.communicate(timeout=100) for other in others] == [("7 7\n", "")] * 3
    assert sorted(each.name for each in mlk.jobs()) == ["mine", "other-0", "other-1", "other-2"]
    assert all(each.status().phase is Phase.SUCCEEDED for each in mlk.jobs())


def test_what_nobody_listens_to_is_not_watched_for_long(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlk_jupyter.client.handle.LINGER_S", 0.05)
    job = mlk.train(script(here, RESULT), mlflow=False)
    job.wait()

    async def watches() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("mlk watch of")]

    until(lambda: run(watches()) == [] or time.sleep(0.02))
