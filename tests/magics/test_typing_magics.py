"""What is typed after a magic: read, completed, explained, or refused with the closest thing that would do."""

from __future__ import annotations

import argparse
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from shells import Shell

from mlk_jupyter.cli.parser import build_parser
from mlk_jupyter.errors import BadInput
from mlk_jupyter.magics import parsing
from mlk_jupyter.magics.completion import Kept, Known, completions
from mlk_jupyter.options import spec_fields

KNOWN = Known(
    jobs=lambda: ["digits", "digits-abc", "bert"],
    places=lambda: {"backend": ["local", "kubernetes", "kubernetes:kind"], "queue": ["research"]},
    profiles=lambda: ["big", "small"],
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%k8s_train --wrokers 4\n1", "--wrokers is no option of %%k8s_train. Did you mean --workers?"),
        ("%%k8s_train --worker=4\n1", "--worker is no option of %%k8s_train. Did you mean --workers?"),
        ("%%k8s_train --workers two\n1", "--workers: invalid int value: 'two'."),
        ("%%k8s_train --workers\n1", "--workers: expected one argument."),
        ("%%k8s_train --workers 0\n1", "workers: at least 1."),
        ("%%k8s_train --spot alowed\n1", "Did you mean allowed?"),
        ("%%k8s_train --memory 4GB\n1", "memory"),
        ("%%k8s_train --time-limit soon\n1", "'soon' is not a duration"),
        ("%%k8s_train --env A\n1", "--env A: this variable is not set here."),
        ("%%k8s_train --backend kubernets\n1", "Did you mean 'kubernetes'?"),
        ("%%k8s_train --name 'a\n1", "no closing quotation"),
        ("%%k8s_train --volume data\n1", "--volume data"),
        ("%%k8s_train --profile bgi\n1", "There is no profile 'bgi'."),
        ("%%k8s_train --mig 1g.10gb --gpu-resource amd.com/gpu\n1", "--mig and --gpu-resource"),
        ("%k8s_train", "%k8s_train: the file is missing"),
        ("%mlk", "%mlk: the file is missing"),
        ("%%mlk --wrokers 4\n1", "--wrokers is no option of %%mlk. Did you mean --workers?"),
        ("%%mlk train.ipynb\n1", "%%mlk runs the cell below it"),
        ("%k8s_train nowhere.ipynb", "nowhere.ipynb is no file."),
        ("%k8s_train notes.txt", "notes.txt"),
        ("%%k8s_train train.ipynb\n1", "'train.ipynb'"),
        ("%k8s_logs", "the following arguments are required: JOB."),
        ("%k8s_logs x --rnak 1", "Did you mean --rank?"),
        ("%k8s_logs x --rank -1", "--rank"),
        ("%k8s_stop nobody", "There is no job 'nobody'."),
        ("%k8s_jobs --limit few", "invalid count value: 'few'"),
        ("%k8s_profile sav x", "Did you mean save?"),
        ("%k8s_keep --lng 2h", "--lng is no option of %k8s_keep."),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once_in_few_words(shell: Shell, line: str, words: str) -> None:
    ran = shell.run(line)
    assert isinstance(ran.error, Exception)
    said = ran.out + ran.err
    assert words in said and "Traceback" not in said
    assert shell.run("%k8s_jobs").value.rows == []


def test_the_magics_take_every_option_of_mlk_run(tmp_path: Path) -> None:
    runs = next(action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    not_ours = {"-h", "--help", "--json"}
    assert set(runs.choices["run"]._option_string_actions) - not_ours <= set(parsing.train("%%mlk").options())


def test_options_mean_what_they_mean_on_the_command_line() -> None:
    typed = ["--workers", "4", "--gpus", "2", "--param", "lr=0.1", "--secret", "hf:TOKEN", "--mig", "1g.10gb"]
    magic = parsing.train("%%mlk").read_words(typed)
    command = build_parser().parse_args(["run", "x.ipynb", *typed])
    assert spec_fields(magic) == spec_fields(command)


@pytest.mark.parametrize(
    ("typed", "names"), [(["x,y", "z", "x"], ["x", "y", "z"]), (None, []), ([" a , b ,"], ["a", "b"])]
)
def test_names_are_separated_by_commas(typed: Any, names: list[str]) -> None:
    assert parsing.names_of(typed, "--push") == names


@pytest.mark.parametrize("typed", ["a-b", "1x", "x.y", "f(x)"])
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(BadInput, match="no name of a variable"):
        parsing.names_of([typed], "--pull")


def offered(line: str, cell: str = "", folder: Path = Path(), **names: Any) -> list[str]:
    cut = max(line.rfind(sign) for sign in " =:,") + 1
    magic = line.lstrip("%").split()[0]
    return completions(magic, line, line[cut:], KNOWN, names, folder, cell)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%%k8s_train --wor", ["--workers"]),
        ("%%mlk --wor", ["--workers"]),
        ("%%k8s_train --workers 2 --wor", []),
        ("%%k8s_train --env A=b --en", ["--env"]),
        ("%%k8s_train --backend ", ["local", "kubernetes", "kubernetes:kind"]),
        ("%%k8s_train --backend=l", ["local"]),
        ("%%k8s_train --backend kubernetes:k", ["kind"]),
        ("%%k8s_train --queue r", ["research"]),
        ("%%k8s_train --spot ", ["allowed", "required"]),
        ("%%k8s_train --profile s", ["small"]),
        ("%%k8s_train --push rate,l", ["loss"]),
        ("%%k8s_train --push ", ["loss", "rate"]),
        ("%k8s_logs dig", ["digits", "digits-abc"]),
        ("%k8s_logs digits --f", ["--follow"]),
        ("%k8s_logs --rank 0 b", ["bert"]),
        ("%k8s_stop ", ["digits", "digits-abc", "bert"]),
        ("%k8s_profile ", ["save", "list", "delete"]),
        ("%k8s_profile delete b", ["big"]),
        ("%k8s_profile save new --gpu-t", ["--gpu-type"]),
        ("%k8s_profile delete big ", []),
        ("%k8s_keep ", ["30m", "2h", "8h", "off"]),
        ("%k8s_keep 8", ["8h"]),
    ],
)
def test_the_tab_key_offers_what_may_stand_there(line: str, found: list[str]) -> None:
    assert offered(line, rate=1, loss=0.5, _hidden=1, os=argparse, f=offered) == found


def test_the_tab_key_offers_to_pull_what_the_cell_assigns() -> None:
    cell = "model = fit(x)\nhistory: list = []\nif a == b: pass\nfor i in range(3):\n    inner = 1"
    assert offered("%%k8s_train --pull ", cell) == ["model", "history"]


def test_the_tab_key_offers_files_to_run(tmp_path: Path) -> None:
    for name in ("train.ipynb", "train.py", "train.csv", ".hidden.py"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "inner.py").touch()
    assert offered("%k8s_train ", folder=tmp_path) == ["deep/", "train.ipynb", "train.py"]
    assert offered("%mlk ", folder=tmp_path) == ["deep/", "train.ipynb", "train.py"]
    assert offered("%k8s_train deep/", folder=tmp_path) == ["deep/inner.py"]


def test_ipython_asks_us_and_nobody_else_in_our_lines(shell: Shell) -> None:
    shell.names["learning_rate"] = 0.1
    assert shell.tab("%%k8s_train --work|\nx = 1") == ["--workers"]
    assert shell.tab("%%k8s_train --push lear|\nx = 1") == ["learning_rate"]
    assert shell.tab("%%mlk --push lear|\nx = 1") == ["learning_rate"]
    assert shell.tab("%%k8s_train --pull |\nanswer = 1")[:1] == ["answer"]
    assert shell.tab("%k8s_train --backend ") == ["local"]


def test_elsewhere_the_tab_key_is_as_it_was(shell: Shell) -> None:
    shell.names["learning_rate"] = 0.1
    assert "learning_rate" in shell.tab("%%k8s_train\nlear|")
    assert "learning_rate" in shell.tab("lear")


def test_loading_twice_changes_nothing(shell: Shell) -> None:
    shell.run("%reload_ext mlk_jupyter")
    assert shell.tab("%%k8s_train --work") == ["--workers"]


def test_an_answer_from_afar_is_asked_for_once_in_a_while() -> None:
    now, asked = [0.0], []

    def ask() -> Future[list[str]]:
        asked.append(now[0])
        future: Future[list[str]] = Future()
        future.set_result([f"at {now[0]:g}"])
        return future

    kept = Kept(ask, [], clock=lambda: now[0])
    assert kept() == kept() == ["at 0"]
    now[0] = 60.0
    assert kept() == ["at 60"] and asked == [0.0, 60.0]


def test_an_answer_that_comes_too_late_is_there_the_next_time() -> None:
    future: Future[list[str]] = Future()
    kept = Kept(lambda: future, [])
    assert kept() == []
    future.set_result(["late"])
    assert kept() == ["late"]


def test_an_error_from_afar_leaves_what_was_known() -> None:
    now = [0.0]
    answers: list[Future[list[str]]] = [Future(), Future()]
    answers[0].set_result(["known"])
    answers[1].set_exception(OSError("away"))
    waiting = iter(answers)
    kept = Kept(lambda: next(waiting), [], clock=lambda: now[0])
    assert kept() == ["known"]
    now[0] = 60.0
    assert kept() == ["known"]


@pytest.mark.parametrize("magic", sorted(parsing.PARSERS))
def test_every_magic_explains_itself(shell: Shell, magic: str) -> None:
    sign = "%%" if magic == "k8s_train" else "%"
    found = shell.ip.object_inspect_mime(f"{sign}{magic}", detail_level=0)["text/plain"]
    parser = parsing.PARSERS[magic]()
    assert parser.description is not None and parser.description in found
    for option in parser.options():
        assert option in found


def test_help_can_be_asked_for_as_on_the_command_line(shell: Shell) -> None:
    ran = shell.run("%k8s_logs --help")
    assert ran.error is None and "--follow" in ran.out
