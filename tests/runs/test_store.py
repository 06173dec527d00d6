"""Which store counts, how it is shown, and that it is created whole, once, by however many."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlk_jupyter.runs import store

LOG = """
import os, sys, mlflow  # once: it takes seconds
jobs = []
for _ in range(5):
    jobs.append(os.fork())
    if jobs[-1] == 0:
        with mlflow.start_run():
            for step in range(40):
                mlflow.log_metric("loss", step, step=step)
        os._exit(0)
sys.exit(any(os.waitpid(job, 0)[1] for job in jobs))
"""


def test_without_a_setting_runs_are_kept_in_the_data_folder(tmp_path: Path) -> None:
    assert store.tracking_uri(tmp_path, {}) == f"sqlite:///{tmp_path}/mlflow.db"
    assert store.tracking_uri(tmp_path, {"MLFLOW_TRACKING_URI": " http://mlflow "}) == "http://mlflow"


def test_a_relative_sqlite_path_is_one_store_for_all_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        store.tracking_uri(Path("/data"), {"MLFLOW_TRACKING_URI": "sqlite:///my.db"}) == f"sqlite:///{tmp_path}/my.db"
    )


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://mlflow:5000/base", "http://mlflow:5000/base"),
        ("https://ada:secret@mlflow/base?token=secret#secret", "https://mlflow/base"),
        ("postgresql://ada:secret@db:5432/mlflow?sslpassword=secret", "postgresql://db:5432/mlflow"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("http://[::1", "http://"),
        ("databricks", "databricks"),
    ],
)
def test_what_is_shown_holds_no_secret(uri: str, shown: str) -> None:
    assert store.without_credentials(uri) == shown


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////data/m.db", Path("/data/m.db")),
        ("sqlite:///m.db?timeout=3", Path("m.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("http://sqlite:///m.db", None),
    ],
)
def test_a_sqlite_uri_names_a_file(uri: str, path: Path | None) -> None:
    assert store.sqlite_path(uri) == path


def test_whether_mlflow_is_there_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "with" / "mlflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise SystemExit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "with"))
    assert asyncio.run(store.has_mlflow()) is True
    assert asyncio.run(store.has_mlflow("/no/such/python")) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_several_that_create_the_store_at_once_create_one(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = store.tracking_uri(tmp_path / "new folder", {})
    assert store.needs_preparing(uri)

    async def create() -> None:
        await asyncio.gather(*(store.prepare(uri, tmp_path / "files") for _ in range(4)))

    asyncio.run(create())
    assert not store.needs_preparing(uri)
    assert sorted(path.name for path in (tmp_path / "new folder").iterdir()) == [".mlflow.db.lock", "mlflow.db"]
    database = sqlite3.connect(tmp_path / "new folder" / "mlflow.db")
    assert database.execute("select name, artifact_location from experiments").fetchall() == [
        ("Default", f"{tmp_path}/files/0")
    ]
    database.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_creator_that_is_killed_leaves_no_half_store(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = store.tracking_uri(tmp_path, {})

    async def give_up() -> None:
        task = asyncio.create_task(store.prepare(uri, tmp_path / "files"))
        await asyncio.to_thread(_wait_for, tmp_path, ".mlflow-new-*/mlflow.db")
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(give_up())
    assert store.needs_preparing(uri)
    asyncio.run(store.prepare(uri, tmp_path / "files"))
    assert not store.needs_preparing(uri)


def _wait_for(folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        time.sleep(0.01)


def test_a_folder_that_cannot_be_written_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(store.StoreNotPrepared, match="Not a directory") as refused:
        asyncio.run(store.prepare(f"sqlite:///{tmp_path}/file/sub/mlflow.db", tmp_path))
    assert "MLK_DATA_DIR" in refused.value.hint


def test_a_file_in_the_current_folder_is_not_taken_for_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n', encoding="utf-8")  # without installed packages
    bare.chmod(0o755)
    (tmp_path / "mlflow.py").write_text("open('imported', 'w')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(store.has_mlflow(str(bare))) is False
    with pytest.raises(store.StoreNotPrepared, match="No module named"):
        asyncio.run(store.prepare(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "files", str(bare)))
    assert not (tmp_path / "imported").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_five_jobs_log_to_the_store_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    uri = store.tracking_uri(tmp_path, {})
    asyncio.run(store.prepare(uri, tmp_path / "files"))
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri, "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run([sys.executable, "-c", LOG], env=env, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    database = sqlite3.connect(tmp_path / "mlflow.db")
    (runs,) = database.execute("select count(*) from runs where status = 'FINISHED'").fetchone()
    (points,) = database.execute("select count(*) from metrics").fetchone()
    database.close()
    assert (runs, points) == (5, 200)
