"""What a training is judged by is shown before its bookkeeping."""

from __future__ import annotations

import pytest

from mlk_jupyter.record.importance import by_importance, importance


@pytest.mark.parametrize(
    "name",
    [
        "loss", "train_loss_epoch", "train/loss", "eval_runtime_loss", "accuracy", "valAcc", "epoch_acc", "val-f1",
        "rollout/ep_rew_mean", "validation-mlogloss", "eval_something", "test_r2_score", "binary_logloss", "auc",
    ],
)  # fmt: skip
def test_losses_accuracies_rewards_and_what_was_evaluated_matter_most(name: str) -> None:
    assert importance(name) == 0


@pytest.mark.parametrize(
    "name",
    [
        "epoch",
        "learning_rate",
        "lr-SGD",
        "eval_samples_per_second",
        "eval_runtime",
        "time/fps",
        "total_flos",
        "grad_norm",
    ],
)
def test_counters_times_and_learning_rates_come_last(name: str) -> None:
    assert importance(name) == 2


def test_system_metrics_are_in_no_row_unless_they_were_asked_for() -> None:
    assert by_importance(["system/cpu_utilization_percentage", "pi"]) == ["pi"]
    assert by_importance(["loss", "system/gpu_0_power"], "system/gpu_0_power") == ["system/gpu_0_power", "loss"]


def test_equals_stay_in_the_order_in_which_they_came() -> None:
    assert by_importance(["epoch", "a", "zeta_loss", "alpha_loss", "b"]) == [
        "zeta_loss",
        "alpha_loss",
        "a",
        "b",
        "epoch",
    ]


def test_the_metric_that_the_notebook_named_is_the_first() -> None:
    assert by_importance(["loss", "b", "a"], "a") == ["a", "loss", "b"]
