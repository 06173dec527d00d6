"""Trains with the stacks that people use: `mlk run` in a process of its own, as they do it. Nothing is downloaded."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from endjobs import end_jobs

from mlk_jupyter.bundle.notebook import parse_script
from mlk_jupyter.record.folder import JobFolder

_TRAININGS = Path(__file__).parent / "trainings"
_RUN = "import sys; from mlk_jupyter.cli import main; sys.exit(main())"
_LIMIT_S = 280.0


@dataclass
class Trained:
    """A job that is over."""

    said: dict[str, Any]
    """What `mlk run --json` said."""
    reports: list[dict[str, Any]]
    """What each rank printed behind REPORT."""
    folder: JobFolder

    def runs(self) -> list[dict[str, Any]]:
        """The MLflow runs of the job, in the order in which they were opened."""
        store = self.folder.path.parent.parent / "mlflow.db"
        with sqlite3.connect(store) as connection:
            rows = connection.execute(
                "select runs.run_uuid, experiments.name, status, parent.value, rank.value from runs"
                " join experiments using (experiment_id)"
                " left join tags parent on parent.run_uuid = runs.run_uuid and parent.key = 'mlflow.parentRunId'"
                " left join tags rank on rank.run_uuid = runs.run_uuid and rank.key = 'mlk.job.rank'"
                " order by start_time"
            ).fetchall()
        return [dict(zip(("id", "experiment", "status", "parent", "rank"), row, strict=True)) for row in rows]


Train = Callable[..., Trained]


@pytest.fixture
def train(data_dir: Path, tmp_path: Path) -> Iterator[Train]:
    """Runs a training of `trainings/`, as a notebook or as a script."""

    def run(name: str, *, ranks: int = 2, script: bool = False, mlflow: bool = False) -> Trained:
        work = tmp_path / "work"
        work.mkdir()
        source = (_TRAININGS / f"{name}.py").read_text()
        file = work / f"{name}{'.py' if script else '.ipynb'}"
        file.write_text(source if script else json.dumps(parse_script(source, file.name)))
        options = ["--workers", str(ranks), "--json", *(() if mlflow else ("--no-mlflow",))]
        # Weights and data are made here: whatever would fetch some must not find the way.
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_TRACKING_URI": ""}
        done = subprocess.run(
            [sys.executable, "-c", _RUN, "run", str(file), *options],
            cwd=work, env=env, capture_output=True, text=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        folder = JobFolder(Path(said["folder"]))
        return Trained(said, [_report(folder.log(rank)) for rank in range(ranks)], folder)

    yield run
    end_jobs(data_dir)


def _report(log: Path) -> dict[str, Any]:
    lines = [line for line in log.read_text().splitlines() if line.startswith("REPORT ")]
    assert lines, log.read_text()
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("REPORT "))
    return found
