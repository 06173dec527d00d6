"""A kubelet's work on one pod: from its binding to its end, in the real one's order and words.

Imitates: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle. Phases and conditions in their order (mounts,
sandbox, init containers, images by `pod_images`, containers); what cannot be mounted or configured is tried again;
restarts by restartPolicy with CrashLoopBackOff; termination messages; SIGTERM, the grace period, SIGKILL; the pod is
removed from the API by its kubelet once its containers ended.
Leaves out: probes and lifecycle hooks, sidecars, resizing, the reset of the back-off after ten minutes.
Held by: succeeds, fails, bad-command, missing-secret, out-of-memory, foreign-architecture,
pod-deleted-and-replaced, deleted-while-running; processes, logs and mounts by test_fake_pods.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from . import images, pod_status
from .controllers.base import key_of
from .names import PODS
from .pod_command import BadCommand, Command, must_not_be_root
from .pod_env import ConfigError, environment
from .pod_files import NotYet, PodFiles
from .pod_images import FIRST_BACKOFF_S, LAST_BACKOFF_S, Puller
from .problems import Problem
from .processes import ContainerProcess
from .store import Object

if TYPE_CHECKING:
    from .kubelet import Kubelets

SYNC_S, SANDBOX_S, CREATE_S, START_S = 0.02, 0.4, 0.02, 0.05
END_S, REMOVE_S, CONFIG_RETRY_S = 1.2, 1.0, 12.0
FIRST_MOUNT_RETRY_S, LAST_MOUNT_RETRY_S = 0.5, 122.0
MESSAGE_BYTES = 4096
EPOCH = "1970-01-01T00:00:00Z"
_START_ERROR = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: exec: "
)


class Stopped(Exception):
    """The pod is being deleted or evicted before its containers ended."""


class PodWorker:
    """One pod on its node."""

    def __init__(self, kubelets: Kubelets, pod: Object) -> None:
        self._kubelets, self._world, self._pod = kubelets, kubelets.world, pod
        self.uid, self.node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        self.files = PodFiles(self._world.store, pod, self._world.folder / "pods" / self.uid, self._world.folder)
        self._stopping = asyncio.Event()
        self._grace_s = 0.0
        self._evicted: tuple[str, str] | None = None
        self._sandbox = False
        self._address: str | None = None
        self._restarts: dict[str, int] = {}
        self._last: dict[str, Object] = {}
        self._states: dict[str, Object] = {}
        self._ids: dict[str, str] = {}
        self._running: dict[str, ContainerProcess] = {}
        self._deaths: dict[str, str] = {}
        self._puller = Puller(kubelets.image, self._event, self._wait, self._sleep)
        self.silent = False
        """Its node is lost: nothing is written any more."""

    # From outside

    def stop(self, grace_s: float) -> None:
        """Its deletion was asked for; asked again with less grace, it goes sooner."""
        self._grace_s = min(self._grace_s, grace_s) if self._stopping.is_set() else grace_s
        self._stopping.set()

    def evict(self, reason: str, message: str) -> None:
        """End it for want of something on its node; the object stays, as a failed pod."""
        self._evicted, self._grace_s = (reason, message), 0.0
        self._stopping.set()

    def kill(self) -> None:
        """End all its processes at once."""
        for process in self._running.values():
            process.kill()

    def run_out_of_memory(self, container: str | None = None) -> bool:
        """The kernel kills a container of it. False when none runs."""
        for name, process in self._running.items():
            if container in (None, name):
                self._deaths[name] = "OOMKilled"
                process.kill()
                return True
        return False

    # The pod's life

    async def run(self) -> None:
        """Until it has ended, or is gone. Its processes are gone then, also when this is cancelled."""
        spec = self._pod["spec"]
        reason = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            self._states[container["name"]] = pod_status.waiting(reason)
        try:
            with contextlib.suppress(Stopped):
                await self._live()
            if self._evicted is None:
                await self._end()
            else:
                self._report_eviction(*self._evicted)
        finally:
            self.kill()

    async def _live(self) -> None:
        spec = self._pod["spec"]
        await self._sleep(SYNC_S)
        self._edit(self._first_status)
        await self._mount()
        await self._sleep(SANDBOX_S)
        self._sandbox = True
        self._report(addressed=False)
        self._address = self._kubelets.next_address()
        for container in spec.get("initContainers") or []:
            if not await self._container(container, init=True):
                return
        tasks = [asyncio.ensure_future(self._container(each, init=False)) for each in spec["containers"]]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            raise

    async def _end(self) -> None:
        """All its containers ended, by themselves or not."""
        stopped = self._stopping.is_set()
        if not stopped:
            await self._pause(END_S)
        for name, state in self._states.items():
            if "terminated" not in state and stopped:
                self._states[name] = _unknown_end()
        self._sandbox = False
        self._report(phase="Succeeded" if self._all_good() else "Failed")
        if self._stopping.is_set() and not self.silent:
            await self._pause(REMOVE_S)
            with contextlib.suppress(Problem):
                self._world.store.delete(PODS, *key_of(self._pod), uid=self.uid, grace_s=0)

    async def _mount(self) -> None:
        wait_s = FIRST_MOUNT_RETRY_S
        while True:
            try:
                self.files.set_up()
                return
            except NotYet as problem:
                self._event("Warning", "FailedMount", str(problem))
            await self._sleep(wait_s)
            wait_s = min(wait_s * 2, LAST_MOUNT_RETRY_S)

    # Containers

    async def _container(self, container: Object, *, init: bool) -> bool:
        """Run one until it ends for good. Gives whether it succeeded."""
        name, policy = container["name"], self._pod["spec"].get("restartPolicy", "Always")
        backoff_s = FIRST_BACKOFF_S
        while True:
            image = await self._puller.pull(container, init)
            process = await self._create(container, image, init)
            if process is not None:
                await self._attend(container, process)
            code = self._states[name]["terminated"]["exitCode"]
            if self._stopping.is_set():
                raise Stopped
            again = (policy == "Always" and not init) or (code != 0 and policy != "Never")
            if not again:
                self._report()
                return bool(code == 0)
            self._restarts[name] = self._restarts.get(name, 0) + 1
            self._last[name] = self._states[name]
            pod = f"{self._pod['metadata']['name']}_{self._pod['metadata']['namespace']}({self.uid})"
            words = f"restarting failed container={name} pod={pod}"
            shown = f"{int(backoff_s // 60)}m{int(backoff_s % 60)}s" if backoff_s >= 60 else f"{int(backoff_s)}s"
            self._states[name] = pod_status.waiting("CrashLoopBackOff", f"back-off {shown} {words}")
            words = f"Back-off restarting failed container {name} in pod {pod}"
            self._event("Warning", "BackOff", words, name, init)
            self._report()
            await self._sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _create(self, container: Object, image: images.Image, init: bool) -> ContainerProcess | None:
        """Start it. None when the runtime cannot; its state says so then."""
        name = container["name"]
        while True:
            try:
                if why := must_not_be_root(self._pod, container, image):
                    raise ConfigError(why)
                env = environment(self._world.store, self._pod, container)
                break
            except ConfigError as problem:
                self._event("Warning", "Failed", f"Error: {problem}", name, init)
                self._wait(name, "CreateContainerConfigError", str(problem))
            await self._sleep(CONFIG_RETRY_S)
            await self._puller.pull(container, init)
        mounts = self.files.mounts(container)
        self.files.termination_log(name).write_bytes(b"")
        await self._sleep(CREATE_S)
        self._event("Normal", "Created", "Container created", name, init)
        self._ids[name] = f"containerd://{secrets.token_hex(32)}"
        await self._sleep(START_S)
        log = self._kubelets.logs.open(self.uid, name)
        try:
            programs = self._kubelets.image_folder(container["image"])
            port = self._kubelets.port(self._pod)
            root = self.files.folder / "containers" / name / "root"
            command = Command(self._pod, container, image, search_path=images.search_path(image, programs), port=port)
            process = ContainerProcess(*command.here(env, mounts, root, self._world.folder), log)
        except (BadCommand, OSError) as problem:
            log.end()
            words = f"{_START_ERROR}{problem}: unknown"
            self._event("Warning", "Failed", f"Error: {words}", name, init)
            self._states[name] = {
                "terminated": {
                    "containerID": self._ids[name],
                    "exitCode": 128,
                    "finishedAt": self._world.stamp(),
                    "message": words,
                    "reason": "StartError",
                    "startedAt": EPOCH,
                }
            }
            return None
        self._running[name] = process
        self._event("Normal", "Started", "Container started", name, init)
        self._states[name] = {"running": {"startedAt": self._world.stamp()}}
        self._report(phase=None if init else "Running")
        return process

    async def _attend(self, container: Object, process: ContainerProcess) -> None:
        """Until it ended; when the pod is stopped meanwhile, it gets its grace."""
        name = container["name"]
        ended = asyncio.ensure_future(process.wait())
        try:
            await self._first_of(ended)
            if not ended.done():
                if self._evicted is None:
                    self._event("Normal", "Killing", f"Stopping container {name}", name)
                    self._report()
                process.terminate()
                await self._grace(ended)
                process.kill()
            code = await ended
        except BaseException:
            process.kill()
            ended.cancel()
            raise
        finally:
            del self._running[name]
        process.log.end()
        reason = self._deaths.pop(name, "Completed" if code == 0 else "Error")
        message = self._last_words(container, process, code)
        self._states[name] = {
            "terminated": {
                "containerID": self._ids[name],
                "exitCode": code,
                "finishedAt": self._world.stamp(),
                **({"message": message} if message else {}),
                "reason": reason,
                "startedAt": self._states[name]["running"]["startedAt"],
            }
        }

    async def _first_of(self, ended: asyncio.Future[int]) -> None:
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            either: set[asyncio.Future[Any]] = {ended, stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()

    async def _grace(self, ended: asyncio.Future[int]) -> None:
        """Wait out the grace period, which may be shortened meanwhile."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while not ended.done() and (left := start + self._grace_s - loop.time()) > 0:
            await asyncio.wait({ended}, timeout=min(left, 0.5))

    def _last_words(self, container: Object, process: ContainerProcess, code: int) -> str:
        path = self.files.termination_log(container["name"])
        data = path.read_bytes()[-MESSAGE_BYTES:] if path.exists() else b""
        if not data and code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            lines = b"".join(text + (b"\n" if whole else b"") for _, text, whole in process.log.pieces[-80:])
            data = lines[-2048:]
        return data.decode("utf-8", "replace")

    # What the cluster is told

    def _event(self, kind: str, reason: str, words: str, container: str | None = None, init: bool = False) -> None:
        if not self.silent:
            pod = self._world.store.peek(PODS, *key_of(self._pod)) or self._pod
            self._world.recorder.record(
                pod, kind, reason, words, component="kubelet", host=self.node, container=container, init=init
            )

    def _wait(self, container: str, reason: str, message: str) -> None:
        self._states[container] = pod_status.waiting(reason, message)
        self._report()

    def _all_good(self) -> bool:
        return all(state.get("terminated", {}).get("exitCode") == 0 for state in self._states.values())

    def _first_status(self, pod: Object) -> None:
        resources, allocated = pod_status.resources_of(pod)
        status = pod["status"]
        address = self._kubelets.host_address(self.node)
        status.update(hostIP=address, hostIPs=[{"ip": address}], startTime=self._world.stamp(), resources=resources)
        if allocated:
            status["allocatedResources"] = allocated
        self._fill(pod)

    def _fill(self, pod: Object) -> None:
        spec, status = pod["spec"], pod["status"]
        for field, containers in (
            ("initContainerStatuses", spec.get("initContainers") or []),
            ("containerStatuses", spec["containers"]),
        ):
            if containers:
                status[field] = [self._container_status(pod, each) for each in containers]
        status["conditions"] = pod_status.conditions_of(pod, self._sandbox, self._world.stamp())
        status["observedGeneration"] = pod["metadata"].get("generation", 1)

    def _container_status(self, pod: Object, container: Object) -> Object:
        name = container["name"]
        more: Object = {"restartCount": self._restarts.get(name, 0), "lastState": self._last.get(name, {})}
        if name in self._ids and "waiting" not in self._states[name]:
            more["containerID"] = self._ids[name]
        return pod_status.container_status(pod, container, self._states[name], **more)

    def _report(self, *, phase: str | None = None, addressed: bool = True) -> None:
        def edit(pod: Object) -> None:
            self._fill(pod)
            if phase is not None:
                pod["status"]["phase"] = phase
            if addressed and self._address and "podIP" not in pod["status"]:
                pod["status"].update(podIP=self._address, podIPs=[{"ip": self._address}])

        self._edit(edit)

    def _report_eviction(self, reason: str, message: str) -> None:
        for name, state in self._states.items():
            if "terminated" not in state:
                self._states[name] = _unknown_end()

        def edit(pod: Object) -> None:
            self._sandbox = False
            self._fill(pod)
            condition = pod_status.disruption("TerminationByKubelet", message, self._world.stamp())
            pod["status"]["conditions"].append(condition)
            pod["status"].update(phase="Failed", reason=reason, message=message)

        self._edit(edit)

    def _edit(self, edit: Callable[[Object], None]) -> None:
        if self.silent:
            return

        def mine(pod: Object) -> None:
            if pod["metadata"]["uid"] == self.uid:
                edit(pod)

        with contextlib.suppress(Problem):  # it was deleted for good meanwhile
            self._world.store.change(PODS, *key_of(self._pod), mine)

    # Time

    async def _sleep(self, seconds: float) -> None:
        """As long as the real one takes for it. Raises `Stopped` when the pod is stopped meanwhile."""
        await self._within(self._stopping.wait(), self._world.pace(seconds))
        if self._stopping.is_set():
            raise Stopped

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(self._world.pace(seconds))

    @staticmethod
    async def _within(awaited: Awaitable[object], seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(awaited, seconds)


def _unknown_end() -> Object:
    return {
        "terminated": {
            "exitCode": 137,
            "finishedAt": None,
            "message": "The container could not be located when the pod was terminated",
            "reason": "ContainerStatusUnknown",
            "startedAt": None,
        }
    }
