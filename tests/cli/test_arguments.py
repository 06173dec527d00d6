from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter import library
from mlk_jupyter.cli import main
from mlk_jupyter.cli.arguments import spec_of
from mlk_jupyter.cli.commands import COMMANDS
from mlk_jupyter.cli.parser import build_parser
from mlk_jupyter.errors import BadInput
from mlk_jupyter.options import literal, spec_fields


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("3", 3),
        ("-1e-3", -1e-3),
        ("True", True),
        ("true", True),
        ("None", None),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ("(1, 2)", [1, 2]),
        ('{"a": true}', {"a": True}),
        ("'3'", "3"),
        ("adam", "adam"),
        ("1; import os", "1; import os"),
        ("", ""),
    ],
)
def test_a_parameter_is_a_literal_or_else_text(typed: str, value: Any) -> None:
    assert literal(typed) == value and type(literal(typed)) is type(value)


@pytest.mark.parametrize("typed", ["{1, 2}", "b'x'", "1e999", "NaN", "2j"])
def test_a_literal_that_json_cannot_carry_is_refused(typed: str) -> None:
    with pytest.raises(BadInput, match="JSON cannot carry"):
        literal(typed)


def spec(tmp_path: Path, *options: str) -> Any:
    source = library.Source(notebook={}, path="work/train.ipynb", directory=tmp_path)
    return spec_of(build_parser().parse_args(["run", "work/train.ipynb", *options]), source)


def test_every_option_of_run_reaches_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAKEN", "from here")
    asked = spec(
        tmp_path,
        *("--workers", "4", "--gpus", "2", "--ranks-per-worker", "3", "--name", "mine", "--time-limit", "1.5h"),
        *("--param", "lr=0.1", "--param", "opt=adam", "--env", "A=b=c", "--env", "TAKEN", "--file", "data"),
        *("--no-mlflow", "--grace-period", "2m", "--output-limit", "2Mi", "--notebook-limit", "100M"),
    )
    assert (asked.workers, asked.gpus, asked.ranks_per_worker, asked.name) == (4, 2, 3, "mine")
    assert (
        asked.time_limit_s == 5400
        and asked.grace_period_s == 120
        and asked.output_limits == (2 << 20, 100_000_000)
        and asked.mlflow is False
    )
    assert asked.parameters == {"lr": 0.1, "opt": "adam"}
    assert asked.env == {"A": "b=c", "TAKEN": "from here"} and asked.files == ["data"]


def test_what_stands_behind_two_dashes_is_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setitem(COMMANDS, "run", lambda options: seen.append(options) or 0)
    assert main(["run", "train.py", "--workers", "2", "--", "--epochs", "3", "--", "--workers=9"]) == 0
    assert (seen[0].source, seen[0].workers) == ("train.py", 2)
    assert spec_fields(seen[0])["arguments"] == ["--epochs", "3", "--", "--workers=9"]


def test_only_what_runs_a_script_takes_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["show", "train", "--", "--epochs", "3"])
    assert "takes nothing behind --" in capsys.readouterr().err


def test_a_job_without_a_name_is_called_as_its_file(tmp_path: Path) -> None:
    assert spec(tmp_path).name == "train"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--workers", "0"], "workers"),
        (["--param", "lr"], "NAME=VALUE"),
        (["--param", "1x=2"], "NAME=VALUE"),
        (["--time-limit", "soon"], "duration"),
        (["--grace-period", "0"], "grace_period_s"),
        (["--output-limit", "64Mi"], "output_limit"),
        (["--notebook-limit", "much"], "notebook_limit"),
        (["--env", "NOT_SET_ANYWHERE_1"], "not set here"),
        (["--env", "RANK=3"], "launcher"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, options: list[str], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        spec(tmp_path, *options)


def test_the_rights_to_see_who_holds_gpus_are_asked_for_apart_from_how_many_a_job_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["render", "rbac", "--namespace", "team", "--user", "ada"]
    assert main(asked) == 0
    least = capsys.readouterr().out
    assert main([*asked, "--gpu-holders"]) == 0
    assert "\nkind: ClusterRole\n" in capsys.readouterr().out and "\nkind: ClusterRole\n" not in least
    assert build_parser().parse_args(["render", "train.ipynb", "--gpus", "2"]).gpus == 2
