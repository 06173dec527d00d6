"""The example, as `make demo` runs it: two ranks, one model, one MLflow run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "digits_ddp.ipynb"
EPOCHS = 30


def test_the_example_is_committed_as_a_first_reader_should_find_it() -> None:
    notebook = nbformat.read(EXAMPLE, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert 10 <= len(notebook.cells) <= 14
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert [cell.id for cell in code if "parameters" in cell.metadata.get("tags", [])] == ["parameters"]
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    """What `mlk run --json` says of the example with 2 ranks, and the data directory it ran in."""
    for needed in ("mlflow", "torch"):
        pytest.importorskip(needed)
    data = tmp_path_factory.mktemp("data")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_", "RANK"))}
    env["MLK_DATA_DIR"] = str(data)
    mlk = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())"]
    command = [*mlk, "run", str(EXAMPLE), "--workers", "2", "--json", "--param", "hidden=96"]
    try:
        ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        yield json.loads(ran.stdout.splitlines()[-1]), data
    finally:
        for folder in (data / "jobs").glob("*/status.json"):
            subprocess.run([*mlk, "delete", folder.parent.name], env=env, stdin=subprocess.DEVNULL, timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_ranks_train_one_accurate_model(job: tuple[dict[str, Any], Path]) -> None:
    said, _ = job
    assert said["phase"] == "Succeeded"
    assert said["metrics"]["accuracy"] > 0.95
    folder = Path(said["folder"])
    for rank in (0, 1):
        log = (folder / "logs" / f"rank-{rank}.log").read_text()
        assert "2 ranks on" in log
        assert "All 2 ranks hold the same" in log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_notebook_holds_the_outputs_of_rank_0_and_its_picture(job: tuple[dict[str, Any], Path]) -> None:
    notebook = nbformat.read(job[0]["notebook"], 4)
    nbformat.validate(notebook)
    by_id = {cell.id: cell for cell in notebook.cells}
    kinds = [set(output.data) for output in by_id["result"].outputs if output.output_type == "display_data"]
    assert any("image/png" in kind for kind in kinds)
    trained = "".join(output.text for output in by_id["train"].outputs if output.get("name") == "stdout")
    assert trained.count("epoch") == EPOCHS / 5
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_leaves_one_finished_run_with_parameters_and_curves(job: tuple[dict[str, Any], Path]) -> None:
    said, data = job
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{data}/mlflow.db")
    experiment = client.get_experiment_by_name("digits_ddp")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.status) == (said["run_id"], "FINISHED")
    assert run.data.tags["mlk.job.id"] == said["id"] and run.data.tags["mlk.job.rank"] == "0"
    assert run.data.params["hidden"] == "96"
    for name in ("loss", "accuracy"):
        assert [point.step for point in client.get_metric_history(run.info.run_id, name)] == list(range(EPOCHS))
    assert run.data.metrics["accuracy"] == pytest.approx(said["metrics"]["accuracy"])
    assert not (EXAMPLE.parent / "mlruns").exists()
