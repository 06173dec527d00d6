"""However many displays show a job, it is read once and not too often, and none breaks the others."""

from __future__ import annotations

import time

import pytest
from recordedjob import Notebook, Recorded, threads, until

from mlk_jupyter.magics import feed
from mlk_jupyter.magics.display import show
from mlk_jupyter.magics.view import View
from mlk_jupyter.model import Phase, Progress


def test_displays_of_one_job_show_the_same_and_cost_one_reader(job: Recorded, notebook: Notebook) -> None:
    for _ in range(3):
        show(job)
    assert len(threads(job)) == 1
    job.write(phase=Phase.STOPPING, progress=Progress(fraction=0.5, text="half way"))
    until(lambda: all("half way" in words for words in newest(notebook).values()))
    job.end()
    until(lambda: not threads(job))
    last = newest(notebook)
    assert len(last) == 3 and len(set(last.values())) == 1


def newest(notebook: Notebook) -> dict[str, str]:
    """What each display says now."""
    return {one["transient"]["display_id"]: one["data"]["text/plain"] for one in notebook.outputs}


def test_however_fast_a_job_writes_it_is_shown_at_most_five_times_a_second(job: Recorded) -> None:
    told: list[View] = []
    start = time.monotonic()
    following = feed.follow(job, told.append)
    for number in range(400):
        job.write(phase=Phase.RUNNING, progress=Progress(text=f"step {number}"))
        with job.folder.log(0).open("a") as log:
            log.write(f"line {number}\n" * 25)
        time.sleep(0.002)
    until(lambda: told[-1].job.progress.text == "step 399")
    following.leave(told.append)
    assert len(told) <= 5 * (time.monotonic() - start) + 2


def test_a_display_that_breaks_does_not_break_the_others(job: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    told: list[View] = []
    calls = 0

    def broken(_: View) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise RuntimeError("its front end is gone")

    first = feed.follow(job, broken)
    feed.follow(job, told.append)
    job.write(phase=Phase.STOPPING)
    until(lambda: told[-1].job.phase is Phase.STOPPING)
    assert "its front end is gone" in caplog.text
    first.leave(told.append)
