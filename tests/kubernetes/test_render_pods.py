"""The pods that are created for a job: resources, security, environment, volumes and staging."""

from __future__ import annotations

import json

import pytest
from kube.pod_env import expand
from submission import KINDS, asked, breaches_of_restricted, env_of, job, pod, pod_of, render, spec, worker

from mlk_jupyter.quantities import parse


def test_a_pod_starts_nothing_again_and_knows_nothing_of_the_cluster() -> None:
    found = pod(cluster={"grace_period_s": 90, "service_account": "trainer"})
    assert found["restartPolicy"] == "Never" and found["terminationGracePeriodSeconds"] == 90
    assert found["automountServiceAccountToken"] is False and found["enableServiceLinks"] is False
    assert found["serviceAccountName"] == "trainer"


@pytest.mark.parametrize(
    "resource",
    [
        "nvidia.com/gpu",
        "nvidia.com/mig-1g.10gb",
        "nvidia.com/gpu.shared",
        "amd.com/gpu",
        "google.com/tpu",
        "habana.ai/gaudi",
        "aws.amazon.com/neuron",
    ],
)
def test_accelerators_are_whole_and_requested_as_they_are_limited(resource: str) -> None:
    found = pod(gpus=4, cluster={"gpu_resource": resource})
    amounts = found["containers"][0]["resources"]
    assert amounts["limits"][resource] == amounts["requests"][resource] == "4"
    assert {"key": resource, "operator": "Exists", "effect": "NoSchedule"} in found["tolerations"]
    assert env_of(found["containers"][0])["MLK_RANKS_PER_WORKER"] == "4"


def test_what_is_named_is_requested_and_limited_and_what_is_not_has_a_request_only() -> None:
    named = worker(cluster={"cpu": "7", "memory": "3Gi"}, ranks_per_worker=2)
    assert named["resources"]["requests"] == named["resources"]["limits"] == {"cpu": "7", "memory": "3Gi"}
    assert worker(ranks_per_worker=2)["resources"] == {"requests": {"cpu": "2", "memory": "4Gi"}}


def test_what_a_pod_really_requests_reaches_it_in_thousandths_of_a_core() -> None:
    [entry] = [entry for entry in worker()["env"] if entry["name"] == "MLK_CPU_MILLIS"]
    assert entry["valueFrom"] == {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}
    assert env_of(worker(env={"OMP_NUM_THREADS": "5"}))["OMP_NUM_THREADS"] == "5"


def test_a_job_without_gpus_sees_none_though_the_image_asks_for_all() -> None:
    assert env_of(worker())["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert env_of(worker(env={"NVIDIA_VISIBLE_DEVICES": "all"}))["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert "NVIDIA_VISIBLE_DEVICES" not in env_of(worker(gpus=1))


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, "1Gi"), ({"memory": "3Gi"}, "1536Mi"), ({"memory": "5G"}, "2500M"), ({"shared_memory": "8Gi"}, "8Gi")],
)
def test_shared_memory_has_a_limit_and_counts_as_memory(options: dict[str, str], size: str) -> None:
    found = pod(cluster=options)
    volume = next(volume for volume in found["volumes"] if volume["name"] == "shm")
    assert volume["emptyDir"]["medium"] == "Memory" and parse(volume["emptyDir"]["sizeLimit"]) == parse(size)
    assert {"name": "shm", "mountPath": "/dev/shm"} in found["containers"][0]["volumeMounts"]


def test_pods_meet_the_restricted_level_unless_they_run_as_the_image_says() -> None:
    restricted = pod_of(job(cluster={"staging": ["dvc", "pull"]}))
    assert not list(breaches_of_restricted(restricted))
    theirs = env_of(restricted["spec"]["containers"][0])
    assert (theirs["HOME"], theirs["XDG_CACHE_HOME"]) == ("/mlk/home", "/mlk/home/.cache")
    free = pod_of(job(cluster={"run_as": "image"}))
    assert free["spec"]["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert "HOME" not in env_of(free["spec"]["containers"][0]) and list(breaches_of_restricted(free))


def test_pods_name_no_user_where_the_cluster_chooses_one() -> None:
    for kind in KINDS:
        template = pod_of(render(asked(spec(), names_user=False), kind)[0])
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & template["spec"]["securityContext"].keys()
        assert not list(breaches_of_restricted(template))
        assert env_of(template["spec"]["containers"][0])["HOME"] == "/mlk/home"


def test_nothing_that_a_person_wrote_is_read_by_the_shell() -> None:
    for word in ("$(rm -rf /)", "; reboot", "`id`", "$$(A)"):
        found = pod(env={"A": word}, cluster={"staging": ["echo", word]})
        script, name, *words = found["initContainers"][0]["command"][2:]
        assert word not in script and name == "mlk"
        assert [expand(each, {"A": "value"}) for each in words] == ["--stage", "--", "echo", word]
        assert word not in " ".join(found["containers"][0]["command"])
        assert expand(env_of(found["containers"][0])["A"], {"A": "value"}) == word


def test_no_service_mesh_puts_a_proxy_into_the_pods_unless_it_is_asked_for() -> None:
    found = pod_of(job())["metadata"]
    assert found["labels"]["sidecar.istio.io/inject"] == found["annotations"]["sidecar.istio.io/inject"] == "false"
    assert found["annotations"]["linkerd.io/inject"] == "disabled"
    asked_for = job(cluster={"labels": {"sidecar.istio.io/inject": "true"}})
    assert pod_of(asked_for)["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"


def test_what_a_person_sets_wins_over_mlflow_and_what_is_read_by_reference_wins_over_both() -> None:
    request = asked(
        spec(
            env={"MLFLOW_TRACKING_URI": "http://mine:5000", "TOKEN": "plain"},
            parameters={"lr": 0.1},
            cluster={"env_from": [{"secret": "s", "key": "token", "name": "TOKEN"}, {"config_map": "settings"}]},
        ),
        mlflow={"MLFLOW_TRACKING_URI": "http://ours:5000", "MLK_MLFLOW": "on"},
    )
    container = pod_of(render(request)[0])["spec"]["containers"][0]
    assert env_of(container)["MLFLOW_TRACKING_URI"] == "http://mine:5000" and env_of(container)["MLK_MLFLOW"] == "on"
    assert json.loads(env_of(container)["MLK_PARAMETERS"]) == {"lr": 0.1}
    by_reference = [entry for entry in container["env"] if entry["name"] == "TOKEN"]
    assert by_reference == [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]
    assert container["envFrom"] == [{"configMapRef": {"name": "settings"}}]


def test_a_claim_is_one_volume_however_often_it_is_mounted_and_read_only_in_both_places() -> None:
    found = pod(
        cluster={
            "volumes": [
                {"path": "/data", "claim": "data", "read_only": True},
                {"path": "/more", "claim": "data", "read_only": True, "sub_path": "more"},
                {"path": "/both", "claim": "shared", "read_only": True},
                {"path": "/out", "claim": "shared"},
                {"path": "/model", "image": "registry.example.com/model:1"},
                {"path": "/scratch", "empty_dir": "10Gi"},
            ],
            "checkpoints": "shared",
        }
    )
    volumes = {volume["name"]: volume for volume in found["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in found["containers"][0]["volumeMounts"]}
    claims = [volume["persistentVolumeClaim"] for volume in found["volumes"] if "persistentVolumeClaim" in volume]
    assert claims == [{"claimName": "shared"}, {"claimName": "data", "readOnly": True}]
    assert mounts["/data"]["name"] == mounts["/more"]["name"] and mounts["/more"]["subPath"] == "more"
    assert mounts["/data"]["readOnly"] and mounts["/both"]["readOnly"] and "readOnly" not in mounts["/out"]
    assert volumes[mounts["/model"]["name"]]["image"] == {"reference": "registry.example.com/model:1"}
    assert mounts["/model"]["readOnly"]
    assert volumes[mounts["/scratch"]["name"]]["emptyDir"] == {"sizeLimit": "10Gi"}
    kept = mounts["/mlk/checkpoints"]
    assert kept["subPath"] == "digits-0123456789" and kept["name"] == mounts["/out"]["name"]


def test_staging_runs_first_with_the_same_folders_and_no_gpu() -> None:
    found = pod(gpus=2, cluster={"staging": ["dvc", "pull"], "staging_image": "registry.example.com/dvc:3"})
    staging, run = found["initContainers"][0], found["containers"][0]
    assert staging["image"] == "registry.example.com/dvc:3" and staging["command"][-4:] == [
        "--stage",
        "--",
        "dvc",
        "pull",
    ]
    assert staging["volumeMounts"] == run["volumeMounts"] and staging["env"] == run["env"]
    assert "nvidia.com/gpu" not in staging["resources"]["requests"]
