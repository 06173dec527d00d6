"""How a job of a test stands with one signal of the cluster, and what is to be told of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from clusterobjects import condition, ended, event, failed_job, job, objects, spec, unschedulable

from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.backends.kubernetes.status.explain.background import Background
from mlk_jupyter.model import JobSpec, Phase

GPU = {"nvidia.com/gpu": "16"}
NO_VICTIMS = " preemption: 0/5 nodes are available: 5 No preemption victims found for incoming pod."
PREEMPTION = " preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling."


@dataclass(frozen=True)
class Told:
    """What the cluster holds, and what a person is told."""

    name: str
    given: Objects
    code: str
    words: list[str] = field(default_factory=list)
    phase: Phase = Phase.QUEUED
    asked: JobSpec = field(default_factory=spec)
    facts: Background | None = None


def placed(
    name: str,
    message: str,
    code: str,
    *words: str,
    asked: JobSpec | None = None,
    facts: Background | None = None,
    limits: dict[str, str] | None = None,
    volumes: list[Manifest] | None = None,
) -> Told:
    """A job whose only pod finds no node."""
    asked = asked or spec()
    pods = [unschedulable(message, worker, limits=limits, volumes=volumes) for worker in range(asked.workers)]
    return Told(name, objects(job(asked.workers), pods=pods), code, list(words), asked=asked, facts=facts)


def refused(name: str, message: str, code: str, *words: str) -> Told:
    """A job whose pods are not even created."""
    one = job()
    return Told(name, objects(one, events=[event(one, "FailedCreate", message, kind="Job")]), code, list(words))


def stuck(
    name: str, one: Manifest, code: str, *words: str, events: list[Manifest] | None = None, **asked: object
) -> Told:
    """A job whose pod has a node, and whose container does not start."""
    given = objects(job(), pods=[one], events=events or [])
    return Told(name, given, code, list(words), Phase.STARTING, spec(**asked))  # type: ignore[arg-type]


def over(name: str, one: Manifest, code: str, *words: str, **asked: object) -> Told:
    """A job that failed by its only pod."""
    return Told(name, objects(failed_job(), pods=[one]), code, list(words), Phase.FAILED, spec(**asked))  # type: ignore[arg-type]


def queued(name: str, code: str, *words: str, facts: Background | None = None, **said: object) -> Told:
    """A job that stands in a Kueue queue."""
    conditions = [condition(*one[:3], status=one[3]) for one in said.pop("conditions", [])]  # type: ignore[attr-defined]
    one = job(suspend=True, queue="research", conditions=[condition("Suspended", "JobSuspended")])
    checks = said.pop("checks", [])
    workload = {
        "metadata": {"name": "job-digits", "ownerReferences": [{"uid": one["metadata"]["uid"]}]},
        "spec": {"queueName": "research", **said},
        "status": {"conditions": conditions, "admissionChecks": checks},
    }
    return Told(name, objects(one, workload=workload), code, list(words), facts=facts)


def pending(reason: str, message: str) -> dict[str, object]:
    return {"conditions": [("QuotaReserved", reason, message, "False")]}


def evicted(reason: str, message: str = "") -> dict[str, object]:
    return {"conditions": [("QuotaReserved", "Pending", "", "False"), ("Evicted", reason, message, "True")]}


def disrupted(reason: str, message: str = "") -> Manifest:
    return ended(exit_code=137, conditions=[condition("DisruptionTarget", reason, message, when=49)], deleted=55)


def words(**said: object) -> str:
    return json.dumps({"rank": 0, "cell": 3, "number": 4, "ename": "KeyError", "evalue": "'train'", **said})


EMPTY_SHM = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}
CLAIM = [{"name": "data", "persistentVolumeClaim": {"claimName": "imagenet"}}]
MOUNT = "MountVolume.SetUp failed for volume "
IMAGE = "registry.example/team/torch:1"
PULL = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": '
FORBIDDEN = 'Error creating: pods "digits-0123456789-0-x7k2p" is forbidden: '
FIT = Background(largest={"nvidia.com/gpu": "8", "cpu": "32", "memory": "64Gi"})
