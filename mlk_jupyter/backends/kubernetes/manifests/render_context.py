"""What is asked of a cluster when one attempt of a job is made, and what its objects share. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ....errors import MlkError
from ....model import JobSpec
from .. import labels
from ..resources import Manifest, Resource

WORKLOAD_PRIORITY = "kueue.x-k8s.io/priority-class"
"""Label that names a job's WorkloadPriorityClass."""
_MOST_ANNOTATIONS = 256 * 1024  # bytes of all keys and values of one object: the API server's limit


class AnnotationsTooLarge(MlkError):
    """The description of the job does not fit beside the job."""

    code, title, status = "annotations_too_large", "The job's description does not fit", 413

    def __init__(self, size: int, largest: str) -> None:
        super().__init__(
            f"The job's description has {size:,} bytes as annotations; a Kubernetes object carries "
            f"{_MOST_ANNOTATIONS:,}. Largest: {largest}.",
            hint="Put large parameters, environment variables or annotations into a file and name it in `files`.",
        )
        self.size = size


@dataclass(frozen=True)
class RenderContext:
    """One attempt of a job, all that its objects are made from."""

    id: str
    spec: JobSpec
    bundle: bytes = field(repr=False)
    """The zip that every rank runs."""
    namespace: str
    user: str
    """The user as they are called."""
    request_id: str
    nonce: str
    """Of the frames."""
    image: str
    """The spec's own, or the server's."""
    attempt: int = 1
    mlflow: Mapping[str, str] = field(default_factory=dict)
    """MLflow's variables, as `runs.environment` gives them for rank 0."""
    notices: Sequence[str] = ()
    """Sentences known when it is submitted."""
    addresses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """IP addresses of the hosts that `network.host_to_resolve` names; a NetworkPolicy knows no names."""
    workload_priority: bool = False
    """Whether the cluster has a WorkloadPriorityClass of the name that the spec gives as priority."""
    names_user: bool = True
    """Whether restricted pods say which user they run as; not so where the cluster chooses one."""
    submitted_by: str | None = None
    """Who of those that share the user."""

    @cached_property
    def sha256(self) -> str:
        """The bundle's name."""
        return hashlib.sha256(self.bundle).hexdigest()

    @property
    def owner(self) -> str:
        """Name of the object that is the job, and owns the others."""
        return labels.attempt_name(self.id, self.attempt)

    @property
    def labels(self) -> dict[str, str]:
        """Ours, which every object bears."""
        return {
            labels.MANAGED_BY: labels.OURS,
            labels.JOB: self.id,
            labels.USER: labels.user_label(self.user),
            labels.ATTEMPT: str(self.attempt),
        }


def manifest(resource: Resource, name: str, context: RenderContext) -> Manifest:
    """The beginning of an object of the job: what it is, its name and labels."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": context.namespace, "labels": context.labels},
    }


def owner_manifest(resource: Resource, context: RenderContext) -> Manifest:
    """The beginning of the object that owns the others, which bears the job's description.

    Raises: AnnotationsTooLarge.
    """
    options = context.spec.cluster
    ours = {
        labels.SPEC: context.spec.model_dump_json(),
        labels.REQUEST: context.request_id,
        labels.NONCE: context.nonce,
        labels.BUNDLE: context.sha256,
        labels.CREATED_BY: context.user,
    }
    if context.submitted_by is not None:
        ours[labels.SUBMITTED_BY] = context.submitted_by
    if context.notices:
        ours[labels.NOTICES] = json.dumps(list(context.notices), ensure_ascii=False)
    annotations = {**options.annotations, **ours}
    _check_size(annotations)
    found = manifest(resource, context.owner, context)
    found["metadata"]["labels"] = {**options.labels, **context.labels, **_kueue(context)}
    found["metadata"]["annotations"] = annotations
    return found


def _kueue(context: RenderContext) -> dict[str, str]:
    options = context.spec.cluster
    if options.queue is None:
        return {}
    found = {"kueue.x-k8s.io/queue-name": options.queue}
    if options.priority is not None and context.workload_priority:
        found[WORKLOAD_PRIORITY] = options.priority
    return found


def _check_size(annotations: Mapping[str, str]) -> None:
    sizes = {key: len(key.encode()) + len(value.encode("utf-8", "replace")) for key, value in annotations.items()}
    if sum(sizes.values()) > _MOST_ANNOTATIONS:
        raise AnnotationsTooLarge(sum(sizes.values()), max(sizes, key=lambda key: sizes[key]))
