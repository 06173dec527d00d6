"""Displays of a job from first to last: in a notebook with and without ipywidgets, and as text."""

from __future__ import annotations

import sys

import ipywidgets
import pytest
from IPython.core.interactiveshell import InteractiveShell
from recordedjob import WIDGET, Notebook, Recorded, shown_widget, texts, threads, until

from mlk_jupyter.errors import BackendUnavailable, JobNotFound
from mlk_jupyter.magics import feed
from mlk_jupyter.magics.display import show
from mlk_jupyter.model import Metric, Phase, Progress


def test_an_output_has_the_widget_and_what_is_read_without_a_kernel(job: Recorded, notebook: Notebook) -> None:
    show(job)
    (output,) = notebook.outputs
    assert set(output["data"]) == {WIDGET, "text/html", "text/plain"}
    assert "digits: Running" in output["data"]["text/plain"]
    assert "digits" in texts(shown_widget(notebook))


def test_the_display_lives(job: Recorded, notebook: Notebook) -> None:
    show(job)
    box = shown_widget(notebook)
    job.folder.log(0).write_text("epoch 1\nepoch <2>\n")
    for step in range(3):
        job.frame(kind="metric", name="loss", value=1.0 / (step + 1), step=step)
    job.write(
        phase=Phase.RUNNING,
        progress=Progress(fraction=0.25, text="epoch 2", eta_s=30.0),
        metrics=[Metric(name="loss", value=0.3333, step=2, at=1.0)],
    )
    until(lambda: "epoch &lt;2&gt;" in texts(box) and "25%, epoch 2, about 30 s to go" in texts(box))
    assert "0.3333" in texts(box) and "<svg" in texts(box)
    assert len(notebook.outputs) == 1, "the notebook is not written again while its words stay true"


def test_each_phase_is_written_into_the_notebook(job: Recorded, notebook: Notebook) -> None:
    job.write(phase=Phase.QUEUED)
    show(job)
    job.write(phase=Phase.RUNNING)
    until(lambda: "Running" in notebook.saved["text/plain"])
    assert WIDGET in notebook.saved


def test_at_the_end_the_summary_takes_the_place_of_the_widget_and_nothing_is_left(
    job: Recorded, notebook: Notebook
) -> None:
    before = set(ipywidgets.widgets.widget._instances)
    show(job)
    assert set(ipywidgets.widgets.widget._instances) > before
    job.end()
    until(lambda: not threads(job))
    assert set(notebook.saved) == {"text/html", "text/plain"}
    assert "Succeeded in 7 s" in notebook.saved["text/plain"] and "apt-ox" in notebook.saved["text/plain"]
    assert len({output["transient"]["display_id"] for output in notebook.outputs}) == 1
    assert set(ipywidgets.widgets.widget._instances) == before
    assert not feed._feeds
    asked = job.asked
    job.write(phase=Phase.SUCCEEDED)
    assert job.asked == asked


def test_a_job_that_is_over_is_shown_without_widget_or_thread(job: Recorded, notebook: Notebook) -> None:
    job.end(Phase.STOPPED)
    show(job)
    (output,) = notebook.outputs
    assert set(output["data"]) == {"text/html", "text/plain"} and not threads(job)


def test_shown_once_it_is_not_followed(job: Recorded, notebook: Notebook) -> None:
    show(job, follow=False)
    until(lambda: not threads(job))
    assert set(notebook.saved) == {"text/html", "text/plain"}


def test_an_interrupted_wait_leaves_words_in_the_notebook_and_the_display_goes_on(
    job: Recorded, notebook: Notebook
) -> None:
    display = show(job)
    job.write(phase=Phase.RUNNING, progress=Progress(fraction=0.5, text="half way"))
    display.detach("It goes on. Come back.")
    assert notebook.saved["text/plain"].startswith("It goes on. Come back.\n")
    assert "half way" in notebook.saved["text/plain"], "the state then is saved, not the one of the tick before"
    assert WIDGET in notebook.saved and "half way" in texts(shown_widget(notebook))
    job.end()
    until(lambda: not threads(job))
    assert "Come back." not in notebook.saved["text/plain"] and "Succeeded" in notebook.saved["text/plain"]


def test_a_closed_display_says_how_it_was_then_and_follows_no_more(job: Recorded, notebook: Notebook) -> None:
    display = show(job)
    display.close("Left.")
    until(lambda: not threads(job))
    assert notebook.saved["text/plain"].startswith("Left.\n") and WIDGET not in notebook.saved
    count = len(notebook.outputs)
    display.close()
    display.detach("Again.")
    job.end()
    assert all("Succeeded" not in one["data"]["text/plain"] for one in notebook.outputs[:count])


def test_closing_after_the_end_saves_the_end_at_once(job: Recorded, notebook: Notebook) -> None:
    display = show(job)
    job.end(Phase.FAILED)
    display.close()
    assert "Failed" in notebook.saved["text/plain"] and WIDGET not in notebook.saved


def test_without_ipywidgets_the_summary_itself_lives(
    job: Recorded, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.delitem(sys.modules, "mlk_jupyter.magics.widget", raising=False)
    show(job)
    assert set(notebook.saved) == {"text/html", "text/plain"}
    job.write(phase=Phase.RUNNING, progress=Progress(text="half way"))
    until(lambda: "half way" in notebook.saved["text/plain"])
    job.end()
    until(lambda: "Succeeded" in notebook.saved["text/plain"])


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
    assert "The job was deleted." in notebook.saved["text/plain"] and WIDGET not in notebook.saved


def test_a_cluster_that_is_away_for_a_while_is_said_and_then_forgotten(job: Recorded, notebook: Notebook) -> None:
    show(job)
    job.error = BackendUnavailable("Its API server does not answer.", hint="Wait.")
    until(lambda: "This is not the latest: Its API server" in notebook.saved["text/plain"])
    job.error = None
    until(lambda: "not the latest" not in notebook.saved["text/plain"])
    assert WIDGET in notebook.saved


def test_a_job_of_which_nothing_can_be_known_is_refused_and_leaves_nothing(job: Recorded, notebook: Notebook) -> None:
    before = set(ipywidgets.widgets.widget._instances)
    job.error = JobNotFound(job.id)
    with pytest.raises(JobNotFound):
        show(job)
    assert not notebook.outputs and not feed._feeds
    assert set(ipywidgets.widgets.widget._instances) == before
