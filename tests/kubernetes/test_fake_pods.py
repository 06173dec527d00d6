"""Pods of the tests' cluster: processes with the files, the environment, the signals and the log of a real one's."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kube import names
from kube.cluster import FakeCluster
from kube.images import Image

Object = dict[str, Any]
NAMESPACE = "team"
IMAGES = {"bare/none:1": Image(python=None), "remote/torch:1": Image(present=False)}


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with FakeCluster(nodes=[{"name": "node1"}], images=IMAGES, speed=50) as found:
        found.namespace(NAMESPACE)
        yield found
        assert found.controllers is not None and found.controllers.failures == []


def pod(script: str, **container: Any) -> Object:
    """A pod that runs a Python script once. `spec` among the arguments goes to the pod."""
    spec = container.pop("spec", {})
    worker = {"name": "worker", "image": "local/torch:1", "command": ["python3", "-c", script], **container}
    return {"metadata": {"name": "one"}, "spec": {"restartPolicy": "Never", "containers": [worker], **spec}}


def start(cluster: FakeCluster, body: Object) -> Object:
    return cluster.create(names.PODS, body, NAMESPACE)


def seen(cluster: FakeCluster, name: str = "one") -> Object:
    return cluster.store.get(names.PODS, NAMESPACE, name)


def wait(cluster: FakeCluster, holds: Callable[[Object], Any], name: str = "one") -> Object:
    """The pod, once something holds of it."""
    end = time.monotonic() + 20
    while not holds(found := seen(cluster, name)):
        assert time.monotonic() < end, json.dumps(found["status"])
        time.sleep(0.01)
    return found


def ended(found: Object) -> bool:
    return found["status"]["phase"] in ("Succeeded", "Failed")


def state(found: Object, field: str = "containerStatuses") -> Object:
    statuses = found["status"].get(field) or [{"state": {}}]
    return dict(statuses[0]["state"])


def log(cluster: FakeCluster, name: str = "one", **query: Any) -> httpx.Response:
    """The answer of `pods/log`, as the API gives it."""
    path = f"{cluster.url}/api/v1/namespaces/{NAMESPACE}/pods/{name}/log"
    return httpx.get(path, params=query, headers={"Authorization": f"Bearer {cluster.token()}"}, verify=trust(cluster))


def trust(cluster: FakeCluster) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=cluster.authority.decode())


def reasons(cluster: FakeCluster, name: str = "one") -> list[str]:
    events = cluster.store.list(names.EVENTS, NAMESPACE)
    return [each["reason"] for each in events if each["involvedObject"]["name"] == name]


def alive(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int) -> bool:
    end = time.monotonic() + 10
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.01)
    return not alive(pid)


def test_a_pod_finds_its_files_where_it_mounts_them(cluster: FakeCluster) -> None:
    code = base64.b64encode(b"print('from the bundle')").decode()
    cluster.create(names.CONFIG_MAPS, {"metadata": {"name": "code"}, "binaryData": {"main.py": code}}, NAMESPACE)
    body = pod("", command=["sh", "-c", "python3 /mlk/bundle/main.py && cd /mlk/work && pwd > $HERE && cat $HERE"])
    body["spec"]["containers"][0].update(
        env=[{"name": "HERE", "value": "/mlk/work/here"}],
        volumeMounts=[{"name": "b", "mountPath": "/mlk/bundle"}, {"name": "w", "mountPath": "/mlk/work"}],
    )
    body["spec"]["volumes"] = [{"name": "b", "configMap": {"name": "code"}}, {"name": "w", "emptyDir": {}}]
    start(cluster, body)
    assert wait(cluster, ended)["status"]["phase"] == "Succeeded"
    assert log(cluster).text == f"from the bundle\n{next(cluster.folder.rglob('here')).parent}\n"


def test_a_volume_that_lacks_its_config_map_is_mounted_when_it_comes(cluster: FakeCluster) -> None:
    body = pod("print(open('/code/a').read())", volumeMounts=[{"name": "c", "mountPath": "/code"}])
    body["spec"]["volumes"] = [{"name": "c", "configMap": {"name": "late"}}]
    start(cluster, body)
    wait(cluster, lambda _: "FailedMount" in reasons(cluster))
    cluster.create(names.CONFIG_MAPS, {"metadata": {"name": "late"}, "data": {"a": "here"}}, NAMESPACE)
    wait(cluster, ended)
    assert log(cluster).text == "here\n"


def test_a_claim_keeps_what_was_written_by_the_pod_before(cluster: FakeCluster) -> None:
    cluster.create("storageclasses.storage.k8s.io", {"metadata": {"name": "fast"}, "provisioner": "none"})
    asked = {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    cluster.create(names.CLAIMS, {"metadata": {"name": "data"}, "spec": asked}, NAMESPACE)
    for name, script in (("one", "open('/ckpt/step','w').write('7')"), ("two", "print(open('/ckpt/step').read())")):
        body = pod(script, volumeMounts=[{"name": "d", "mountPath": "/ckpt", "subPath": "job"}])
        body["spec"]["volumes"] = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
        body["metadata"]["name"] = name
        start(cluster, body)
        assert wait(cluster, ended, name)["status"]["phase"] == "Succeeded"
    assert log(cluster, "two").text == "7\n"


def test_an_environment_comes_from_secrets_config_maps_and_the_pod(cluster: FakeCluster) -> None:
    secret = {"metadata": {"name": "s"}, "data": {"KEY": base64.b64encode(b"hush").decode()}}
    cluster.create(names.SECRETS, secret, NAMESPACE)
    cluster.create(names.CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"MODE": "fast"}}, NAMESPACE)
    script = "import os; print(*(os.environ[n] for n in ('KEY','P_MODE','NAME','BOTH')))"
    env = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "KEY"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "BOTH", "value": "$(KEY)-$(NAME)"},
    ]
    start(cluster, pod(script, env=env, envFrom=[{"prefix": "P_", "configMapRef": {"name": "c"}}]))
    wait(cluster, ended)
    assert log(cluster).text == "hush fast one hush-one\n"


def test_an_amount_comes_rounded_up_and_one_that_is_missing_as_the_kubelet_fills_it_in(cluster: FakeCluster) -> None:
    asked = [("requests.cpu", "1m"), ("requests.cpu", None), ("requests.memory", "1Mi"), ("limits.cpu", "1m")]
    env = [
        {"name": f"N{number}", "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor or "0"}}}
        for number, (resource, divisor) in enumerate(asked)
    ]
    script = "import os; print(*(os.environ[f'N{n}'] for n in range(4)))"
    start(cluster, pod(script, env=env, resources={"requests": {"cpu": "2500m"}}))
    wait(cluster, ended)
    requested, rounded, missing, node = log(cluster).text.split()
    assert (requested, rounded, missing) == ("2500", "3", "0") and int(node) >= 1_000


def test_a_secret_without_the_key_is_said_in_the_kubelets_words(cluster: FakeCluster) -> None:
    cluster.create(names.SECRETS, {"metadata": {"name": "s"}, "data": {}}, NAMESPACE)
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]
    start(cluster, pod("pass", env=env))
    found = wait(cluster, lambda found: state(found).get("waiting", {}).get("message"))
    words = "couldn't find key token in Secret team/s"
    assert state(found)["waiting"] == {"message": words, "reason": "CreateContainerConfigError"}


def test_pods_of_a_job_meet_at_the_first_ones_name(cluster: FakeCluster) -> None:
    script = (
        "import os, socket\n"
        "place = os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT'])\n"
        "if os.environ['JOB_COMPLETION_INDEX'] == '0':\n"
        "    server = socket.create_server(place); print(server.accept()[0].recv(9).decode())\n"
        "else:\n"
        "    while True:\n"
        "        try: socket.create_connection(place).sendall(b'hello'); break\n"
        "        except ConnectionRefusedError: pass\n"
    )
    env = [{"name": "MASTER_ADDR", "value": "meet-0.meet"}, {"name": "MASTER_PORT", "value": "29500"}]
    template = pod(script, env=env, spec={"subdomain": "meet"})["spec"]
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "template": {"spec": template}}
    cluster.create(names.JOBS, {"metadata": {"name": "meet"}, "spec": spec}, NAMESPACE)
    end = time.monotonic() + 20
    while (cluster.store.get(names.JOBS, NAMESPACE, "meet").get("status") or {}).get("succeeded") != 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    first = cluster.store.list(names.PODS, NAMESPACE)[0]["metadata"]["name"]
    assert first.startswith("meet-0-") and log(cluster, first).text == "hello\n"


def test_a_deleted_pod_gets_its_signal_and_may_tidy_up(cluster: FakeCluster) -> None:
    script = (
        "import signal,time,sys\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)"
    )
    start(cluster, pod(script))
    wait(cluster, lambda _: log(cluster).text == "up\n")
    history: list[Object] = []
    stop = cluster.store.subscribe(lambda event: history.append(event.object) if event.resource == "pods" else None)
    cluster.store.delete(names.PODS, NAMESPACE, "one")
    end = time.monotonic() + 10
    while cluster.store.find(names.PODS, NAMESPACE, "one") and time.monotonic() < end:
        time.sleep(0.01)
    stop()
    assert cluster.store.find(names.PODS, NAMESPACE, "one") is None
    last = history[-1]
    assert last["status"]["phase"] == "Failed" and state(last)["terminated"]["exitCode"] == 7
    assert "Killing" in reasons(cluster)


def test_a_pod_that_does_not_listen_is_killed_after_its_grace_with_all_it_started(cluster: FakeCluster) -> None:
    script = (
        "import subprocess,time\np=subprocess.Popen(['sleep','600'],start_new_session=True)\nprint(p.pid,flush=True)\n"
    )
    start(cluster, pod(script + "time.sleep(600)"))
    wait(cluster, lambda _: log(cluster).is_success and log(cluster).text)
    pid = int(log(cluster).text)
    assert alive(pid)
    cluster.store.delete(names.PODS, NAMESPACE, "one", grace_s=1)
    assert gone(pid)


def test_what_a_container_leaves_behind_ends_with_it(cluster: FakeCluster) -> None:
    script = "import subprocess\nprint(subprocess.Popen(['sleep','600'],start_new_session=True).pid)"
    start(cluster, pod(script))
    assert wait(cluster, ended)["status"]["phase"] == "Succeeded"
    assert gone(int(log(cluster).text))


def test_nothing_is_left_when_the_cluster_closes() -> None:
    with FakeCluster(nodes=[{"name": "node1"}], speed=50) as cluster:
        cluster.namespace(NAMESPACE)
        start(cluster, pod("import os,time; print(os.getpid(),flush=True); time.sleep(600)"))
        wait(cluster, lambda _: log(cluster).is_success and log(cluster).text)
        pid, folder = int(log(cluster).text), cluster.folder
        assert alive(pid)
    assert gone(pid) and not folder.exists()


def test_a_log_can_be_read_from_a_second_on_with_times(cluster: FakeCluster) -> None:
    start(cluster, pod("import time\nfor n in range(3): print(n, flush=True); time.sleep(.6)"))
    wait(cluster, ended)
    lines = log(cluster, timestamps="true").text.splitlines()
    stamps = [line.split(" ")[0] for line in lines]
    assert [line.split(" ")[1] for line in lines] == ["0", "1", "2"]
    assert stamps == sorted(stamps, key=lambda stamp: (stamp[:19], float("0" + stamp[19:-1])))
    same_second = [stamp for stamp in stamps if stamp[:19] >= stamps[-1][:19]]
    assert len(log(cluster, sinceTime=stamps[-1]).text.splitlines()) == len(same_second)
    assert log(cluster, tailLines=1).text == "2\n"
    assert log(cluster, limitBytes=3).text == "0\n1"


def test_a_followed_log_ends_with_its_container(cluster: FakeCluster, tmp_path: Path) -> None:
    door = tmp_path / "door"
    closed = f"not os.path.exists({str(door)!r})"
    start(cluster, pod(f"import os,time\nprint('a',flush=True)\nwhile {closed}: time.sleep(.01)\nprint('b')"))
    wait(cluster, lambda found: "running" in state(found))
    path = f"{cluster.url}/api/v1/namespaces/{NAMESPACE}/pods/one/log"
    token = {"Authorization": f"Bearer {cluster.token()}"}
    with httpx.stream("GET", path, params={"follow": "true"}, headers=token, verify=trust(cluster)) as stream:
        chunks = stream.iter_text()
        got = next(chunks)
        door.touch()
        assert got + "".join(chunks) == "a\nb\n"


def test_a_rotated_log_has_lost_its_beginning(cluster: FakeCluster) -> None:
    assert cluster.controllers is not None
    cluster.controllers.logs.max_bytes = 2000
    start(cluster, pod("for n in range(100): print(f'line {n:03}', flush=True)"))
    wait(cluster, ended)
    lines = log(cluster).text.splitlines()
    assert lines[-1] == "line 099" and 0 < len(lines) < 100
    assert lines == [f"line {number:03}" for number in range(100 - len(lines), 100)]


def test_a_log_that_is_not_there_yet_is_refused_in_words(cluster: FakeCluster) -> None:
    start(cluster, pod("pass", image="registry.invalid/a:1"))
    wait(cluster, lambda found: state(found).get("waiting", {}).get("reason") == "ErrImagePull")
    answer = log(cluster)
    assert answer.status_code == 400 and "is waiting to start: " in answer.json()["message"]


def test_init_containers_come_first_and_their_failure_ends_the_pod(cluster: FakeCluster) -> None:
    staging = {"name": "staging", "image": "local/torch:1", "terminationMessagePolicy": "FallbackToLogsOnError"}
    body = pod("print('main')")
    body["spec"]["initContainers"] = [{**staging, "command": ["sh", "-c", "echo no data; exit 5"]}]
    start(cluster, body)
    found = wait(cluster, ended)
    assert found["status"]["phase"] == "Failed"
    end = state(found, "initContainerStatuses")["terminated"]
    assert (end["exitCode"], end["message"], end["reason"]) == (5, "no data\n", "Error")
    assert state(found)["waiting"] == {"reason": "PodInitializing"}
    assert log(cluster, container="staging").text == "no data\n"


def test_last_words_are_read_from_where_the_pod_writes_them(cluster: FakeCluster) -> None:
    env = [{"name": "LAST", "value": "/dev/termination-log"}]
    start(cluster, pod("import os,sys; open(os.environ['LAST'],'w').write('why'); sys.exit(1)", env=env))
    end = state(wait(cluster, ended))["terminated"]
    assert (end["exitCode"], end["reason"], end["message"]) == (1, "Error", "why")


def test_an_image_without_python_says_so_as_the_runtime_does(cluster: FakeCluster) -> None:
    start(cluster, pod("pass", image="bare/none:1"))
    end = state(wait(cluster, ended))["terminated"]
    assert end["reason"] == "StartError" and 'exec: "python3": executable file not found in $PATH' in end["message"]
    body = pod("", image="bare/none:1", command=["sh", "-c", "command -v python3 || echo none; exit 127"])
    body["metadata"]["name"] = "two"
    start(cluster, body)
    wait(cluster, ended, "two")
    assert log(cluster, "two").text == "none\n"


def test_an_image_that_nodes_lack_is_pulled(cluster: FakeCluster) -> None:
    start(cluster, pod("pass", image="remote/torch:1"))
    wait(cluster, ended)
    assert reasons(cluster).count("Pulling") == 1 and reasons(cluster).count("Pulled") == 1


def test_a_root_image_is_refused_where_the_pod_must_not_be_root(cluster: FakeCluster) -> None:
    start(cluster, pod("pass", spec={"securityContext": {"runAsNonRoot": True}}))
    found = wait(cluster, lambda found: state(found).get("waiting", {}).get("message"))
    assert state(found)["waiting"]["message"].startswith("container has runAsNonRoot and image will run as root (pod: ")


def test_a_container_that_fails_is_restarted_where_the_pod_wants_it(cluster: FakeCluster) -> None:
    start(cluster, pod("import sys; print('again'); sys.exit(2)", spec={"restartPolicy": "OnFailure"}))
    found = wait(cluster, lambda found: found["status"]["containerStatuses"][0]["restartCount"] >= 1
                 if found["status"].get("containerStatuses") else False)  # fmt: skip
    assert found["status"]["phase"] == "Running" and "BackOff" in reasons(cluster)
    assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 2


def test_processes_do_not_see_the_tests_own_environment(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "MLK_SECRET_OF_THE_TESTS", "x")
    start(cluster, pod("import os; print(sorted(n for n in os.environ if n.startswith('MLK')))"))
    wait(cluster, ended)
    assert log(cluster).text == "[]\n"
