"""Each stack trains in two ranks as it does under its own launcher, and its ranks are told apart."""

from __future__ import annotations

import pytest

from .conftest import Train

pytestmark = [pytest.mark.stacks, pytest.mark.slow, pytest.mark.timeout(300)]


def test_ddp_keeps_the_ranks_alike_and_a_distributed_checkpoint_comes_back(train: Train) -> None:
    done = train("ddp")
    assert done.reports == [{"rank": rank, "ranks": 2, "same": True} for rank in range(2)]
    assert set(done.said["metrics"]) == {"loss"}


def test_fsdp_shares_the_parameters_and_a_distributed_checkpoint_comes_back(train: Train) -> None:
    assert train("fsdp").reports == [{"rank": rank, "ranks": 2, "rows": 4, "same": True} for rank in range(2)]


@pytest.mark.parametrize(("ranks", "script"), [(2, False), (2, True), (4, False)])
def test_lightning_trains_by_ddp_with_its_ranks_in_place(train: Train, ranks: int, script: bool) -> None:
    assert train("lightning_ddp", ranks=ranks, script=script).reports == [
        {"rank": rank, "ranks": ranks, "zero": rank == 0, "batches": 8 // ranks, "checkpoints": 1}
        for rank in range(ranks)
    ]


@pytest.mark.parametrize("script", [False, True])
def test_fabric_trains_by_ddp_with_its_ranks_in_place(train: Train, script: bool) -> None:
    reports = train("fabric_ddp", script=script).reports
    assert reports == [{"rank": rank, "ranks": 2, "total": 1.0} for rank in range(2)]


def test_the_trainer_of_transformers_trains_and_evaluates_into_one_run(train: Train) -> None:
    done = train("hf_trainer", mlflow=True)
    assert done.reports == [{"rank": rank, "ranks": 2, "steps": 4} for rank in range(2)]
    trained, evaluated = done.runs()
    assert trained["id"] == done.said["run_id"] == evaluated["parent"]
    assert {run["rank"] for run in done.runs()} == {"0"} and {run["status"] for run in done.runs()} == {"FINISHED"}
    assert next(iter(done.said["metrics"])) in ("loss", "eval_loss")


def test_accelerate_joins_the_ranks_and_its_tracker_writes_the_jobs_run(train: Train) -> None:
    done = train("accelerate_tracker", mlflow=True)
    assert done.reports == [{"rank": rank, "seen": [0, 1]} for rank in range(2)]
    (own,) = done.runs()
    assert (own["experiment"], own["rank"], own["id"]) == ("named in code", "0", done.said["run_id"])


def test_lightnings_logger_and_autologging_write_one_run_and_none_of_other_ranks(train: Train) -> None:
    own, autologged = train("lightning_mlflow", mlflow=True).runs()
    assert own["experiment"] == "named in code" and own["parent"] is None
    assert autologged["parent"] == own["id"] and autologged["rank"] == "0"


def test_xgboost_trains_one_model_through_its_collective(train: Train) -> None:
    reports = train("xgboost_collective").reports
    assert sorted((one["rank"], one["ranks"]) for one in reports) == [(0, 2), (1, 2)]
    assert reports[0]["model"] == reports[1]["model"]


def test_lightgbm_trains_one_model_through_its_own_network(train: Train) -> None:
    zero, one = train("lightgbm_network").reports
    assert zero["trees"] == one["trees"] == 3 and zero["model"] == one["model"]


def test_ray_runs_functions_of_the_notebook_in_processes_of_its_own(train: Train) -> None:
    assert train("ray_tasks", ranks=1).reports == [{"rank": 0, "squares": [0, 1, 4, 9]}]


def test_dask_makes_a_cluster_of_the_ranks(train: Train) -> None:
    zero, _ = train("dask_cluster").reports
    assert zero["workers"] == ["rank 0", "rank 1"] and zero["squares"] == [0, 1, 4, 9]


@pytest.mark.parametrize("script", [False, True])
def test_jax_finds_its_processes_without_being_told(train: Train, script: bool) -> None:
    assert train("jax_processes", script=script).reports == [
        {"rank": rank, "ranks": 2, "devices": 2, "seen": [1.0, 2.0]} for rank in range(2)
    ]
