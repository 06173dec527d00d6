"""MLflow in a rank: runs and metrics are told of, end as the notebook ends, and a dead server harms nobody."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .ranks import Rank, run

pytest.importorskip("mlflow")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow store; making one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    code = f"import mlflow; mlflow.MlflowClient('sqlite:///{path}').search_experiments()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    return path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mlflow.db"
    path.write_bytes(template.read_bytes())
    return path


def environment(store: Path, uri: str | None = None, **more: str) -> dict[str, str]:
    return {
        "MLFLOW_TRACKING_URI": uri or f"sqlite:///{store}",
        "MLFLOW_EXPERIMENT_NAME": "notebook",
        "MLFLOW_RUN_CONTEXT": json.dumps({"mlk.job.id": "job-1"}),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
        "MLK_PARAMETERS": json.dumps({"lr": 0.1, "epochs": 3}),
        "MLK_MLFLOW_FALLBACK": str(store),
        "GIT_PYTHON_REFRESH": "quiet",
        **more,
    }


def rows(store: Path, question: str) -> list[tuple]:
    with sqlite3.connect(store) as connection:
        return sorted(connection.execute(question).fetchall())


def metrics(rank: Rank) -> list[tuple]:
    return [(frame["name"], frame["value"], frame["step"]) for frame in rank.of("metric")]


TWIN = """import mlflow
from mlflow.tracking._tracking_service.client import TrackingServiceClient
experiment = mlflow.MlflowClient().create_experiment('notebook')
look = TrackingServiceClient.get_experiment_by_name
def just_before_the_twin_made_it(client, name):
    TrackingServiceClient.get_experiment_by_name = look
TrackingServiceClient.get_experiment_by_name = just_before_the_twin_made_it"""


def test_jobs_that_create_one_experiment_at_the_same_moment_share_it(store: Path, tmp_path: Path) -> None:
    rank = run(tmp_path, TWIN, "print(mlflow.start_run().info.experiment_id == experiment)", env=environment(store))
    assert rank.code == 0 and rank.text() == "True\n"
    assert rank.of("run")[0]["experiment"] == "notebook"


def test_an_experiment_that_exists_is_still_an_error_for_who_makes_another(store: Path, tmp_path: Path) -> None:
    twice = "import mlflow\nfor _ in range(2): mlflow.create_experiment('mine')"
    assert run(tmp_path, twice, env=environment(store)).code == 1


def test_a_run_is_told_of_its_parameters_logged_and_it_fails_with_its_notebook(store: Path, tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import mlflow\nmlflow.set_experiment('other');",
        "mlflow.start_run(run_name='mine'); mlflow.log_param('lr', '7')\n"
        "mlflow.log_metric('loss', 1.5, step=3); mlflow.log_metrics({'accuracy': 0.5}, step=4)",
        "1/0",
        env=environment(store),
    )
    opened = rank.of("run")[0]
    assert (opened["experiment"], opened["run_name"]) == ("other", "mine")
    assert metrics(rank) == [("loss", 1.5, 3), ("accuracy", 0.5, 4)]
    assert [(f["run_id"], f["status"]) for f in rank.of("run_finished")] == [(opened["run_id"], "FAILED")]
    assert rows(store, "select status from runs") == [("FAILED",)]
    assert rows(store, "select key, value from params") == [("epochs", "3"), ("lr", "7")]
    assert ("mlk.job.id", "job-1") in rows(store, "select key, value from tags")
    assert rank.code == 1


def test_an_implicit_run_ends_well_and_values_that_are_no_numbers_are_told_of(store: Path, tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import mlflow\nmlflow.log_metric('loss', float('nan'))\n"
        "from mlk_jupyter.worker.api import log_metric; log_metric('ours', 2, step=1)",
        env=environment(store),
    )
    assert metrics(rank)[0][:2] == ("loss", None) and metrics(rank)[1] == ("ours", 2.0, 1)
    assert len(metrics(rank)) == 2 and rows(store, "select status from runs") == [("FINISHED",)]


def test_autologged_metrics_and_nested_runs_are_told_of(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    rank = run(
        tmp_path,
        "import mlflow, mlflow.sklearn\nmlflow.sklearn.autolog(log_models=False, log_datasets=False)\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "with mlflow.start_run(run_name='outer'):\n    with mlflow.start_run(nested=True, run_name='inner'):\n"
        "        LogisticRegression().fit([[0], [1], [2], [3]], [0, 0, 1, 1]);",
        env=environment(store),
    )
    assert rank.code == 0, rank.of("error")
    assert [frame["run_name"] for frame in rank.of("run")] == ["outer", "inner"]
    assert any(name == "training_accuracy_score" for name, _, _ in metrics(rank))
    outer = rank.of("run")[0]["run_id"]
    assert rows(store, f"select key from params where run_uuid='{outer}'") == [("epochs",), ("lr",)]


def test_a_run_that_is_opened_later_goes_below_the_jobs_own(store: Path, tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import mlflow\nmlflow.log_metric('loss', 1); mlflow.end_run()",
        "mlflow.log_metric('eval_loss', 2); mlflow.end_run()",
        "with mlflow.start_run(run_name='search', tags={'of': 'mine'}):\n"
        "    with mlflow.start_run(run_name='trial', nested=True): pass",
        "mlflow.MlflowClient().create_run('0', run_name='logger');",
        env=environment(store),
    )
    assert rank.code == 0, rank.of("error")
    own, implicit, search, trial, logger = [frame["run_id"] for frame in rank.of("run")]
    parents = dict(rows(store, "select run_uuid, value from tags where key = 'mlflow.parentRunId'"))
    assert parents == {implicit: own, search: own, trial: search, logger: own}
    assert ("of", "mine") in rows(store, "select key, value from tags")
    assert rows(store, "select distinct run_uuid from params") == [(own,)]


def test_what_is_opened_beside_a_run_that_the_job_continues_goes_below_it(store: Path, tmp_path: Path) -> None:
    own = run(tmp_path, "import mlflow; print(mlflow.start_run().info.run_id)", env=environment(store)).text().strip()
    source = "import mlflow\nmlflow.log_metric('loss', 1); mlflow.end_run()\nmlflow.log_metric('eval_loss', 2)"
    rank = run(tmp_path, source, env=environment(store, MLFLOW_RUN_ID=own))
    (below,) = [frame["run_id"] for frame in rank.of("run")]
    assert rows(store, "select run_uuid, value from tags where key = 'mlflow.parentRunId'") == [(below, own)]
    assert rows(store, "select run_uuid, key from metrics") == sorted([(own, "loss"), (below, "eval_loss")])


SILENT = """import mlflow
with mlflow.start_run() as run:
    mlflow.log_metric('loss', 1.5, step=1); mlflow.log_param('a', 1); mlflow.log_text('c', 'c.txt')
    there = mlflow.MlflowClient().get_run(run.info.run_id)
    text = mlflow.artifacts.load_text(there.info.artifact_uri + '/c.txt')
    print(there.data.metrics, there.data.params, there.info.status, text)
print(mlflow.get_run(run.info.run_id).info.status)"""


def test_a_rank_other_than_0_opens_no_run_in_the_store_and_does_not_notice(store: Path, tmp_path: Path) -> None:
    other = {"RANK": "1", "WORLD_SIZE": "2", "TMPDIR": str(tmp_path)}
    rank = run(tmp_path, SILENT, env=environment(store, **other))
    assert rank.code == 0, rank.of("error")
    assert rank.log("stdout") == "{'loss': 1.5} {'a': '1'} RUNNING c\nFINISHED\n"
    assert rows(store, "select run_uuid from runs") == []
    assert list(tmp_path.glob("mlk-mlflow-*")) == []


def test_a_rank_other_than_0_continues_a_run_or_opens_its_own_where_it_is_asked_to(store: Path, tmp_path: Path) -> None:
    other = {"RANK": "1", "WORLD_SIZE": "2", "MLK_MLFLOW_RANKS": "all"}
    opened = "import mlflow\nwith mlflow.start_run() as run: print(run.info.run_id)"
    run_id = run(tmp_path, opened, env=environment(store, **other)).log("stdout").strip()
    assert rows(store, "select run_uuid from runs") == [(run_id,)]
    again = f"import mlflow\nwith mlflow.start_run(run_id='{run_id}'): mlflow.log_metric('from-rank-1', 1)"
    assert run(tmp_path, again, env=environment(store, RANK="1", WORLD_SIZE="2")).code == 0
    assert rows(store, "select key from metrics") == [("from-rank-1",)]


def test_the_experiment_that_code_names_goes_before_the_jobs_default(store: Path, tmp_path: Path) -> None:
    name = "print(os.environ.get('MLFLOW_EXPERIMENT_NAME', 'the one in the code'))"
    rank = run(
        tmp_path,
        f"import os, subprocess, sys, mlflow\n{name}\nsubprocess.run([sys.executable, '-c', \"import os; {name}\"])",
        "mlflow.log_metric('loss', 1); mlflow.end_run()\nmlflow.set_experiment('mine'); mlflow.log_metric('loss', 2)",
        env=environment(store, MLK_MLFLOW_EXPERIMENT="notebook"),
    )
    assert rank.text("stdout", cell=0) == "the one in the code\nnotebook\n"
    assert [frame["experiment"] for frame in rank.of("run")] == ["notebook", "mine"]


def test_what_log_model_logs_again_is_not_told_again(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    rank = run(
        tmp_path,
        "import mlflow, mlflow.sklearn\nfrom sklearn.linear_model import LogisticRegression\n"
        "for step, loss in enumerate((10, 8, 6)):\n    mlflow.log_metric('loss', loss, step=step)\n"
        "mlflow.sklearn.log_model(LogisticRegression(), name='model', pip_requirements=[]);",
        env=environment(store, _MLFLOW_SERVER_ARTIFACT_ROOT=str(tmp_path / "artifacts")),
    )
    assert rank.code == 0, rank.of("error")
    assert metrics(rank) == [("loss", 10.0, 0), ("loss", 8.0, 1), ("loss", 6.0, 2)]
    assert {frame["run_id"] for frame in rank.of("metric")} == {rank.of("run")[0]["run_id"]}


def test_a_server_that_refuses_is_replaced_by_a_file_and_a_sentence(store: Path, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://name:secret@127.0.0.1:{closed.getsockname()[1]}"
        rank = run(
            tmp_path,
            "import mlflow\nmlflow.set_experiment('other')\nwith mlflow.start_run():\n    mlflow.log_metric('loss', 1)",
            env=environment(store, uri),
        )
    assert rank.code == 0, rank.of("error")
    notice = rank.of("notice")[0]["text"]
    assert "does not answer" in notice and str(store) in notice and "secret" not in notice
    assert metrics(rank) == [("loss", 1.0, 0)] and rows(store, "select status from runs") == [("FINISHED",)]


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers_is_replaced_too(store: Path, tmp_path: Path, silent_server: str) -> None:
    rank = run(tmp_path, "import mlflow\nmlflow.log_metric('loss', 1)", env=environment(store, silent_server))
    assert rank.code == 0 and metrics(rank) == [("loss", 1.0, 0)]
    assert "does not answer" in rank.of("notice")[0]["text"]


def test_a_server_that_dies_during_the_run_costs_values_and_no_notebook(store: Path, tmp_path: Path) -> None:
    """The server answers as MLflow's would until the notebook has its run, then it is gone."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            run_info = {"run_id": "r1", "experiment_id": "1", "run_name": "n", "status": "RUNNING", "start_time": 1,
                        "artifact_uri": "/tmp/none", "lifecycle_stage": "active"}  # fmt: skip
            experiment = {"experiment_id": "1", "name": "notebook", "lifecycle_stage": "active"}
            body = json.dumps({"run": {"info": run_info, "data": {}}, "experiment": experiment}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    uri = f"http://127.0.0.1:{server.server_port}"
    from .ranks import bundle, notebook

    document = notebook(
        "import mlflow\nmlflow.start_run();",
        "import os, time\nwhile not os.path.exists('gone'): time.sleep(0.05)",
        "for n in range(50):\n    mlflow.log_metric('loss', n)\nprint('went on')",
    )
    try:
        with Rank(bundle(tmp_path / "bundle.pyz", document), environment(store, uri)) as rank:
            rank.wait_for(lambda frame: frame["kind"] == "cell_started" and frame["cell"] == 1)
            server.shutdown()
            server.server_close()
            thread.join()
            (tmp_path / "gone").touch()
            rank.wait(120)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert rank.code == 0 and rank.text() == "went on\n", rank.of("error")
    notices = [frame["text"] for frame in rank.of("notice")]
    assert len(notices) == 1 and "does not answer" in notices[0]
    assert len(metrics(rank)) == 50


def test_other_ranks_log_and_tell_nothing(store: Path, tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import mlflow\nmlflow.log_metric('loss', 1)",
        env=environment(store, RANK="1", WORLD_SIZE="2"),
    )
    assert rank.code == 0 and not rank.of("run") and not rank.of("metric")


def test_switched_off_mlflow_is_left_alone(store: Path, tmp_path: Path) -> None:
    rank = run(tmp_path, "import mlflow\nmlflow.log_metric('loss', 1)", env=environment(store, MLK_MLFLOW="off"))
    assert rank.code == 0 and not rank.of("run") and rows(store, "select status from runs") == [("FINISHED",)]


def test_another_version_of_mlflow_loses_the_extras_only(tmp_path: Path) -> None:
    service = "mlflow/tracking/_tracking_service"
    files = {
        "mlflow/__init__.py": "from mlflow.tracking._tracking_service.client import TrackingServiceClient\nOK = 1\n",
        "mlflow/tracking/__init__.py": "",
        f"{service}/__init__.py": "",
        f"{service}/client.py": "class TrackingServiceClient:\n    pass\n",
    }
    rank = run(tmp_path, "import mlflow; print(mlflow.OK)", files=files)
    assert rank.code == 0 and rank.text() == "1\n"
    assert "not known here" in rank.of("notice")[0]["text"]
