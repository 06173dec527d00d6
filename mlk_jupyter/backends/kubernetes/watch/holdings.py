"""What a cluster holds of our jobs: packed, by job. The objects of a job are unpacked when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import labels
from ..kinds.fields import controller, seconds
from ..resources import Manifest, Objects
from .pruning import unpacked

PLACES = ("jobs", "pods", "workloads", "events")
"""What is kept apart. Jobs are of whatever kind, those that a controller made of others among them."""


class Holdings:
    """Packed objects by their uid, and the uids by job.

    Its tables hold text and objects that are flat, and no tables: with one of its own for each of 10,000 jobs, the
    garbage collector has 50,000 more things to walk through, and the event loop stands still meanwhile.
    """

    def __init__(self) -> None:
        self._objects: dict[str, dict[str, Manifest]] = {place: {} for place in PLACES}
        self._uids: dict[str, dict[str, tuple[str, ...]]] = {place: {} for place in PLACES}

    def put(self, place: str, packed: Manifest) -> str | None:
        """Takes an object in its newest state. Gives its job; None when it is of none of ours."""
        job_id, uid = job_of(packed), packed["uid"]
        if job_id is None:
            return None
        uids = self._uids[place]
        if uid not in self._objects[place]:
            uids[job_id] = (*uids.get(job_id, ()), uid)
        elif place == "events":  # of these the latest counts: one that changed goes to the end
            uids[job_id] = (*(other for other in uids[job_id] if other != uid), uid)
        self._objects[place][uid] = packed
        return job_id

    def drop(self, place: str, packed: Manifest) -> str | None:
        """Forgets an object. Gives its job; None when it is of none of ours."""
        job_id, uid = job_of(packed), packed["uid"]
        if job_id is not None and self._objects[place].pop(uid, None) is not None:
            left = tuple(other for other in self._uids[place][job_id] if other != uid)
            if left:
                self._uids[place][job_id] = left
            else:
                del self._uids[place][job_id]
        return job_id

    def packed(self, place: str, job_id: str) -> list[Manifest]:
        """One job's, in the order in which they came."""
        return [self._objects[place][uid] for uid in self._uids[place].get(job_id, ())]

    def exists(self, job_id: str) -> bool:
        """Whether the job itself is there, and not merely pods of it that are ending."""
        return job_id in self._uids["jobs"]

    def job_ids(self) -> set[str]:
        """Jobs of which there is something, be it only pods that are ending."""
        return self._uids["jobs"].keys() | self._uids["pods"].keys()

    def objects(self, job_id: str, now: float) -> Objects:
        """What there is of one job; nothing for one that is not known."""
        owners: list[Manifest] = []
        children: list[Manifest] = []
        for job in _by_age(self.packed("jobs", job_id)):
            (owners if _is_owner(job, job_id) else children).append(job)
        return Objects(
            job_id=job_id,
            owners=owners,
            children=children,
            pods=_by_age(self.packed("pods", job_id)),
            events=sorted(map(unpacked, self.packed("events", job_id)), key=_event_time),
            workload=next(reversed(_by_age(self.packed("workloads", job_id))), None),
            now=now,
        )

    def owned(self) -> set[str]:
        """Jobs whose own object is there, or one that a controller made of it and that goes with it."""
        owners = (one for one in self._objects["jobs"].values() if not _is_orphan(one))
        return {job_id for job_id in map(job_of, owners) if job_id is not None}

    def created(self) -> dict[str, float]:
        """When each job was created of which it is said how it was submitted, in seconds since the epoch."""
        found: dict[str, float] = {}
        for one in self._objects["jobs"].values():
            job_id, at = job_of(one), seconds(one["creationTimestamp"])
            if one["described"] and job_id is not None and at is not None:
                found[job_id] = min(at, found.get(job_id, at))
        return found

    def orphans(self) -> list[Manifest]:
        """What runs, or ran, and lost its owner."""
        return _by_age(one for place in ("jobs", "pods") for one in self._objects[place].values() if _is_orphan(one))


class Snapshot(Mapping[str, Objects]):
    """All jobs at one moment. Unpacks a job's objects when they are asked for: those of 10,000 at once are 200 MB."""

    def __init__(self, held: Holdings, now: float) -> None:
        self._held, self._now, self._job_ids = held, now, held.job_ids()

    def __getitem__(self, job_id: str) -> Objects:
        if job_id not in self._job_ids:
            raise KeyError(job_id)
        return self._held.objects(job_id, self._now)

    def __iter__(self) -> Iterator[str]:
        return iter(self._job_ids)

    def __len__(self) -> int:
        return len(self._job_ids)

    def created(self) -> dict[str, float]:
        """See `Holdings`."""
        return self._held.created()

    @property
    def owned(self) -> set[str]:
        """See `Holdings`."""
        return self._held.owned()

    @property
    def orphans(self) -> list[Manifest]:
        """See `Holdings`."""
        return self._held.orphans()


def job_of(packed: Manifest) -> str | None:
    """The job of a packed object: `about` is the job's id, or the name of what an event is about."""
    about: str = packed["about"]
    return labels.job_of(about)


def _is_owner(job: Manifest, job_id: str) -> bool:
    """By name too: a Job that was made of a JobSet, and has lost its reference to it, is no attempt of ours."""
    return not controller(job) and labels.is_attempt_name(job["metadata"]["name"], job_id)


def _is_orphan(packed: Manifest) -> bool:
    """Whether a packed pod, or object that makes pods, has lost its owner: nothing ends it but its own end."""
    name: str = packed["name"]
    return packed["loose"] and not labels.is_attempt_name(name, labels.job_of(name) or "")


def _by_age(some: Iterable[Manifest]) -> list[Manifest]:
    return sorted(
        map(unpacked, some),
        key=lambda one: (str(one["metadata"].get("creationTimestamp", "")), one["metadata"]["name"]),
    )


def _event_time(event: Manifest) -> tuple[str, int]:
    """Events of newer components have `eventTime` and perhaps a series; others first and last times."""
    series: dict[str, Any] = event.get("series") or {}
    metadata = event["metadata"]
    at = (
        series.get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
        or metadata.get("creationTimestamp")
        or ""
    )
    version = str(metadata.get("resourceVersion", ""))
    return str(at)[:19], int(version) if version.isdigit() else 0
