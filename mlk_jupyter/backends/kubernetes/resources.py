"""The resources of the Kubernetes API that we use, where they live, and a job's objects as plain JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Resource:
    """One kind of object as the API serves it."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As it stands in an object, e.g. `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """As rights name it, e.g. `jobs.batch`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The path of a collection, of one object, or of a part of it such as its `log`."""
        start = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [start, *(["namespaces", namespace] if self.namespaced and namespace else []), self.plural]
        return "/".join([*parts, *([name] if name else []), *([subresource] if subresource else [])])


@dataclass(frozen=True)
class Rule:
    """Calls that one feature makes of one resource."""

    feature: str
    resource: Resource
    verbs: tuple[str, ...]
    why: str
    subresource: str | None = None
    everywhere: bool = False
    """In all namespaces at once."""

    @property
    def cluster_wide(self) -> bool:
        """Whether it takes a ClusterRole. Everybody's own namespace can be read with a Role in it."""
        return self.everywhere or (not self.resource.namespaced and self.resource is not NAMESPACES)

    @property
    def full_name(self) -> str:
        """As `kubectl auth can-i` has it, e.g. `jobs.batch` or `pods/log`."""
        return f"{self.resource.full_name}/{self.subresource}" if self.subresource else self.resource.full_name


JOBS = Resource("batch", "v1", "jobs", "Job")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("", "v1", "events", "Event")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SERVICES = Resource("", "v1", "services", "Service")
SECRETS = Resource("", "v1", "secrets", "Secret")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
LIMIT_RANGES = Resource("", "v1", "limitranges", "LimitRange")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
NODE_LEASES = "kube-node-lease"
"""The namespace in which each node renews a Lease of its name every ten seconds: that is its heartbeat."""
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False)
RESOURCE_SLICES = Resource("resource.k8s.io", "v1", "resourceslices", "ResourceSlice", namespaced=False)
RESOURCE_CLAIMS = Resource("resource.k8s.io", "v1", "resourceclaims", "ResourceClaim")
WORKLOADS = Resource("kueue.x-k8s.io", "v1beta2", "workloads", "Workload")
LOCAL_QUEUES = Resource("kueue.x-k8s.io", "v1beta2", "localqueues", "LocalQueue")
WORKLOAD_PRIORITIES = Resource(
    "kueue.x-k8s.io", "v1beta2", "workloadpriorityclasses", "WorkloadPriorityClass", namespaced=False
)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
RULES_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False
)

Manifest: TypeAlias = dict[str, Any]
"""One Kubernetes object as the API takes or gives it."""


@dataclass(frozen=True)
class Objects:
    """One job's objects at one moment, all attempts of it. What was not seen is absent."""

    job_id: str
    owners: list[Manifest] = field(default_factory=list)
    """What was created as the job: one for each attempt, or one that starts all ranks again by itself; oldest first."""
    children: list[Manifest] = field(default_factory=list)
    """What controllers made of these, pods apart; oldest first."""
    pods: list[Manifest] = field(default_factory=list)
    events: list[Manifest] = field(default_factory=list)
    """Of all of these and of its Workload; oldest first."""
    workload: Manifest | None = None
    """Kueue's."""
    now: float = 0.0
    """Seconds since the epoch by the server's clock when this was put together."""

    @property
    def exists(self) -> bool:
        """Whether the cluster still holds something that runs, or is the record of, the job."""
        return bool(self.owners or self.children)
