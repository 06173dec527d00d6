"""A job that is nothing but its record, and what a notebook gets to see of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import ipywidgets
from IPython.core.displaypub import CapturingDisplayPublisher

from mlk_jupyter.errors import MlkError
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RunRef, RunState
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


def texts(box: ipywidgets.Widget) -> str:
    """All words of a widget and those in it."""
    if isinstance(box, ipywidgets.Box):
        return " ".join(map(texts, box.children))
    return str(getattr(box, "value", "")) + str(getattr(box, "description", ""))


def shown_widget(notebook: Notebook) -> ipywidgets.VBox:
    """The first widget that was shown."""
    model = notebook.outputs[0]["data"][WIDGET]["model_id"]
    return ipywidgets.widgets.widget._instances[model]


def button(box: ipywidgets.Widget, name: str) -> ipywidgets.Button:
    """The button of this name in a widget, or None."""
    if isinstance(box, ipywidgets.Box):
        found = [one for child in box.children for one in [button(child, name)] if one is not None]
        return found[0] if found else None
    return box if isinstance(box, ipywidgets.Button) and box.description == name else None


def threads(job: Recorded) -> list[str]:
    """The names of the threads that follow it."""
    return [thread.name for thread in threading.enumerate() if job.id in thread.name]
