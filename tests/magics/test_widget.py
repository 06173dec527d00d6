"""The widget of a job: its buttons, what they could not do, and that nothing a job says becomes markup."""

from __future__ import annotations

import pytest
from recordedjob import Notebook, Recorded, button, shown_widget, texts

from mlk_jupyter.errors import BadInput
from mlk_jupyter.magics import widget
from mlk_jupyter.magics.display import show
from mlk_jupyter.magics.view import View
from mlk_jupyter.model import Metric, Progress


def test_stop_asks_before_it_stops(job: Recorded, notebook: Notebook) -> None:
    show(job)
    box = shown_widget(notebook)
    button(box, "Stop").click()
    assert not job.stopped and button(box, "Stop") is None
    button(box, "Keep it running").click()
    button(box, "Stop").click()
    button(box, "Stop the job").click()
    assert job.stopped == 1 and "asked to stop" in texts(box) and button(box, "Stop").disabled


def test_what_a_button_could_not_do_is_said_beside_it(job: Recorded, notebook: Notebook) -> None:
    show(job)
    box = shown_widget(notebook)
    button(box, "Stop").click()
    job.error = BadInput("It may <not> be stopped.", hint="Ask its owner.")
    button(box, "Stop the job").click()
    assert "It may &lt;not&gt; be stopped. Ask its owner." in texts(box)
    assert not button(box, "Stop").disabled
    job.error = None


def test_log_opens_the_log_as_it_is_then_and_closes_it(job: Recorded, notebook: Notebook) -> None:
    job.folder.log(0).write_text("".join(f"line {number}.\n" for number in range(100)))
    show(job)
    box = shown_widget(notebook)
    assert "line 99." in texts(box) and "line 0." not in texts(box)
    button(box, "Log").click()
    assert "line 0." in texts(box)
    button(box, "Close log").click()
    assert "line 0." not in texts(box)


def test_open_notebook_names_the_file_and_offers_jupyterlab_its_command(
    job: Recorded, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "a.ipynb")
    monkeypatch.delenv("VSCODE_PID", raising=False)
    show(job)
    box = shown_widget(notebook)
    button(box, "Open notebook").click()
    assert str(job.notebook()) in texts(box) and "mlk:open-notebook" in texts(box)


def test_all_text_of_a_job_is_escaped_in_the_widget(job: Recorded) -> None:
    hostile = "<img src=x onerror=alert(1)>\"'"
    drawn = widget.JobWidget(job)
    status = job.status().model_copy(
        update={
            "name": hostile,
            "error": hostile,
            "notices": [hostile],
            "progress": Progress(text=hostile),
            "metrics": [Metric(name=hostile, value=1.0, at=1.0)],
        }
    )
    drawn.show(View(status, 1.0, log=(hostile,), curves={hostile: [(0, 1.0), (1, 2.0)]}, trouble=hostile))
    drawn.say(hostile)
    assert "<img" not in texts(drawn.box) and "&lt;img" in texts(drawn.box)
    drawn.close()
