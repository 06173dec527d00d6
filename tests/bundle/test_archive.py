"""The bundle is one file that runs, has the same bytes for the same input, and holds no secrets."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlk_jupyter.bundle import Bundle, BundleTooLarge, build, parse_script
from mlk_jupyter.bundle.paths import is_secret
from mlk_jupyter.errors import BadInput
from mlk_jupyter.model import JobSpec
from mlk_jupyter.worker.frames import Decoder

NONCE = "0123456789abcdef"


def spec(**fields: Any) -> JobSpec:
    return JobSpec(**{"name": "a job", "notebook": "a.ipynb", **fields})


def contents(bundle: Bundle) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "notebooks"
    root.mkdir()
    (root / "helper.py").write_text("VALUE = 42\n")
    (root / "data").mkdir()
    (root / "data" / "a.csv").write_text("1\n")
    (root / "data" / ".env").write_text("TOKEN=1\n")
    (tmp_path / "outside.txt").write_text("outside")
    return root


def test_a_script_finds_its_arguments_and_a_notebook_takes_none(tmp_path: Path, make_notebook: Any) -> None:
    words = ["--epochs", "3", "a b", ""]
    script = parse_script("import sys\nprint(sys.argv[1:])\n", "a.py")
    built = build(script, spec(notebook="a.py", arguments=words), tmp_path, script=True)
    path = tmp_path / "bundle.pyz"
    path.write_bytes(built.data)
    env = {**os.environ, "MLK_NONCE": NONCE}
    assert str(words) in subprocess.run([sys.executable, path], env=env, capture_output=True, text=True).stdout
    with pytest.raises(BadInput) as refused:
        build(make_notebook("1"), spec(arguments=words), tmp_path)
    assert refused.value.fields == {"arguments": "only a script takes arguments"}


@pytest.mark.parametrize("word", ["a\0b", "\ud800", "x" * 100_001])
def test_an_argument_that_no_process_could_get_is_refused(word: str) -> None:
    with pytest.raises(ValidationError):
        spec(arguments=[word])


def test_its_layout(make_notebook: Any, folder: Path) -> None:
    bundle = build(make_notebook("import helper"), spec(files=["data"]), folder)
    held = contents(bundle)
    assert bundle.files == ["data/a.csv", "helper.py"]
    assert {"__main__.py", "mlk_jupyter/__init__.py", "mlk_jupyter/worker/main.py", "job/notebook.ipynb"} <= set(held)
    assert held["job/files/helper.py"] == b"VALUE = 42\n"
    assert json.loads(held["job/job.json"]) == {
        "name": "a job", "notebook": "a.ipynb", "files": ["data/a.csv", "helper.py"], "script": False,
    }  # fmt: skip
    assert json.loads(held["job/notebook.ipynb"]) == bundle.notebook
    assert any("data/.env was left out" in notice for notice in bundle.notices)
    assert not any("__pycache__" in name for name in held)


def test_a_rank_starts_without_compiling_the_worker(make_notebook: Any, tmp_path: Path) -> None:
    path = tmp_path / "bundle.pyz"
    path.write_bytes(build(make_notebook("x"), spec(), None).data)
    code = "import mlk_jupyter.worker.frames as frames\nprint(frames.Encoder.encode.__code__.co_filename)"
    run = [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(path)!r})\n{code}"]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "mlk_jupyter/worker/frames.py"  # compiled from source it would be an absolute path


def test_two_processes_build_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("x = 1\n")
    code = (
        "import json, sys\nfrom pathlib import Path\n{extra}\n"
        "from mlk_jupyter.bundle import build, parse_script\nfrom mlk_jupyter.model import JobSpec\n"
        "spec = JobSpec(name='x', notebook='a.py')\n"
        "print(build(parse_script('import helper', 'a.py'), spec, Path(sys.argv[1])).sha256)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code.format(extra=extra), tmp_path],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed, extra in [("1", "import mlk_jupyter.worker.api"), ("2", "import jupyter_server"), ("3", "")]
    }
    assert len(hashes) == 1


def test_it_runs_and_its_frames_tell_what_happened(make_notebook: Any, folder: Path, tmp_path: Path) -> None:
    notebook = make_notebook(("x = 1", ["parameters"]), "import helper, mlk_jupyter\nprint(helper.VALUE + x)")
    bundle = build(notebook, spec(parameters={"x": 8}), folder)
    path = tmp_path / "bundle.pyz"
    path.write_bytes(bundle.data)
    (folder / "helper.py").unlink()  # what runs is what was bundled
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLK_NONCE": NONCE, "MLK_JOB": "mlk-a-1"}
    done = subprocess.run([sys.executable, path], env=env, cwd=folder, capture_output=True, timeout=60, check=False)
    decoder = Decoder(NONCE, range(8))
    items = [*decoder.feed(done.stdout), *decoder.close()]
    frames = [item for item in items if isinstance(item, dict)]
    text = "".join(frame["text"] for frame in frames if frame["kind"] == "stream")
    assert (done.returncode, text) == (0, "50\n"), (done.stderr.decode(), frames)


def test_the_same_input_gives_the_same_bytes_whatever_the_clock_and_the_modes_say(
    make_notebook: Any, folder: Path
) -> None:
    notebook = make_notebook("import helper")
    first = build(notebook, spec(files=["data"]), folder)
    os.utime(folder / "helper.py", (1, time.time() - 10**6))
    (folder / "helper.py").chmod(0o755)
    notebook["cells"][0]["execution_count"] = 9
    notebook["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    second = build(notebook, spec(files=["data"]), folder)
    assert first.data == second.data and first.sha256 == second.sha256


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.dictionaries(st.sampled_from("ab"), st.integers()))
def test_building_is_a_function_of_its_input(sources: list[str], parameters: dict[str, int]) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": source, "outputs": []}
        for number, source in enumerate(sources)
    ]
    tagged = {"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "source": "a = 1\nb = 2"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [*cells, tagged]}
    shuffled = dict(reversed(list(notebook.items())))
    assert (
        build(notebook, spec(parameters=parameters), None).data
        == build(shuffled, spec(parameters=parameters), None).data
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/etc/passwd", "not relative"),
        ("~/x", "not relative"),
        ("../outside.txt", "leads out"),
        ("data/../../outside.txt", "leads out"),
        ("link.txt", "leads out"),
        ("linked", "leads out"),
        ("missing.csv", "no file"),
        ("pipe", "neither a file nor a folder"),
        ("", "not the name"),
        ("a\0b", "not the name"),
    ],
)
def test_files_that_cannot_go_along_are_refused(make_notebook: Any, folder: Path, name: str, words: str) -> None:
    (folder / "link.txt").symlink_to(folder.parent / "outside.txt")
    (folder / "linked").symlink_to(folder.parent)
    os.mkfifo(folder / "pipe")
    with pytest.raises(BadInput) as refused:
        build(make_notebook("x"), spec(files=[name]), folder)
    assert words in refused.value.detail and refused.value.hint


def test_odd_things_in_a_named_folder_are_left_out_with_a_notice_each(make_notebook: Any, folder: Path) -> None:
    os.mkfifo(folder / "data" / "pipe")
    (folder / "data" / "out.txt").symlink_to(folder.parent / "outside.txt")
    (folder / "data" / "up").symlink_to(folder.parent)
    (folder / "data" / ".git").mkdir()
    (folder / "data" / ".git" / "config").write_text("token")
    (folder / "data" / "inside.py").symlink_to(folder / "helper.py")
    bundle = build(make_notebook("x"), spec(files=["data"]), folder)
    assert bundle.files == ["data/a.csv", "data/inside.py"]
    assert sorted(notice.split(" was left out")[0] for notice in bundle.notices) == [
        "data/.env", "data/.git", "data/out.txt", "data/pipe", "data/up",
    ]  # fmt: skip


def test_a_link_does_not_make_a_secret_ordinary(make_notebook: Any, folder: Path) -> None:
    (folder / "data" / "settings.txt").symlink_to(folder / "data" / ".env")
    (folder / "settings.py").symlink_to(folder / "data" / ".env")
    bundle = build(make_notebook("import settings\n%run settings.py"), spec(files=["data"]), folder)
    assert bundle.files == ["data/a.csv"]


def test_a_folder_whose_path_begins_like_the_notebooks_is_another_one(make_notebook: Any, folder: Path) -> None:
    other = folder.with_name(f"{folder.name}-other")
    other.mkdir()
    (other / "theirs.py").write_text("x = 1")
    (folder / "data" / "theirs.csv").symlink_to(other / "theirs.py")
    (folder / "theirs.py").symlink_to(other / "theirs.py")
    bundle = build(make_notebook("import theirs\n%run theirs.py"), spec(files=["data"]), folder)
    assert bundle.files == ["data/a.csv"]
    with pytest.raises(BadInput, match="leads out"):
        build(make_notebook("x"), spec(files=[f"../{other.name}/theirs.py"]), folder)


def test_the_whole_folder_can_be_named(make_notebook: Any, folder: Path) -> None:
    assert build(make_notebook("x"), spec(files=["."]), folder).files == ["data/a.csv", "helper.py"]


def test_the_notebook_does_not_go_along_with_its_folder_a_second_time_with_its_outputs(
    make_notebook: Any, folder: Path
) -> None:
    (folder / "own.ipynb").write_text("old outputs")
    (folder / "data" / "own.ipynb").write_text("another one")
    asked = spec(notebook="sub/own.ipynb", files=["."])
    assert build(make_notebook("x"), asked, folder).files == ["data/a.csv", "data/own.ipynb", "helper.py"]
    named = asked.model_copy(update={"files": ["own.ipynb"]})
    assert build(make_notebook("x"), named, folder).files == ["own.ipynb"]


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".ENV", ".env.local", "prod.env", "a/server.PEM", "my.key", "id_rsa", "ID_ED25519.pub", ".ssh/config",
        "a/.aws/credentials", ".Kube/config", ".git/HEAD", ".netrc", "kubeconfig.yaml", "service-account-x.json",
        ".huggingface/token", ".jupyter/jupyter_server_config.py", "Kaggle.json", ".bash_history", "infra/prod.tfvars",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["token.txt", "hf_token", "api-key.txt", "my passwords.csv", "a/Credentials.yml", "rootkey.csv"]
)
def test_what_may_be_a_secret_goes_along_only_when_it_is_named_itself(
    make_notebook: Any, folder: Path, name: str
) -> None:
    path = folder / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    whole = build(make_notebook("x"), spec(files=["data"]), folder)
    assert whole.files == ["data/a.csv"]
    assert any(f"data/{name} was left out: it looks like a secret. If it is none, name" in one for one in whole.notices)
    assert build(make_notebook("x"), spec(files=[f"data/{name}"]), folder).files == [f"data/{name}"]


@pytest.mark.parametrize("name", ["tokens.txt", "tokenizer.json", "token.py", "secretary.csv"])
def test_what_only_begins_like_a_secret_goes_along_with_its_folder(make_notebook: Any, folder: Path, name: str) -> None:
    (folder / "data" / name).write_text("x")
    assert f"data/{name}" in build(make_notebook("x"), spec(files=["data"]), folder).files


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data", "data/caf\ufffd.txt cannot go along: its name is not UTF-8 text"),
        (os.fsdecode(b"data/caf\xe9.txt"), "data/caf\ufffd.txt cannot go along"),
        ("\ud800", "cannot go along: its name is not UTF-8 text"),
        ("a" * 300, "cannot be looked at: File name too long"),
        ("closed/x", "cannot be looked at: Permission denied"),
        ("deep", "cannot go along: its path has"),
        ("d/" * 3_000, "cannot go along: its path has 6,000 bytes"),
    ],
)
def test_names_that_cannot_go_along_are_refused_in_words(
    make_notebook: Any, folder: Path, name: str, words: str, ordinary: None
) -> None:
    (folder / os.fsdecode(b"data/caf\xe9.txt")).touch()
    (folder / "closed").mkdir(0)
    (folder / "/".join(["deep", *"d" * 600])).mkdir(parents=True)
    with pytest.raises(BadInput) as refused:
        build(make_notebook("x"), spec(files=[name]), folder)
    assert words in refused.value.detail and refused.value.hint
    if "UTF-8" in words and name != "data":  # also where nothing is carried: the record is UTF-8, too
        with pytest.raises(BadInput, match="not UTF-8"):
            build(make_notebook("x"), spec(files=[name]), None)


def test_what_cannot_be_looked_into_is_said(make_notebook: Any, folder: Path, ordinary: None) -> None:
    (folder / "data" / "closed").mkdir(0)
    (folder / "package" / "closed").mkdir(parents=True)
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / os.fsdecode(b"caf\xe9.txt")).touch()
    (folder / "package" / "closed").chmod(0)
    bundle = build(make_notebook("import package"), spec(files=["data"]), folder)
    assert bundle.files == ["data/a.csv", "package/__init__.py"]
    said = [notice for notice in bundle.notices if "closed" in notice or "caf" in notice]
    assert said == [
        "package/caf\ufffd.txt was left out: its name is not UTF-8 text.",
        "package/closed was left out: it cannot be looked into (Permission denied).",
        "data/closed was left out: it cannot be looked into (Permission denied).",
    ]


def test_names_in_the_notebook_that_no_file_can_have_lead_nowhere(make_notebook: Any, folder: Path) -> None:
    long = "a" * 300
    source = f"import {long}, helper.{long}\n%run {long}.py\n%run a\0b.py\n%run {'d/' * 3_000}x.py"
    assert build(make_notebook(source), spec(), folder).files == ["helper.py"]


def test_a_folder_whose_name_is_no_text_is_refused(make_notebook: Any, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    with pytest.raises(BadInput, match="is not UTF-8 text"):
        build(make_notebook("x"), spec(), folder)


@pytest.mark.parametrize("name", ["id_map.py", "keys.csv", "env/a.txt", "environment.yml", "key.txt", "gitlog.txt"])
def test_names_of_ordinary_files(name: str) -> None:
    assert not is_secret(name)


def test_too_much_is_refused_with_the_largest_files(make_notebook: Any, folder: Path) -> None:
    for number in range(7):
        (folder / "data" / f"{number}.bin").write_bytes(os.urandom(10_000 * (number + 1)))
    with pytest.raises(BundleTooLarge) as refused:
        build(make_notebook("x"), spec(files=["data"]), folder, limit_bytes=100_000)
    assert [name for name, _ in refused.value.largest] == [f"data/{number}.bin" for number in (6, 5, 4, 3, 2)]
    assert "100,000" in refused.value.detail and "data/6.bin (70," in refused.value.detail


def test_what_can_never_fit_is_refused_unread(make_notebook: Any, folder: Path) -> None:
    with (folder / "data" / "huge.bin").open("wb") as file:
        file.truncate(1 << 40)  # a sparse terabyte
    with pytest.raises(BundleTooLarge, match=r"huge\.bin"):
        build(make_notebook("x"), spec(files=["data"]), folder)


def test_a_file_that_may_not_be_read_is_named(
    make_notebook: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def denied(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("a.csv"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(BadInput, match=r"a\.csv cannot be read: Permission denied"):
        build(make_notebook("x"), spec(files=["data/a.csv"]), folder)


def test_a_file_that_the_notebook_runs_goes_along(make_notebook: Any, folder: Path) -> None:
    bundle = build(make_notebook("%run -i helper.py\n%run ../outside.txt\n%run missing.py"), spec(), folder)
    assert bundle.files == ["helper.py"]


def test_what_the_code_says_of_mlflow_and_of_spawned_processes(make_notebook: Any, folder: Path) -> None:
    (folder / "helper.py").write_text("import mlflow\n")
    source = "import helper\nhelper.mlflow.set_experiment('x')\nmp.set_start_method('spawn')"
    bundle = build(make_notebook(source), spec(), folder)
    assert bundle.uses_mlflow and bundle.sets_experiment == ["x"]
    assert any("spawn" in notice for notice in bundle.notices)
    assert not any("spawn" in notice for notice in build(make_notebook(source), spec(), folder, script=True).notices)
    plain = build(make_notebook("x"), spec(), None)
    assert not plain.uses_mlflow and plain.sets_experiment == [] and plain.notices == []


def test_no_folder_means_no_files_and_says_so(make_notebook: Any) -> None:
    bundle = build(make_notebook("import helper"), spec(files=["a"]), None)
    assert bundle.files == [] and "no folder on this machine" in bundle.notices[0]
