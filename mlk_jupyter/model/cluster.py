"""What is asked of a cluster beside workers and GPUs. No I/O; a job on this machine does without it.

Names, labels and quantities are held to Kubernetes' own rules here, so that a typing error is found where it was made.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from .affinity import checked
from .base import StrictModel
from .destinations import destination
from .names import (
    EnvName,
    Image,
    Key,
    KindName,
    LabelKey,
    LabelValue,
    MountPath,
    ObjectName,
    Quantity,
    Resource,
    SelectorKey,
    ShortName,
    SubPath,
    env_name,
)
from .texts import parsed, seconds, words

RANK_MEMORY = "2Gi"
"""What is requested for each rank where no memory is named; there is no limit then."""
SHARED_MEMORY = "1Gi"
"""Size of /dev/shm where no memory is named: a container's own has 64 MiB, too little for data loaders."""


class Toleration(StrictModel):
    """A taint that the pods may ignore, in Kubernetes' own words."""

    key: SelectorKey | None = None
    """None with operator Exists tolerates every taint."""
    operator: Literal["Equal", "Exists"] = "Exists"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """None means every effect."""

    @model_validator(mode="after")
    def _fits(self) -> Toleration:
        if self.operator == "Exists" and self.value:
            raise ValueError("a toleration with operator Exists has no value")
        if self.operator == "Equal" and not self.key:
            raise ValueError("a toleration with operator Equal needs a key")
        return self


class Volume(StrictModel):
    """Files that the pods see at a path. Exactly one of claim, image and empty_dir."""

    path: MountPath
    claim: ObjectName | None = None
    """Name of a PersistentVolumeClaim."""
    image: Image | None = None
    """An OCI image whose files are mounted (Kubernetes 1.33 and later)."""
    empty_dir: Quantity | None = None
    """Size limit of an empty folder that lives as long as the pod."""
    read_only: bool = False
    sub_path: SubPath | None = None
    """Folder in the claim; None means all of it."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Volume:
        if sum(source is not None for source in (self.claim, self.image, self.empty_dir)) != 1:
            raise ValueError("a volume needs exactly one of claim, image and empty_dir")
        return self


class EnvFrom(StrictModel):
    """Environment variables out of a Secret or ConfigMap, by name only: its values are never read here."""

    secret: ObjectName | None = None
    config_map: ObjectName | None = None
    key: Key | None = None
    """One key; None means all of them."""
    name: EnvName | None = None
    """The variable that gets it; None means the key itself."""

    @model_validator(mode="after")
    def _has_one_source(self) -> EnvFrom:
        if (self.secret is None) == (self.config_map is None):
            raise ValueError("needs exactly one of secret and config_map")
        if self.name is not None and self.key is None:
            raise ValueError(f"{self.name} needs the key that it is read from")
        if self.key is not None and self.name is None:
            env_name(self.key)
        return self


def _allowed(text: str) -> str:
    destination(text)
    return text


class Network(StrictModel):
    """A NetworkPolicy of the job's own: its ranks among themselves, DNS, MLflow, and what is named here; nothing else.

    The cluster's network plugin has to enforce it, which cannot be seen from here.
    """

    allow: list[Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(_allowed)]] = (
        Field(default_factory=list, max_length=50)
    )
    """Where the job may go besides: a CIDR or an IP address, with a TCP port if you like, e.g. `10.0.0.0/8:443`."""


class ClusterOptions(StrictModel):
    """What is asked of a cluster. Everything has a default but the image, which a server may set for everybody."""

    image: Image | None = None
    """Needs Python 3.9 or later as `python3` or `python`, and what the notebook imports; nothing of ours."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """None means Kubernetes' default: Always for the tag `latest`, else IfNotPresent."""
    image_pull_secrets: list[ObjectName] = Field(default_factory=list, max_length=10)
    kind: KindName | None = None
    """What the job is in the cluster, e.g. job or jobset; None: what fits best of what the cluster serves."""
    cpu: Quantity | None = None
    """CPU of each worker, requested and the limit; None requests one core for each rank and sets no limit."""
    memory: Quantity | None = None
    """Memory of each worker, requested and the limit; None requests 2Gi for each rank and sets no limit."""
    shared_memory: Quantity | None = None
    """Size of /dev/shm; None means half of `memory`, or 1Gi without. It counts against the memory limit."""
    gpu_resource: Resource = "nvidia.com/gpu"
    """What `gpus` counts, e.g. nvidia.com/mig-1g.10gb, nvidia.com/gpu.shared, amd.com/gpu, google.com/tpu."""
    gpu_product: LabelValue | None = None
    """Value of the node label nvidia.com/gpu.product, e.g. NVIDIA-A100-SXM4-80GB."""
    node_selector: dict[SelectorKey, LabelValue] = Field(default_factory=dict)
    affinity: Annotated[dict[str, Any] | None, AfterValidator(checked), BeforeValidator(parsed)] = None
    """A Kubernetes `affinity`, as it stands in a pod; also as JSON text."""
    tolerations: list[Toleration] = Field(default_factory=list, max_length=50)
    one_worker_per_node: bool = False
    spot: Literal["allowed", "required"] | None = None
    """Whether the pods may, or must, run on spot nodes (EKS, GKE, AKS, Karpenter); None adds nothing."""
    queue: ShortName | None = None
    """Kueue LocalQueue."""
    priority: ShortName | None = None
    """PriorityClass; with a queue, the name of the WorkloadPriorityClass as well where one of that name exists."""
    service_account: ObjectName | None = None
    """None means the namespace's default. Its token is not mounted."""
    env_from: list[EnvFrom] = Field(default_factory=list, max_length=100)
    volumes: list[Volume] = Field(default_factory=list, max_length=50)
    checkpoints: ObjectName | None = None
    """PersistentVolumeClaim for what `checkpoint_dir()` names, kept between attempts. None: lost with the pod."""
    staging: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=10_000)]], BeforeValidator(words)
    ] = Field(default_factory=list, max_length=100)
    """A command, word by word or as one text, that every worker runs in the notebook's folder first."""
    staging_image: Image | None = None
    """Image for the staging command, if not the job's own."""
    network: Network | None = None
    """None leaves the network as the namespace has it."""
    run_as: Literal["restricted", "image"] = "restricted"
    """`restricted` meets Pod Security's strictest level (user 10001); `image` runs as the image says."""
    keep_s: Annotated[int, Field(ge=60, le=366 * 86_400), BeforeValidator(seconds)] = 7 * 86_400
    """Seconds that the finished job's objects stay in the cluster. Its record here stays until it is deleted."""
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    """How often all ranks are started again together after a preemption, eviction or lost node."""
    labels: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    annotations: dict[LabelKey, Annotated[str, Field(max_length=10_000)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _mounts_differ(self) -> ClusterOptions:
        paths = [volume.path for volume in self.volumes]
        double = next((path for path in paths if paths.count(path) > 1), None)
        if double:
            raise ValueError(f"two volumes are mounted at {double}")
        return self
