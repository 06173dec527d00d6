"""Jobs on the tests' cluster, from synchronous code: each `Desk` stands for one process that somebody works in."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.api.targets import Target, targets
from mlk_jupyter.backends.kubernetes.backend import KubernetesBackend
from mlk_jupyter.backends.kubernetes.timing import Timing
from mlk_jupyter.bundle import Bundle, build
from mlk_jupyter.model import JobSpec, JobStatus, JobSummary, Phase, RunState
from mlk_jupyter.record.folder import JobFolder

T = TypeVar("T")
Object = dict[str, Any]
NAMESPACE = "default"
IMAGE = "local/torch:1"
OURS = (names.JOBS, names.JOB_SETS, names.PODS, names.CONFIG_MAPS, names.SERVICES)
POLICIES = "networkpolicies.networking.k8s.io"
FOREVER = "import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.02)"
_LIMIT_S = 40.0  # far beyond what a slow machine needs: it ends a test that would hang


class Desk:
    """One process that uses a cluster, with its own connection, in a thread of its own.

    Args:
        root:     the data directory; desks that share it stand for processes of one machine.
        watching: whether somebody looks at the list of jobs.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        root: Path,
        make_notebook: Callable[..., Object],
        *,
        user: str = "ada",
        watching: bool = True,
        target: Target | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.cluster, self._make = cluster, make_notebook
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="desk", daemon=True)
        self._thread.start()
        self.backend = KubernetesBackend(target or targets()[0], root=root, user=user, timing=timing)
        self.seen: dict[str, JobSummary] = {}
        """The list of jobs as it is shown."""
        self._view: asyncio.Task[None] | None = None
        self._open = True
        if watching:
            self.view()

    # Life

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something here and waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LIMIT_S)

    def view(self) -> None:
        """Looks at the list from now on; returns when it is there."""

        async def follow(first: asyncio.Event) -> None:
            async for changes in self.backend.watch():
                self.seen.update({job.id: job for job in changes.changed})
                for job_id in changes.removed:
                    self.seen.pop(job_id, None)
                first.set()

        async def begin() -> None:
            first = asyncio.Event()
            self._view = asyncio.create_task(follow(first))
            await first.wait()

        self.do(begin())

    def look_away(self) -> None:
        """Closes the list."""

        async def end() -> None:
            if self._view is not None:
                self._view.cancel()
                await asyncio.wait({self._view})
                self._view = None

        self.do(end())

    def tasks(self) -> list[str]:
        """Names of what still runs here."""

        async def found() -> list[str]:
            every = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]
            return [task.get_name() for task in every]

        return self.do(found())

    def close(self) -> None:
        """Ends it in order."""
        if self._open:
            self._open = False
            self.look_away()
            self.do(self.backend.close())
            left = self.tasks()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()
            assert left == [], left

    # Jobs

    def bundle(self, *cells: str, **spec: Any) -> tuple[JobSpec, Bundle]:
        """What is submitted for a notebook of these cells. `options` go to the cluster."""
        options = {"image": IMAGE, "grace_period_s": 5, **spec.pop("options", {})}
        asked = JobSpec(**{"name": "a job", "notebook": "a.ipynb", "mlflow": False, **spec, "cluster": options})
        return asked, build(self._make(*cells), asked, None, byte_code=False)

    def submit(self, *cells: str, request_id: str | None = None, **spec: Any) -> str:
        """Submits a notebook of these cells; gives the job's id."""
        asked, bundle = self.bundle(*cells, **spec)
        return self.do(self.backend.submit(asked, bundle, request_id=request_id or uuid.uuid4().hex)).id

    def status(self, job: str) -> JobStatus:
        return self.do(self.backend.job(job))

    def folder(self, job: str) -> JobFolder:
        return self.backend.folder(job)

    def look_at(self, job: str, rank: int) -> None:
        """Looks at a rank's log."""

        async def look() -> None:
            self.backend.look(job, rank)

        self.do(look())

    def records(self) -> Path:
        """Where the job folders of this cluster are."""
        return self.backend._records.jobs

    def folder_exists(self, job: str) -> bool:
        return self.backend._records.folder(job).path.exists()

    def stop(self, job: str) -> None:
        self.do(self.backend.stop(job))

    def delete(self, job: str) -> None:
        self.do(self.backend.delete(job))

    def until(self, job: str, fits: Callable[[JobStatus], bool]) -> JobStatus:
        """The first status that fits."""

        def look() -> JobStatus | None:
            status = self.status(job)
            if fits(status):
                return status
            assert not status.phase.final, f"The job ended before: {status}"
            return None

        return wait_for(look, lambda: self.status(job))

    def until_over(self, job: str) -> JobStatus:
        """The status of a job that is over and whose MLflow run is settled."""
        return self.until(
            job,
            lambda status: status.phase.final and not (status.run and status.run.state is RunState.PENDING),
        )

    def until_running(self, job: str, cell: int = 1) -> JobStatus:
        """Waits until rank 0 runs a code cell."""
        return self.until(job, lambda status: status.phase is Phase.RUNNING and (status.progress.cell or 0) >= cell)

    def until_reason(self, job: str, code: str) -> JobStatus:
        """Waits until it says why it is not over."""
        return self.until(job, lambda status: status.reason is not None and status.reason.code == code)

    def outputs(self, job: str) -> list[str]:
        """The text that each cell of the executed notebook printed."""
        return [text_of(cell) for cell in json.loads(self.folder(job).executed.read_bytes())["cells"]]


def text_of(cell: Object) -> str:
    return "".join("".join(output.get("text", "")) for output in cell.get("outputs", []))


def wait_for(condition: Callable[[], Any], explain: Callable[[], Any] | None = None) -> Any:
    """The first truthy value of `condition`."""
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"It did not happen within {_LIMIT_S:.0f} s. {explain() if explain else ''}")


# The cluster's side


def held(cluster: FakeCluster, *resources: str, namespace: str = NAMESPACE) -> list[Object]:
    """Objects that bear our label; by default of every kind that a job is made of."""
    found = [each for one in resources or (*OURS, POLICIES) for each in cluster.store.list(one, namespace)]
    return [each for each in found if (each["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by")]


def pods_of(cluster: FakeCluster, job: str, attempt: int | None = None) -> list[Object]:
    """Its pods, by name."""
    labels = "mlk-jupyter.io/job", "mlk-jupyter.io/attempt"
    found = [pod for pod in held(cluster, names.PODS) if pod["metadata"]["labels"][labels[0]] == job]
    if attempt is not None:
        found = [pod for pod in found if pod["metadata"]["labels"][labels[1]] == str(attempt)]
    return sorted(found, key=lambda pod: pod["metadata"]["name"])


@contextmanager
def full(cluster: FakeCluster) -> Iterator[None]:
    """Somebody else's pods hold all GPUs of the nodes, until the block ends."""
    hogs = [f"hog-{node['metadata']['name']}" for node in cluster.store.list(names.NODES)]
    resources = {"limits": {"nvidia.com/gpu": "4"}}
    for hog in hogs:
        container = {"name": "a", "image": "local/a", "command": ["sleep", "600"], "resources": resources}
        meta = {"name": hog, "labels": {"app": "another"}}
        cluster.create(names.PODS, {"metadata": meta, "spec": {"containers": [container]}}, NAMESPACE)

    def running() -> bool:
        return all(cluster.store.get(names.PODS, NAMESPACE, hog)["status"].get("phase") == "Running" for hog in hogs)

    wait_for(running)
    try:
        yield
    finally:
        for hog in hogs:
            cluster.do(lambda hog=hog: cluster.store.delete(names.PODS, NAMESPACE, hog, grace_s=0))


def posts(cluster: FakeCluster, *, dry: bool = False) -> list[str]:
    """What was created, or tried to be, over the API; reviews of rights are none."""
    return [
        f"{seen.resource}/{seen.name}"
        for seen in cluster.requests
        if seen.method == "POST" and "authorization" not in seen.resource and ("dryRun" in seen.query) is dry
    ]


def same_notebook(notebook: Object) -> list[Any]:
    """Cells without what differs from run to run: times, hosts, process numbers."""
    return [_plain({key: cell[key] for key in ("cell_type", "source", "outputs", "execution_count") if key in cell})
            for cell in notebook["cells"]]  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if key not in ("metadata", "execution")}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"0x[0-9a-f]{6,}|\d{4}-\d\d-\d\d[T ][\d:.]+Z?", "…", value)
    return value
