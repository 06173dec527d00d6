"""The kubelets of all nodes: pods run as local processes. Their network is this machine's loopback.

The emulated network: names of pods (`HOSTNAME.SUBDOMAIN`, with or without the namespace's domain) become 127.0.0.1 in
commands and environments, also where no Service gives such names. Since all pods share one network, `MASTER_PORT` (and
variables that end so, and ports written behind such a name) is replaced by a free port, one for all pods of a Job.

Imitates: what `pod_worker` says of one pod, for all pods of all nodes; a kubelet works on the pods that are bound to
its node, and a node that is lost says nothing more (kubernetes.io/docs/concepts/architecture/nodes).
Leaves out: node leases and statuses, admission by the node, images' garbage, probes, evictions for want of resources
(`levers.evict` and `levers.oom_kill` do them).
Held by: succeeds, fails; lost nodes by test_fake_controllers.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path

from . import images
from .controllers.base import Controller, World, owner_of
from .images import Image
from .names import NODES, PODS
from .pod_logs import PodLogs
from .pod_worker import PodWorker
from .store import Event, Key, Object


class Kubelets(Controller):
    """One worker for each pod that is bound to a node."""

    def __init__(self, world: World, known: Mapping[str, Image] | None = None) -> None:
        super().__init__(world)
        self.images: dict[str, Image] = {**(known or {}), **images.DEFAULT}
        self.logs = PodLogs()
        self.lost: set[str] = set()
        """Nodes whose kubelet is gone."""
        self._workers: dict[str, tuple[PodWorker, asyncio.Task[None]]] = {}
        self._addresses = 0
        self._ports: dict[str, int] = {}

    def notice(self, event: Event) -> None:
        if event.resource != PODS:
            return
        pod = event.object
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if event.type == "DELETED":
            self.enqueue(("gone", uid))
        elif node and node not in self.lost:
            over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
            if uid not in self._workers and not over:
                worker = PodWorker(self, pod)
                task = asyncio.get_running_loop().create_task(worker.run(), name=f"pod {pod['metadata']['name']}")
                task.add_done_callback(self._ended)
                self._workers[uid] = (worker, task)
            if pod["metadata"].get("deletionTimestamp") and uid in self._workers:
                self._workers[uid][0].stop(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))

    def reconcile(self, key: Key) -> None:
        """A pod was removed from the API: at once when by force, else after its end."""
        worker, task = self._workers.pop(key[1], (None, None))
        if worker is None or task is None:
            return
        worker.silent = True
        task.cancel()
        worker.kill()
        self.logs.forget(worker.uid)
        task.add_done_callback(lambda _: worker.files.remove())
        if task.done():
            worker.files.remove()

    async def close(self) -> None:
        await super().close()
        workers = list(self._workers.values())
        for worker, task in workers:
            worker.silent = True
            worker.kill()
            task.cancel()
        if workers:
            await asyncio.wait([task for _, task in workers])
        for worker, _ in workers:
            self.logs.forget(worker.uid)
        self._workers.clear()

    def worker(self, pod: Object) -> PodWorker | None:
        """Who works on a pod; None when nobody does."""
        return self._workers.get(pod["metadata"]["uid"], (None,))[0]

    def lose(self, node: str) -> None:
        """A node goes, and says nothing: its processes end, its pods stay as they were last seen."""
        self.lost.add(node)
        self.logs.unreachable.add(node)
        for worker, _ in self._workers.values():
            if worker.node == node:
                worker.silent = True
                worker.kill()

    # For the workers

    def image(self, name: str) -> Image | None:
        """The image of that name, if it exists."""
        return images.lookup(self.images, name)

    def image_folder(self, name: str) -> Path:
        """Where an image's programs lie."""
        image = self.image(name)
        digest = hashlib.sha256(repr((name, image)).encode()).hexdigest()[:16]
        return self.world.folder / "images" / digest / "bin"

    def next_address(self) -> str:
        """A pod's address, as its status shows it. Nothing answers there."""
        self._addresses += 1
        return f"10.244.{self._addresses // 254}.{self._addresses % 254 + 1}"

    def host_address(self, node: str) -> str:
        """A node's address as its status gives it."""
        found = self.store.peek(NODES, None, node) or {}
        addresses = found.get("status", {}).get("addresses") or []
        return next((each["address"] for each in addresses if each["type"] == "InternalIP"), "192.0.2.2")

    def port(self, pod: Object) -> int:
        """What stands for MASTER_PORT: one free port for all pods of a Job."""
        owner = owner_of(pod, "Job")
        uid = owner["uid"] if owner else pod["metadata"]["uid"]
        if uid not in self._ports:
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                self._ports[uid] = found.getsockname()[1]
        return self._ports[uid]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.world.failures.append(error)


__all__ = ["Image", "Kubelets"]
