"""The step of a pod that stages data before its ranks run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .ranks import NONCE, bundle, notebook


def staging(folder: Path, *command: str) -> subprocess.Popen[str]:
    """The init container."""
    path = bundle(folder / "bundle.pyz", notebook("pass"), {"data/list.dvc": "md5: 1"})
    env = {**os.environ, "MLK_POD": "1", "MLK_NONCE": NONCE, "MLK_FILES": str(folder / "files")}
    words = [sys.executable, str(path), "--stage", "--", *command]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def staged(folder: Path, *command: str) -> tuple[int, str, str]:
    """What it ends with: its exit code, and what it wrote."""
    with staging(folder, *command) as process:
        said, complained = process.communicate(timeout=60)
    return process.returncode, said, complained


def test_staging_runs_its_command_beside_the_bundles_files(tmp_path: Path) -> None:
    script = 'cat data/list.dvc; echo; pwd; echo "$1" > got; exit 4'
    code, said, _ = staged(tmp_path, "sh", "-c", script, "sh", "$(id) ; x")
    assert code == 4 and said.split("\n")[:2] == ["md5: 1", str(tmp_path / "files")]
    assert (tmp_path / "files" / "got").read_text() == "$(id) ; x\n"


def test_a_staging_command_is_told_to_stop(tmp_path: Path) -> None:
    waits = "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
    with staging(tmp_path, "sh", "-c", waits) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(60) == 9


def test_a_staging_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    code, _, complained = staged(tmp_path, "no-such-command", "pull")
    assert code == 127 and "no-such-command: No such file" in complained
