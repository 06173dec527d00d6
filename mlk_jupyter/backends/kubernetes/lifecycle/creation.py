"""Creates the objects of a job: all of them or none, once however often it is tried.

The one that is the job first, the rest owned by it: whatever becomes of this process, deleting the owner takes all
along. Its pods wait for their ConfigMap meanwhile, which takes milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from ....errors import BackendUnavailable
from .. import labels
from ..api.api_errors import AlreadyThere, ApiError, NotFoundInCluster, ServerTrouble, Throttled, Unreachable
from ..api.connection import Connection
from ..kinds.registry import resource_of
from ..resources import Manifest, Resource
from ..timing import Limits

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class NameTaken(ApiError):
    """An object of that name is there, and it is not this job's."""

    code, title, status = "name_taken", "The name is taken in the cluster", 409

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"There is a {kind} {name} already that belongs to something else.", hint="Submit the job once more."
        )


class SubmissionUnknown(BackendUnavailable):
    """The cluster went away while the job was being created."""

    code, title = "submission_unknown", "Whether the job was created is not known"

    def __init__(self, job_id: str, error: ApiError) -> None:
        super().__init__(
            f"The cluster went away while {job_id} was being created: {error.detail}",
            hint="Submit again from the same dialog: a job that was created already is found, not made twice.",
        )


async def create(connection: Connection, manifests: Sequence[Manifest], namespace: str) -> tuple[Manifest, list[str]]:
    """Creates the objects of one attempt of a job, its owner being the first.

    Returns: the owner as the cluster holds it, and the warnings that the cluster gave.
    Raises:  ApiError as the cluster refuses, after what was made has been removed; SubmissionUnknown when the cluster
             does not answer for long: calling again with the same manifests then completes what was begun.
    """
    first, rest = manifests[0], manifests[1:]
    owner, made, warnings = await _create_owner(connection, first, namespace)
    try:
        for manifest in rest:
            warnings += await _create_owned(connection, owned_by(manifest, owner), namespace)
    except SubmissionUnknown:
        raise
    except ApiError:
        if made:
            await _take_back(connection, owner, namespace)
        raise
    return owner, warnings


async def complete(connection: Connection, owner: Manifest, rest: Sequence[Manifest], namespace: str) -> bool:
    """Creates what an owner lacks, because its creation was interrupted. Gives whether something was missing."""
    missing = False
    for manifest in rest:
        path = resource_of(manifest).path(namespace, manifest["metadata"]["name"])
        try:
            await connection.get(path)
        except NotFoundInCluster:
            missing = True
            await _create_owned(connection, owned_by(manifest, owner), namespace)
    return missing


def owned_by(item: Manifest, owner: Manifest) -> Manifest:
    """The same object, to be removed by the cluster when `owner`, as the cluster has created it, is gone.

    `blockOwnerDeletion` is left out: with it, some clusters (OpenShift) ask for a right that nobody needs otherwise.
    """
    found = copy.deepcopy(item)
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    found["metadata"]["ownerReferences"] = [reference]
    return found


def is_ours(found: Manifest, job_id: str) -> bool:
    """Whether an object bears our label and belongs to the job: nothing else is ever changed."""
    borne = found.get("metadata", {}).get("labels") or {}
    return borne.get(labels.MANAGED_BY) == labels.OURS and borne.get(labels.JOB) == job_id


def request_of(found: Manifest) -> str | None:
    """The request that an owner was made for."""
    request = (found.get("metadata", {}).get("annotations") or {}).get(labels.REQUEST)
    return request if isinstance(request, str) else None


async def _create_owner(connection: Connection, manifest: Manifest, namespace: str) -> tuple[Manifest, bool, list[str]]:
    """The owner, whether this call made it, and the cluster's warnings."""
    resource, metadata = resource_of(manifest), manifest["metadata"]
    job_id, name = metadata["labels"][labels.JOB], metadata["name"]
    lost = False  # an answer: the object may have been made all the same

    async def make() -> tuple[Manifest, bool, list[str]]:
        nonlocal lost
        try:
            answer = await connection.create(resource.path(namespace), manifest)
        except AlreadyThere:
            found = await connection.get(resource.path(namespace, name))
            if is_ours(found, job_id) and request_of(found) == request_of(manifest):
                return _typed(found, resource), lost, []
            raise NameTaken(manifest["kind"], name) from None
        except (Unreachable, ServerTrouble):  # a gateway that gave up waiting knows as little
            lost = True
            raise
        return _typed(answer.body, resource), True, list(answer.warnings)

    return await _patiently(make, job_id, connection.limits)


async def _create_owned(connection: Connection, manifest: Manifest, namespace: str) -> list[str]:
    resource, metadata = resource_of(manifest), manifest["metadata"]
    job_id, name = metadata["labels"][labels.JOB], metadata["name"]

    async def make() -> list[str]:
        try:
            return list((await connection.create(resource.path(namespace), manifest)).warnings)
        except AlreadyThere:
            found = await connection.get(resource.path(namespace, name))
            if is_ours(found, job_id):
                return []
            raise NameTaken(manifest["kind"], name) from None

    return await _patiently(make, job_id, connection.limits)


async def _patiently(make: Callable[[], Awaitable[_T]], job_id: str, limits: Limits) -> _T:
    """Tries again while the cluster is away, busy or in trouble; what it refuses stays refused."""
    wait_s = limits.first_wait_s
    for number in range(1, limits.tries + 1):
        try:
            return await make()
        except (Unreachable, Throttled, ServerTrouble) as error:
            if number == limits.tries:
                if isinstance(error, Unreachable):
                    raise SubmissionUnknown(job_id, error) from error
                raise
            await asyncio.sleep(max(wait_s, getattr(error, "retry_after_s", None) or 0.0))
            wait_s = min(limits.longest_wait_s, wait_s * 2)
    raise AssertionError("unreachable")


async def _take_back(connection: Connection, owner: Manifest, namespace: str) -> None:
    """Removes an owner whose rest was refused; the cluster removes what it owns."""
    metadata = owner["metadata"]
    with contextlib.suppress(NotFoundInCluster):
        try:
            path = resource_of(owner).path(namespace, metadata["name"])
            await connection.delete(path, uid=metadata["uid"], grace_s=0)
        except ApiError as error:
            logger.warning("%s %s could not be taken back: %s", owner["kind"], metadata["name"], error.detail)


def _typed(found: Manifest, resource: Resource) -> Manifest:
    """With its kind, which the API leaves out in lists."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **found}
