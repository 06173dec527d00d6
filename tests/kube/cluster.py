"""A whole cluster for tests: API server, controllers, nodes, users; in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from aiohttp import web

from . import certificates, names
from .access import AUTHENTICATED, MASTERS, Access, User
from .faults import Fault, FaultKind, Faults
from .housekeeping import Housekeeping
from .kinds import Catalog, definition_of
from .rest import Rest, Seen
from .store import Object, Store

if TYPE_CHECKING:
    from .controllers import Controllers, Image, Levers

T = TypeVar("T")
ADMIN = "admin"
JOB_SET_CRDS = ("jobsets.jobset.x-k8s.io",)
KUEUE_CRDS = tuple(
    f"{plural}.kueue.x-k8s.io"
    for plural in ("workloads", "localqueues", "clusterqueues", "resourceflavors", "workloadpriorityclasses")
)


class FakeCluster:
    """A Kubernetes cluster. Use it as a context manager.

    Args:
        port: where it listens on 127.0.0.1; 0: any free port.
        crds: definitions to serve from the start, by full name (`JOB_SET_CRDS`, `KUEUE_CRDS`).
        nodes: nodes to begin with, as arguments of `add_node`.
        controllers: whether pods, Jobs and nodes live; False: only the API server.
        images: what nodes can pull besides `local/*` (see `kube.images`).
        speed: how many times faster than real ones the controllers act.
        kubeconfig: where to write the administrator's kubeconfig; None: in the cluster's own folder.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        crds: Sequence[str] = (),
        nodes: Sequence[Mapping[str, Any]] = ({"name": "node-a"},),
        controllers: bool = True,
        images: Mapping[str, Image] | None = None,
        speed: float = 20.0,
        kubeconfig: Path | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mlk-kube-"))
        self.store, self.catalog, self.faults = Store(), Catalog(), Faults()
        self.access = Access(self.store)
        self.rest = Rest(self.store, self.catalog, self.access, self.faults)
        self.registry = self.rest.registry
        self.controllers: Controllers | None = None
        self.port = port
        self.kubeconfig = kubeconfig or self.folder / "kubeconfig"
        self._wanted, self._images, self._speed = controllers, images, speed
        self._crds, self._first_nodes = crds, nodes
        self._tokens: dict[str, str] = {}
        self._users: dict[str, User] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake cluster", daemon=True)
        self._context, self._authority = certificates.make(self.folder)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._housekeeping = Housekeeping(self.store)

    # Life

    def __enter__(self) -> FakeCluster:
        self._thread.start()
        self.call(self._start())
        self.add_user(ADMIN, groups=(MASTERS, AUTHENTICATED))
        self.kubeconfig = self.write_kubeconfig(ADMIN, path=self.kubeconfig)
        for node in self._first_nodes:
            self.add_node(**node)
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.call(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def requests(self) -> list[Seen]:
        """Every request so far, in order of arrival."""
        return list(self.rest.seen)

    @property
    def connections(self) -> int:
        """How many clients' connections are open."""

        def count() -> int:
            server = self._runner.server if self._runner else None
            # aiohttp keeps one whose client has left for as long as its handler runs.
            return sum(one.transport is not None for one in server.connections) if server else 0

        return self.do(count)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the cluster's loop, from another thread, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def do(self, work: Callable[[], T]) -> T:
        """Call something in the cluster's loop, from another thread, and wait for it."""

        async def called() -> T:
            return work()

        return self.call(called())

    async def _start(self) -> None:
        for namespace in ("default", "kube-system"):
            self.registry.create_as_system(names.NAMESPACES, {"metadata": {"name": namespace}})
        for name in self._crds:
            self.registry.create_as_system(names.CRDS, definition_of(name))
        self._housekeeping.start()
        if self._wanted:
            from .controllers import Controllers

            create = self.registry.create_as_system
            self.controllers = Controllers(
                self.store, create, self.folder / "pods", images=self._images, speed=self._speed
            )
            self.rest.logs = self.controllers.logs
            await self.controllers.start()
        self._runner = web.AppRunner(
            self.rest.application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        await self._listen()

    async def _stop(self) -> None:
        self.faults.lift()
        await self._close_door()
        if self.controllers is not None:
            await self.controllers.close()
        if self._runner is not None:
            await self._runner.cleanup()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._context, reuse_address=True)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _close_door(self) -> None:
        if self._site is not None:
            server = self._site._server  # the site's own stop() waits for open streams, which do not end
            if server is not None:
                server.close()
            if self._runner is not None:
                self._runner._unreg_site(self._site)
            self._site = None
        if self._runner is not None and self._runner.server is not None:
            for connection in list(self._runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()

    # Faults

    @contextmanager
    def fault(self, kind: FaultKind, **options: Any) -> Iterator[Fault]:
        """Something goes wrong for requests that match, until the block ends. See `Fault`."""
        fault = Fault(kind, **options)
        self.do(lambda: self.faults.add(fault))
        try:
            yield fault
        finally:
            self.do(lambda: self.faults.lift(fault))

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens until the block ends; open connections are cut. What happened stays watchable."""
        self.call(self._close_door())
        try:
            yield
        finally:
            self.call(self._listen())

    def restart(self) -> None:
        """As an API server that is started again: connections are cut, old versions can be watched no longer."""
        self.call(self._close_door())
        self.store.compact()
        self.call(self._listen())

    def cut(self) -> None:
        """Cut every open connection; the next one works."""
        self.call(self._close_door())
        self.call(self._listen())

    def drop_events(self, count: int) -> None:
        """Lose the next watch events."""
        self.do(lambda: setattr(self.faults, "dropped_events", count))

    def break_lines(self, count: int) -> None:
        """Cut the next watch events in two; their watches end there."""
        self.do(lambda: setattr(self.faults, "broken_lines", count))

    def renew_certificates(self) -> None:
        """Another authority signs the server's certificate; kubeconfigs that were written before do not know it."""
        self.call(self._close_door())
        self._context, self._authority = certificates.make(self.folder)
        self.call(self._listen())

    def limit_streams(self, seconds: float | None) -> None:
        """End every watch and every followed log after so many seconds."""
        self.do(lambda: setattr(self.faults, "stream_s", seconds))

    @property
    def levers(self) -> Levers:
        """What befalls pods and nodes: eviction, preemption, lost nodes, memory that runs out, held queues."""
        assert self.controllers is not None, "this cluster has no controllers"
        return self.controllers.levers

    # What is in it

    def namespace(self, name: str, *, labels: Mapping[str, str] | None = None) -> str:
        """A namespace; gives its name."""
        meta: Object = {"name": name, "labels": dict(labels or {})}
        self.do(lambda: self.registry.create_as_system(names.NAMESPACES, {"metadata": meta}))
        return name

    def create(self, resource: str, body: Object, namespace: str | None = None) -> Object:
        """Any object, as the system creates it: with defaults, rules and admission."""
        if namespace is not None:
            body = {**body, "metadata": {"namespace": namespace, **body.get("metadata", {})}}
        return self.do(lambda: self.registry.create_as_system(resource, body))

    def add_node(
        self,
        name: str,
        *,
        cpu: str = "8",
        memory: str = "32Gi",
        gpus: int = 0,
        gpu_resource: str = "nvidia.com/gpu",
        gpu_product: str | None = None,
        labels: Mapping[str, str] | None = None,
        taints: Sequence[Object] = (),
    ) -> Object:
        """A node that is ready, with so many GPUs."""
        amounts: Object = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"}
        if gpus:
            amounts[gpu_resource] = str(gpus)
        said = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        said |= {"nvidia.com/gpu.product": gpu_product} if gpu_product else {}
        number = len(self.store.peek_all(names.NODES)) + 1
        node: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {**said, **(labels or {})}},
            "spec": {"taints": list(taints)} if taints else {},
            "status": {
                "capacity": dict(amounts),
                "allocatable": dict(amounts),
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
                "addresses": [{"type": "InternalIP", "address": f"10.0.0.{number}"}],
            },
        }
        return self.do(lambda: self.registry.create_as_system(names.NODES, node))

    # Who uses it

    def add_user(
        self,
        name: str,
        *,
        groups: Sequence[str] = (AUTHENTICATED,),
        namespace: str | None = None,
        rules: Sequence[Object] = (),
        cluster_rules: Sequence[Object] = (),
    ) -> str:
        """A user with rights in a namespace, in the cluster, or (without any) none. Gives the token."""
        subject = [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}]
        reference = {"apiGroup": "rbac.authorization.k8s.io", "name": name}

        def add() -> None:
            create = self.registry.create_as_system
            if rules:
                meta = {"name": name, "namespace": namespace}
                create(names.ROLES, {"metadata": meta, "rules": list(rules)})
                create(
                    names.ROLE_BINDINGS,
                    {"metadata": meta, "subjects": subject, "roleRef": {**reference, "kind": "Role"}},
                )
            if cluster_rules:
                create(names.CLUSTER_ROLES, {"metadata": {"name": name}, "rules": list(cluster_rules)})
                create(
                    names.CLUSTER_ROLE_BINDINGS,
                    {"metadata": {"name": name}, "subjects": subject, "roleRef": {**reference, "kind": "ClusterRole"}},
                )

        self.do(add)
        return self.rotate_token(name, groups=groups)

    def rotate_token(self, name: str, *, groups: Sequence[str] | None = None) -> str:
        """A new token for a user: it stands in the user's token file, the one before is refused from now on."""
        old, token = self._tokens.get(name), secrets.token_urlsafe(24)
        user = self._users[name] = User(name, tuple(groups)) if groups is not None else self._users[name]
        self.do(lambda: self.access.allow_token(token, user))
        self._tokens[name] = token
        self.token_file(name).write_text(token, encoding="utf-8")
        if old is not None:
            self.do(lambda: self.access.revoke_token(old))
        return token

    def revoke_token(self, name: str) -> None:
        """A user's token is refused from now on (401)."""
        self.do(lambda: self.access.revoke_token(self._tokens[name]))

    def token(self, name: str = ADMIN) -> str:
        """A user's token."""
        return self._tokens[name]

    def token_file(self, name: str) -> Path:
        """Where a user's token stands; kubeconfigs made with `token_file=True` point to it."""
        return self.folder / f"token-{name.replace(':', '_')}"

    def write_kubeconfig(
        self,
        user: str,
        *,
        path: Path | None = None,
        namespace: str = "default",
        context: str = "fake",
        token_file: bool = True,
    ) -> Path:
        """A kubeconfig of a user; gives its path."""
        path = path or self.folder / f"kubeconfig-{user.replace(':', '_')}"
        authority = base64.b64encode(self._authority).decode()
        credential = {"tokenFile": str(self.token_file(user))} if token_file else {"token": self._tokens[user]}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": user, "user": credential}],
            "contexts": [{"name": context, "context": {"cluster": "fake", "user": user, "namespace": namespace}}],
            "current-context": context,
        }
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        path.chmod(0o600)
        return path

    @property
    def authority(self) -> bytes:
        """PEM of the authority that signed the server's certificate."""
        return self._authority
