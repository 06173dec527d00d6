"""Of the tests' API server: what its users may, what goes wrong on demand, what official clients make of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from apiclient import Api, of_kubeconfig
from kube import names
from kube.cluster import FakeCluster
from kube.store import Object
from kubeobjects import config_map, job, jobs, maps

NS = "team-a"
READ_JOBS = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "list", "watch"]}


@pytest.fixture
def api(fake_api: FakeCluster) -> Iterator[Api]:
    """Its administrator, with a namespace to work in."""
    fake_api.namespace(NS)
    found = of_kubeconfig(fake_api.kubeconfig)
    yield found
    found.close()


def of_user(cluster: FakeCluster, name: str) -> Api:
    return of_kubeconfig(cluster.write_kubeconfig(name, namespace=NS))


# Rights


def test_a_user_may_what_roles_allow_and_no_more(fake_api: FakeCluster, api: Api) -> None:
    fake_api.add_user("alice", namespace=NS, rules=[READ_JOBS])
    alice = of_user(fake_api, "alice")
    assert alice.get(jobs(NS))["kind"] == "JobList"
    said = alice.create(jobs(NS), job())
    assert (said["code"], said["reason"]) == (403, "Forbidden")
    assert said["message"] == (
        'jobs.batch is forbidden: User "alice" cannot create resource "jobs" in API group "batch" in the namespace '
        f'"{NS}"'
    )
    assert alice.get(f"{jobs('default')}/x")["message"].startswith(
        'jobs.batch "x" is forbidden: User "alice" cannot get'
    )
    assert alice.get("/api/v1/nodes")["message"].endswith('in API group "" at the cluster scope')
    assert alice.get("/api/v1/namespaces/team-a/pods/p/log")["message"].startswith(
        'pods "p" is forbidden: User "alice" cannot get resource "pods/log"'
    )
    refused = [(seen.verb, seen.resource) for seen in fake_api.requests if seen.status == 403]
    assert refused == [("create", "jobs.batch"), ("get", "jobs.batch"), ("list", "nodes"), ("get", "pods/log")]


def test_a_rotated_token_is_refused_and_the_new_one_stands_in_the_file(fake_api: FakeCluster, api: Api) -> None:
    old = fake_api.add_user("alice", namespace=NS, rules=[READ_JOBS])
    alice = of_user(fake_api, "alice")
    assert alice.call("GET", jobs(NS)).status_code == 200
    new = fake_api.rotate_token("alice")
    assert alice.call("GET", jobs(NS)).status_code == 401
    assert fake_api.token_file("alice").read_text() == new != old
    assert of_user(fake_api, "alice").call("GET", jobs(NS)).status_code == 200


# Faults


def test_after_a_restart_old_versions_can_be_watched_no_longer(fake_api: FakeCluster, api: Api) -> None:
    version = api.get(maps(NS))["metadata"]["resourceVersion"]
    api.create(maps(NS), config_map("a"))
    fake_api.restart()
    with api.watch(maps(NS), resourceVersion=version) as events:
        said = next(events)
    assert (said["type"], said["object"]["code"], said["object"]["reason"]) == ("ERROR", 410, "Expired")
    assert said["object"]["message"].startswith(f"too old resource version: {version} (")
    fake_api.rest.watches.expired_as_status = True
    assert api.call("GET", maps(NS), watch="1", resourceVersion=version).status_code == 410


def test_a_restart_cuts_streams_and_keeps_objects(fake_api: FakeCluster, api: Api) -> None:
    api.create(maps(NS), config_map("a"))
    with (
        pytest.raises(httpx.TransportError),
        api.watch(maps(NS), timeoutSeconds=60, fieldSelector="metadata.name=a") as events,
    ):
        assert next(events)["type"] == "ADDED"
        fake_api.restart()
        next(events)
    assert api.get(f"{maps(NS)}/a")["metadata"]["name"] == "a"


def test_a_continued_list_expires_with_a_token_for_the_rest(fake_api: FakeCluster, api: Api) -> None:
    for name in "abc":
        api.create(maps(NS), config_map(name))
    first = api.get(maps(NS), limit=1)
    api.create(maps(NS), config_map("d"))
    fake_api.store.compact()
    said = api.get(maps(NS), limit=1, **{"continue": first["metadata"]["continue"]})
    assert (said["code"], said["reason"]) == (410, "Expired")
    rest = api.get(maps(NS), **{"continue": said["metadata"]["continue"]})
    assert len(rest["items"]) == 3


def test_answers_can_be_late_refused_broken_or_lost(fake_api: FakeCluster, api: Api) -> None:
    with fake_api.fault("throttle", seconds=3):
        answer = api.call("GET", maps(NS))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    with fake_api.fault("html", path="configmaps"):
        answer = api.call("GET", maps(NS))
        assert answer.status_code == 502 and answer.headers["content-type"].startswith("text/html")
        assert api.call("GET", jobs(NS)).status_code == 200
    with fake_api.fault("error", status=503, times=1):
        assert [api.call("GET", maps(NS)).status_code for _ in range(2)] == [503, 200]
    with fake_api.fault("lost_answer", methods=("POST",)), pytest.raises(httpx.TransportError):
        api.create(maps(NS), config_map("made"))
    assert api.get(f"{maps(NS)}/made")["metadata"]["name"] == "made"
    with fake_api.fault("hang"), pytest.raises(httpx.ReadTimeout):
        api.http.get(maps(NS), timeout=httpx.Timeout(20, read=0.2))
    with fake_api.refusing(), pytest.raises(httpx.ConnectError):
        api.call("GET", maps(NS))
    assert api.call("GET", maps(NS)).status_code == 200


def test_watch_events_can_be_lost_and_streams_cut_short(fake_api: FakeCluster, api: Api) -> None:
    version = api.get(maps(NS))["metadata"]["resourceVersion"]
    fake_api.drop_events(1)
    with api.watch(maps(NS), resourceVersion=version) as events:
        api.create(maps(NS), config_map("lost"))
        api.create(maps(NS), config_map("seen"))
        assert next(events)["object"]["metadata"]["name"] == "seen"
    fake_api.limit_streams(0.1)
    with api.watch(maps(NS), resourceVersion=version, timeoutSeconds=60) as events:
        assert [event["object"]["metadata"]["name"] for event in events] == ["lost", "seen"]


def test_a_watch_that_asks_for_bookmarks_hears_how_far_it_is(fake_api: FakeCluster, api: Api) -> None:
    fake_api.rest.watches.bookmark_s = 0.05
    version = api.get(maps(NS))["metadata"]["resourceVersion"]
    fake_api.create(names.NAMESPACES, {"metadata": {"name": "elsewhere"}})
    with api.watch(maps(NS), resourceVersion=version, allowWatchBookmarks="true") as events:
        mark = next(events)
    assert mark["type"] == "BOOKMARK" and mark["object"]["kind"] == "ConfigMap"
    assert int(mark["object"]["metadata"]["resourceVersion"]) > int(version)
    assert set(mark["object"]["metadata"]) == {"resourceVersion"}


# What follows a deletion


def owned(name: str, owner: Object) -> Object:
    reference = {"apiVersion": "batch/v1", "kind": "Job", "name": owner["metadata"]["name"]}
    body = config_map(name)
    body["metadata"]["ownerReferences"] = [{**reference, "uid": owner["metadata"]["uid"]}]
    return body


def wait_for(events: Iterator[Object], kind: str, name: str) -> Object:
    return next(event for event in events if event["type"] == kind and event["object"]["metadata"]["name"] == name)


def test_what_a_job_owns_goes_with_it(fake_api: FakeCluster, api: Api) -> None:
    owner = api.create(jobs(NS), job())
    api.create(maps(NS), owned("bundle", owner))
    with api.watch(maps(NS)) as events:
        api.call("DELETE", f"{jobs(NS)}/j", propagationPolicy="Background")
        wait_for(events, "DELETED", "bundle")
    other = api.create(jobs(NS), job("k"))
    api.create(maps(NS), owned("kept", other))
    with api.watch(maps(NS)) as events:
        api.call("DELETE", f"{jobs(NS)}/k", propagationPolicy="Orphan")
        changed = wait_for(events, "MODIFIED", "kept")
    assert "ownerReferences" not in changed["object"]["metadata"]
    with api.watch(maps(NS)) as events:  # an owner that is gone already
        api.create(maps(NS), owned("late", owner))
        wait_for(events, "DELETED", "late")


def test_a_foreground_deletion_waits_for_what_the_job_owns(fake_api: FakeCluster, api: Api) -> None:
    owner = api.create(jobs(NS), job())
    body = owned("held", owner)
    body["metadata"]["finalizers"] = ["example.org/hold"]
    api.create(maps(NS), body)
    with api.watch(maps(NS)) as events, api.watch(jobs(NS)) as told:
        api.call("DELETE", f"{jobs(NS)}/j", propagationPolicy="Foreground")
        going = wait_for(events, "MODIFIED", "held")
        assert going["object"]["metadata"]["deletionTimestamp"]
        assert api.get(f"{jobs(NS)}/j")["metadata"]["finalizers"] == ["foregroundDeletion"]
        api.patch(f"{maps(NS)}/held", {"metadata": {"finalizers": None}})
        wait_for(told, "DELETED", "j")


# Custom resources


def test_custom_resources_are_checked_by_their_definition(fake_api: FakeCluster, api: Api) -> None:
    path = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{NS}/jobsets"
    template = job()["spec"]["template"]
    made = {"name": "worker", "replicas": 1, "template": {"spec": {"template": template}}}
    body = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "s"},
            "spec": {"replicatedJobs": [made]}}  # fmt: skip
    assert api.create(path, body)["metadata"]["generation"] == 1
    said = api.create(path, {**body, "metadata": {"name": "t"}, "spec": {"replicatedJobs": [made], "retries": 1}})
    assert said["code"] == 400 and said["message"].endswith('strict decoding error: unknown field "spec.retries"')
    said = api.create(
        path, {**body, "metadata": {"name": "t"}, "spec": {"replicatedJobs": [{**made, "replicas": "x"}]}}
    )
    assert said["code"] == 422 and "in body must be of type integer" in said["message"]
    wide = api.patch(f"{path}/s", {"metadata": {"labels": {"a": "b"}}}, "strategic-merge-patch+json")
    assert wide["code"] == 415


# Clients of others


@pytest.fixture
def kubectl(fake_api: FakeCluster, api: Api, tmp_path: Path) -> list[str]:
    """The command, as the administrator in our namespace."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs a real cluster's tool: kubectl")
    config = fake_api.write_kubeconfig("admin", namespace=NS)
    return ["kubectl", f"--kubeconfig={config}", f"--cache-dir={tmp_path / 'cache'}"]


def run(command: list[str], *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": "/nonexistent"}
    return subprocess.run(
        [*command, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_kubectl_applies_gets_and_deletes(kubectl: list[str], api: Api) -> None:
    text = yaml.safe_dump(job())
    assert run(kubectl, "apply", "-f", "-", given=text).stdout == "job.batch/j created\n"
    assert run(kubectl, "apply", "-f", "-", given=text).stdout == "job.batch/j unchanged\n"
    changed = yaml.safe_dump(job(suspend=False))
    assert run(kubectl, "apply", "-f", "-", given=changed).stdout == "job.batch/j configured\n"
    assert api.get(f"{jobs(NS)}/j")["spec"]["suspend"] is False
    assert "serverside-applied" in run(kubectl, "apply", "--server-side", "--force-conflicts", "-f", "-",
                                       given=changed).stdout  # fmt: skip
    assert json.loads(run(kubectl, "get", "jobs", "-o", "json").stdout)["items"][0]["metadata"]["name"] == "j"
    assert run(kubectl, "get", "job", "j", "-o", "name").stdout == "job.batch/j\n"
    assert 'job.batch "j" deleted' in run(kubectl, "delete", "job", "j").stdout


def test_kubectl_asks_for_dry_runs_and_rights(kubectl: list[str], api: Api, fake_api: FakeCluster) -> None:
    made = run(kubectl, "create", "--dry-run=server", "-f", "-", given=yaml.safe_dump(job()))
    assert made.stdout == "job.batch/j created (server dry run)\n"
    assert api.get(f"{jobs(NS)}/j")["code"] == 404
    wrong = run(kubectl, "create", "-f", "-", given=yaml.safe_dump(job(activeDeadlineSecond=1)))
    assert 'strict decoding error: unknown field "spec.activeDeadlineSecond"' in wrong.stderr
    assert run(kubectl, "auth", "can-i", "create", "jobs.batch").stdout == "yes\n"
    fake_api.add_user("alice", namespace=NS, rules=[READ_JOBS])
    alice = [kubectl[0], f"--kubeconfig={fake_api.write_kubeconfig('alice', namespace=NS)}", kubectl[2]]
    assert run(alice, "auth", "can-i", "list", "jobs.batch").stdout == "yes\n"
    assert run(alice, "auth", "can-i", "create", "jobs.batch").stdout == "no\n"


def test_kubectl_watches(kubectl: list[str], api: Api) -> None:
    api.create(maps(NS), config_map("first", {"w": "1"}))
    command = [*kubectl, "get", "configmaps", "-l", "w=1", "-w", "-o", "name"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "configmap/first\n"
            api.create(maps(NS), config_map("second", {"w": "1"}))
            assert process.stdout.readline() == "configmap/second\n"
        finally:
            process.kill()


def test_lightkube_works_on_it(fake_api: FakeCluster, api: Api) -> None:
    lightkube = pytest.importorskip("lightkube")
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    client = lightkube.Client(lightkube.KubeConfig.from_file(fake_api.kubeconfig), namespace=NS)
    client.create(ConfigMap(metadata=ObjectMeta(name="a"), data={"x": "1"}))
    assert client.patch(ConfigMap, "a", {"data": {"y": "2"}}).data == {"x": "1", "y": "2"}
    assert "a" in {found.metadata.name for found in client.list(ConfigMap, chunk_size=1)}
    event, found = next(iter(client.watch(ConfigMap, fields={"metadata.name": "a"})))
    assert (event, found.data) == ("ADDED", {"x": "1", "y": "2"})
    client.delete(ConfigMap, "a")
    with pytest.raises(lightkube.ApiError, match='configmaps "a" not found'):
        client.get(ConfigMap, "a")


def test_the_official_client_works_on_it(fake_api: FakeCluster, api: Api) -> None:
    pytest.importorskip("kubernetes")

    async def work() -> tuple[list[str], str, str]:
        from kubernetes.aio import client, config, watch

        configuration = client.Configuration()
        await config.load_kube_config(str(fake_api.kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as connection:
            batch = client.BatchV1Api(connection)
            made = await batch.create_namespaced_job(NS, job(), field_validation="Strict")
            listed = await batch.list_namespaced_job(NS, label_selector="job-name=j")
            async with watch.Watch() as stream:
                async for event in stream.stream(batch.list_namespaced_job, NS, timeout_seconds=5):
                    return [each.metadata.name for each in listed.items], made.metadata.uid, event["type"]
        raise AssertionError("no event")

    found, uid, kind = asyncio.run(work())
    assert (found, kind) == (["j"], "ADDED")
    assert uid == fake_api.store.get(names.JOBS, NS, "j")["metadata"]["uid"]


# Streams that are cut


def test_clients_that_leave_and_streams_that_are_cut_leave_no_watch_behind(fake_api: FakeCluster, api: Api) -> None:
    alone = fake_api.store.listeners

    def wait_alone() -> None:
        end = time.monotonic() + 20
        while fake_api.store.listeners != alone:
            assert time.monotonic() < end
            time.sleep(0.01)

    with api.watch(maps(NS), timeoutSeconds=60) as events:
        next(events)
        assert fake_api.store.listeners == alone + 1
    wait_alone()
    with pytest.raises(httpx.TransportError), api.watch(maps(NS), timeoutSeconds=60) as events:
        next(events)
        fake_api.cut()
        next(events)
    wait_alone()
