"""The tests' cluster as a process of its own, and what only a running one shows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from apiclient import of_kubeconfig
from clusterjobs import wait_for
from kube.cluster import KUEUE_CRDS, FakeCluster
from kubeobjects import config_map, job, maps

ROOT = Path(__file__).resolve().parents[2]


def test_a_process_says_where_it_serves_and_ends_when_asked(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "tests.kube", "--kubeconfig", str(kubeconfig), "--namespace", "team-a",
               "--nodes", "3", "--gpus", "2", "--jobset"]  # fmt: skip
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            url, path = process.stdout.readline().split()
            assert url.startswith("https://127.0.0.1:") and path == str(kubeconfig)
            api = of_kubeconfig(kubeconfig)
            nodes = api.get("/api/v1/nodes")["items"]
            assert [node["status"]["allocatable"]["nvidia.com/gpu"] for node in nodes] == ["2", "2", "2"]
            assert api.get("/api/v1/namespaces/team-a")["status"]["phase"] == "Active"
            assert api.get("/apis/jobset.x-k8s.io/v1alpha2/jobsets")["kind"] == "JobSetList"
            api.close()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_process_closes_its_door_and_opens_it_again(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [sys.executable, "-m", "tests.kube", "--kubeconfig", str(kubeconfig), "--no-controllers"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline()
            api = of_kubeconfig(kubeconfig)
            api.create(maps("default"), config_map("kept"))

            def answers() -> bool:
                try:
                    return bool(api.get(f"{maps('default')}/kept")["metadata"])
                except httpx.TransportError:
                    return False

            process.send_signal(signal.SIGUSR1)
            wait_for(lambda: not answers())
            process.send_signal(signal.SIGUSR2)
            wait_for(answers)
            api.close()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_two_versions_of_a_kind_show_the_same_objects(tmp_path: Path) -> None:
    with FakeCluster(controllers=False, crds=KUEUE_CRDS) as cluster:
        api = of_kubeconfig(cluster.kubeconfig)
        base = "/apis/kueue.x-k8s.io"
        queue = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "metadata": {"name": "q"},
                 "spec": {"clusterQueue": "all"}}  # fmt: skip
        api.create(f"{base}/v1beta2/namespaces/default/localqueues", queue)
        answer = api.call("GET", f"{base}/v1beta1/namespaces/default/localqueues/q")
        assert answer.json()["apiVersion"] == "kueue.x-k8s.io/v1beta1"
        assert answer.headers["warning"] == '299 - "This version is deprecated. Use v1beta2 instead."'
        changed = api.patch(f"{base}/v1beta1/namespaces/default/localqueues/q", {"metadata": {"labels": {"a": "b"}}})
        assert changed["metadata"]["labels"] == {"a": "b"}
        api.close()


def test_answers_bear_the_clusters_clock(fake_api: FakeCluster) -> None:
    there = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    fake_api.store.now = lambda: there
    api = of_kubeconfig(fake_api.kubeconfig)
    answer = api.call("POST", maps("default"), config_map("a"))
    assert parsedate_to_datetime(answer.headers["date"]) - there < timedelta(seconds=1)
    assert answer.json()["metadata"]["creationTimestamp"] == "2030-01-02T03:04:05Z"
    api.close()


def test_webhooks_refuse_in_their_own_words(fake_api: FakeCluster) -> None:
    api = of_kubeconfig(fake_api.kubeconfig)
    words = 'admission webhook "images.example.org" denied the request: image is not signed'
    with fake_api.fault("error", status=403, message=words, path="/jobs", methods=("POST",)):
        said = api.create("/apis/batch/v1/namespaces/default/jobs", job())
    assert (said["code"], said["reason"], said["message"]) == (403, "Forbidden", words)
    body = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "x" * 55},
            "spec": {"replicatedJobs": [{"name": "worker", "template": {"spec": {"template": {"spec": {
                "containers": [{"name": "a", "image": "b"}]}}}}}]}}  # fmt: skip
    said = api.create("/apis/jobset.x-k8s.io/v1alpha2/namespaces/default/jobsets", body)
    assert said["code"] == 403 and "JobSet name is too long" in said["message"]
    api.close()


def test_requests_are_noted_as_they_arrive(fake_api: FakeCluster) -> None:
    api = of_kubeconfig(fake_api.kubeconfig)
    api.create(maps("default"), config_map("a"))
    with api.watch(maps("default"), fieldSelector="metadata.name=a") as events:
        assert next(events)["type"] == "ADDED"
        watching = fake_api.requests[-1]
        assert (watching.verb, watching.resource, watching.namespace) == ("watch", "configmaps", "default")
        assert watching.status == 0  # it goes on
    assert [(seen.verb, seen.resource, seen.user, seen.status) for seen in fake_api.requests[:-1]] == [
        ("create", "configmaps", "admin", 201)
    ]
    api.close()
