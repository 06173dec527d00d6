"""What a rank finds in its environment, whatever the person and the server had set before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlk_jupyter.model import JobSpec
from mlk_jupyter.runs.environment import environment

URI = "sqlite:////data/mlflow.db"
BASE = {"JUPYTERHUB_USER": "ada"}


def variables(rank: int = 0, base: dict[str, str] | None = None, **spec: object) -> dict[str, str]:
    asked = JobSpec.model_validate({"name": "My job", "notebook": "team/digits v2.ipynb", **spec})
    return environment(asked, "digits-1", rank, tracking_uri=URI, base=BASE if base is None else base)


def test_every_run_a_rank_opens_bears_the_tags_of_its_job() -> None:
    assert json.loads(variables(rank=3)["MLFLOW_RUN_CONTEXT"]) == {
        "mlk.job.id": "digits-1",
        "mlk.job.name": "My job",
        "mlk.job.rank": "3",
        "mlk.job.backend": "local",
        "mlflow.source.type": "NOTEBOOK",
        "mlflow.source.name": "team/digits v2.ipynb",
        "mlflow.user": "ada",
    }


def test_no_part_of_a_login_goes_into_the_store() -> None:
    login = {"MLFLOW_TRACKING_USERNAME": "login-1", "MLFLOW_TRACKING_PASSWORD": "login-2"}
    assert "login" not in json.dumps([variables(base=login), variables(env=login)])


@pytest.mark.parametrize(
    ("spec", "base", "name", "value"),
    [
        ({}, {}, "MLFLOW_EXPERIMENT_NAME", "digits v2"),
        ({"notebook": "drive:a/b/train.py"}, {}, "MLFLOW_EXPERIMENT_NAME", "train"),
        ({"env": {"MLFLOW_EXPERIMENT_NAME": "mine"}}, {}, "MLFLOW_EXPERIMENT_NAME", "mine"),
        ({}, {"MLFLOW_EXPERIMENT_NAME": "team"}, "MLFLOW_EXPERIMENT_NAME", "team"),
        ({}, {}, "MLK_MLFLOW_EXPERIMENT", "digits v2"),
        ({}, {"MLFLOW_EXPERIMENT_NAME": "team"}, "MLK_MLFLOW_EXPERIMENT", None),
        ({"env": {"MLFLOW_EXPERIMENT_ID": "7"}}, {}, "MLFLOW_EXPERIMENT_NAME", None),
        ({}, {}, "MLFLOW_TRACKING_URI", URI),
        ({"env": {"MLFLOW_TRACKING_URI": "http://other"}}, {}, "MLFLOW_TRACKING_URI", "http://other"),
        ({}, {}, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
        ({}, {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5"}, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5"),
        ({"env": {"MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}}, {}, "MLFLOW_HTTP_REQUEST_TIMEOUT", "60"),
        ({}, {"MLFLOW_RUN_ID": "of-another-job"}, "MLFLOW_RUN_ID", ""),
        ({"env": {"MLFLOW_RUN_ID": "abc"}}, {}, "MLFLOW_RUN_ID", "abc"),
        ({}, {}, "MLFLOW_RUN_ID", None),
        ({"mlflow": False}, {}, "MLK_MLFLOW", "off"),
        ({"mlflow": False}, {}, "MLFLOW_RUN_CONTEXT", None),
        ({}, {}, "MLK_MLFLOW", "on"),
    ],
)
def test_what_a_person_set_counts_and_the_rest_has_a_default(
    spec: dict[str, object], base: dict[str, str], name: str, value: str | None
) -> None:
    assert variables(base=base, **spec).get(name) == value


def test_a_chosen_run_is_continued_by_rank_0_alone() -> None:
    assert variables(rank=1, env={"MLFLOW_RUN_ID": "abc"})["MLFLOW_RUN_ID"] == ""


@pytest.mark.parametrize("own", ['{"team": "vision", "mlk.job.id": "forged"}', "not json", "[1]"])
def test_tags_of_ones_own_are_kept_and_never_forge_the_jobs(own: str) -> None:
    tags = json.loads(variables(env={"MLFLOW_RUN_CONTEXT": own})["MLFLOW_RUN_CONTEXT"])
    assert tags["mlk.job.id"] == "digits-1"
    assert tags.get("team") == ("vision" if "team" in own else None)


def test_files_of_the_local_store_are_kept_beside_it_and_not_in_the_notebooks_folder() -> None:
    spec = JobSpec(name="a", notebook="a.ipynb")
    kept = environment(spec, "a-1", 0, tracking_uri=URI, artifacts=Path("/data/files"), base=BASE)
    assert kept["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "/data/files"
    remote = environment(spec, "a-1", 0, tracking_uri="http://mlflow", artifacts=Path("/data/files"), base=BASE)
    assert "_MLFLOW_SERVER_ARTIFACT_ROOT" not in remote


def test_while_a_server_is_down_runs_have_a_file_to_go_to() -> None:
    spec = JobSpec(name="a", notebook="a.ipynb")
    found = environment(
        spec,
        "a-1",
        0,
        tracking_uri="http://mlflow",
        fallback=Path("/data/offline.db"),
        artifacts=Path("/data/files"),
        base=BASE,
    )
    assert found["MLK_MLFLOW_FALLBACK"] == "/data/offline.db"
    assert found["_MLFLOW_SERVER_ARTIFACT_ROOT"] == "/data/files"
