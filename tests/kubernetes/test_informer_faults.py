"""What the informer holds equals the cluster's objects again after each fault, whatever changed meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from badserver import only_target, until
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.resources import JOBS
from mlk_jupyter.backends.kubernetes.timing import Limits, Times
from mlk_jupyter.backends.kubernetes.watch.informer import Informer
from mlk_jupyter.model.api import WatchState

LIMITS = Limits(connect_s=2.0, answer_s=1.0, silence_s=0.5, look_s=0.0, renew_s=0.1)
TIMES = Times(first_wait_s=0.02, longest_wait_s=0.3, relist_s=1.0, recheck_s=0.1, short_s=0.3, watch_s=(0.7, 1.0))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCluster]:
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy", "MLK_CONTEXT", "MLK_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    with FakeCluster(controllers=False) as made:
        monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
        yield made


def a_job(number: int) -> dict[str, Any]:
    """Job `number` of our own, suspended, so that nothing of it runs."""
    job_id = f"digits-{number:010x}"
    container = {"name": "worker", "image": "local/torch:1"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": job_id, "labels": {labels.MANAGED_BY: labels.OURS, labels.JOB: job_id}},
        "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


class Changes:
    """Makes jobs come, change and go, by the cluster's own hand."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster
        self._next = 0

    def make(self) -> None:
        for _ in range(3):
            self._cluster.create(names.JOBS, a_job(self._next), "default")
            self._next += 1
        gone, changed = sorted(self.truth())[:2]
        self._cluster.do(lambda: self._cluster.store.delete(names.JOBS, "default", gone))
        job = self._cluster.store.get(names.JOBS, "default", changed)
        job["metadata"].setdefault("annotations", {})["changed"] = "yes"
        self._cluster.do(lambda: self._cluster.store.update(names.JOBS, job))

    def truth(self) -> dict[str, str]:
        """Versions of the jobs that there are, by name."""
        return {
            one["metadata"]["name"]: one["metadata"]["resourceVersion"]
            for one in self._cluster.store.peek_all(names.JOBS)
        }


def held(informer: Informer) -> dict[str, str]:
    found = [job for job_id in informer.job_ids() for job in informer.objects(job_id).owners]
    return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in found}


def until_true(condition: Callable[[], bool]) -> None:
    """`until` for a thread of its own."""
    asyncio.run(until(condition))


def until_cut_off(informer: Informer) -> None:
    """Until the informer has noticed."""
    until_true(lambda: informer.state[0] is not WatchState.LIVE)


Nemesis = Callable[[FakeCluster, Changes, Informer], None]


def restarted(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    changes.make()
    cluster.restart()
    changes.make()


def away(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.refusing():
        changes.make()
        until_cut_off(informer)


def cut(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    for _ in range(5):
        cluster.cut()
        changes.make()


def silent(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("hang"):
        changes.make()
        until_cut_off(informer)


def slow(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("delay", seconds=0.7) as fault:
        cluster.cut()
        changes.make()
        until_true(lambda: fault.met >= 3)


def busy(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("throttle", seconds=1.0, times=4):
        cluster.cut()
        changes.make()


def in_trouble(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("error", status=500, times=6):
        cluster.cut()
        changes.make()


def behind_a_broken_proxy(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("html", times=6):
        cluster.cut()
        changes.make()


def reset(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    with cluster.fault("reset", times=6):
        cluster.cut()
        changes.make()


def losing_events(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    cluster.drop_events(3)
    changes.make()


def breaking_lines(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    cluster.break_lines(2)
    changes.make()


def rotating_tokens(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    cluster.rotate_token("admin")
    cluster.cut()
    changes.make()


def rotating_certificates(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    cluster.renew_certificates()
    cluster.write_kubeconfig("admin", path=cluster.kubeconfig)
    changes.make()


def short_streams(cluster: FakeCluster, changes: Changes, informer: Informer) -> None:
    cluster.limit_streams(0.2)
    for _ in range(4):
        cluster.cut()
        changes.make()
    until_true(lambda: held(informer) == changes.truth())  # though no watch lasts
    cluster.limit_streams(None)


NEMESES: list[Nemesis] = [
    restarted, away, cut, silent, slow, busy, in_trouble, behind_a_broken_proxy, reset, losing_events,
    breaking_lines, rotating_tokens, rotating_certificates, short_streams,
]  # fmt: skip


@pytest.mark.parametrize("nemesis", NEMESES, ids=lambda one: one.__name__)
def test_after_a_fault_everything_is_known_again(nemesis: Nemesis, cluster: FakeCluster) -> None:
    async def test() -> None:
        changes = Changes(cluster)
        async with (
            Connection(only_target(), LIMITS) as connection,
            Informer(connection, user=None, kinds=[JOBS], workloads=None, times=TIMES) as informer,
        ):
            await asyncio.wait_for(informer.ready(), 30)
            await asyncio.to_thread(changes.make)
            await until(lambda: held(informer) == changes.truth())
            await asyncio.to_thread(nemesis, cluster, changes, informer)
            await until(lambda: held(informer) == changes.truth() and informer.state[0] is WatchState.LIVE)
            await asyncio.to_thread(changes.make)
            await until(lambda: held(informer) == changes.truth())

    asyncio.run(asyncio.wait_for(test(), 90))


def test_a_login_that_ends_is_said_and_a_new_one_is_taken_up(cluster: FakeCluster) -> None:
    async def test() -> None:
        changes = Changes(cluster)
        async with (
            Connection(only_target(), LIMITS) as connection,
            Informer(connection, user=None, kinds=[JOBS], workloads=None, times=TIMES) as informer,
        ):
            await asyncio.wait_for(informer.ready(), 30)
            cluster.revoke_token("admin")
            cluster.cut()
            await until(lambda: informer.state[0] is WatchState.REFUSED)
            assert "credentials" in (informer.state[1] or "")
            await asyncio.to_thread(cluster.rotate_token, "admin", groups=["system:masters"])
            await asyncio.to_thread(changes.make)
            await until(lambda: held(informer) == changes.truth() and informer.state[0] is WatchState.LIVE)

    asyncio.run(asyncio.wait_for(test(), 90))


def test_during_an_outage_the_api_server_is_asked_seldom(cluster: FakeCluster) -> None:
    async def test() -> None:
        times = Times(first_wait_s=0.1, longest_wait_s=15.0)
        async with (
            Connection(only_target(), LIMITS) as connection,
            Informer(connection, user=None, kinds=[JOBS], workloads=None, times=times) as informer,
        ):
            await asyncio.wait_for(informer.ready(), 30)
            with cluster.fault("error", status=500):
                cluster.cut()
                before, begun = len(cluster.requests), time.monotonic()
                await until(lambda: len(cluster.requests) - before >= 3 * 5)
                took = time.monotonic() - begun
            # One of the three resources was asked five times: four waits, each at least half of what it doubles to.
            assert took >= 0.1 * (1 + 2 + 4 + 8) / 2

    asyncio.run(asyncio.wait_for(test(), 90))
