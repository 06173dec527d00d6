"""What is said before a job is submitted."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.backends.local.interpreter import Interpreter, interpreter
from mlk_jupyter.backends.local.preflight import Facts, preflight, unwritable
from mlk_jupyter.bundle import Bundle
from mlk_jupyter.gpus import Gpu, GpuUse, Inventory
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Level, Preflight

GIB = 1024**3
PYTHON = Interpreter("/usr/bin/python3")
GPUS = [Gpu(index, f"GPU-{index}", "H200", 141 * GIB) for index in range(4)]
CALM = Facts(
    cores=8,
    memory_bytes=32 * GIB,
    memory_free_bytes=20 * GIB,
    disk_free_bytes=100 * GIB,
    data_dir=Path("/data"),
    unwritable=None,
    open_to_others=False,
    inventory=Inventory(GPUS),
    held={},
    waiting=[],
    use={},
    mlflow=True,
)


def look(facts: Facts = CALM, python: Interpreter = PYTHON, **spec: Any) -> Preflight:
    bundle = Bundle(data=b"12345", notebook={}, directory=None, files=["helper.py"])
    return preflight(JobSpec(**{"name": "n", "notebook": "n.ipynb", **spec}), bundle, python, facts)


def test_a_job_that_fits_has_nothing_against_it_and_says_what_it_uses() -> None:
    said = look(workers=2, gpus=1, time_limit_s="2h")
    assert said.ok and said.starts_now and said.findings == []
    assert (said.bundle_bytes, said.files) == (5, ["helper.py"])
    assert {use.label: use.text for use in said.uses} == {
        "Workers": "2 processes on this machine, which has 8 cores",
        "GPUs": "2 of 4 (1 for each worker)",
        "Memory": "20 GiB of 32 GiB are free",
        "Disk": "100 GiB are free in /data",
        "Python": "/usr/bin/python3",
        "Time limit": "2 h",
    }


@pytest.mark.parametrize(
    ("facts", "spec", "level", "code", "words"),
    [
        ({"open_to_others": True}, {}, Level.NOTE, "data_dir_open", "may look into /data"),
        ({}, {"workers": 33}, Level.WARNING, "crowded", "33 processes share 8 cores"),
        ({"memory_free_bytes": GIB // 2}, {"workers": 20}, Level.ERROR, "not_enough_memory", "20 processes need"),
        ({}, {"workers": 5, "gpus": 1}, Level.ERROR, "not_enough_gpus", "asks for 5 GPUs; this machine has 4 for jobs"),
        (
            {"inventory": Inventory(why="This machine has no NVIDIA driver.", hint="Ask for 0 GPUs.")},
            {"gpus": 1},
            Level.ERROR,
            "not_enough_gpus",
            "asks for 1 GPU; this machine has none for jobs. This machine has no NVIDIA driver.",
        ),
        (
            {"held": {"GPU-0": "other"}},
            {"gpus": 4},
            Level.NOTE,
            "gpus_busy",
            "It would wait: it needs 4 GPUs, and 3 of 4 are free, the others held by other.",
        ),
        ({"waiting": ["big"]}, {"gpus": 1}, Level.NOTE, "gpus_busy", "4 of 4 are free; big came first."),
        (
            {"use": {"GPU-2": GpuUse("GPU-2", 0.5, 12 * GIB, 141 * GIB, 1)}},
            {"gpus": 1},
            Level.WARNING,
            "gpu_used_elsewhere",
            "GPU 2 is in use by programs that are no jobs (12 GiB of its memory).",
        ),
        ({"disk_free_bytes": GIB // 2}, {}, Level.WARNING, "low_disk", "Only 512 MiB are free"),
        ({"disk_free_bytes": 1024}, {}, Level.ERROR, "low_disk", "Only 1 KiB are free"),
        (
            {"unwritable": "/data cannot be written."},
            {},
            Level.ERROR,
            "data_dir_unwritable",
            "/data cannot be written.",
        ),
        ({"mlflow": False}, {}, Level.NOTE, "no_mlflow", "MLflow is not installed for /usr/bin/python3"),
    ],
)
def test_what_speaks_against_a_job_is_said_with_its_figures(
    facts: dict[str, Any], spec: dict[str, Any], level: Level, code: str, words: str
) -> None:
    said = look(replace(CALM, **facts), **spec)
    assert [(finding.level, finding.code) for finding in said.findings] == [(level, code)]
    assert words in said.findings[0].text and said.findings[0].hint
    assert said.ok is (level is not Level.ERROR)
    assert said.starts_now is (None if level is Level.ERROR else code != "gpus_busy")


def test_unknown_figures_are_left_out_and_speak_against_nothing() -> None:
    said = look(replace(CALM, memory_bytes=None, memory_free_bytes=None, disk_free_bytes=None, mlflow=None))
    assert said.ok and said.findings == []
    assert [use.label for use in said.uses] == ["Workers", "Python"]


def test_mlflow_switched_off_is_not_missed() -> None:
    assert look(replace(CALM, mlflow=False), mlflow=False).findings == []


def test_a_data_directory_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert unwritable(tmp_path / "file" / "jobs") == f"{tmp_path / 'file'} is not a folder."
    assert unwritable(tmp_path / "new" / "jobs") is None


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    def make(name: str, argv: list[str], language: str = "python", env: dict[str, str] | None = None) -> None:
        folder = tmp_path / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name.title(), "language": language, "env": env or {}}
        (folder / "kernel.json").write_text(json.dumps(spec))

    return make


def test_a_notebook_runs_in_the_python_of_its_kernel(install: Any) -> None:
    install("trainer", [sys.executable, "-m", "ipykernel_launcher"], env={"COLOUR": "blue"})
    found = interpreter("trainer")
    assert (found.path, found.env, found.findings) == (sys.executable, {"COLOUR": "blue"}, [])


def test_a_bare_python_is_this_one_as_in_jupyter(install: Any) -> None:
    install("bare", ["python", "-m", "ipykernel_launcher"])
    assert interpreter("bare").path == sys.executable
    assert interpreter(None) == Interpreter(sys.executable)


def test_another_starter_of_the_same_environment_leads_to_its_python(install: Any, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.symlink_to(sys.executable)
    install("xpython", [str(tmp_path / "bin" / "xpython"), "-f", "{connection_file}"])
    assert interpreter("xpython").path == str(python)


@pytest.mark.parametrize(
    ("argv", "language", "level", "code", "words"),
    [
        (["/nowhere/python3", "-m", "x"], "python", Level.ERROR, "no_interpreter", "/nowhere/python3"),
        (["/usr/bin/R", "--slave"], "R", Level.ERROR, "not_python", "runs R"),
        (["/opt/tool/run-kernel"], "python", Level.WARNING, "other_interpreter", "no Python"),
    ],
)
def test_a_kernel_that_cannot_be_used_says_why(
    install: Any, argv: list[str], language: str, level: Level, code: str, words: str
) -> None:
    install("odd", argv, language)
    found = interpreter("odd")
    assert [(finding.level, finding.code) for finding in found.findings] == [(level, code)]
    assert words in found.findings[0].text and found.findings[0].hint


def test_a_kernel_that_is_not_installed_falls_back_and_says_so(install: Any) -> None:
    found = interpreter("absent")
    assert found.path == sys.executable
    assert found.findings[0].level is Level.WARNING and "'absent' is not installed" in found.findings[0].text
