"""`mlk` at the tests' cluster, as a person uses it: real processes, and kubectl beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from clusterjobs import FOREVER, IMAGE, NAMESPACE, held, pods_of, wait_for
from kube import names
from kube.cluster import FakeCluster

Mlk = Callable[..., "subprocess.CompletedProcess[str]"]
LIMIT_S = 90.0
MLK = [sys.executable, "-c", "import sys; from mlk_jupyter.cli import main; sys.exit(main())"]
ON_CLUSTER = ("--backend", "kubernetes", "--image", IMAGE, "--no-mlflow")


@pytest.fixture
def env(kube_cluster: FakeCluster, data_dir: Path) -> dict[str, str]:
    """What a person has set who works at the tests' cluster."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLK_", "MLFLOW_"))}
    ours = {"MLK_DATA_DIR": str(data_dir), "KUBECONFIG": str(kube_cluster.kubeconfig), "MLK_USER": "ada"}
    return {**kept, **ours, "TERM": "xterm", "COLUMNS": "100"}


@pytest.fixture
def mlk(tmp_path: Path, env: dict[str, str]) -> Mlk:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*MLK, *arguments], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return call


def write(folder: Path, notebook: dict[str, Any]) -> str:
    (folder / "work.ipynb").write_text(json.dumps(notebook))
    return "work.ipynb"


def test_a_job_runs_is_listed_read_and_deleted(
    kube_cluster: FakeCluster, tmp_path: Path, mlk: Mlk, make_notebook: Callable[..., Any]
) -> None:
    done = mlk("run", write(tmp_path, make_notebook("print('hello')")), "--workers", "2", "--json", *ON_CLUSTER)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["phase"] == "Succeeded" and said["reason"].startswith("All 2 processes finished")
    notebook = json.loads(Path(said["notebook"]).read_bytes())
    assert "".join(notebook["cells"][0]["outputs"][0]["text"]) == "hello\n"
    assert said["id"] in mlk("jobs").stdout
    assert mlk("logs", said["id"], "--rank", "1").stdout == "hello\n"
    assert "Succeeded" in mlk("show", said["id"]).stdout
    gone = mlk("delete", said["id"])
    assert gone.returncode == 0, gone.stderr
    assert held(kube_cluster) == [] and not Path(said["folder"]).exists()
    assert mlk("show", said["id"]).returncode == 2


def test_a_job_that_fails_ends_with_1_and_says_rank_cell_and_exception(
    tmp_path: Path, mlk: Mlk, make_notebook: Callable[..., Any]
) -> None:
    fails = "import os, time\nif os.environ['RANK'] == '1':\n    raise ValueError('too hot')\ntime.sleep(30)"
    done = mlk("run", write(tmp_path, make_notebook("1", fails)), "--workers", "2", "--json", *ON_CLUSTER)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["phase"] == "Failed" and said["reason"] == "Rank 1, cell 2: ValueError: too hot"
    assert said["reason"] in done.stderr


def test_a_job_that_is_refused_ends_with_2_and_nothing_is_left(
    kube_cluster: FakeCluster, tmp_path: Path, mlk: Mlk, make_notebook: Callable[..., Any]
) -> None:
    done = mlk("run", write(tmp_path, make_notebook("1")), "--gpus", "16", *ON_CLUSTER)
    assert done.returncode == 2 and "the largest node has 4" in done.stderr, done.stderr
    assert held(kube_cluster) == []
    assert mlk("jobs").stdout == ""


def test_a_job_that_is_left_running_is_stopped_by_another_command(
    kube_cluster: FakeCluster, tmp_path: Path, env: dict[str, str], mlk: Mlk, make_notebook: Callable[..., Any]
) -> None:
    command = [*MLK, "run", write(tmp_path, make_notebook(FOREVER)), *ON_CLUSTER]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=env, cwd=tmp_path, text=True, **pipes)
    try:
        jobs = tmp_path / "data" / "clusters"
        wait_for(lambda: any(b"here" in path.read_bytes() for path in jobs.glob("*/jobs/*/frames.jsonl")))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == 130 and "goes on running" in err
    job = out.strip()
    assert "Running" in mlk("show", job).stdout
    assert mlk("stop", job).returncode == 0
    wait_for(lambda: not [pod for pod in pods_of(kube_cluster, job) if pod["status"]["phase"] == "Running"])
    wait_for(lambda: "Stopped" in mlk("show", job).stdout)
    assert mlk("delete", job).returncode == 0
    assert held(kube_cluster) == []


def test_what_a_killed_command_did_not_read_is_read_by_the_next_that_asks(
    kube_cluster: FakeCluster, tmp_path: Path, mlk: Mlk, env: dict[str, str], make_notebook: Callable[..., Any]
) -> None:
    said = mlk("run", write(tmp_path, make_notebook("print('hello')")), "--workers", "2", "--detach", *ON_CLUSTER)
    job = said.stdout.strip()
    wait_for(lambda: kube_cluster.store.get(names.JOBS, NAMESPACE, job)["status"].get("succeeded") == 2)
    assert mlk("logs", job, "--rank", "1").stdout == "hello\n"
    assert Path(mlk("open", job).stdout.strip()).name == "executed.ipynb"
    shown = mlk("show", job).stdout
    assert "Succeeded" in shown and "1 of 1 cells" in shown
    env["MLK_DATA_DIR"] = str(tmp_path / "elsewhere")  # another machine, which has no record of it
    assert mlk("logs", job, "--follow").stdout == "hello\n"


def test_what_is_rendered_and_applied_with_kubectl_is_a_job_like_any_other(
    kube_cluster: FakeCluster, tmp_path: Path, env: dict[str, str], mlk: Mlk, make_notebook: Callable[..., Any]
) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs a real cluster's tool: kubectl")
    notebook = write(tmp_path, make_notebook("print('applied')"))
    rendered = mlk("render", notebook, "--workers", "2", "--image", IMAGE, "--no-mlflow")
    assert rendered.returncode == 0, rendered.stderr
    assert held(kube_cluster) == []
    applied = subprocess.run(
        [kubectl, "apply", "-f", "-"], input=rendered.stdout, env=env, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert applied.returncode == 0, applied.stderr
    wanted = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(rendered.stdout)}
    found = {
        (kind, one["metadata"]["name"])
        for kind, name in (("Job", names.JOBS), ("ConfigMap", names.CONFIG_MAPS), ("Service", names.SERVICES))
        for one in held(kube_cluster, name)
    }
    assert found == wanted
    (job,) = [one["metadata"]["name"] for one in held(kube_cluster, names.JOBS)]
    wait_for(lambda: kube_cluster.store.get(names.JOBS, NAMESPACE, job)["status"].get("succeeded") == 2)
    shown = mlk("show", job)
    assert shown.returncode == 0 and "Succeeded" in shown.stdout, shown.stderr
    assert job in mlk("jobs").stdout
    assert mlk("delete", job).returncode == 0
    assert held(kube_cluster) == []
