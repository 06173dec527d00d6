"""`pods/log` of the tests' cluster: a real container's lines, by each of the ways to ask for them."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator

import pytest
from apiclient import Api, Object, of_kubeconfig
from kube import names
from kube.cluster import FakeCluster

LOG = "/api/v1/namespaces/default/pods/p/log"


@pytest.fixture
def cluster(kube_cluster: FakeCluster) -> FakeCluster:
    """With a pod that says three lines, and ends when it is deleted."""
    return kube_cluster


@pytest.fixture
def api(cluster: FakeCluster) -> Iterator[Api]:
    """Its administrator."""
    found = of_kubeconfig(cluster.kubeconfig)
    yield found
    found.close()


def start(cluster: FakeCluster, program: str) -> None:
    container: Object = {"name": "main", "image": "local/python:1", "command": ["python3", "-u", "-c", program]}
    spec = {"restartPolicy": "Never", "containers": [container], "terminationGracePeriodSeconds": 1}
    cluster.create(names.PODS, {"metadata": {"name": "p"}, "spec": spec}, "default")


def phase(cluster: FakeCluster) -> str:
    return str(cluster.store.get(names.PODS, "default", "p")["status"]["phase"])


def wait_phase(cluster: FakeCluster, wanted: str) -> None:
    end = time.monotonic() + 30
    while phase(cluster) != wanted:
        assert time.monotonic() < end, phase(cluster)
        time.sleep(0.02)


def test_a_log_is_read_whole_by_its_end_or_by_its_size(cluster: FakeCluster, api: Api) -> None:
    start(cluster, "print('one\\ntwo\\nthree')")
    wait_phase(cluster, "Succeeded")
    assert api.call("GET", LOG).text == "one\ntwo\nthree\n"
    assert api.call("GET", LOG, tailLines=1).text == "three\n"
    assert api.call("GET", LOG, limitBytes=5).text == "one\nt"
    stamped = api.call("GET", LOG, timestamps="true").text.splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z ", "", line) for line in stamped] == [
        "one", "two", "three",
    ]  # fmt: skip
    moment = stamped[-1].split(" ")[0]
    assert api.call("GET", LOG, sinceTime=moment).text.endswith("three\n")  # the whole second counts
    said = api.call("GET", LOG, container="other").json()
    assert (said["code"], said["message"]) == (400, "container other is not valid for pod p")
    said = api.call("GET", LOG, previous="true").json()
    assert said["code"] == 400 and said["message"] == 'previous terminated container "main" in pod "p" not found'


def test_a_followed_log_comes_as_it_is_written_and_ends_with_the_container(cluster: FakeCluster, api: Api) -> None:
    start(cluster, "import time, signal\n"
                   "signal.signal(signal.SIGTERM, lambda *_: (print('told to end', flush=True), exit(0)))\n"
                   "print('begun', flush=True)\nwhile True: time.sleep(0.02)")  # fmt: skip
    wait_phase(cluster, "Running")
    with api.http.stream("GET", LOG, params={"follow": "true"}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "begun"
        api.call("DELETE", "/api/v1/namespaces/default/pods/p", {"gracePeriodSeconds": 10})
        assert list(lines) == ["told to end"]


def test_kubectl_shows_the_log_of_a_job(cluster: FakeCluster) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("needs a real cluster's tool: kubectl")
    container = {"name": "main", "image": "local/python:1", "command": ["python3", "-c", "print('hello')"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    cluster.create(names.JOBS, {"metadata": {"name": "j"}, "spec": {"template": template}}, "default")
    command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", f"--cache-dir={cluster.folder / 'cache'}"]
    waited = [*command, "wait", "--for=condition=complete", "--timeout=30s", "job/j"]
    assert "condition met" in subprocess.run(waited, capture_output=True, text=True, check=False, timeout=60).stdout
    shown = subprocess.run([*command, "logs", "job/j"], capture_output=True, text=True, check=False, timeout=60)
    assert shown.stdout == "hello\n", shown.stderr
