"""From a spec and its bundle to what is asked of one cluster: the same for preview, preflight and submission."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from collections.abc import Sequence

from ....bundle import Bundle
from ....errors import MlkError
from ....model import JobSpec, JobStatus, Phase, Reason, Step, Transition
from ....model.ids import new_job_id
from ....record.folder import JobFolder
from ....threads import in_thread
from .. import labels
from ..api.api_errors import NotFoundInCluster
from ..cluster import Cluster
from ..kinds.attempt import attempt_of
from ..kinds.fields import container_asked, label
from ..kinds.registry import choose, kind_of, resource_of
from ..manifests.bundle import code_in
from ..manifests.network import host_to_resolve
from ..manifests.render_context import WORKLOAD_PRIORITY, RenderContext
from ..recording.mlflow import mlflow_environment
from ..resources import CONFIG_MAPS, Manifest, Objects
from ..rights.discovery import Served
from ..status.submitted import SubmittedJob
from .creation import complete, create, request_of


class NoImage(MlkError):
    """A job on a cluster was asked for without saying which image it runs in."""

    code, title, status = "no_image", "The job has no image", 422

    def __init__(self) -> None:
        super().__init__(
            "A job on a cluster runs in a container image, and none is named.",
            hint="Name one with Python 3.9 or later and your libraries: `--image`, the field Image, or MLK_IMAGE.",
        )


def nonce_of(request_id: str) -> str:
    """The nonce of a job's frames. Of the request, so that a submission which is repeated asks for the same objects."""
    return hashlib.sha256(f"frames {request_id}".encode()).hexdigest()[:16]


async def context_of(
    cluster: Cluster,
    spec: JobSpec,
    bundle: bytes,
    request_id: str,
    *,
    image: str | None,
    notices: Sequence[str] = (),
    attempt: int = 1,
    workload_priority: bool = False,
) -> RenderContext:
    """What is asked of the cluster.

    Args:   image: for a spec that names none.
    Raises: NoImage.
    """
    found = spec.cluster.image or image
    if found is None:
        raise NoImage()
    job_id = new_job_id(spec.name, request_id)
    plain = RenderContext(
        id=job_id,
        spec=spec,
        bundle=bundle,
        namespace=cluster.namespace,
        user=cluster.user,
        request_id=request_id,
        nonce=nonce_of(request_id),
        image=found,
        attempt=attempt,
        mlflow=mlflow_environment(spec, job_id),
        notices=notices,
        workload_priority=workload_priority,
    )
    if spec.cluster.network is None:
        return plain
    return dataclasses.replace(plain, addresses=await cluster.addresses(host_to_resolve(plain)))


def for_request(context: RenderContext, request_id: str, submitted_by: str | None) -> RenderContext:
    """The same for another request: under its own name, with its own frames and run."""
    job_id = new_job_id(context.spec.name, request_id)
    return dataclasses.replace(
        context,
        id=job_id,
        request_id=request_id,
        submitted_by=submitted_by,
        nonce=nonce_of(request_id),
        mlflow=mlflow_environment(context.spec, job_id),
    )


def manifests(context: RenderContext, served: Served) -> list[Manifest]:
    """The objects to create, the owner first.

    Raises: AnnotationsTooLarge, KindUnavailable.
    """
    return choose(context.spec, served.kinds).manifests(_as_served(context, served))


def _as_served(context: RenderContext, served: Served) -> RenderContext:
    return dataclasses.replace(context, names_user=not served.assigns_users)


def first_status(context: RenderContext, folder: JobFolder, backend: str) -> JobStatus:
    """The status of a job that is being submitted now."""
    now = time.time()
    spec = context.spec
    return JobStatus.of(
        spec,
        id=context.id,
        backend=backend,
        phase=Phase.QUEUED,
        reason=Reason(code=Step.SUBMITTED.value, text="Its objects are being created in the cluster."),
        submitted_by=context.submitted_by,
        created_at=now,
        timeline=[Transition(phase=Phase.QUEUED, at=now)],
        notices=list(dict.fromkeys(context.notices)),
        folder=str(folder.path),
    )


def preview_request(spec: JobSpec, bundle: Bundle) -> str:
    """A request id for objects that are only shown: the same job gives the same names."""
    text = f"preview {spec.model_dump_json()} {bundle.sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class NotMade(MlkError):
    """An attempt or a missing part of a job cannot be made."""

    code, title, status = "not_made", "The job cannot be completed", 409


async def complete_submission(cluster: Cluster, job: SubmittedJob, owner: Manifest, folder: JobFolder) -> None:
    """Makes what a job lacks whose submission was cut off after its owner was made.

    Raises: ApiError, NotMade.
    """
    context = await _context_again(cluster, job, owner, await _bundle(cluster, owner, folder), attempt_of(owner))
    await complete(cluster.connection, owner, kind_of(owner).manifests(context)[1:], cluster.namespace)


async def make_attempt(cluster: Cluster, job: SubmittedJob, objects: Objects, folder: JobFolder, number: int) -> None:
    """Creates all objects of the next attempt; one that is there already is taken for it.

    An attempt that was made while somebody stopped the job is removed again.

    Raises: ApiError, NotMade.
    """
    last = max(objects.owners, key=attempt_of)
    context = await _context_again(cluster, job, last, await _bundle(cluster, last, folder), number)
    made, _ = await create(cluster.connection, kind_of(last).manifests(context), cluster.namespace)
    resource = resource_of(last)
    path = resource.path(cluster.namespace, last["metadata"]["name"])
    with contextlib.suppress(NotFoundInCluster):
        if labels.STOPPED in ((await cluster.connection.get(path))["metadata"].get("annotations") or {}):
            name, uid = made["metadata"]["name"], made["metadata"]["uid"]
            await cluster.connection.delete(resource.path(cluster.namespace, name), uid=uid)


async def _context_again(
    cluster: Cluster, job: SubmittedJob, owner: Manifest, bundle: bytes, attempt: int
) -> RenderContext:
    request = request_of(owner)
    if request is None or new_job_id(job.spec.name, request) != job.id:
        raise NotMade(f"{job.id} does not say which request made it.", hint="Submit it again.")
    image = container_asked(kind_of(owner).pod_template(owner)).get("image")
    context = await context_of(
        cluster,
        job.spec,
        bundle,
        request,
        image=image,
        notices=job.notices,
        attempt=attempt,
        workload_priority=label(owner, WORKLOAD_PRIORITY) is not None,
    )
    context = dataclasses.replace(context, submitted_by=job.submitted_by)
    return _as_served(context, (await cluster.offer()).served)


async def _bundle(cluster: Cluster, owner: Manifest, folder: JobFolder) -> bytes:
    """The job's code, from the record or from the attempt before."""
    try:
        return await in_thread(folder.bundle.read_bytes)
    except OSError:
        pass
    name, found = labels.bundle_name(owner["metadata"]["name"]), None
    with contextlib.suppress(NotFoundInCluster):
        found = code_in(await cluster.connection.get(CONFIG_MAPS.path(cluster.namespace, name)))
    if found is None:
        raise NotMade(f"The code of {folder.id} is gone with ConfigMap {name}.", hint="Submit it again.")
    return found
