"""What is said before a job is submitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.backends.local.interpreter import Interpreter
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
    ("spec", "words"),
    [
        ({}, "1 process of 8 cores"),
        ({"workers": 3}, "3 processes of 2 cores each"),
        ({"workers": 9}, "9 processes on 8 cores"),
        ({"workers": 2, "gpus": 2}, "4 processes on 4 GPUs"),
        ({"gpus": 1}, "1 process on 1 GPU"),
    ],
)
def test_a_job_is_summed_up_in_a_few_words(spec: dict[str, Any], words: str) -> None:
    assert look(**spec).summary == words


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


def test_a_group_that_each_rank_would_start_is_a_warning_that_lets_the_job_go_on() -> None:
    bundle = Bundle(data=b"", notebook={}, directory=None, warnings=["Each rank would start a group."])
    found = preflight(JobSpec(name="n", notebook="n.ipynb", workers=2), bundle, PYTHON, CALM)
    assert found.ok
    assert [(one.level, one.text) for one in found.findings if one.code == "group_in_rank"] == [
        (Level.WARNING, "Each rank would start a group.")
    ]
