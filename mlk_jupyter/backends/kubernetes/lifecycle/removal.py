"""Stops a job and keeps its record, or removes it all; finds what jobs left behind. Only what bears our label."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from datetime import datetime

from ....errors import MlkError
from ....model.api import Orphan
from .. import labels
from ..api.api_errors import Conflict, Forbidden, NotFoundInCluster
from ..api.connection import Connection
from ..job_status import reading_of, submission_of
from ..kinds.registry import kind_of, resource_of
from ..resources import CONFIG_MAPS, NETWORK_POLICIES, PODS, SERVICES, Manifest, Objects, Resource
from .creation import is_ours

_QUEUE = "kueue.x-k8s.io/queue-name"
_GONE_LIMIT_S = 60.0
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 5.0  # between two lists of what is left
_LOOK_AGAIN_S = 0.1  # at what a watch knows: costs nothing
_LEFT_BEHIND = (CONFIG_MAPS, SERVICES, NETWORK_POLICIES)


Watched = Callable[[], Objects | None]


class NotGone(MlkError):
    """The cluster has not removed the job in time."""

    code, title, status = "not_gone", "The job is still being removed", 504

    def __init__(self, job_id: str, pods: list[str], held_by: list[str]) -> None:
        held = f" Held by: {', '.join(held_by)}." if held_by else ""
        super().__init__(
            f"The cluster still holds {', '.join(pods)} of {job_id}.{held}",
            hint="Its node may be gone. It disappears by itself, or an administrator removes the pods by force.",
        )


async def stop(
    connection: Connection, objects: Objects, namespace: str, by: str | None, workloads: Resource | None
) -> None:
    """Ends the pods of a job and keeps its objects, and so its logs for as long as the pods last.

    Suspends the owner. With Kueue, which would start it again, its Workload is deactivated instead.

    Args: workloads: Kueue's, as it is served.
    """
    note = json.dumps({"by": by, "at": connection.clock()})
    for owner in objects.owners:
        kind, resource = kind_of(owner), resource_of(owner)
        if not is_ours(owner, objects.job_id):
            continue
        if kind.is_over(owner):
            if owner is objects.owners[-1] and _goes_on(objects):
                await _patch(connection, owner, resource, namespace, _annotated(owner, labels.STOPPED, note))
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
) -> None:
    """Removes all objects of a job and waits until they are gone.

    Args:   watched: what a watch knows of the job now; None while there is none.
    Raises: NotGone when pods stay longer than their grace period and a minute.
    """
    names = {labels.attempt_name(objects.job_id, 1)}
    for owner in objects.owners:
        metadata = owner["metadata"]
        names.add(metadata["name"])
        if is_ours(owner, objects.job_id):
            path = resource_of(owner).path(namespace, metadata["name"])
            await connection.delete(path, uid=metadata["uid"], grace_s=grace_s)
    for name in sorted(names):  # those that nobody owns, because they were created with `kubectl apply`
        for resource, its_name in ((CONFIG_MAPS, labels.bundle_name(name)), (SERVICES, name), (NETWORK_POLICIES, name)):
            await _delete_ours(connection, resource, its_name, objects.job_id, namespace)
    await _until_gone(connection, objects, namespace, watched)


async def orphans(
    connection: Connection, namespace: str, user: str, living: Iterable[str], *, young_s: float
) -> list[Orphan]:
    """Objects of a user's jobs whose job is gone. A kind that may not be listed is left out.

    Args:
        living:  ids of the jobs that the cluster holds.
        young_s: an object that is not so many seconds old may belong to a job that is being created.
    """
    alive, found = set(living), []
    for resource in _LEFT_BEHIND:
        try:
            listing = await connection.list(resource.path(namespace), labels=labels.selector(user), metadata_only=True)
        except (Forbidden, NotFoundInCluster):
            continue
        for item in listing.items:
            metadata = item["metadata"]
            job_id = (metadata.get("labels") or {}).get(labels.JOB)
            created_at = _seconds(metadata.get("creationTimestamp"))
            young = created_at is not None and connection.clock() - created_at < young_s
            if job_id and job_id not in alive and not young and not metadata.get("deletionTimestamp"):
                found.append(Orphan(kind=resource.kind, name=metadata["name"], job=job_id, created_at=created_at))
    return found


async def remove_orphans(connection: Connection, namespace: str, found: Iterable[Orphan]) -> list[Orphan]:
    """Removes orphans; gives those that it removed."""
    removed = []
    resources = {resource.kind: resource for resource in _LEFT_BEHIND}
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


async def _until_gone(connection: Connection, objects: Objects, namespace: str, watched: Watched) -> None:
    grace_s = max((int(pod["spec"].get("terminationGracePeriodSeconds") or 0) for pod in objects.pods), default=30)
    end = asyncio.get_running_loop().time() + grace_s + _GONE_LIMIT_S
    makers = {resource_of(one) for one in (*objects.owners, *objects.children)}
    pause_s, heard = _FIRST_PAUSE_S, False
    while True:
        known, wait_s = watched(), _LOOK_AGAIN_S
        pods = known.pods if known is not None else []
        there = known is not None and bool(known.exists or pods)
        if known is not None and heard and not there:
            return
        heard = heard or there
        if not there:  # a watch has not heard of it yet, or there is none
            pods, others = await _left(connection, objects.job_id, namespace, makers)
            if not pods and not others:
                return
            wait_s, pause_s = pause_s, min(_LAST_PAUSE_S, pause_s * 2)
        if asyncio.get_running_loop().time() > end:
            held_by = {one for pod in pods for one in pod["metadata"].get("finalizers") or []}
            raise NotGone(objects.job_id, [pod["metadata"]["name"] for pod in pods], sorted(held_by))
        await asyncio.sleep(wait_s)


async def _left(
    connection: Connection, job_id: str, namespace: str, makers: Iterable[Resource]
) -> tuple[list[Manifest], bool]:
    """The pods that the cluster still holds of a job, and whether it holds anything that could make more."""
    selector = labels.selector(job_id=job_id)
    pods = (await connection.list(PODS.path(namespace), labels=selector, metadata_only=True)).items
    for resource in makers:
        if (await connection.list(resource.path(namespace), labels=selector, metadata_only=True)).items:
            return pods, True
    return pods, False


def _seconds(stamp: str | None) -> float | None:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() if stamp else None
