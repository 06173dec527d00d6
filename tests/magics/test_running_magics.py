"""A cell goes to a job and comes back: code, functions, values, outputs, errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from shells import Shell

import mlk_jupyter
from mlk_jupyter.backends.base import Refused
from mlk_jupyter.errors import BadInput
from mlk_jupyter.magics import profiles
from mlk_jupyter.model import Phase

TRAIN = "%%k8s_train --no-mlflow"
FOREVER = "import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.02)"


@pytest.mark.timeout(240)
def test_a_cell_runs_as_a_job_with_what_it_needs_and_its_values_come_back(anywhere: Shell) -> None:
    anywhere.run("import math\nscale = 3\ndef grow(x):\n    return math.sqrt(x) * scale")
    ran = anywhere.run(f"{TRAIN} --push scale --pull grown,where\nimport os\ngrown = grow(16)\nwhere = os.getpid()")
    assert ran.error is None, ran.out + ran.err
    assert anywhere.names["grown"] == 12.0
    assert isinstance(anywhere.names["where"], int)
    assert "Succeeded" in ran.out


@pytest.mark.timeout(240)
def test_an_error_of_the_cell_is_raised_here_with_its_own_traceback(anywhere: Shell) -> None:
    ran = anywhere.run(f"{TRAIN}\nrows = {{}}\nrows['train']")
    assert isinstance(ran.error, KeyError)
    assert "rows['train']" in ran.out and "in rank 0" in ran.out
    assert "training.py" not in ran.out


@pytest.mark.timeout(240)
def test_a_detached_job_is_given_at_once_and_fills_the_namespace_when_it_is_over(anywhere: Shell) -> None:
    ran = anywhere.run(f"{TRAIN} --detach --pull answer --job mine\nanswer = 42")
    assert isinstance(ran.value, mlk_jupyter.Job) and anywhere.names["mine"] is ran.value
    assert anywhere.names["_"] is ran.value
    assert anywhere.run("mine.wait(); answer + 0").value == 42


@pytest.mark.timeout(240)
def test_a_detached_job_can_be_awaited(anywhere: Shell) -> None:
    anywhere.run(
        f"{TRAIN} --detach --pull answer --job mine\nimport mlk_jupyter\nanswer = 42\nmlk_jupyter.result('done')"
    )
    ran = anywhere.run("given = await mine\ngiven, answer")
    assert ran.error is None, ran.out
    assert ran.value == ("done", 42)


@pytest.mark.timeout(240)
def test_jobs_are_listed_read_opened_and_removed(anywhere: Shell, folder: Path) -> None:
    anywhere.run(f"{TRAIN} --name '<b>first</b>'\nfor step in range(300):\n    print('line', step)")
    (row,) = anywhere.run("%k8s_jobs").value.rows
    job = row[0]
    assert row[1] == "Succeeded"
    assert anywhere.run(f"%k8s_logs {job} --lines 2").out == "line 298\nline 299\n"
    assert anywhere.run(f"%k8s_logs {job} --lines 0").out.count("line ") == 300
    assert anywhere.run(f"%k8s_logs {job} -f").out.endswith("line 299\n")
    assert "no rank 3" in anywhere.run(f"%k8s_logs {job} --rank 3").out
    assert "is over already: Succeeded" in anywhere.run(f"%k8s_stop {job}").out
    opened = anywhere.run(f"%k8s_open {job} --to result.ipynb").value
    assert (folder / "result.ipynb").is_file() and 'href="result.ipynb"' in opened._repr_html_()
    assert "there is a file of that name" in anywhere.run(f"%k8s_open {job} --to result.ipynb").out
    assert "Deleted" in anywhere.run(f"%k8s_delete {job}").out
    assert "No jobs yet" in repr(anywhere.run("%k8s_jobs").value)


@pytest.mark.timeout(240)
def test_a_running_job_is_stopped(anywhere: Shell) -> None:
    job = anywhere.run(f"{TRAIN} --detach --name endless\n{FOREVER}").value
    assert next(iter(job.logs(follow=True))) == "here"  # before, no process hears the request to end
    assert "Stopping" in anywhere.run("%k8s_stop endless").out
    assert job.wait(120).phase is Phase.STOPPED


@pytest.mark.timeout(240)
def test_a_dry_run_shows_what_would_be_submitted_and_creates_nothing(anywhere: Shell) -> None:
    anywhere.run("scale = 3\ndef grow(x):\n    return x * scale")
    shown = anywhere.run(f"{TRAIN} --dry-run --push scale --pull y --workers 2 --name <dry>\ny = grow(2)").value
    text, html = repr(shown), shown._repr_html_()
    assert "Nothing was created" in text and "grow" in text and "scale" in text
    assert "&lt;dry&gt;" in html and "<dry>" not in html
    assert (shown.yaml is not None and "kind: Job" in shown.yaml) == (
        anywhere.run("%k8s_gpus").value.rows[0][0] != "this machine"
    )
    assert anywhere.run("%k8s_jobs").value.rows == []


def test_after_waiting_the_underscore_is_the_job(shell: Shell) -> None:
    ran = shell.run(f"{TRAIN} --name here\nprint(1)")
    assert ran.value is None and ran.error is None
    assert shell.run("_").value.name == "here"


def test_what_the_cell_uses_and_does_not_get_is_named_before_anything_is_submitted(shell: Shell) -> None:
    shell.run("rate = 0.1\nsource = open(__import__('os').devnull)")
    ran = shell.run(f"{TRAIN}\nprint(rate)")
    assert isinstance(ran.error, BadInput) and "rate" in ran.out and "--push rate" in ran.out
    ran = shell.run(f"{TRAIN} --push source\nprint(source)")
    assert isinstance(ran.error, BadInput) and "an open file" in ran.out
    assert shell.run("%k8s_jobs").value.rows == []


@pytest.mark.parametrize(
    ("line", "cell", "words"),
    [
        ("--push raet", "print(1)", "Did you mean rate?"),
        ("--pull modle", "model = 1", "Did you mean model?"),
        ("--pull rate", "model = 1", "--pull rate: the cell makes no such variable."),
        ("--push 1x", "print(1)", "no name of a variable"),
        ("--job a-b", "print(1)", "no name of a variable"),
        ("", "  \n", "The cell is empty."),
        ("--gpus 64", "print(1)", "GPU"),
    ],
)
def test_names_that_are_not_there_are_refused_with_the_closest(shell: Shell, line: str, cell: str, words: str) -> None:
    shell.run("rate = 0.1")
    ran = shell.run(f"{TRAIN} {line}\n{cell}")
    assert isinstance(ran.error, (BadInput, Refused)) and words in ran.out
    assert shell.run("%k8s_jobs").value.rows == []


def test_a_cell_that_is_no_python_is_shown_where_it_is_wrong(shell: Shell) -> None:
    ran = shell.run(f"{TRAIN}\nx = 1\nfor")
    assert isinstance(ran.error, BadInput) and "Line 3 is no Python" in ran.out
    assert shell.run("%k8s_jobs").value.rows == []


def test_a_class_of_the_notebook_comes_back_with_pickle_only(shell: Shell) -> None:
    shell.run("class Point:\n    def __init__(self, x):\n        self.x = x")
    ran = shell.run(f"{TRAIN} --pickle --pull p\np = Point(7)")
    assert ran.error is None, ran.out + ran.err
    assert shell.names["p"].x == 7
    ran = shell.run(f"{TRAIN} --pull q\nq = Point(8)")
    assert ran.error is not None and "--pickle" in ran.out and "q" not in shell.names


def test_files_run_with_parameters(shell: Shell, folder: Path) -> None:
    (folder / "train.py").write_text("import mlk_jupyter\nprint('from a script')\nmlk_jupyter.result(5)\n")
    ran = shell.run("%k8s_train train.py --no-mlflow --workers 2")
    assert ran.error is None and "Succeeded" in ran.out
    job = shell.run("_").value
    assert job.name == "train" and job.summary.workers == 2 and job.result() == 5
    assert "Only a cell" in shell.run("%k8s_train train.py --push x").out


def test_a_file_can_be_run_into_a_variable(shell: Shell, folder: Path) -> None:
    (folder / "train.py").write_text("print(1)\n")
    shell.run("job = %k8s_train train.py --no-mlflow --detach")
    assert shell.run("job.wait().phase.value").value == "Succeeded"


def test_a_profile_gives_options_that_typing_overrides(shell: Shell, data_dir: Path) -> None:
    assert "Saved" in shell.run("%k8s_profile save wide --workers 2 --no-mlflow --env 'A=x y'").out
    assert "Replaced" in shell.run("%k8s_profile save wide --workers 3 --no-mlflow --env 'A=x y' --detach").out
    assert (data_dir / "profiles.json").stat().st_mode & 0o077 == 0
    assert shell.run("%k8s_profile").value.rows == [("wide", "--workers 3 --no-mlflow --env 'A=x y' --detach")]
    job = shell.run(
        "%%k8s_train --profile wide --workers 1 --env B=z\nimport os\nprint(os.environ['A'], os.environ['B'])"
    ).value
    assert job.wait().phase is Phase.SUCCEEDED and job.summary.workers == 1
    assert job.logs() == "x y z\n"
    assert "Deleted" in shell.run("%k8s_profile delete wide").out
    assert "There is no profile 'wide'." in shell.run("%%k8s_train --profile wide\n1").out
    assert shell.run("%k8s_profile").value.rows == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("save", "the name of the profile is missing"),
        ("save big", "No options were given"),
        ("save a/b --workers 2", "cannot name a profile"),
        ("save big --push x --workers 2", "A profile cannot hold --push"),
        ("save big --workers 0", "workers: at least 1."),
        ("save big train.ipynb --workers 2", "A profile cannot hold 'train.ipynb'"),
        ("delete nothing", "There is no profile 'nothing'."),
        ("list all", "one word too many"),
    ],
)
def test_a_profile_that_could_not_be_used_is_not_saved(shell: Shell, options: str, words: str) -> None:
    ran = shell.run(f"%k8s_profile {options}")
    assert isinstance(ran.error, BadInput) and words in ran.out
    assert shell.run("%k8s_profile").value.rows == []


def test_a_broken_file_of_profiles_is_named_and_left_alone(shell: Shell, data_dir: Path) -> None:
    (data_dir / "profiles.json").write_text("{")
    assert str(data_dir / "profiles.json") in shell.run("%k8s_profile save big --workers 2").out
    assert (data_dir / "profiles.json").read_text() == "{"


def test_a_line_may_use_variables(shell: Shell) -> None:
    shell.run("number, label = 2, 'wide'")
    job = shell.run(f"{TRAIN} --detach --workers {{number}} --name $label\nprint(1)").value
    assert (job.summary.workers, job.name) == (2, "wide")
    assert job.wait().phase is Phase.SUCCEEDED


def test_profiles_saved_at_once_are_all_kept(data_dir: Path) -> None:
    names = [f"p{number}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: profiles.save(name, ["--workers", "2"]), names))
    assert set(profiles.profiles()) == set(names)


def test_a_detached_job_that_fails_changes_nothing_here_and_says_why_when_asked(shell: Shell) -> None:
    shell.run("answer = 'before'")
    shell.run(f"{TRAIN} --detach --pull answer --job mine\nanswer = 1\n1 / 0")
    assert shell.run("mine.wait().phase.value").value == "Failed"
    assert isinstance(shell.run("mine.result()").error, ZeroDivisionError)
    assert shell.names["answer"] == "before"


def test_a_name_that_is_defined_nowhere_is_said_once_and_does_not_keep_the_job_from_running(shell: Shell) -> None:
    cell = "if len(''):\n    print(nowhere)"
    assert repr(shell.run(f"{TRAIN} --dry-run\n{cell}").value).count("nowhere") == 1
    ran = shell.run(f"{TRAIN}\n{cell}")
    assert ran.error is None and ran.out.count("nowhere") == 1


def test_both_names_of_the_magic_do_the_same(shell: Shell) -> None:
    shell.run("def twice(x):\n    return 2 * x")
    for magic, number in (("%%mlk", 2), ("%%k8s_train", 3)):
        shell.run(f"{magic} --no-mlflow --pull y\ny = twice({number})")
        assert shell.run("y").value == 2 * number
