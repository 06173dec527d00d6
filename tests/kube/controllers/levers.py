"""What tests do to a running cluster: nodes come and go, pods are evicted, preempted, killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from ..names import NODES, PODS, WORKLOADS
from ..problems import not_found
from ..store import Object
from . import job_pods
from .base import key_of
from .nodes import NodeController

if TYPE_CHECKING:
    from ..kubelet import Kubelets
    from .base import World
    from .kueue import KueueController

T = TypeVar("T")


class Levers:
    """Callable from any thread. Pods are named by an object of theirs or by (namespace, name)."""

    def __init__(self, world: World, kubelets: Kubelets, nodes: NodeController, kueue: KueueController) -> None:
        self._world, self._kubelets, self._nodes, self._kueue = world, kubelets, nodes, kueue
        self.loop: asyncio.AbstractEventLoop | None = None

    # Nodes

    def lose_node(self, name: str, *, gone: bool = False) -> None:
        """A node goes in silence: its processes end, its pods' statuses stay, the node is NotReady and tainted.

        Its pods are deleted when their tolerations of that run out (300 s, by the cluster's speed), and stay so,
        terminating, until the node object goes too (`gone`: at once), which is when they count as failed.
        """

        def lose() -> None:
            self._kubelets.lose(name)
            self._nodes.mark_lost(name)
            if gone:
                self._world.store.delete(NODES, None, name)

        self._call(lose)

    def cordon(self, name: str, *, on: bool = True) -> None:
        """Take no new pods, or take them again."""

        def edit(found: Object) -> None:
            found["spec"].pop("unschedulable", None)
            if on:
                found["spec"]["unschedulable"] = True

        self._world.store.change(NODES, None, name, edit)

    def drain(self, name: str) -> None:
        """Cordon a node and evict its pods, as `kubectl drain` does."""
        self.cordon(name)
        for pod in self._world.store.list(PODS):
            if pod["spec"].get("nodeName") == name and not job_pods.ended(pod):
                self.evict(pod)

    # Pods

    def evict(self, pod: Object | tuple[str, str], reason: str = "EvictionByEvictionAPI") -> None:
        """End a pod. `EvictionByEvictionAPI`, `PreemptionByScheduler` and `DeletionByTaintManager` delete it with its
        grace period; `TerminationByKubelet` leaves it there, failed, with reason Evicted."""
        found = self._pod(pod)
        if reason == "TerminationByKubelet":
            self._call(lambda: self._evict_by_kubelet(found))
            return
        words = {
            "EvictionByEvictionAPI": "Eviction API: evicting",
            "PreemptionByScheduler": "default-scheduler: preempting to accommodate a higher priority pod",
            "DeletionByTaintManager": "Taint manager: deleting due to NoExecute taint",
        }[reason]
        self._nodes.disrupt(found, reason, words)
        self._world.store.delete(PODS, *key_of(found), uid=found["metadata"]["uid"])

    def preempt(self, pod: Object | tuple[str, str], by: str = "5a0e4a0f-7f6b-4ee0-9c3c-0d5b7a0a9f11") -> None:
        """The scheduler takes a pod's place for one of higher priority, whose uid is `by`."""
        found = self._pod(pod)
        words = f"Preempted by pod {by} on node {found['spec'].get('nodeName')}"
        self._world.recorder.record_series(found, "Normal", "Preempted", words, action="Preempting")
        self.evict(found, "PreemptionByScheduler")

    def oom_kill(self, pod: Object | tuple[str, str], container: str | None = None) -> None:
        """The kernel kills a container of a pod that runs. Raises RuntimeError when none runs."""
        found = self._pod(pod)

        def kill() -> None:
            worker = self._kubelets.worker(found)
            if worker is None or not worker.run_out_of_memory(container):
                raise RuntimeError(f"no container of {found['metadata']['name']} runs")

        self._call(kill)

    # Kueue

    def hold_queues(self, held: bool = True) -> None:
        """Kueue admits nothing more, or goes on."""
        self._call(lambda: self._kueue.hold(held))

    def evict_workload(
        self,
        namespace: str,
        name: str,
        reason: str = "Preempted",
        message: str = "Preempted to accommodate a higher priority Workload",
    ) -> None:
        """Kueue takes a workload's quota away; its job is suspended and queued again."""
        self._call(lambda: self._kueue.evict(self._world.store.get(WORKLOADS, namespace, name), reason, message))

    # Inside

    def _evict_by_kubelet(self, pod: Object) -> None:
        name = pod["spec"]["containers"][0]["name"]
        words = (
            "The node was low on resource: ephemeral-storage. Threshold quantity: 10737418240, available: 9873156Ki. "
            f"Container {name} was using 51203172Ki, request is 0, has larger consumption of ephemeral-storage. "
        )
        worker = self._kubelets.worker(pod)
        if worker is None:
            raise RuntimeError(f"{pod['metadata']['name']} runs nowhere")
        self._world.recorder.record(pod, "Warning", "Evicted", words, component="kubelet", host=pod["spec"]["nodeName"])
        worker.evict("Evicted", words)

    def _pod(self, pod: Object | tuple[str, str]) -> Object:
        key = pod if isinstance(pod, tuple) else key_of(pod)
        found = self._world.store.find(PODS, *key)
        if found is None:
            raise not_found(PODS, key[1])
        return found

    def _call(self, function: Callable[[], T]) -> T:
        """Run it in the cluster's loop, and wait for it."""
        assert self.loop is not None, "the controllers are not started"
        if asyncio._get_running_loop() is self.loop:
            return function()
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return future.result(timeout=30)
