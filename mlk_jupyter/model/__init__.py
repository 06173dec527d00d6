"""Shapes of what is asked and what is seen. No I/O, nothing of ours imported."""

from .cluster import ClusterOptions
from .spec import JobSpec
from .status import (
    Attempt,
    GpuSample,
    JobStatus,
    JobSummary,
    Metric,
    Phase,
    Progress,
    RankFailure,
    RankState,
    RankStatus,
    Reason,
    RunRef,
    RunState,
    Sample,
    Step,
    Transition,
)

__all__ = [
    "Attempt",
    "ClusterOptions",
    "GpuSample",
    "JobSpec",
    "JobStatus",
    "JobSummary",
    "Metric",
    "Phase",
    "Progress",
    "RankFailure",
    "RankState",
    "RankStatus",
    "Reason",
    "RunRef",
    "RunState",
    "Sample",
    "Step",
    "Transition",
]
