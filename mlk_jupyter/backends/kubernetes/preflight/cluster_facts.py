"""What is known of a cluster when a job is about to be submitted. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ....errors import BackendUnavailable, MlkError
from ..resources import Manifest
from ..rights.access import Access
from ..rights.discovery import Served


@dataclass(frozen=True)
class ClusterFacts:
    """The cluster at one moment, as far as the user may see it. None: not known; `unknown` says why."""

    namespace: str
    served: Served = field(default_factory=Served)
    access: Access | None = None
    quotas: Sequence[Manifest] | None = None
    """ResourceQuotas of the namespace."""
    limit_ranges: Sequence[Manifest] | None = None
    claims: Sequence[Manifest] | None = None
    """PersistentVolumeClaims of the namespace."""
    pods: Sequence[Manifest] | None = None
    """Pods of the namespace that are not over."""
    config_maps: Mapping[str, bool | None] = field(default_factory=dict)
    """Name of each ConfigMap that the job refers to → whether it exists."""
    service_account: bool | None = None
    """Whether the job's ServiceAccount exists."""
    account_pull_secrets: Sequence[str] = ()
    """Image pull secrets that the ServiceAccount brings along."""
    priority_class: bool | None = None
    """Whether the job's PriorityClass exists."""
    workload_priority: bool | None = None
    """Whether Kueue has a WorkloadPriorityClass of that name."""
    queues: Sequence[Manifest] | None = None
    """Kueue's LocalQueues of the namespace."""
    nodes: Sequence[Manifest] | None = None
    all_pods: Sequence[Manifest] | None = None
    """Pods of all namespaces that hold room on nodes."""
    namespace_labels: Mapping[str, str] | None = None
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Name of a field above → why it is not known, as a clause: "there is no right to list nodes"."""


@dataclass(frozen=True)
class Outcome:
    """What the cluster answered when it was asked to create one object in a dry run."""

    kind: str
    name: str
    warnings: Sequence[str] = ()
    error: MlkError | None = None
    """Why it would not be created; None when it would be."""
    object: Manifest | None = None
    """As it would be created, with all that defaults and admission add; None where it would not be."""

    @property
    def judged(self) -> bool:
        """Whether that was the cluster's word on the object: not that it could not be tried."""
        return not isinstance(self.error, BackendUnavailable) and NO_DRY_RUN not in str(self.error)


DryRun = Sequence[Outcome]
"""A server-side dry run of all objects of a job."""
NO_DRY_RUN = "does not support dry run"
"""What an API server says where a webhook has side effects."""
