"""All jobs' objects at hand, by one list and one watch a resource, however many look."""

from __future__ import annotations

import asyncio
import copy
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from badserver import Scripted, listing, only_target, status, until, write_kubeconfig

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.resources import JOBS, Resource
from mlk_jupyter.backends.kubernetes.timing import Times
from mlk_jupyter.backends.kubernetes.watch.informer import EVENTS_AN_OBJECT, Informer, snapshot
from mlk_jupyter.backends.kubernetes.watch.pruning import keep_event, keep_job, keep_pod
from mlk_jupyter.model.api import WatchState

JOB = "digits-0123456789"
QUICK = Times(first_wait_s=0.01, longest_wait_s=0.05, recheck_s=0.1)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 60))


def an_object(kind: str, name: str, version: int, job_id: str | None = JOB, **content: Any) -> dict[str, Any]:
    its_labels = {labels.MANAGED_BY: labels.OURS, labels.JOB: job_id} if job_id else {}
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version), "labels": its_labels}
    at = {"creationTimestamp": f"2026-11-22T08:00:{version % 60:02}Z", "managedFields": [{"manager": "x" * 50}]}
    return {"kind": kind, "apiVersion": "v1", "metadata": {**metadata, **at}, **content}


def an_event(name: str, version: int, about: str, message: str = "m") -> dict[str, Any]:
    involved = {"kind": "Pod", "name": about, "uid": f"uid-{about}"}
    at = f"2026-11-22T08:{version // 60 % 60:02}:{version % 60:02}Z"
    return an_object("Event", name, version, None, involvedObject=involved, message=message, lastTimestamp=at)


class Api:
    """Lists by resource, and watches that send what they are given."""

    def __init__(self) -> None:
        self.items: dict[str, list[dict[str, Any]]] = {}
        self.refused: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.selectors: dict[str, str] = {}
        self._open: dict[str, list[web.StreamResponse]] = {}
        self._over = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        resource = request.path.rsplit("/", 1)[1]
        watched = "watch" in request.query
        self.calls[resource, "watch" if watched else "list"] += 1
        self.selectors[resource] = request.query.get("labelSelector", "")
        if resource in self.refused:
            return status(403, f'{resource} is forbidden: User "a" cannot list resource "{resource}" in API group ""')
        if not watched:
            items = self.items.get(resource, [])
            return listing(items, 100, kind={"jobs": "Job", "events": "Event"}.get(resource, "Pod"))
        response = web.StreamResponse()
        await response.prepare(request)
        self._open.setdefault(resource, []).append(response)
        await self._over.wait()
        return response

    async def send(self, resource: str, kind: str, *objects: dict[str, Any]) -> None:
        await until(lambda: self._open.get(resource))
        lines = b"".join(json.dumps({"type": kind, "object": one}).encode() + b"\n" for one in objects)
        await self._open[resource][-1].write(lines)

    @asynccontextmanager
    async def observed(self, tmp_path: Path, **options: Any) -> AsyncIterator[tuple[Connection, Informer]]:
        async with Scripted(self.answer) as server:
            write_kubeconfig(tmp_path / "kubeconfig", server.url)
            chosen = {"user": None, "kinds": [JOBS], "workloads": None, "times": QUICK, **options}
            try:
                async with Connection(only_target()) as connection, Informer(connection, **chosen) as informer:
                    yield connection, informer
            finally:
                self._over.set()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "MLK_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))


def test_a_jobs_objects_are_put_together_from_all_resources(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        api.items = {
            "jobs": [an_object("Job", f"{JOB}-r2", 2), an_object("Job", JOB, 1)],
            "pods": [an_object("Pod", f"{JOB}-0-abcde", 3), an_object("Pod", "x-1", 4, "other-0123456789")],
            "events": [
                an_event("late", 9, f"{JOB}-0-abcde"),
                an_event("early", 8, f"{JOB}-0-abcde"),
                an_event("foreign", 7, "somebody-else"),
            ],
        }
        async with api.observed(tmp_path, user="alice") as (_, informer):
            await informer.ready()
            found = informer.objects(JOB)
            assert [one["metadata"]["name"] for one in found.owners] == [JOB, f"{JOB}-r2"]
            assert [one["metadata"]["name"] for one in found.pods] == [f"{JOB}-0-abcde"]
            assert [one["metadata"]["name"] for one in found.events] == ["early", "late"]
            assert found.exists and found.now > 0 and informer.job_ids() == {JOB, "other-0123456789"}
            assert not informer.objects("nothing-0123456789").exists
            assert api.selectors["jobs"] == labels.selector("alice") and api.selectors["events"] == ""

    run(test)


def test_ten_subscribers_cost_the_api_server_no_more_than_one(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        heard: list[list[set[str]]] = [[] for _ in range(10)]
        async with api.observed(tmp_path) as (_, informer):
            await informer.ready()
            ends = [informer.subscribe(one.append) for one in heard]
            await api.send("pods", "ADDED", an_object("Pod", f"{JOB}-0-abcde", 101))
            await until(lambda: all(heard))
            assert all(one == [{JOB}] for one in heard)
            ends[0]()
            await api.send("pods", "DELETED", an_object("Pod", f"{JOB}-0-abcde", 102))
            await until(lambda: all(len(one) == 2 for one in heard[1:]))
            assert len(heard[0]) == 1 and informer.job_ids() == set()
            calls = {(resource, verb): 1 for resource in ("jobs", "pods", "events") for verb in ("list", "watch")}
            assert api.calls == Counter(calls)

    run(test)


def test_a_burst_of_events_is_told_in_few_calls(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        heard: list[set[str]] = []
        async with api.observed(tmp_path) as (_, informer):
            await informer.ready()
            informer.subscribe(heard.append)
            await api.send("pods", "ADDED", *(an_object("Pod", f"{JOB}-{n}-abcde", 101 + n) for n in range(500)))
            await until(lambda: len(informer.objects(JOB).pods) == 500)
            await until(lambda: heard)
            assert len(heard) <= 100 and set().union(*heard) == {JOB}

    run(test)


def test_events_are_bounded_for_each_object(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        async with api.observed(tmp_path) as (_, informer):
            await informer.ready()
            many = [an_event(f"e{n}", 101 + n, f"{JOB}-0-abcde") for n in range(200)]
            await api.send("events", "ADDED", *many)
            await until(lambda: [one["metadata"]["name"] for one in informer.objects(JOB).events][-1:] == ["e199"])
            names = [one["metadata"]["name"] for one in informer.objects(JOB).events]
            assert names == [f"e{n}" for n in range(200 - EVENTS_AN_OBJECT, 200)]
            assert len(informer._events.objects) == EVENTS_AN_OBJECT

    run(test)


def test_a_right_to_read_events_that_is_missing_spoils_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        api.refused = {"events"}
        api.items = {"jobs": [an_object("Job", JOB, 1)]}
        async with api.observed(tmp_path) as (connection, informer):
            await informer.ready()
            assert informer.objects(JOB).exists
            await until(lambda: informer.state[0] is WatchState.LIVE)
            assert "Reasons may be missing" in (informer.state[1] or "") and "events" in (informer.state[1] or "")
            assert set(await snapshot(connection, user=None, kinds=[JOBS], workloads=None)) == {JOB}

    run(test)


def test_a_right_to_list_jobs_that_is_missing_is_the_links_state_until_it_is_given(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        api.refused = {"jobs"}
        links: list[WatchState] = []
        async with api.observed(tmp_path) as (_, informer):
            informer.on_state = lambda: links.append(informer.state[0])
            await informer.ready()
            await until(lambda: informer.state[0] is WatchState.REFUSED)
            assert "cannot list" in (informer.state[1] or "")
            api.refused = set()
            await until(lambda: informer.state[0] is WatchState.LIVE)
            assert links[-1] is WatchState.LIVE and WatchState.REFUSED in links

    run(test)


def test_a_snapshot_holds_what_the_informer_holds(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        api.items = {"jobs": [an_object("Job", JOB, 1)], "pods": [an_object("Pod", "x-1", 4, "other-0123456789")]}
        async with api.observed(tmp_path) as (connection, informer):
            await informer.ready()
            taken = await snapshot(connection, user=None, kinds=[JOBS], workloads=None)
            assert {key: one.owners + one.pods for key, one in taken.items()} == {
                key: informer.objects(key).owners + informer.objects(key).pods for key in informer.job_ids()
            }
            only = await snapshot(connection, user=None, kinds=[JOBS], workloads=None, job_id=JOB)
            assert set(only) == {JOB}

    run(test)


POD: dict[str, Any] = {
    "spec": {
        "containers": [{"name": "worker", "image": "i", "resources": {}, "env": [{"name": "DB", "value": "canary"}]}],
        "volumes": [
            {"name": "v", "configMap": {"name": "canary"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "c"}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        ],
        "nodeName": "n",
    },
    "status": {"phase": "Running"},
}


def test_what_is_kept_of_an_object_has_its_status_but_no_values_of_variables() -> None:
    pod = an_object("Pod", "p", 1, **copy.deepcopy(POD))
    pod["metadata"]["annotations"] = {"mlk-jupyter.io/spec": "s", "kubectl.kubernetes.io/last-applied": "canary"}
    job = an_object("Job", "j", 1, spec={"completions": 2, "template": {"spec": copy.deepcopy(POD["spec"])}})
    kept_pod, kept_job = keep_pod(pod), keep_job(JOBS)(job)
    assert kept_pod is not None and kept_job is not None
    assert kept_pod["status"] == POD["status"] and kept_pod["spec"]["nodeName"] == "n"
    assert kept_pod["metadata"]["annotations"] == {"mlk-jupyter.io/spec": "s"}
    assert [one["name"] for one in kept_pod["spec"]["volumes"]] == ["data", "shm"], "reasons speak of these"
    assert kept_job["spec"]["completions"] == 2
    assert kept_job["spec"]["template"]["spec"]["containers"] == [{"name": "worker", "image": "i", "resources": {}}]
    for kept in (kept_pod, kept_job):
        assert "canary" not in json.dumps(kept) and "managedFields" not in kept["metadata"]


def test_events_about_others_are_not_kept() -> None:
    assert keep_event(an_event("e", 1, "somebody-else")) is None
    assert keep_event(an_event("e", 1, f"{JOB}-0-abcde")) is not None


@pytest.mark.parametrize(
    ("kind", "name", "job"),
    [
        ("Job", JOB, JOB),
        ("Job", f"{JOB}-r2", JOB),
        ("Job", f"job-{JOB}", f"job-{JOB}"),
        ("ConfigMap", f"{JOB}-bundle", JOB),
        ("Pod", f"{JOB}-0-abcde", JOB),
        ("Pod", f"{JOB}-worker-0-12-abcde", JOB),
        ("Pod", f"{JOB}-master-0", JOB),
        ("Pod", f"{JOB}-fedcba9876-0-abcde", f"{JOB}-fedcba9876"),
        ("Workload", f"job-{JOB}-a1b2c", JOB),
        ("Workload", f"pytorchjob-{JOB}-r2-a1b2c", JOB),
        ("Pod", "somebody-else", None),
        ("Pod", f"{JOB}0-abcde", None),
    ],
)
def test_the_job_of_an_object_is_known_by_its_name(kind: str, name: str, job: str | None) -> None:
    assert labels.job_of(labels.subject(kind, name)) == job


def test_what_a_controller_made_of_a_job_is_not_the_job(tmp_path: Path) -> None:
    async def test() -> None:
        api = Api()
        child = an_object("Job", f"{JOB}-worker-0", 2)
        child["metadata"]["ownerReferences"] = [{"controller": True, "kind": "Whole", "name": JOB, "uid": f"uid-{JOB}"}]
        for item in (child, whole := an_object("Whole", JOB, 1)):
            del item["kind"], item["apiVersion"]  # as in lists
        api.items = {"jobs": [child], "wholes": [whole]}
        kinds = [JOBS, Resource("example.org", "v1", "wholes", "Whole")]
        async with api.observed(tmp_path, kinds=kinds) as (_, informer):
            await informer.ready()
            found = informer.objects(JOB)
            assert [(one["apiVersion"], one["kind"]) for one in found.owners] == [("example.org/v1", "Whole")]
            assert [(one["apiVersion"], one["kind"]) for one in found.children] == [("batch/v1", "Job")]

    run(test)
