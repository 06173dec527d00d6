"""MLflow for pods: what they are told, and the run that is made when they reach no store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusterobjects import ID, spec

from mlk_jupyter.backends.kubernetes.recording.mlflow import Recording, mlflow_environment, tracking_uri
from mlk_jupyter.model import JobStatus, Phase, RunRef, RunState
from mlk_jupyter.record.folder import JobFolder

SERVER = "https://mlflow.example.org/team"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)


def test_pods_are_told_the_server_and_never_how_to_log_in() -> None:
    base = {
        "MLFLOW_TRACKING_URI": "https://ada:secret-1@mlflow.example.org/team",
        "MLFLOW_TRACKING_TOKEN": "secret-2",
        "MLFLOW_TRACKING_USERNAME": "secret-3",
        "MLFLOW_TRACKING_PASSWORD": "secret-4",
        "MLFLOW_RUN_ID": "another-job",
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": "/home/ada/cert.pem",
        "AWS_SECRET_ACCESS_KEY": "secret-5",
    }
    found = mlflow_environment(spec(), ID, base)
    assert found["MLFLOW_TRACKING_URI"] == SERVER and found["MLK_MLFLOW"] == "on"
    assert found["MLFLOW_EXPERIMENT_NAME"] == "digits"
    assert json.loads(found["MLFLOW_RUN_CONTEXT"])["mlk.job.id"] == ID
    assert json.loads(found["MLFLOW_RUN_CONTEXT"])["mlk.job.backend"] == "kubernetes"
    assert "secret" not in json.dumps(found) and "/home" not in json.dumps(found) and "another" not in json.dumps(found)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "sqlite:////home/ada/mlflow.db",
        "file:///home/ada/mlruns",
        "http://localhost:5000",
        "http://127.0.0.1:5000/",
        "http://[::1]:5000",
        "http://0.0.0.0:5000",
        "https://mlflow.localhost.",
    ],
)
def test_a_store_of_this_machine_is_not_offered_to_pods(uri: str) -> None:
    found = mlflow_environment(spec(), ID, {"MLFLOW_TRACKING_URI": uri})
    assert "MLFLOW_TRACKING_URI" not in found and found["MLK_MLFLOW"] == "frames"
    assert tracking_uri(spec(), {"MLFLOW_TRACKING_URI": uri}) is None


def test_what_the_spec_says_of_the_server_counts_more_than_this_machine() -> None:
    asked = spec(env={"MLFLOW_TRACKING_URI": SERVER, "MLFLOW_EXPERIMENT_NAME": "mine"})
    found = mlflow_environment(asked, ID, {"MLFLOW_TRACKING_URI": "http://localhost:5000"})
    assert found["MLFLOW_TRACKING_URI"] == SERVER and found["MLFLOW_EXPERIMENT_NAME"] == "mine"


def test_mlflow_can_be_switched_off() -> None:
    assert mlflow_environment(spec(mlflow=False), ID, {"MLFLOW_TRACKING_URI": SERVER}) == {"MLK_MLFLOW": "off"}


@pytest.mark.slow
def test_a_rank_that_reaches_no_store_keeps_its_runs_to_itself_and_tells_their_metrics(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    code = (
        "import json, sys\n"
        "from mlk_jupyter.worker import mlflow_hook\n"
        "class Sender:\n"
        "    def send(self, kind, **fields): print(json.dumps({'kind': kind, **fields}))\n"
        "mlflow_hook.install(Sender(), 0)\n"
        "import mlflow\n"
        "with mlflow.start_run(): mlflow.log_metric('loss', 0.5, step=3)\n"
        "mlflow_hook.finish(0)\n"
    )
    environment = {**os.environ, **mlflow_environment(spec(), ID, {}), "TMPDIR": str(tmp_path)}
    out = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    ).stdout
    told = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [frame["value"] for frame in told if frame["kind"] == "metric"] == [0.5]
    run = next(frame for frame in told if frame["kind"] == "run")
    assert run["tracking_uri"].startswith(f"file://{tmp_path}/")


@pytest.mark.slow
def test_a_run_that_a_pod_kept_to_itself_is_made_here_out_of_its_metrics(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    folder = JobFolder(tmp_path / ID)
    folder.path.mkdir()
    kept = {"run_id": "a" * 32, "experiment_id": "1", "experiment": "digits", "run_name": "x"}
    frames = [
        ("run", {**kept, "tracking_uri": "file:///tmp/mlk-mlflow-1"}),
        ("metric", {"name": "loss", "value": 0.25, "step": 1}),
        ("run_finished", {"run_id": "a" * 32, "status": "FINISHED"}),
    ]
    with folder.frames.open("w") as file:
        for seq, (kind, fields) in enumerate(frames):
            file.write(json.dumps({"kind": kind, "time": 1_800_000_000.0, "rank": 0, "seq": seq, **fields}) + "\n")
    status = JobStatus(
        id=ID, name="digits", notebook="digits.ipynb", backend="kubernetes", phase=Phase.SUCCEEDED, spec=spec(),
        created_at=1_800_000_000, finished_at=1_800_000_060,
    )  # fmt: skip
    recording = Recording(folder, spec())
    shown = recording.seen(RunRef(state=RunState.RECORDED, tracking_uri="file:///tmp/mlk-mlflow-1", run_id="a" * 32))
    assert shown is not None and shown.state is RunState.PENDING and shown.run_id is None
    run = asyncio.run(recording.settle(status))
    assert run.state is RunState.RECORDED and run.run_id not in (None, "a" * 32), run.text
    client = mlflow.MlflowClient(run.tracking_uri)
    assert client.get_run(run.run_id).data.metrics == {"loss": 0.25}
    assert client.get_run(run.run_id).data.tags["mlk.job.backend"] == "kubernetes"
