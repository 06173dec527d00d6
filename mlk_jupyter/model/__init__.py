"""Shapes of what is asked and what is seen. No I/O, nothing of ours imported."""

from .spec import JobSpec
from .status import (
    GpuSample,
    JobStatus,
    JobSummary,
    Metric,
    Phase,
    Progress,
    RankState,
    RankStatus,
    Reason,
    RunRef,
    RunState,
    Sample,
    Transition,
)

__all__ = [
    "GpuSample",
    "JobSpec",
    "JobStatus",
    "JobSummary",
    "Metric",
    "Phase",
    "Progress",
    "RankState",
    "RankStatus",
    "Reason",
    "RunRef",
    "RunState",
    "Sample",
    "Transition",
]
