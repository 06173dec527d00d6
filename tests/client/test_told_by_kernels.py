"""A kernel says which jobs it submitted and for which it waits; a job outlives it, and the next kernel finds it."""

from __future__ import annotations

import json
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clientjobs import FOREVER, script, until
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client import KernelManager
from traitlets.config import Config

import mlk_jupyter
from mlk_jupyter import Job
from mlk_jupyter.client import Detached, StillGoing

KERNEL = "0a1b2c3d-0000-4000-8000-123456789abc"


@pytest.fixture
def told(here: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a kernel, which this process now is."""
    monkeypatch.setenv("MLK_KERNEL_ID", KERNEL)
    return data_dir / "idle" / "kernels" / KERNEL


def waited_for(folder: Path) -> list[str]:
    return [json.loads(path.read_text())["job"] for path in folder.glob("wait-*.json")]


def seen_while(folder: Path, then: Any) -> tuple[threading.Thread, list[str]]:
    """A thread that does something once the kernel says that it waits, and for what it then waited."""
    seen: list[str] = []

    def look() -> None:
        seen.extend(until(lambda: waited_for(folder)))
        then()

    thread = threading.Thread(target=look)
    thread.start()
    return thread, seen


@pytest.fixture
def cell(told: Path) -> Iterator[Callable[[str, Job], Any]]:
    """Runs a cell in which `job` is a job; what went wrong in it is raised."""
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance(colors="nocolor", config=Config(HistoryManager={"enabled": False}))

    def run(code: str, job: Job) -> None:
        shell.push({"job": job})
        shell.run_cell(code).raise_error()

    yield run
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("way", ["wait", "result", "values"])
def test_a_cell_that_only_waits_says_so_and_for_which_job(told: Path, here: Path, cell: Any, way: str) -> None:
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)\n"
    job = mlk_jupyter.train(script(here, code))
    assert [path.name for path in told.iterdir()] == [f"job-{job.id}.json"] and waited_for(told) == []
    thread, seen = seen_while(told, (here / "go").touch)
    cell(f"job.{way}()", job)
    thread.join()
    assert seen == [job.id] and waited_for(told) == []


def test_a_cell_that_goes_on_after_the_wait_does_not_only_wait(told: Path, here: Path, cell: Any) -> None:
    code = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)\n"
    job = mlk_jupyter.train(script(here, code))
    seen: list[str] = []

    def look() -> None:
        until(lambda: job.status().phase == "Running")
        seen.extend(waited_for(told))
        (here / "go").touch()

    thread = threading.Thread(target=look)
    thread.start()
    cell("for _ in range(2):\n    job.wait()", job)
    thread.join()
    assert seen == []


def test_a_wait_that_ends_early_is_over_for_the_watcher_too(told: Path, here: Path, cell: Any, interrupt: None) -> None:
    job = mlk_jupyter.train(script(here, FOREVER))
    with pytest.raises(StillGoing):
        cell("job.wait(timeout=0.1)", job)
    assert waited_for(told) == []
    thread, _ = seen_while(told, interrupt_main)
    with pytest.raises(Detached):
        cell("job.result()", job)
    thread.join()
    assert waited_for(told) == []


def test_a_job_does_not_belong_to_the_kernel_that_submitted_it(told: Path, here: Path) -> None:
    code = (
        "import os, mlk_jupyter\nmlk_jupyter.result(os.environ.get('MLK_KERNEL_ID'))\n"
        "with mlk_jupyter.keep():\n    pass\n"
    )
    assert mlk_jupyter.train(script(here, code)).result() is None
    assert list(told.glob("keep-*")) == []


@pytest.mark.slow
def test_the_job_of_a_cell_that_waits_outlives_its_kernel_and_the_next_kernel_finds_it(
    anywhere: Path, data_dir: Path
) -> None:
    """Where the kernel knows its id by the name of its connection file alone."""
    first = Kernel(anywhere)
    try:
        first.run("%load_ext mlk_jupyter")
        go = anywhere / "go"
        first.send(
            "%%mlk --no-mlflow\nimport pathlib, time, mlk_jupyter\n"
            f"while not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.05)\n"
            "mlk_jupyter.result(3)\n"
        )
        folder = data_dir / "idle" / "kernels" / first.id
        (job_id,) = until(lambda: waited_for(folder))
        until(lambda: mlk_jupyter.job(job_id).phase == "Running")
    finally:
        first.end()
    assert not mlk_jupyter.job(job_id).phase.final
    second = Kernel(anywhere)
    try:
        second.run(f"import mlk_jupyter\njob = mlk_jupyter.job({job_id!r})\nassert not job.phase.final")
        go.touch()
        assert second.run("print(job.wait().phase.value, job.result())") == "Succeeded 3\n"
    finally:
        second.end()


def interrupt_main() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


class Kernel:
    """A real kernel, named as jupyter_server names its own."""

    def __init__(self, folder: Path) -> None:
        self.id = str(uuid.uuid4())
        file = folder.parent / f"kernel-{self.id}.json"
        self._manager = KernelManager(kernel_name="python3", connection_file=str(file))
        self._manager.start_kernel(cwd=str(folder))
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def send(self, cell: str) -> None:
        self._client.execute(cell)

    def run(self, cell: str) -> str:
        """What a cell printed. Raises: AssertionError with its traceback where it failed."""
        printed: list[str] = []

        def show(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(cell, timeout=90, output_hook=show)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(printed)

    def end(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()
