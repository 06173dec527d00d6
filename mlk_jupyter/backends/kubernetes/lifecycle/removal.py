"""Stops a job and keeps its record, or removes it all; finds what jobs left behind. Only what bears our label."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable

from ....errors import MlkError
from ....model.api import Orphan
from ....text import listed
from .. import labels
from ..api.api_errors import ApiError, Conflict, Forbidden, NotFoundInCluster
from ..api.connection import Connection
from ..job_status import reading_of, submission_of
from ..kinds.fields import created_at, deleted_at, holds, label, orphaned, over, sequence, spec_of, text
from ..kinds.registry import kind_of, kinds, resource_of
from ..resources import CONFIG_MAPS, NETWORK_POLICIES, NODES, PODS, SERVICES, Manifest, Objects, Resource
from ..watch.holdings import Snapshot
from .creation import is_ours

_QUEUE = "kueue.x-k8s.io/queue-name"
_GONE_LIMIT_S = 60.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 5.0  # between two lists of what is left
_LOOK_AGAIN_S = 0.1  # at what a watch knows: costs nothing
_AT_ONCE_S = 1  # of activity: the shortest deadline
_MOST_ASKED = 4  # pods of which it is asked why they are still there
_LEFT_BEHIND = (CONFIG_MAPS, SERVICES, NETWORK_POLICIES)


Watched = Callable[[], Objects | None]


class NotGone(MlkError):
    """The cluster has not removed the job in time.

    Args: left: what the cluster still holds of it. why: a sentence for each that is known.
    """

    code, title, status = "not_gone", "The job is still being removed", 504

    def __init__(self, job_id: str, left: list[str], why: list[str]) -> None:
        super().__init__(
            " ".join([f"The cluster still holds {listed(left) or 'objects'} of {job_id}.", *why]),
            hint="What is being deleted goes by itself once nothing holds it. Delete the job again to see that it has.",
        )


async def stop(
    connection: Connection, objects: Objects, namespace: str, by: str | None, workloads: Resource | None
) -> None:
    """Ends the pods of a job and keeps its objects, and so its logs for as long as the pods last.

    A Job is over by a deadline in the past, and the cluster removes it when its time is up. Where there is no such
    thing (another kind of job, or one that is suspended, for which no deadline counts) the owner is suspended; with
    Kueue, which would start it again, its Workload is deactivated instead. That is no end for the cluster: `expire`.
    Pods that nobody owns have nobody who could end them, and are deleted.

    Args: workloads: Kueue's, as it is served.
    """
    await _delete_orphans(connection, [one for one in orphaned(objects) if not over(one)], objects.job_id, namespace)
    note = json.dumps({"by": by, "at": connection.clock()})
    for owner in objects.owners:
        kind, resource = kind_of(owner), resource_of(owner)
        if not is_ours(owner, objects.job_id):
            continue
        if kind.is_over(owner):
            if owner is objects.owners[-1] and _goes_on(objects):
                await _patch(connection, owner, resource, namespace, _annotated(owner, labels.STOPPED, note))
            continue
        if kind.deadline is not None and not kind.suspended(owner):
            changes = [*_annotated(owner, labels.STOPPED, note)]
            if not kind.fails(owner):
                changes.append(_set("/" + "/".join(kind.deadline), _AT_ONCE_S))
            await _patch(connection, owner, resource, namespace, changes)
            continue
        labelled = _QUEUE in (owner["metadata"].get("labels") or {})
        queued = labelled and objects.workload is not None and workloads is not None
        if queued:
            assert objects.workload is not None and workloads is not None
            await _patch(connection, objects.workload, workloads, namespace, [_set("/spec/active", False)])
        changes = [*_annotated(owner, labels.STOPPED, note)]
        if not queued:
            changes.append(_set("/" + "/".join(kind.suspend), True))
        await _patch(connection, owner, resource, namespace, changes)


async def delete(
    connection: Connection,
    objects: Objects,
    namespace: str,
    grace_s: int | None = None,
    *,
    watched: Watched = lambda: None,
    limit_s: float = _GONE_LIMIT_S,
) -> None:
    """Removes all objects of a job and waits until they are gone.

    Args:
        watched: what a watch knows of the job now; None while there is none.
        limit_s: how long pods may stay beyond their grace period.
    Raises: NotGone when they stay longer.
    """
    names = {labels.attempt_name(objects.job_id, 1)}
    for owner in objects.owners:
        metadata = owner["metadata"]
        names.add(metadata["name"])
        if is_ours(owner, objects.job_id):
            path = resource_of(owner).path(namespace, metadata["name"])
            await connection.delete(path, uid=metadata["uid"], grace_s=grace_s)
    await _delete_orphans(connection, orphaned(objects), objects.job_id, namespace)
    for name in sorted(names):  # those that nobody owns, because they were created with `kubectl apply`
        for resource, its_name in ((CONFIG_MAPS, labels.bundle_name(name)), (SERVICES, name), (NETWORK_POLICIES, name)):
            await _delete_ours(connection, resource, its_name, objects.job_id, namespace)
    await _until_gone(connection, objects, namespace, watched, limit_s)


async def expire(connection: Connection, objects: Objects, namespace: str) -> None:
    """Removes what is left of a job that was stopped and is kept no longer: the cluster takes it for suspended."""
    for owner in objects.owners:
        if is_ours(owner, objects.job_id):
            path = resource_of(owner).path(namespace, owner["metadata"]["name"])
            with contextlib.suppress(Conflict):
                await connection.delete(path, uid=owner["metadata"]["uid"])


async def orphans(connection: Connection, namespace: str, user: str, held: Snapshot, *, young_s: float) -> list[Orphan]:
    """Objects of a user's jobs whose job is gone. A kind that may not be listed is left out.

    Args:
        held:    what the cluster holds of all jobs.
        young_s: an object that is not so many seconds old may belong to a job that is being created; a pod may not.
    """
    alive = held.owned
    found = [_orphan(one["kind"], one) for one in held.orphans if deleted_at(one) is None]
    for resource in _LEFT_BEHIND:
        try:
            listing = await connection.list(resource.path(namespace), labels=labels.selector(user), metadata_only=True)
        except (Forbidden, NotFoundInCluster):
            continue
        for item in listing.items:
            metadata = item["metadata"]
            since = created_at(item)
            young = since is not None and connection.clock() - since < young_s
            # What has an owner goes with it.
            ends = metadata.get("ownerReferences") or metadata.get("deletionTimestamp")
            if label(item, labels.JOB) and label(item, labels.JOB) not in alive and not young and not ends:
                found.append(_orphan(resource.kind, item))
    return found


def _orphan(kind: str, item: Manifest) -> Orphan:
    return Orphan(
        kind=kind, name=item["metadata"]["name"], job=label(item, labels.JOB) or "", created_at=created_at(item)
    )


async def remove_orphans(connection: Connection, namespace: str, found: Iterable[Orphan]) -> list[Orphan]:
    """Removes orphans; gives those that it removed."""
    removed = []
    own = [kind.resource for kind in kinds().values()]
    resources = {resource.kind: resource for resource in (*_LEFT_BEHIND, PODS, *own)}
    for orphan in found:
        if await _delete_ours(connection, resources[orphan.kind], orphan.name, orphan.job, namespace):
            removed.append(orphan)
    return removed


def _goes_on(objects: Objects) -> bool:
    """Whether another attempt follows the one that is over."""
    asked = submission_of(objects)
    return asked is not None and reading_of(objects, asked).starts_again


def _set(path: str, value: object) -> dict[str, object]:
    return {"op": "add", "path": path, "value": value}  # `add` replaces what is there


def _annotated(found: Manifest, name: str, value: str) -> list[dict[str, object]]:
    escaped = name.replace("~", "~0").replace("/", "~1")
    there = found["metadata"].get("annotations")
    first = [] if there else [_set("/metadata/annotations", {})]
    return [*first, _set(f"/metadata/annotations/{escaped}", value)]


async def _patch(
    connection: Connection, found: Manifest, resource: Resource, namespace: str, changes: list[dict[str, object]]
) -> None:
    metadata = found["metadata"]
    test = {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]}  # never another object of that name
    await connection.patch(resource.path(namespace, metadata["name"]), [test, *changes])


async def _delete_orphans(connection: Connection, found: Iterable[Manifest], job_id: str, namespace: str) -> None:
    for one in found:
        if is_ours(one, job_id):
            path = (PODS if one["kind"] == PODS.kind else resource_of(one)).path(namespace, one["metadata"]["name"])
            with contextlib.suppress(Conflict):
                await connection.delete(path, uid=one["metadata"]["uid"])


async def _delete_ours(connection: Connection, resource: Resource, name: str, job_id: str, namespace: str) -> bool:
    path = resource.path(namespace, name)
    try:
        found = await connection.get(path)
        if not is_ours(found, job_id):
            return False
        await connection.delete(path, uid=found["metadata"]["uid"])
    except (NotFoundInCluster, Conflict):
        return False
    except Forbidden:
        if resource is NETWORK_POLICIES:  # nobody who may not read them can have created one
            return False
        raise
    return True


async def _until_gone(
    connection: Connection, objects: Objects, namespace: str, watched: Watched, limit_s: float
) -> None:
    grace_s = max((int(pod["spec"].get("terminationGracePeriodSeconds") or 0) for pod in objects.pods), default=30)
    end = asyncio.get_running_loop().time() + grace_s + limit_s
    makers = {resource_of(one) for one in (*objects.owners, *objects.children)}
    pause_s, heard = _FIRST_PAUSE_S, False
    while True:
        known, wait_s = watched(), _LOOK_AGAIN_S
        pods, others = (known.pods, [*known.owners, *known.children]) if known is not None else ([], [])
        there = known is not None and bool(known.exists or pods)
        if known is not None and heard and not there:
            return
        heard = heard or there
        if not there:  # a watch has not heard of it yet, or there is none
            pods, others = await _left(connection, objects.job_id, namespace, makers)
            if not pods and not others:
                return
            wait_s, pause_s = pause_s, min(_LAST_PAUSE_S, pause_s * 2)
        # Also those that lose their owner now: somebody's `--cascade=orphan` may still be at it.
        for pod in orphaned(Objects(objects.job_id, pods=pods)):
            await _delete_ours(connection, PODS, pod["metadata"]["name"], objects.job_id, namespace)
        if asyncio.get_running_loop().time() > end:
            why = [await _why_left(connection, pod["metadata"]["name"], namespace) for pod in pods[:_MOST_ASKED]]
            why += [_held(one) for one in others]
            left = [one["metadata"]["name"] for one in (*pods, *others)]
            raise NotGone(objects.job_id, left, [one for one in why if one])
        await asyncio.sleep(wait_s)


async def _why_left(connection: Connection, name: str, namespace: str) -> str | None:
    """Why a pod is still there, as far as it and its node say; None when they say nothing."""
    try:
        pod = await connection.get(PODS.path(namespace, name))
    except ApiError:
        return None
    if deleted_at(pod) is None:
        return f"Nothing has asked {name} to end."
    if over(pod) and _held(pod):
        return _held(pod)
    node = text(spec_of(pod).get("nodeName"))
    if not node:
        return None
    try:
        nodes = (await connection.list(NODES.path(), fields=f"metadata.name={node}")).items
    except ApiError:
        return f"{name} is on the node {node}, of which nothing can be seen from here."
    if not nodes:
        return f"{name} was on the node {node}, which is gone: an administrator can delete the pod by force."
    if holds(nodes[0], "Ready") is None:
        return f"The node {node} of {name} does not answer: an administrator can delete the pod by force."
    return f"The node {node} of {name} answers, and has not ended the pod yet."


def _held(one: Manifest) -> str | None:
    """What keeps an object that is being deleted."""
    finalizers = sequence(one["metadata"].get("finalizers"))
    name = one["metadata"]["name"]
    return f"{name} is held by {listed(finalizers)}: whoever set that has to let it go." if finalizers else None


async def _left(
    connection: Connection, job_id: str, namespace: str, makers: Iterable[Resource]
) -> tuple[list[Manifest], list[Manifest]]:
    """The pods that the cluster still holds of a job, and what it holds that could make more."""
    selector = labels.selector(job_id=job_id)
    pods = (await connection.list(PODS.path(namespace), labels=selector, metadata_only=True)).items
    others = []
    for resource in makers:
        others += (await connection.list(resource.path(namespace), labels=selector, metadata_only=True)).items
    return pods, others
