"""Whole jobs for tests of faults: notebooks that wait at gates, what viewers see, and the record of a calm informer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.api.targets import targets
from mlk_jupyter.backends.kubernetes.backend import KubernetesBackend
from mlk_jupyter.backends.kubernetes.timing import Limits, RecordingTiming, Times, Timing
from mlk_jupyter.bundle import build
from mlk_jupyter.model import ClusterOptions, JobSpec, JobStatus, Phase
from mlk_jupyter.record.folder import JobFolder

T = TypeVar("T")
NAMESPACE = "team"
PATIENCE_S = 60.0
"""How long a condition may take to come true before a test gives up; nothing is asserted about it."""
FASTER = 10.0
"""How many times shorter all waits are than a person's: a minute of outage lasts 6 s."""


def faster(times: float) -> Timing:
    """All waits of the backend, so many times shorter."""
    return Timing(
        first_retry_s=1.0 / times,
        last_retry_s=15.0 / times,
        recording=RecordingTiming(
            shortest_s=0.2 / times,
            longest_s=15.0 / times,
            quiet_s=30.0 / times,
            longest_quiet_s=60.0 / times,
            forbidden_s=300.0 / times,
        ),
        watch=Times(first_wait_s=0.2 / times, longest_wait_s=15 / times, relist_s=600 / times, recheck_s=300 / times),
        requests=Limits(
            silence_s=70 / times / 5,
            look_s=10 / times / 5,
            renew_s=15 / times / 5,
            first_wait_s=0.2 / times,
            longest_wait_s=3.0 / times,
        ),
    )


SHORT = faster(FASTER)


async def until(true: Callable[[], Any], what: str = "it") -> Any:
    """Waits until `true()` gives something true, and gives that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)
    return found


async def until_awaited(give: Callable[[], Awaitable[T | None]], what: str = "it") -> T:
    """Awaits `give()` again and again until it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := await give()) is None:
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)
    return found


@dataclass
class Gates:
    """Places in a notebook's code where it says that it is there, and waits until it may go on."""

    folder: Path

    def code(self, name: str) -> str:
        """The code of one gate."""
        return (
            "import os, pathlib, time\n"
            f"_at = pathlib.Path({str(self.folder)!r})\n"
            f"(_at / f\"{name}-reached-{{os.environ['RANK']}}\").touch()\n"
            f"while not (_at / '{name}').exists(): time.sleep(0.01)\n"
        )

    def open(self, name: str) -> None:
        """Whoever waits there goes on."""
        (self.folder / name).touch()

    async def reached(self, name: str, ranks: int = 1) -> None:
        """Waits until so many ranks are there."""
        await until(lambda: len(list(self.folder.glob(f"{name}-reached-*"))) >= ranks, f"gate {name}")


@dataclass
class Seen:
    """What a viewer of the list of jobs was told of one job."""

    phases: list[Phase] = field(default_factory=list)
    """Each phase once for each time it came."""


def backend_at(root: Path, **options: Any) -> KubernetesBackend:
    """A backend of this process' kubeconfig that keeps its records in `root`."""
    return KubernetesBackend(targets()[0], root=root, user="ada", **{"timing": SHORT, **options})


@contextlib.asynccontextmanager
async def at_work(backend: KubernetesBackend) -> AsyncIterator[dict[str, Seen]]:
    """A backend with one viewer, who writes down the phases that are told. Closed at the end."""
    seen: dict[str, Seen] = {}

    async def look() -> None:
        async for changes in backend.watch():
            for job in changes.changed:
                phases = seen.setdefault(job.id, Seen()).phases
                if not phases or phases[-1] is not job.phase:
                    phases.append(job.phase)

    task = asyncio.create_task(look(), name="viewer")
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.wait({task})
        await backend.close()


def spec_of(name: str = "digits", *, workers: int = 1, **options: Any) -> JobSpec:
    """A job of an image that the tests' nodes have."""
    fields = {key: options.pop(key) for key in ("env", "gpus", "ranks_per_worker", "parameters") if key in options}
    cluster = ClusterOptions(image="local/torch:1", **options)
    return JobSpec(name=name, notebook=f"{name}.ipynb", workers=workers, mlflow=False, cluster=cluster, **fields)


async def submit(
    backend: KubernetesBackend, notebook: dict[str, Any], spec: JobSpec, request_id: str = "request-1"
) -> JobStatus:
    """The job, as it was just submitted."""
    bundle = build(notebook, spec, None, byte_code=False)
    return await backend.submit(spec, bundle, request_id=request_id)


async def ended(backend: KubernetesBackend, job_id: str) -> JobStatus:
    """The job when all of it is written down."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = backend.folder(job_id).read_status()
        if status is not None and status.phase.final and (not status.spec.mlflow or status.run is not None):
            return status
        assert time.monotonic() < deadline, f"{job_id} does not end: {status}"
        await asyncio.sleep(0.02)


async def calm_record(job_id: str, root: Path) -> tuple[JobStatus, JobFolder]:
    """What somebody writes down of the same job who looks at it when all is well again."""
    backend = backend_at(root)
    async with at_work(backend):
        await until(lambda: backend._controller.live, "a list of jobs")
        backend.look(job_id)
        await until(lambda: backend.folder(job_id).read_status(), "a record")
        return await ended(backend, job_id), backend.folder(job_id)


def files_of(folder: JobFolder) -> dict[str, bytes]:
    """The executed notebook and the logs."""
    files = [folder.executed, *sorted((folder.path / "logs").glob("*"))]
    return {file.name: file.read_bytes() for file in files}


def frames_of(folder: JobFolder) -> list[bytes]:
    """All frames; their order among ranks is that of the reading."""
    return sorted(folder.frames.read_bytes().splitlines())


def told(status: JobStatus) -> dict[str, Any]:
    """What a status says that does not depend on when it was written."""
    reason = status.reason
    return {
        "phase": status.phase,
        "reason": (reason.code, reason.text) if reason is not None else None,
        "error": status.error,
        "ranks": [(rank.rank, rank.state, rank.exit_code) for rank in status.ranks],
        "cells": status.progress,
        "notices": status.notices,
    }


def once_and_in_order(phases: list[Phase]) -> bool:
    """Whether no phase comes twice and none comes after a later one."""
    order = [Phase.QUEUED, Phase.STARTING, Phase.RUNNING, Phase.STOPPING]
    ranks = [order.index(phase) if phase in order else len(order) for phase in phases]
    return ranks == sorted(set(ranks))


@contextlib.contextmanager
def team(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[FakeCluster]:
    """A cluster with the namespace `team`, to which this process' kubeconfig leads."""
    with FakeCluster(**{"speed": 20, **options}) as found:
        found.namespace(NAMESPACE)
        monkeypatch.setenv("KUBECONFIG", str(found.write_kubeconfig("admin", namespace=NAMESPACE)))
        yield found
        assert found.controllers is None or found.controllers.failures == []
