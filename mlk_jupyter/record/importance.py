"""Which metrics a row has room for: what a training is judged by goes before its bookkeeping. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_RESULT = {
    "loss", "logloss", "mlogloss", "accuracy", "acc", "reward", "rewards", "rew", "return", "returns", "score",
    "error", "err", "merror", "rmse", "mse", "mae", "mape", "r2", "auc", "auroc", "auprc", "f1", "precision",
    "recall", "perplexity", "ppl", "nll", "elbo", "iou", "miou", "dice", "map", "ndcg", "bleu", "rouge", "wer",
    "cer", "psnr", "ssim", "fid", "kl",
}  # fmt: skip
_EVALUATION = {"eval", "evaluation", "val", "valid", "validation", "test"}
_BOOKKEEPING = {
    "epoch", "epochs", "step", "steps", "iter", "iters", "iteration", "iterations", "timestep", "timesteps",
    "updates", "batch", "lr", "learning", "momentum", "decay", "time", "runtime", "duration", "seconds", "second",
    "hours", "fps", "speed", "throughput", "tokens", "flos", "flops", "memory", "mem", "gpu", "cpu", "norm",
    "samples",
}  # fmt: skip


def importance(name: str) -> int | None:
    """How much a metric matters by its name, 0 the most: a loss, an accuracy, a reward or whatever was evaluated; then
    others; then learning rates, counters and times. None for MLflow's system metrics, which no row shows."""
    if name.startswith("system/"):
        return None
    words = _WORD.findall(_CAMEL.sub(" ", name).lower())
    if _RESULT.intersection(words):
        return 0
    if _BOOKKEEPING.intersection(words):
        return 2
    return 0 if _EVALUATION.intersection(words) else 1


def by_importance(names: Iterable[str], objective: str | None = None) -> list[str]:
    """The metrics that a row may show, `objective` first, then those that matter most; equals stay in their order."""
    ranked = [(name, -1 if name == objective else importance(name)) for name in names]
    return [name for name, rank in sorted(ranked, key=lambda one: one[1] or 0) if rank is not None]
