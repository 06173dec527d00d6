"""Displays of a job: in a notebook with and without ipywidgets, and as text. The job is a record on disk that grows."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from mlk_jupyter.errors import BackendUnavailable, BadInput, JobNotFound, MlkError
from mlk_jupyter.follow.tail import Tails
from mlk_jupyter.magics import feed, widget
from mlk_jupyter.magics.display import show
from mlk_jupyter.magics.view import View
from mlk_jupyter.model import JobSpec, JobStatus, Metric, Phase, Progress, RunRef, RunState
from mlk_jupyter.record.folder import JobFolder

WIDGET = "application/vnd.jupyter.widget-view+json"
_LIMIT_S = 30.0


def until(holds: Callable[[], object]) -> None:
    """Waits for a condition."""
    end = time.monotonic() + _LIMIT_S
    while not holds():
        assert time.monotonic() < end, "It never came to be."
        time.sleep(0.01)


class Recorded:
    """A job that is nothing but its record."""

    def __init__(self, path: Path) -> None:
        self.folder = JobFolder(path)
        (path / "logs").mkdir(parents=True)
        self.error: MlkError | None = None
        self.asked = 0
        self.stopped = 0
        self.write(phase=Phase.RUNNING)

    @property
    def id(self) -> str:
        return self.folder.id

    def status(self) -> JobStatus:
        self.asked += 1
        if self.error is not None:
            raise self.error
        status = self.folder.read_status()
        assert status is not None
        return status

    async def changes(self) -> AsyncIterator[JobStatus]:
        yield self.status()

    def stop(self) -> None:
        if self.error is not None:
            raise self.error
        self.stopped += 1

    def notebook(self) -> Path:
        return self.folder.path / "so-far.ipynb"

    def write(self, **fields: Any) -> None:
        name = self.folder.id
        known = {"id": name, "name": "digits", "notebook": "digits.ipynb", "backend": "local", "created_at": 1000.0}
        spec = JobSpec(name="digits", notebook="digits.ipynb")
        self.folder.write_status(JobStatus(**{**known, "spec": spec, "folder": str(self.folder.path), **fields}))

    def end(self, phase: Phase = Phase.SUCCEEDED) -> None:
        self.folder.executed.write_text("{}")
        self.write(phase=phase, finished_at=1007.0, run=RunRef(state=RunState.RECORDED, run_name="apt-ox"))

    def frame(self, **fields: Any) -> None:
        with self.folder.frames.open("a") as file:
            file.write(json.dumps({"rank": 0, "seq": 0, "time": 1.0, **fields}, separators=(",", ":")) + "\n")


class Notebook:
    """What a front end would have got."""

    def __init__(self, publisher: CapturingDisplayPublisher) -> None:
        self._publisher = publisher

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return list(self._publisher.outputs)

    @property
    def saved(self) -> dict[str, Any]:
        """The bundle of the newest display as it would be in the file."""
        return dict(self.outputs[-1]["data"])


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path / "digits-0a1b")
    yield made
    made.error = None
    if made.folder.path.exists():
        made.end()
    until(lambda: not feed._feeds)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """A kernel's shell whose outputs are kept."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.history_manager.enabled = False
    shell.kernel = object()
    shell.display_pub = CapturingDisplayPublisher()
    yield Notebook(shell.display_pub)
    InteractiveShell.clear_instance()


def texts(box: ipywidgets.Widget) -> str:
    """All words of a widget and those in it."""
    if isinstance(box, ipywidgets.Box):
        return " ".join(map(texts, box.children))
    return str(getattr(box, "value", "")) + str(getattr(box, "description", ""))


def shown_widget(notebook: Notebook) -> ipywidgets.VBox:
    model = notebook.outputs[0]["data"][WIDGET]["model_id"]
    return ipywidgets.widgets.widget._instances[model]


def button(box: ipywidgets.Widget, name: str) -> ipywidgets.Button:
    if isinstance(box, ipywidgets.Box):
        found = [one for child in box.children for one in [button(child, name)] if one is not None]
        return found[0] if found else None
    return box if isinstance(box, ipywidgets.Button) and box.description == name else None


def threads(job: Recorded) -> list[str]:
    return [thread.name for thread in threading.enumerate() if job.id in thread.name]


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
    until(lambda: "epoch &lt;2&gt;" in texts(box) and "25%, epoch 2, about 0:30 to go" in texts(box))
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
    assert "Succeeded in 0:07" in notebook.saved["text/plain"] and "apt-ox" in notebook.saved["text/plain"]
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


def test_displays_of_one_job_show_the_same_and_cost_one_reader(job: Recorded, notebook: Notebook) -> None:
    for _ in range(3):
        show(job)
    assert len(threads(job)) == 1
    boxes = [ipywidgets.widgets.widget._instances[one["data"][WIDGET]["model_id"]] for one in notebook.outputs]
    job.write(phase=Phase.RUNNING, progress=Progress(fraction=0.5, text="half way"))
    until(lambda: all("half way" in texts(box) for box in boxes))
    job.end()
    until(lambda: not threads(job))
    last = {one["transient"]["display_id"]: one["data"]["text/plain"] for one in notebook.outputs}
    assert len(last) == 3 and len(set(last.values())) == 1


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


def test_only_the_end_of_a_log_is_read_however_long_it_is(job: Recorded) -> None:
    with job.folder.log(0).open("wb") as log:
        log.truncate(1 << 40)  # a hole: takes no room, and could not be read whole
        log.seek(0, 2)
        log.write(b"\n" + b"x" * 20_000 + b"\nlast\n")
    assert Tails(job.folder).log(8) == ("last",)


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
    monkeypatch.delitem(sys.modules, "mlk_jupyter.magics.widget")
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


def test_curves_are_read_as_they_grow_and_begin_anew_with_the_ranks(job: Recorded) -> None:
    tails = Tails(job.folder)
    assert tails.curves() == {}
    job.frame(kind="metric", name="loss", value=1.0, step=10)
    job.frame(kind="stream", cell=0, name="stdout", text='"kind":"metric","name":"fake","value":1')
    with job.folder.frames.open("a") as file:
        file.write('{"kind":"metric","rank":0,"name":"loss","val')
    tails.read()
    assert tails.curves() == {"loss": [(10.0, 1.0)]}
    with job.folder.frames.open("a") as file:
        file.write('ue":null,"step":20,"time":2.0}\n"metric"\n{"kind":"metric"}\n')
    tails.read()
    assert tails.curves() == {"loss": [(10.0, 1.0), (20.0, None)]}
    job.folder.frames.rename(job.folder.path / "frames-a1.jsonl")
    job.frame(kind="metric", name="loss", value=3.0, step=1)
    tails.read()
    assert tails.curves() == {"loss": [(1.0, 3.0)]}


def test_ranks_that_log_the_same_give_one_curve_the_lowest_ranks(job: Recorded) -> None:
    tails = Tails(job.folder)
    for rank in (1, 0, 1, 0):
        job.frame(kind="metric", name="loss", value=float(rank), step=1, rank=rank)
    tails.read()
    assert tails.curves() == {"loss": [(1.0, 0.0), (1.0, 0.0)]}


def test_gpu_use_is_the_mean_of_the_gpus_of_each_sample(job: Recorded) -> None:
    samples = [{"busy": 0.2}, {"busy": 0.6}, {"busy": None}]
    job.folder.samples.write_text(json.dumps({"kind": "sample", "rank": 0, "time": 5.0, "gpus": samples}) + "\n")
    tails = Tails(job.folder)
    tails.read()
    assert tails.gpus() == [(5.0, pytest.approx(0.4))]
