"""Sentences about what becomes of a kernel. Pure."""

from __future__ import annotations

from ..figures import duration
from .kernels import Ended
from .watched import Watched


def why_stopped(kernel: Watched, kind: str) -> str:
    """Why a kernel is stopped, as the rest of a sentence about it: "was idle for 1 h 2 min and held 1 GPU"."""
    verdict, sample = kernel.verdict, kernel.sample
    for_so_long = "" if verdict.quiet_s is None else f" for {duration(verdict.quiet_s)}"
    gpus = sample.gpus.value if sample is not None else None
    held = "" if not gpus else f" and held {gpus} GPU{'s' if gpus > 1 else ''}"
    if kind == "asked":
        return "was stopped by a person"
    if kind == "age":
        return f"had run for longer than {duration(kernel.policy.max_age_s)}"
    if kind == "hung":
        return f"ran a cell that neither computed nor said anything{for_so_long}{held}"
    if kind == "input":
        return f"waited for an answer to input(){for_so_long}{held}"
    if kind == "delegated":
        return f"only waited for a job{for_so_long}{held}"
    return f"was idle{for_so_long}{held}"


def not_known(ended: Ended) -> str:
    """What of a stop is not known, as the end of the sentence that says why; empty where all is."""
    return "" if ended.knows_left else "; what it has left behind on a GPU is not known"
