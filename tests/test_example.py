"""The example, as `make demo` runs it: two ranks, one model, one MLflow run; and the same in a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from endjobs import end_jobs
from kube.cluster import FakeCluster

from mlk_jupyter.model import RunState
from mlk_jupyter.record.folder import JobFolder

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
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a person has set, with a data directory and a store of runs for this file."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_", "RANK"))}
    env["MLK_DATA_DIR"] = str(tmp_path_factory.mktemp("data"))
    yield env
    end_jobs(Path(env["MLK_DATA_DIR"]))


def run(env: dict[str, str], *options: str) -> dict[str, Any]:
    """What `mlk run --json` says of the example with 2 ranks."""
    mlk = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())"]
    command = [*mlk, "run", str(EXAMPLE), "--workers", "2", "--json", "--param", "hidden=96", *options]
    ran = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


def settled(folder: JobFolder) -> Any:
    """The status once the job's run is complete: on a busy machine `mlk run` does not wait for it."""
    deadline = time.monotonic() + 300
    while (status := folder.read_status()) is None or status.run is None or status.run.state is RunState.PENDING:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    return status


@pytest.fixture(scope="module")
def job(env: dict[str, str]) -> dict[str, Any]:
    """The example on this machine."""
    return run(env)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_ranks_train_one_accurate_model(job: dict[str, Any]) -> None:
    said = job
    assert said["phase"] == "Succeeded"
    assert said["metrics"]["accuracy"] > 0.95
    folder = Path(said["folder"])
    for rank in (0, 1):
        log = (folder / "logs" / f"rank-{rank}.log").read_text()
        assert "2 ranks on" in log
        assert "All 2 ranks hold the same" in log


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_notebook_holds_the_outputs_of_rank_0_and_its_picture(job: dict[str, Any]) -> None:
    notebook = nbformat.read(job["notebook"], 4)
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
def test_it_leaves_one_finished_run_with_parameters_and_curves(job: dict[str, Any], env: dict[str, str]) -> None:
    data = env["MLK_DATA_DIR"]
    status = settled(JobFolder(Path(job["folder"])))
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{data}/mlflow.db")
    experiment = client.get_experiment_by_name("digits_ddp")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.status) == (status.run.run_id, "FINISHED")
    assert run.data.tags["mlk.job.id"] == job["id"] and run.data.tags["mlk.job.rank"] == "0"
    assert run.data.params["hidden"] == "96"
    for name in ("loss", "accuracy"):
        assert [point.step for point in client.get_metric_history(run.info.run_id, name)] == list(range(EPOCHS))
    assert run.data.metrics["accuracy"] == pytest.approx(job["metrics"]["accuracy"])
    assert not (EXAMPLE.parent / "mlruns").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_a_cluster_it_trains_over_gloo_as_on_this_machine(job: dict[str, Any], env: dict[str, str]) -> None:
    with FakeCluster() as cluster:
        there = run(
            {**env, "KUBECONFIG": str(cluster.kubeconfig)},
            *("--backend", "kubernetes", "--image", "local/torch:1"),
            *("--env", "OMP_NUM_THREADS=1"),  # pods of the tests share the cores of this machine
        )
        assert cluster.controllers is not None and cluster.controllers.failures == []
    timed = {name for name in job["metrics"] if "second" in name or "time" in name or "per_s" in name}
    assert there["metrics"].keys() == job["metrics"].keys()
    for name in job["metrics"].keys() - timed:
        assert there["metrics"][name] == pytest.approx(job["metrics"][name], rel=1e-4), name
    assert there["run_id"], "the run is recorded in the store of this machine"
    books = [nbformat.read(one["notebook"], 4) for one in (there, job)]
    assert [cell.source for cell in books[0].cells] == [cell.source for cell in books[1].cells]
    kinds = [[output.output_type for output in cell.get("outputs", [])] for cell in books[0].cells]
    assert kinds == [[output.output_type for output in cell.get("outputs", [])] for cell in books[1].cells]
