"""From a script or notebook to its result, from Python."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clientjobs import FOREVER, script, until

import mlk_jupyter as mlk
from mlk_jupyter.backends.base import Refused
from mlk_jupyter.client import JobFailed, JobStopped, RemoteError, StillGoing
from mlk_jupyter.errors import BadInput, JobNotFound
from mlk_jupyter.library import NoSuchRank
from mlk_jupyter.model import Phase, RunState

GOOD = """
import mlk_jupyter as mlk

print("rank", mlk.rank(), "of", mlk.world_size())
for step in range(3):
    mlk.log_metric("loss", 1 / (step + 1), step=step)
mlk.log_metric("odd", float("nan"))
mlk.result({"loss": 1 / 3})
"""


def test_a_script_runs_and_gives_back_all_there_is(anywhere: Path) -> None:
    job = mlk.train(script(anywhere, GOOD), workers=2, mlflow=False)
    assert job.result(timeout=60) == {"loss": 1 / 3}
    assert job.phase is Phase.SUCCEEDED and job.name == "train" and job.wait() == job.status()
    assert job.logs().splitlines() == ["rank 0 of 2"] and job.logs(rank=1).splitlines() == ["rank 1 of 2"]
    assert list(job.logs(follow=True)) == ["rank 0 of 2"] and job.logs(tail=1).strip() == "rank 0 of 2"
    notebook = json.loads(job.notebook().read_text())
    assert "rank 0 of 2\n" in json.dumps(notebook).replace("\\n", "\n")
    run = job.run()
    assert run is not None and run.state is RunState.OFF
    assert [status.phase for status in job.changes()][-1] is Phase.SUCCEEDED


def test_metrics_are_a_frame_where_pandas_is_there_and_plain_rows_where_not(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = mlk.train(script(here, GOOD), workers=2, mlflow=False)
    job.wait()
    frame = job.metrics()
    assert list(frame.columns) == ["name", "step", "time", "value"]
    loss = frame[frame["name"] == "loss"]
    assert list(loss["step"]) == [0, 1, 2] and list(loss["value"]) == [1.0, 0.5, 1 / 3]  # one rank's, not both ranks'
    assert str(frame["time"].dtype).endswith("UTC]")
    monkeypatch.setattr("mlk_jupyter.client.reading.find_spec", lambda name: None)
    rows = job.metrics()
    assert [row["value"] for row in rows[:3]] == [1.0, 0.5, 1 / 3] and list(rows[0]) == list(frame.columns)
    assert math.isnan(rows[3]["value"]) and rows[3]["step"] is None and rows[0]["time"] > 1_700_000_000


def test_a_notebook_runs_with_its_parameters(here: Path, make_notebook: Callable[..., dict[str, Any]]) -> None:
    cells = make_notebook(("epochs = 1", ["parameters"]), "import mlk_jupyter\nmlk_jupyter.result(epochs)")
    (here / "nb.ipynb").write_text(json.dumps(cells))
    assert mlk.train(Path("nb.ipynb"), parameters={"epochs": 5}, mlflow=False).result() == 5
    with pytest.raises(BadInput, match="not called with values"):
        mlk.train("nb.ipynb", 5)


def test_a_job_is_found_again_by_name_id_and_in_the_list(anywhere: Path) -> None:
    first = mlk.train(script(anywhere, "1"), name="digits", mlflow=False)
    until(lambda: time.time() // 1 > first.status().created_at // 1)  # a cluster counts whole seconds
    second = mlk.train(script(anywhere, "2"), name="digits", mlflow=False)
    first.wait(), second.wait()
    assert mlk.job("digits") == second and mlk.job(first.id) == first
    assert mlk.job(first.id[:-2]) == first and hash(mlk.job(first.id)) == hash(first)
    assert mlk.jobs() == [second, first]
    with pytest.raises(JobNotFound, match="digits"):
        mlk.job("digist")


def test_waiting_ends_in_time_and_leaves_the_job_running(anywhere: Path) -> None:
    job = mlk.train(script(anywhere, FOREVER), mlflow=False)
    until(lambda: job.phase is Phase.RUNNING)
    with pytest.raises(TimeoutError, match=rf"After 0.2 s {job.id} is Running") as caught:
        job.wait(timeout=0.2)
    assert isinstance(caught.value, StillGoing) and caught.value.phase == "Running"
    with pytest.raises(TimeoutError):
        job.result(timeout=0)
    assert job.phase is Phase.RUNNING
    lines = job.logs(follow=True)
    assert next(iter(lines)) == "here"
    lines.close()
    job.stop()
    assert job.wait().phase is Phase.STOPPED
    with pytest.raises(JobStopped):
        job.result()


def test_a_deleted_job_is_gone(anywhere: Path) -> None:
    job = mlk.train(script(anywhere, FOREVER), mlflow=False)
    until(lambda: "here" in job.logs())  # before, no process hears the request to end, and the pod has its 30 s
    job.delete()
    with pytest.raises(JobNotFound):
        job.wait()
    assert mlk.jobs() == []


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("raise ValueError('bad value: 3')", ValueError, "bad value: 3"),
        ("raise ValueError", ValueError, ""),
        ("{}['missing']", KeyError, "'missing'"),
        ("open('/not/there')", FileNotFoundError, "[Errno 2] No such file or directory: '/not/there'"),
        ("import json; json.loads('{')", RemoteError, None),  # its constructor wants three arguments
        ("raise StopIteration(3)", RemoteError, None),  # here it would end somebody's loop
        ("class Odd(Exception): pass\nraise Odd('a')", RemoteError, None),
        ("1 / 0", ZeroDivisionError, "division by zero"),
        ("import configparser; configparser.ConfigParser().get('a', 'b')", Exception, None),
    ],
)
def test_the_exception_that_ended_a_job_is_raised_here(
    here: Path, code: str, kind: type[Exception], message: str | None
) -> None:
    job = mlk.train(script(here, code), mlflow=False)
    with pytest.raises(kind) as caught:
        job.result()
    error = caught.value
    told = error if isinstance(error, RemoteError) else error.__cause__
    assert isinstance(told, RemoteError) and told.job_id == job.id and told.cell == 1 and told.rank == 0
    assert "Traceback" in told.traceback and "\x1b[" not in str(told)
    if message is not None:
        assert type(error) is kind and str(error) == message


def test_the_file_that_was_missing_there_is_named_here(here: Path) -> None:
    job = mlk.train(script(here, "open('/not/there')"), mlflow=False)
    with pytest.raises(FileNotFoundError) as caught:
        job.result()
    assert caught.value.errno == 2 and caught.value.filename == "/not/there"


def test_a_remote_exception_is_raised_in_the_cluster_as_on_this_machine(anywhere: Path) -> None:
    job = mlk.train(script(anywhere, "def f():\n    raise ValueError('there')\nf()"), mlflow=False)
    with pytest.raises(ValueError, match="there") as caught:
        job.result()
    assert isinstance(caught.value.__cause__, RemoteError) and "in f()" in caught.value.__cause__.traceback


def test_no_module_is_imported_because_a_job_says_so(here: Path) -> None:
    import sys

    (here / "only_there.py").write_text("class Odd(Exception): pass\n")
    job = mlk.train(script(here, "import only_there\nraise only_there.Odd('a')"), mlflow=False)
    with pytest.raises(RemoteError, match="Odd: a"):
        job.result()
    assert "only_there" not in sys.modules


def test_a_type_that_was_imported_here_is_raised(here: Path) -> None:
    import configparser  # noqa: F401
    from queue import Empty

    job = mlk.train(script(here, "import queue\nqueue.Queue().get_nowait()"), mlflow=False)
    with pytest.raises(Empty):
        job.result()
    job = mlk.train(script(here, "import configparser\nraise configparser.NoSectionError('a')"), mlflow=False)
    with pytest.raises(RemoteError, match="No section: 'a'"):  # its constructor makes a sentence of its argument
        job.result()


def test_a_job_that_was_killed_says_how(here: Path) -> None:
    job = mlk.train(script(here, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"), mlflow=False)
    with pytest.raises(JobFailed, match="SIGKILL") as caught:
        job.result()
    assert type(caught.value) is JobFailed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"memry": "1Gi"}, "Did you mean 'memory'"),
        ({"worker": 2}, "Did you mean 'workers'"),
        ({"time_limit": 3}, "Did you mean 'time_limit_s'"),
        ({"workers": 0}, "workers"),
        ({"env": {"RANK": "1"}}, "RANK is set by the launcher"),
        ({"memory": "lots"}, "memory"),
        ({"backend": "lokal"}, "Did you mean 'local'"),
        ({"notebook": "b.ipynb"}, "notebook is no option"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_can(here: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        mlk.train(script(here, "1"), **options)
    assert mlk.jobs() == []


def test_what_cannot_run_is_refused_with_what_to_do(here: Path) -> None:
    with pytest.raises(Refused) as caught:
        mlk.train(script(here, "1"), workers=100, gpus=8)
    assert caught.value.hint
    with pytest.raises(BadInput, match=r"Did you mean train\.py"):
        mlk.train("trian.py")
    assert mlk.jobs() == []


def test_a_rank_that_is_not_there_is_refused(here: Path) -> None:
    job = mlk.train(script(here, "1"), mlflow=False, wait=True)
    assert job.phase is Phase.SUCCEEDED
    with pytest.raises(NoSuchRank):
        job.logs(rank=1)


def test_warnings_are_kept_with_the_job(here: Path) -> None:
    job = mlk.train(script(here, "1"), mlflow=False, memory="1Gi")
    assert all(isinstance(text, str) for text in job.warnings) and job.warnings == job.status().notices


def test_how_a_job_looks_says_its_phase_and_escapes_its_name(here: Path) -> None:
    job = mlk.train(script(here, "1"), name="<b>&", mlflow=False)
    job.wait()
    assert repr(job).startswith(f"<Job {job.id}: Succeeded") and "&lt;b&gt;&amp;" in job._repr_html_()
