"""What each kind of job says of itself, so that nobody else has to know it. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ....model import JobSpec, Reason
from ..manifests.bundle import bundle
from ..manifests.network import network_policy
from ..manifests.render_context import RenderContext
from ..resources import JOBS, Manifest, Objects, Resource, Rule
from .attempt import Started, attempt_of, events_of, in_order, workload_of
from .fields import (
    before_resumption,
    condition,
    controller,
    created_at,
    deleted_at,
    holds,
    indexed_worker,
    mapping,
    metadata,
    newest_pods,
    orphaned,
    over,
    sequence,
    status,
    text,
    uid,
)


class JobKind(ABC):
    """One kind of object that a job may be. What it does not say itself is as with Kubernetes' own Job."""

    resource: ClassVar[Resource]
    """Of the object that is the job, and owns the others."""
    noun: ClassVar[str] = "a job"
    """What it is called where rights to it are explained."""
    restarts_itself: ClassVar[bool] = False
    """Whether its controller starts all ranks again, as often as the spec's `retries` say. Else it is done from here,
    by the same object anew for each attempt."""
    suspend: ClassVar[tuple[str, ...]] = ("spec", "suspend")
    """Where it says whether it is to have no pods."""
    deadline: ClassVar[tuple[str, ...] | None] = None
    """Where it says how many seconds it may be active, so that it ends for good; None where it cannot be ended so."""
    condition_types: ClassVar[Mapping[str, str]] = {}
    """Its own types of condition → what a Job's are called, where they differ."""
    refusals: ClassVar[tuple[str, ...]] = ("FailedCreate",)
    """Reasons of events that say that pods, or what makes them, could not be created."""
    creates: ClassVar[tuple[Resource, ...]] = ()
    """Of what is created beside it, a ConfigMap and a NetworkPolicy apart."""

    @property
    def name(self) -> str:
        """What it is asked for by, e.g. `jobset`."""
        return self.resource.kind.lower()

    # How it is made

    def preference(self, spec: JobSpec) -> int:
        """How well it fits a job: of those that a cluster serves the highest is taken; 0: only when asked for."""
        return 0

    @abstractmethod
    def render(self, context: RenderContext) -> list[Manifest]:
        """The object that is the job, and then what it needs beside it. The same input gives the same bytes.

        Every pod template bears the context's labels. Raises: AnnotationsTooLarge.
        """

    @abstractmethod
    def pod_template(self, owner: Manifest) -> Manifest:
        """The `metadata` and `spec` of a worker's pod, out of what `render` gave or the cluster holds."""

    def manifests(self, context: RenderContext) -> list[Manifest]:
        """All objects of one attempt in the order to create them; the first is to own the others.

        Raises: AnnotationsTooLarge.
        """
        owner, *beside = self.render(context)
        policies = [network_policy(context)] if context.spec.cluster.network is not None else []
        return [owner, bundle(context), *beside, *policies]

    # What became of it. Objects come from a cluster: whatever their shape, nothing here raises.

    def starts(self, objects: Objects) -> list[Started]:
        """All starts that the cluster still knows, the newest last; at least one, though it may hold nothing."""
        events = in_order(objects.events)
        owners = objects.owners[-1:] if self.restarts_itself else objects.owners
        found = sorted(((self.number_of(owner), owner) for owner in owners), key=lambda one: one[0])
        if not found:  # the owner is gone and its pods are not yet
            last = max(map(self.attempt_of, objects.pods), default=1)
            return [self._start(last, None, objects, events)]
        return [self._start(number, owner, objects, events) for number, owner in found]

    def number_of(self, owner: Manifest) -> int:
        """The attempt that an owner is at, from 1."""
        return self.attempt_of(owner)

    def attempt_of(self, item: Manifest) -> int:
        """The attempt that a pod, or an object that makes pods, belongs to."""
        return attempt_of(item)

    def worker_of(self, pod: Manifest) -> int:
        """The number of the worker that a pod is, from 0."""
        return indexed_worker(pod)

    def pods_of(self, objects: Objects, attempt: int) -> dict[int, Manifest]:
        """The pod that counts of each worker, in one attempt."""
        pods = [pod for pod in objects.pods if self.attempt_of(pod) == attempt]
        return newest_pods(_of_this_run(pods, self._job_of_attempt(objects, attempt)), self.worker_of)

    def run_of(self, objects: Objects, attempt: int) -> str:
        """Since when an attempt runs whose Job was suspended and went on, as it says; empty for one that never was.

        Kueue takes a job out of the cluster so, and its ranks begin anew under the same name and number.
        """
        job = self._job_of_attempt(objects, attempt)
        return text(status(job).get("startTime")) if condition(job, "Suspended") is not None else ""

    def is_out(self, objects: Objects, attempt: int) -> bool:
        """Whether the Job of an attempt is suspended, as it says."""
        return holds(self._job_of_attempt(objects, attempt), "Suspended") is not None

    def _job_of_attempt(self, objects: Objects, attempt: int) -> Manifest | None:
        owner = next((one for one in objects.owners if self.number_of(one) == attempt), None)
        return self.job_of(owner, [one for one in objects.children if self.attempt_of(one) == attempt])

    def conditions(self, owner: Manifest | None) -> list[dict[str, Any]]:
        """An owner's conditions, by the names that a Job's have."""
        found = map(mapping, sequence(status(owner).get("conditions")))
        names = self.condition_types
        return [{**one, "type": names.get(text(one.get("type")), one.get("type"))} for one in found]

    def is_over(self, owner: Manifest) -> bool:
        """Whether it has ended, for good or ill."""
        ended = [one.get("type") for one in self.conditions(owner) if one.get("status") == "True"]
        return "Complete" in ended or "Failed" in ended

    def fails(self, owner: Manifest) -> bool:
        """Whether it has failed, and its pods are being ended."""
        return any(one.get("type") == "FailureTarget" and one.get("status") == "True" for one in self.conditions(owner))

    def suspended(self, owner: Manifest | None) -> bool:
        """Whether it is told to have no pods."""
        value: Any = owner
        for step in self.suspend:
            value = mapping(value).get(step)
        return value is True

    def explain_failure(self, owner: Manifest) -> Reason | None:
        """What it says itself of its failure, for what its pods do not tell."""
        return None

    def job_of(self, owner: Manifest | None, children: Sequence[Manifest]) -> Manifest | None:
        """The batch/v1 Job that counts the pods of one start, if there is one. Children: of that start."""
        jobs = [one for one in children if one.get("kind") == JOBS.kind]
        return max(jobs, key=lambda one: text(metadata(one).get("creationTimestamp")), default=None)

    def _start(self, number: int, owner: Manifest | None, objects: Objects, events: list[Manifest]) -> Started:
        pods = [pod for pod in objects.pods if self._is_of(pod, number, owner)]
        job = self.job_of(owner, [one for one in objects.children if self._is_of(one, number, owner)])
        chosen = newest_pods(_of_this_run(pods, job), self.worker_of)
        kept = {id(pod) for pod in chosen.values()}
        about = events_of(owner, events) + (events_of(job, events) if job is not owner else [])
        return Started(
            number=number,
            owner=owner,
            job=job,
            pods=chosen,
            events=events,
            workload=workload_of(owner, objects.workload),
            others=[pod for pod in pods if id(pod) not in kept],
            now=objects.now,
            conditions=self.conditions(owner),
            suspended=self.suspended(owner),
            refusals=[event for event in about if event.get("reason") in self.refusals],
            restarts_itself=self.restarts_itself,
            orphaned=owner is None and bool(orphaned(objects)),
            failure=self.explain_failure(owner) if owner is not None else None,
        )

    def _is_of(self, item: Manifest, number: int, owner: Manifest | None) -> bool:
        made_by = controller(item)
        if owner is not None and made_by.get("kind") == self.resource.kind and made_by.get("uid") != uid(owner):
            return False  # of an object of the same name that was there before
        return self.attempt_of(item) == number

    # What may be done to it

    def rules(self) -> list[Rule]:
        """What we call of it."""
        resource, noun = self.resource, self.noun
        return [
            Rule("submit", resource, ("create", "get", "delete"), f"creates {noun}, and takes a half-made one away"),
            Rule("watch", resource, ("get", "list", "watch"), f"tells what became of {noun}"),
            Rule("stop", resource, ("patch",), f"suspends {noun}"),
            Rule("delete", resource, ("delete",), f"removes {noun} and, through it, all it owns"),
        ]


def _of_this_run(pods: Sequence[Manifest], job: Manifest | None) -> list[Manifest]:
    """Without what still ends of a run before the Job was suspended and went on."""
    return [pod for pod in pods if not (before_resumption(job, created_at(pod)) and _ends(pod))]


def _ends(pod: Manifest) -> bool:
    return deleted_at(pod) is not None or (over(pod) and status(pod).get("phase") != "Succeeded")
