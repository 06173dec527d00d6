"""`python -m benchmarks.crowd KUBECONFIG FINISHED LIVE`: an API server with many jobs in which nothing runs.

Says so in a line once it serves. Then it takes commands, one JSON object a line on stdin, and answers each with one:

- {"do": "requests"}: how often each resource was listed and watched so far.
- {"do": "turn", "job": ID}: a queued job's reason changes; the answer has the seconds since the epoch when it did.
- {"do": "events", "count": N, "each_s": S}: so many changes of live pods, evenly; answers when they are over.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from mlk_jupyter.backends.kubernetes.cluster import user_name
from mlk_jupyter.backends.kubernetes.kinds.indexed_job import IndexedJob
from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext
from mlk_jupyter.bundle import build, valid_notebook
from mlk_jupyter.model import ClusterOptions, JobSpec
from tests.kube import names
from tests.kube.cluster import FakeCluster
from tests.kube.store import Object, timestamp

NAMESPACE = "default"
_RUNNING_OF_TEN = 1
"""Of ten live jobs, those that run; the others wait for room. Each that runs has a log that is followed."""
_REASONS = tuple(f"0/2 nodes are available: 2 Insufficient {what}." for what in ("cpu", "memory"))


class _Silent:
    """Logs of containers that print nothing and go on."""

    def __init__(self) -> None:
        self.unreachable: set[str] = set()

    def problem(self, pod: Object, asked: str | None, *, previous: bool = False) -> str | None:
        return None

    def container_of(self, pod: Object, asked: str | None) -> str:
        return asked or "worker"

    async def read(self, pod: Object, container: str, **options: Any) -> bytes:
        return b""

    async def follow(self, pod: Object, container: str, **options: Any) -> AsyncIterator[bytes]:
        yield b""
        await asyncio.Event().wait()


class Crowd:
    """Jobs of one user: those that are over, two days and longer, then those that are not."""

    def __init__(self, cluster: FakeCluster, finished: int, live: int) -> None:
        self._store, self._requests = cluster.store, cluster.rest.seen
        self._bundle = _bundle()
        now = datetime.now(timezone.utc)
        self.live: list[str] = []
        for number in range(finished):
            self._add(f"done-{number:010x}", "over", now - timedelta(days=2, seconds=30 * (finished - number)))
        for number in range(live):
            job = f"live-{number:010x}"
            state = "running" if number % 10 < _RUNNING_OF_TEN else "queued"
            self._add(job, state, now - timedelta(seconds=2 * (live - number)))
            self.live.append(job)
        self._store.now = lambda: datetime.now(timezone.utc)

    def _add(self, job: str, state: str, at: datetime) -> None:
        self._store.now = lambda: at
        made, bundle, *_ = IndexedJob().manifests(_asked(job, self._bundle))
        owner = self._store.create(names.JOBS, {**made, "status": _job_status(state, at)})
        self._store.create(names.PODS, _pod(job, owner, state, at))
        if state != "over":
            self._store.create(names.CONFIG_MAPS, bundle)

    # What happens

    def requests(self) -> dict[str, int]:
        """How often each resource was listed and watched; further pages of a list are named apart."""
        return dict(
            Counter(
                f"{'page' if 'continue' in one.query else one.verb} {one.resource}"
                for one in list(self._requests)
                if one.verb in _COUNTED
            )
        )

    def turn(self, job: str) -> float:
        """Gives a queued job another reason; tells when."""

        def edit(pod: Object) -> None:
            condition = pod["status"]["conditions"][0]
            condition["message"] = _REASONS[condition["message"] == _REASONS[0]]

        self._store.change(names.PODS, NAMESPACE, f"{job}-0", edit)
        return time.time()

    def events(self, count: int, each_s: float) -> float:
        """Changes pods of live jobs, one after the other; gives the seconds that took."""
        started = time.monotonic()
        queued = [job for number, job in enumerate(self.live) if number % 10 >= _RUNNING_OF_TEN]
        for number in range(count):
            self.turn(queued[number % len(queued)])
            time.sleep(max(0.0, started + (number + 1) * each_s - time.monotonic()))
        return time.monotonic() - started


_COUNTED = ("list", "watch")


def _asked(job: str, bundle: bytes) -> RenderContext:
    spec = JobSpec(
        name=job.rpartition("-")[0] + " " + job[-4:],
        notebook=f"notebooks/{job}.ipynb",
        parameters={"epochs": 30, "lr": 0.1, "batch_size": 32},
        cluster=ClusterOptions(image="example.org/torch:2"),
    )
    return RenderContext(
        id=job, spec=spec, bundle=bundle, namespace=NAMESPACE, user=user_name(), request_id=job, nonce="0" * 16,
        image="example.org/torch:2",
    )  # fmt: skip


def _bundle() -> bytes:
    """Of a small notebook."""
    cell: Object = {
        "id": "a",
        "cell_type": "code",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": "print(1)",
    }
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    spec = JobSpec(name="a", notebook="a.ipynb")
    return build(valid_notebook(json.dumps(notebook), "a.ipynb"), spec, None, byte_code=False).data


def _pod(job: str, owner: Object, state: str, at: datetime) -> Object:
    template = owner["spec"]["template"]
    meta = {
        **template["metadata"],
        "name": f"{job}-0",
        "namespace": NAMESPACE,
        "annotations": {"batch.kubernetes.io/job-completion-index": "0"},
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": owner["metadata"]["uid"],
                             "controller": True}],
    }  # fmt: skip
    meta["labels"] = {
        **meta["labels"],
        "batch.kubernetes.io/job-name": job,
        "batch.kubernetes.io/job-completion-index": "0",
    }
    spec = {**template["spec"], **({} if state == "queued" else {"nodeName": "node-0"})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": _pod_status(state, at)}


def _job_status(state: str, at: datetime) -> Object:
    began = timestamp(at)
    if state != "over":
        return {"active": 1, "ready": int(state == "running"), "startTime": began, "uncountedTerminatedPods": {}}
    ended = timestamp(at + timedelta(minutes=10))
    conditions = [
        {"type": kind, "status": "True", "reason": "CompletionsReached", "lastTransitionTime": ended,
         "lastProbeTime": ended, "message": "Reached expected number of succeeded pods"}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]  # fmt: skip
    return {"succeeded": 1, "startTime": began, "completionTime": ended, "completedIndexes": "0",
            "conditions": conditions, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}  # fmt: skip


def _pod_status(state: str, at: datetime) -> Object:
    began, ended = timestamp(at), timestamp(at + timedelta(minutes=10))
    if state == "queued":
        refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": _REASONS[0],
                   "lastTransitionTime": began}  # fmt: skip
        return {"phase": "Pending", "conditions": [refused], "qosClass": "Burstable"}
    finished = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": ended}
    container = {"name": "worker", "image": "example.org/torch:2", "imageID": "example.org/torch@sha256:" + "0" * 64,
                 "containerID": "containerd://" + "0" * 64, "restartCount": 0, "ready": state == "running",
                 "state": {"running": {"startedAt": began}} if state == "running" else {"terminated": finished},
                 }  # fmt: skip
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": began, "lastProbeTime": None}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    phase = "Running" if state == "running" else "Succeeded"
    return {"phase": phase, "conditions": conditions, "hostIP": "10.0.0.1", "podIP": "10.1.0.1", "startTime": began,
            "qosClass": "Burstable", "containerStatuses": [container]}  # fmt: skip


def main() -> None:
    kubeconfig, finished, live = sys.argv[1:]
    with FakeCluster(controllers=False, kubeconfig=Path(kubeconfig)) as cluster:
        crowd = Crowd(cluster, int(finished), int(live))
        cluster.rest.logs = _Silent()
        _say({"ready": True})
        for line in sys.stdin:
            asked = json.loads(line)
            what = asked.pop("do")
            commands: dict[str, Callable[..., object]] = {
                "requests": crowd.requests,
                "turn": crowd.turn,
                "events": crowd.events,
            }
            _say({"answer": commands[what](**asked)})


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
