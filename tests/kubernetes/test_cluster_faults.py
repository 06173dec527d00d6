"""Whole jobs while something goes wrong between here and the cluster: what is written down is what a calm day gives."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faultjobs import (
    FASTER,
    NAMESPACE,
    Gates,
    at_work,
    backend_at,
    calm_record,
    ended,
    files_of,
    frames_of,
    once_and_in_order,
    spec_of,
    submit,
    team,
    told,
    until,
)
from kube import names
from kube.cluster import FakeCluster

from mlk_jupyter.backends.kubernetes.backend import KubernetesBackend
from mlk_jupyter.backends.local import LocalBackend
from mlk_jupyter.backends.many import Backends, Choice
from mlk_jupyter.model import Phase
from mlk_jupyter.model.api import WatchState

TALK = "for n in range(40): print('line', n, flush=True); time.sleep(0.005)"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Iterator[FakeCluster]:
    with team(monkeypatch) as found:
        yield found


@dataclass
class Scene:
    """A running job whose end is near, and who watches it."""

    cluster: FakeCluster
    backend: KubernetesBackend
    job_id: str

    @property
    def watch(self) -> WatchState:
        return self.backend._controller.state[0]

    def over(self) -> bool:
        """Whether the job has ended, as only the cluster knows."""
        job = self.cluster.store.peek(names.JOBS, NAMESPACE, self.job_id)
        return any(one["type"] == "Complete" for one in (job or {}).get("status", {}).get("conditions", []))

    def watches(self) -> int:
        """How many watches were begun so far."""
        return sum(seen.verb == "watch" for seen in self.cluster.requests)


def times(kind: Any, met: int, **options: Any) -> Callable[[Scene], Awaitable[None]]:
    """A fault that lasts until the job is over and so many requests met it. Whoever had a stream lost it first."""

    async def misfortune(scene: Scene) -> None:
        with scene.cluster.fault(kind, **options) as fault:
            if kind != "hang":
                scene.cluster.cut()
            await until(lambda: scene.over() and fault.met >= met, f"{met} requests")

    return misfortune


async def restarted(scene: Scene) -> None:
    for _ in range(6):
        before = scene.watches()
        scene.cluster.restart()
        await until(lambda before=before: scene.watches() >= before + 3, "new watches")
    await until(scene.over, "the job's end")
    scene.cluster.restart()


async def restarted_with_a_status(scene: Scene) -> None:
    scene.cluster.rest.watches.expired_as_status = True
    await restarted(scene)


async def refused(scene: Scene) -> None:
    with scene.cluster.refusing():
        await until(lambda: scene.over() and scene.watch is WatchState.RECONNECTING, "the link's loss")


async def lost_events(scene: Scene) -> None:
    scene.cluster.drop_events(1000)
    await until(lambda: scene.over(), "the job's end")
    scene.cluster.drop_events(0)


async def short_streams(scene: Scene) -> None:
    scene.cluster.limit_streams(0.1)
    before = scene.watches()
    await until(lambda: scene.over() and scene.watches() > before + 9, "many watches")
    scene.cluster.limit_streams(None)


async def broken_lines(scene: Scene) -> None:
    scene.cluster.break_lines(3)
    await until(lambda: scene.over() and scene.cluster.faults.broken_lines == 0, "lines cut in two")


async def other_token(scene: Scene) -> None:
    scene.cluster.rotate_token("admin")
    before = scene.watches()
    scene.cluster.cut()
    await until(lambda: scene.over() and scene.watches() >= before + 3, "new watches")


async def token_expired_for_a_while(scene: Scene) -> None:
    scene.cluster.revoke_token("admin")
    scene.cluster.cut()
    await until(lambda: scene.over() and scene.watch is WatchState.REFUSED, "a refused login")
    scene.cluster.rotate_token("admin")


async def other_certificates(scene: Scene) -> None:
    before = scene.watches()
    scene.cluster.renew_certificates()
    await until(lambda: scene.over() and scene.watch is WatchState.RECONNECTING, "distrust")
    scene.cluster.write_kubeconfig("admin", namespace=NAMESPACE)
    await until(lambda: scene.watches() >= before + 3, "new watches")


MISFORTUNES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "the API server is killed and started again, seven times": restarted,
    "and answers old versions with status 410": restarted_with_a_status,
    "nobody listens": refused,
    "connections are reset": times("reset", 9),
    "it accepts and says nothing": times("hang", 4),
    "it asks to wait": times("throttle", 4, seconds=1),
    "errors 500": times("error", 9),
    "a proxy's page": times("html", 9),
    "each answer takes long": times("delay", 4, seconds=1.0),
    "watch events are lost": lost_events,
    "watches and logs end early": short_streams,
    "lines are cut in two": broken_lines,
    "the token is rotated": other_token,
    "the token expires, and is renewed later": token_expired_for_a_while,
    "certificates are replaced": other_certificates,
}


@pytest.mark.parametrize("misfortune", MISFORTUNES.values(), ids=MISFORTUNES.keys())
def test_a_job_that_ends_in_the_midst_of_it_is_written_down_as_on_a_calm_day(
    misfortune: Callable[[Scene], Awaitable[None]],
    cluster: FakeCluster,
    tmp_path: Path,
    make_notebook: Callable[..., dict[str, Any]],
) -> None:
    gates = Gates(tmp_path)
    notebook = make_notebook("print('begin')", gates.code("end"), TALK, "1 + 1")

    async def story() -> None:
        backend = backend_at(tmp_path / "here")
        async with at_work(backend) as seen:
            job_id = (await submit(backend, notebook, spec_of(workers=2))).id
            await gates.reached("end", ranks=2)
            await until(lambda: backend.folder(job_id).frames.exists(), "the first frames")
            await until(lambda: seen[job_id].phases[-1] is Phase.RUNNING, "Running")
            scene = Scene(cluster, backend, job_id)
            gates.open("end")
            await misfortune(scene)
            status = await ended(backend, job_id)
            await until(lambda: scene.watch is WatchState.LIVE, "the link")
            assert status.phase is Phase.SUCCEEDED and status.notices == []
            assert [one.phase for one in status.timeline][-2:] == [Phase.RUNNING, Phase.SUCCEEDED]
            assert once_and_in_order([one.phase for one in status.timeline])
            await until(lambda: seen[job_id].phases[-1] is Phase.SUCCEEDED, "its end")
            assert once_and_in_order(seen[job_id].phases)
            calm, calm_folder = await calm_record(job_id, tmp_path / "calm")
            assert told(status) == told(calm)
            assert files_of(backend.folder(job_id)) == files_of(calm_folder)
            assert frames_of(backend.folder(job_id)) == frames_of(calm_folder)
            assert b"line 39" in backend.folder(job_id).executed.read_bytes()

    asyncio.run(story())


def test_an_outage_is_shown_costs_few_requests_and_leaves_jobs_of_this_machine_usable(
    cluster: FakeCluster, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]
) -> None:
    gates = Gates(tmp_path)
    minute_s = 60 / FASTER

    async def story() -> None:
        backend, local = backend_at(tmp_path / "here"), LocalBackend(root=tmp_path / "local")

        async def decide() -> tuple[Choice, bool]:
            return Choice(backend, "It is under test."), True

        both = Backends([local, backend], decide)
        async with at_work(backend):
            job_id = (await submit(backend, make_notebook(gates.code("end")), spec_of())).id
            await gates.reached("end")
            await until(lambda: backend._controller.state[0] is WatchState.LIVE, "the link")
            before = len(cluster.requests)
            with cluster.fault("error", status=503):
                cluster.cut()
                await asyncio.sleep(minute_s)  # so long is the outage
                link, why = backend._controller.state
                assert link is WatchState.RECONNECTING and why is not None and "since" in why
                asked = cluster.requests[before:]
                here = await both.at("local")
                assert (await here.info()).kind == "local"
                assert [job.id for job in await both.jobs()] == [job_id]
            kinds = Counter(one.path for one in asked)
            assert kinds and all(count <= 15 for count in kinds.values()), kinds
            await until(lambda: backend._controller.state[0] is WatchState.LIVE, "the link again")
            gates.open("end")
            assert (await ended(backend, job_id)).phase is Phase.SUCCEEDED

    asyncio.run(story())
