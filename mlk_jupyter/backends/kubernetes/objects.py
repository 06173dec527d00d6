"""Everything the cluster holds of one job, as plain JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

Manifest: TypeAlias = dict[str, Any]
"""One Kubernetes object as the API takes or gives it."""


@dataclass(frozen=True)
class Objects:
    """One job's objects at one moment, all attempts of it. What was not seen is absent."""

    job_id: str
    jobs: list[Manifest] = field(default_factory=list)
    """batch/v1 Jobs that bear its label: one for each attempt, or those that a JobSet made."""
    job_set: Manifest | None = None
    pods: list[Manifest] = field(default_factory=list)
    events: list[Manifest] = field(default_factory=list)
    """Of its Jobs, JobSet, pods and Workload; oldest first."""
    workload: Manifest | None = None
    """Kueue's."""
    now: float = 0.0
    """Seconds since the epoch by the server's clock when this was put together."""

    @property
    def exists(self) -> bool:
        """Whether the cluster still holds something that runs, or is the record of, the job."""
        return bool(self.jobs or self.job_set)
