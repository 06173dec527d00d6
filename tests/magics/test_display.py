"""Displays of a job from first to last: in a notebook, and as text."""

from __future__ import annotations

import time

import pytest
from IPython.core.interactiveshell import InteractiveShell
from recordedjob import FACES, JOB, Notebook, Recorded, threads, until

from mlk_jupyter.errors import BackendUnavailable, JobNotFound
from mlk_jupyter.magics import feed
from mlk_jupyter.magics.display import show
from mlk_jupyter.model import Phase, Progress


def test_an_output_names_the_job_for_our_extension_and_says_how_it_is_to_all_others(
    job: Recorded, notebook: Notebook
) -> None:
    show(job)
    (output,) = notebook.outputs
    assert set(output["data"]) == FACES
    assert output["data"][JOB] == {"id": job.id}
    assert "digits: Running" in output["data"]["text/plain"]


def test_a_notebook_never_holds_what_needs_its_kernel(job: Recorded, notebook: Notebook) -> None:
    display = show(job)
    job.write(phase=Phase.STOPPING)
    until(lambda: "Stopping" in notebook.saved["text/plain"])
    display.detach("It goes on.")
    job.end()
    until(lambda: not threads(job))
    assert all(set(one["data"]) == FACES for one in notebook.outputs)


def test_the_summary_lives(job: Recorded, notebook: Notebook) -> None:
    show(job)
    job.folder.log(0).write_text("epoch 1\nepoch <2>\n")
    doing = Progress(fraction=0.25, text="epoch 2", eta_s=30.0)
    job.write(phase=Phase.RUNNING, progress=doing, created_at=time.time())
    until(lambda: "25%, epoch 2, about 30 s to go" in notebook.saved["text/plain"])
    assert "epoch &lt;2&gt;" in notebook.saved["text/html"]


def test_a_job_that_goes_on_for_days_is_written_into_the_notebook_ever_less_often(
    job: Recorded, notebook: Notebook
) -> None:
    show(job)  # it was created in 1970
    told = []
    following = feed.follow(job, told.append)
    for number in range(20):
        count = len(told)
        job.write(phase=Phase.RUNNING, progress=Progress(text=f"step {number}"))
        until(lambda: len(told) > count)  # noqa: B023
    following.leave(told.append)
    assert len(notebook.outputs) == 1
    job.write(phase=Phase.STOPPING)
    until(lambda: "Stopping" in notebook.saved["text/plain"])


def test_each_phase_is_written_into_the_notebook(job: Recorded, notebook: Notebook) -> None:
    job.write(phase=Phase.QUEUED)
    show(job)
    job.write(phase=Phase.RUNNING)
    until(lambda: "Running" in notebook.saved["text/plain"])


def test_at_the_end_the_summary_is_complete_and_nothing_goes_on(job: Recorded, notebook: Notebook) -> None:
    show(job)
    job.end()
    until(lambda: not threads(job))
    assert "Succeeded in 7 s" in notebook.saved["text/plain"] and "apt-ox" in notebook.saved["text/plain"]
    assert len({output["transient"]["display_id"] for output in notebook.outputs}) == 1
    assert not feed._feeds
    asked = job.asked
    job.write(phase=Phase.SUCCEEDED)
    assert job.asked == asked


def test_a_job_that_is_over_is_shown_without_a_thread(job: Recorded, notebook: Notebook) -> None:
    job.end(Phase.STOPPED)
    show(job)
    (output,) = notebook.outputs
    assert set(output["data"]) == FACES and not threads(job)


def test_shown_once_it_is_not_followed(job: Recorded, notebook: Notebook) -> None:
    show(job, follow=False)
    until(lambda: not threads(job))
    assert set(notebook.saved) == FACES


def test_an_interrupted_wait_leaves_words_in_the_notebook_and_the_display_goes_on(
    job: Recorded, notebook: Notebook
) -> None:
    display = show(job)
    job.write(phase=Phase.RUNNING, progress=Progress(fraction=0.5, text="half way"))
    display.detach("It goes on. Come back.")
    assert notebook.saved["text/plain"].startswith("It goes on. Come back.\n")
    assert "half way" in notebook.saved["text/plain"], "the state then is saved, not the one of the tick before"
    job.end()
    until(lambda: not threads(job))
    assert "Come back." not in notebook.saved["text/plain"] and "Succeeded" in notebook.saved["text/plain"]


def test_a_closed_display_says_how_it_was_then_and_follows_no_more(job: Recorded, notebook: Notebook) -> None:
    display = show(job)
    display.close("Left.")
    until(lambda: not threads(job))
    assert notebook.saved["text/plain"].startswith("Left.\n")
    count = len(notebook.outputs)
    display.close()
    display.detach("Again.")
    job.end()
    assert all("Succeeded" not in one["data"]["text/plain"] for one in notebook.outputs[:count])


def test_closing_after_the_end_saves_the_end_at_once(job: Recorded, notebook: Notebook) -> None:
    display = show(job)
    job.end(Phase.FAILED)
    display.close()
    assert "Failed" in notebook.saved["text/plain"]


def test_without_a_front_end_there_are_lines(job: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    InteractiveShell.clear_instance()
    display = show(job)
    job.write(phase=Phase.STOPPING)
    written = ""

    def has_come() -> bool:
        nonlocal written
        written += capsys.readouterr().out
        return "Stopping" in written

    until(has_come)
    job.end()
    display.close("Bye.")
    written += capsys.readouterr().out
    assert "\r" not in written and "Succeeded" in written and written.endswith("Bye.\n")
    assert not threads(job) or not feed._feeds


def test_a_job_that_is_deleted_meanwhile_is_shown_as_it_was_last_known(job: Recorded, notebook: Notebook) -> None:
    show(job)
    job.error = JobNotFound(job.id)
    until(lambda: not threads(job))
    assert "The job was deleted." in notebook.saved["text/plain"]


def test_a_cluster_that_is_away_for_a_while_is_said_and_then_forgotten(job: Recorded, notebook: Notebook) -> None:
    show(job)
    job.error = BackendUnavailable("Its API server does not answer.", hint="Wait.")
    until(lambda: "This is not the latest: Its API server" in notebook.saved["text/plain"])
    job.error = None
    until(lambda: "not the latest" not in notebook.saved["text/plain"])


def test_a_job_of_which_nothing_can_be_known_is_refused_and_leaves_nothing(job: Recorded, notebook: Notebook) -> None:
    job.error = JobNotFound(job.id)
    with pytest.raises(JobNotFound):
        show(job)
    assert not notebook.outputs and not feed._feeds
