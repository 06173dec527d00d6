"""What is created for a job: the objects, their fields, and that Kubernetes takes them."""

from __future__ import annotations

import base64
import copy
import ipaddress
import itertools
import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kube import kinds as served
from kube import schema
from kube.pod_env import expand
from pydantic import ValidationError
from submission import (
    DNS_LABEL,
    LABEL_VALUE,
    asked,
    breaches_of_restricted,
    containers_of,
    env_of,
    pod_of,
    render,
    spec,
)

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.lifecycle.creation import owned_by
from mlk_jupyter.backends.kubernetes.manifests.network import host_to_resolve, notices
from mlk_jupyter.backends.kubernetes.manifests.placement import SPOT as SPOT_LABELS
from mlk_jupyter.backends.kubernetes.manifests.render_context import AnnotationsTooLarge, RenderContext
from mlk_jupyter.backends.kubernetes.manifests.yaml_dump import as_yaml
from mlk_jupyter.model import JobSpec
from mlk_jupyter.quantities import parse

KINDS = ("job", "jobset")


def job(**fields: Any) -> dict[str, Any]:
    """The Job that a spec makes."""
    return render(asked(spec(**fields)))[0]


def pod(**fields: Any) -> dict[str, Any]:
    """The spec of its pods."""
    found: dict[str, Any] = pod_of(job(**fields))["spec"]
    return found


def worker(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**fields)["containers"][0]
    return found


def test_a_job_is_one_indexed_job_its_bundle_and_a_headless_service() -> None:
    owner, bundle, service = render(asked(spec(time_limit_s="2h")))
    assert owner["spec"] | {"template": None} == {
        "completionMode": "Indexed",
        "completions": 2,
        "parallelism": 2,
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "activeDeadlineSeconds": 7200,
        "ttlSecondsAfterFinished": 604_800,
        "template": None,
    }
    assert bundle["immutable"] and bundle["metadata"]["name"] == "digits-0123456789-bundle"
    assert base64.b64decode(bundle["binaryData"]["bundle.pyz"]) == asked().bundle
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    selected = pod_of(owner)["metadata"]["labels"] | {"batch.kubernetes.io/job-name": owner["metadata"]["name"]}
    assert service["spec"]["selector"].items() <= selected.items()
    assert env_of(worker())["MASTER_ADDR"] == "digits-0123456789-0.digits-0123456789"
    assert pod()["subdomain"] == service["metadata"]["name"]


def test_a_pod_starts_nothing_again_and_knows_nothing_of_the_cluster() -> None:
    found = pod(cluster={"grace_period_s": 90, "service_account": "trainer"})
    assert found["restartPolicy"] == "Never" and found["terminationGracePeriodSeconds"] == 90
    assert found["automountServiceAccountToken"] is False and found["enableServiceLinks"] is False
    assert found["serviceAccountName"] == "trainer"


def test_every_object_bears_our_labels_and_the_owner_the_description() -> None:
    request = asked(spec(cluster={"network": {}}), attempt=3, notices=["Files were left out."])
    for item in (*render(request), pod_of(render(request)[0])):
        found = item["metadata"]["labels"]
        assert found[labels.MANAGED_BY] == labels.OURS and found[labels.JOB] == request.id
        assert found[labels.USER] == labels.user_label("alice@example.com") and found[labels.ATTEMPT] == "3"
    owner = render(request)[0]["metadata"]
    assert owner["name"] == "digits-0123456789-r3"
    annotations = owner["annotations"]
    assert JobSpec.model_validate_json(annotations[labels.SPEC]) == request.spec
    assert annotations[labels.REQUEST] == "request-1" and annotations[labels.NONCE] == request.nonce
    assert annotations[labels.BUNDLE] == request.sha256 and annotations[labels.CREATED_BY] == "alice@example.com"
    assert json.loads(annotations[labels.NOTICES]) == ["Files were left out."]


def test_what_a_person_labels_is_on_the_owner_and_its_pods_and_never_in_the_place_of_ours() -> None:
    owner = job(cluster={"labels": {"team": "vision"}, "annotations": {"example.com/note": "a b"}})
    for item in (owner, pod_of(owner)):
        assert item["metadata"]["labels"]["team"] == "vision"
        assert item["metadata"]["annotations"]["example.com/note"] == "a b"
    with pytest.raises(ValidationError):
        spec(cluster={"labels": {labels.JOB: "other"}})


def test_a_description_that_no_annotation_holds_is_refused_in_words() -> None:
    large = spec(env={f"TEXT_{number}": "x" * 90_000 for number in range(3)})
    with pytest.raises(AnnotationsTooLarge, match=r"262,144.*mlk-jupyter.io/spec") as refused:
        render(asked(large))
    assert refused.value.size > 262_144 and "file" in refused.value.hint


def test_the_same_input_gives_the_same_bytes() -> None:
    request = asked(spec(gpus=2, cluster={"network": {"allow": ["10.0.0.0/8"]}, "spot": "required"}))
    for kind in KINDS:
        assert as_yaml(render(request, kind)) == as_yaml(render(copy.deepcopy(request), kind))  # type: ignore[arg-type]


# -- resources --------------------------------------------------------------------------------------------------------


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


# -- security ---------------------------------------------------------------------------------------------------------


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


# -- environment ------------------------------------------------------------------------------------------------------


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


# -- placement --------------------------------------------------------------------------------------------------------


def test_a_product_is_a_node_selector() -> None:
    found = pod(cluster={"gpu_product": "NVIDIA-A100-SXM4-80GB", "node_selector": {"zone": "a"}})
    assert found["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}


def _matches(term: dict[str, Any], node: dict[str, str]) -> bool:
    return all(node.get(each["key"]) in each["values"] for each in term["matchExpressions"])


def test_spot_capacity_that_is_required_is_required_together_with_what_was_asked() -> None:
    zones = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]} for zone in ("a", "b")]
    own = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": zones}}}
    found = pod(cluster={"spot": "required", "affinity": own})
    terms = found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    for zone, (key, value) in itertools.product("abc", SPOT_LABELS):
        for node, fits in (({"zone": zone, key: value}, zone != "c"), ({"zone": zone, key: "on-demand"}, False)):
            assert any(_matches(term, node) for term in terms) is fits
    for key, value in SPOT_LABELS:
        taint = {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
        assert taint in found["tolerations"]


def test_spot_capacity_that_is_allowed_is_preferred_and_tolerated_only() -> None:
    found = pod(cluster={"spot": "allowed"})
    node = found["affinity"]["nodeAffinity"]
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in node
    preferred = node["preferredDuringSchedulingIgnoredDuringExecution"]
    keys = {entry["preference"]["matchExpressions"][0]["key"] for entry in preferred}
    assert keys == {toleration["key"] for toleration in found["tolerations"]} == {key for key, _ in SPOT_LABELS}
    assert "affinity" not in pod() and "tolerations" not in pod()


def test_one_worker_per_node_is_added_to_an_affinity_of_ones_own() -> None:
    away = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "noisy"}}}
    own = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [away]}}
    apart = pod(cluster={"one_worker_per_node": True, "affinity": own})["affinity"]["podAntiAffinity"]
    first, second = apart["requiredDuringSchedulingIgnoredDuringExecution"]
    assert first == away and second["topologyKey"] == "kubernetes.io/hostname"
    assert second["labelSelector"]["matchLabels"][labels.JOB] == "digits-0123456789"


def test_a_queue_holds_the_owner_back_until_kueue_admits_it() -> None:
    queued = spec(cluster={"queue": "research", "priority": "high", "retries": 1})
    for kind in KINDS:
        owner = render(asked(queued, workload_priority=True), kind)[0]  # type: ignore[arg-type]
        assert owner["spec"]["suspend"] is True
        assert owner["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
        assert owner["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "high"
        assert "kueue.x-k8s.io/queue-name" not in pod_of(owner)["metadata"]["labels"]
        assert pod_of(owner)["spec"]["priorityClassName"] == "high"
    assert "kueue.x-k8s.io/priority-class" not in render(asked(queued))[0]["metadata"]["labels"]
    assert "suspend" not in job()["spec"]


# -- volumes ----------------------------------------------------------------------------------------------------------


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


# -- network ----------------------------------------------------------------------------------------------------------


def policy(allow: list[str], **fields: Any) -> dict[str, Any]:
    found = render(asked(spec(cluster={"network": {"allow": allow}}), **fields))[-1]
    assert found["kind"] == "NetworkPolicy"
    rules: dict[str, Any] = found["spec"]
    return rules


def test_ranks_reach_each_other_at_every_port_and_names_are_found() -> None:
    found = policy([])
    own = {"matchLabels": {labels.MANAGED_BY: labels.OURS, labels.JOB: "digits-0123456789"}}
    assert found["podSelector"] == own and found["policyTypes"] == ["Ingress", "Egress"]
    assert found["ingress"] == [{"from": [{"podSelector": own}]}] and found["egress"][0] == {
        "to": [{"podSelector": own}]
    }
    dns, openshift = found["egress"][1:]
    assert [(port["protocol"], port["port"]) for port in dns["ports"]] == [("UDP", 53), ("TCP", 53)]
    assert {"ipBlock": {"cidr": "169.254.20.10/32"}} in dns["to"]
    reached = [ipaddress.ip_network(to["ipBlock"]["cidr"]) for to in dns["to"] if "ipBlock" in to]
    for server in ("10.96.0.10", "172.20.0.10", "34.118.224.10", "fd00::a"):  # addresses of kube-dns' Service
        assert any(ipaddress.ip_address(server) in network for network in reached)
    assert not any(ipaddress.ip_address("8.8.8.8") in network for network in reached)
    assert [(port["protocol"], port["port"]) for port in openshift["ports"]] == [("UDP", 5353), ("TCP", 5353)]
    assert len(render(asked())) == 3


@pytest.mark.parametrize("allowed", ["0.0.0.0/0", "169.254.0.0/16:80", "169.254.169.254/31", "[::/0]:443", "10.1.2.3"])
def test_the_metadata_address_is_never_reached(allowed: str) -> None:
    for rule in policy([allowed])["egress"]:
        for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
            network = ipaddress.ip_network(block["cidr"])
            for address in ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254"):
                inside = ipaddress.ip_address(address) in network
                excepted = any(
                    ipaddress.ip_address(address) in ipaddress.ip_network(e) for e in block.get("except", [])
                )
                assert inside is excepted


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        (
            "http://10.9.8.7:5000",
            {"to": [{"ipBlock": {"cidr": "10.9.8.7/32"}}], "ports": [{"protocol": "TCP", "port": 5000}]},
        ),
        (
            "https://[fd00::7]",
            {"to": [{"ipBlock": {"cidr": "fd00::7/128"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        ),
        (
            "http://mlflow.tracking.svc.cluster.local",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "tracking"}}}]},
        ),
        (
            "http://mlflow",
            {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "research"}}}]},
        ),
        (
            "https://mlflow.example.com",
            {"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}], "ports": [{"protocol": "TCP", "port": 443}]},
        ),
    ],
)
def test_mlflow_is_reached_by_its_address_or_its_namespace(uri: str, rule: dict[str, Any]) -> None:
    addresses = {"mlflow.example.com": ["203.0.113.7", "169.254.169.254"]}
    assert policy([], mlflow={"MLFLOW_TRACKING_URI": uri}, addresses=addresses)["egress"][3:] == [rule]


def test_a_name_of_two_words_with_private_addresses_may_be_a_service() -> None:
    for address, namespaces in (("10.96.7.8", ["tracking"]), ("203.0.113.7", [])):
        uri, addresses = "http://mlflow.tracking:5000", {"mlflow.tracking": [address]}
        first, *rest = policy([], mlflow={"MLFLOW_TRACKING_URI": uri}, addresses=addresses)["egress"][3:]
        assert first["to"] == [{"ipBlock": {"cidr": f"{address}/32"}}]
        found = [
            to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in rest for to in one["to"]
        ]
        assert found == namespaces


def test_a_host_whose_address_is_not_known_is_said() -> None:
    request = asked(spec(cluster={"network": {}}), mlflow={"MLFLOW_TRACKING_URI": "https://mlflow.example.com"})
    assert host_to_resolve(request) == "mlflow.example.com"
    assert any("mlflow.example.com" in notice for notice in notices(request))
    open_network = asked(spec(), mlflow={"MLFLOW_TRACKING_URI": "https://mlflow.example.com"})
    assert host_to_resolve(open_network) is None and not notices(open_network)
    for uri in ("sqlite:////data/mlflow.db", "databricks", "http://[bad", ""):
        assert host_to_resolve(asked(spec(cluster={"network": {}}), mlflow={"MLFLOW_TRACKING_URI": uri})) is None


# -- JobSet -----------------------------------------------------------------------------------------------------------


def restarts(conditions: list[str], code: int | None, reason: str | None = None) -> bool:
    """Whether a JobSet starts again after a pod failed so, by Kubernetes' documented order of evaluation."""
    owner = render(asked(spec(cluster={"retries": 2})), "jobset")[0]
    child = owner["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert child["backoffLimit"] == 0
    job_reason = reason or "BackoffLimitExceeded"
    for rule in child["podFailurePolicy"]["rules"]:
        by_condition = any(pattern["type"] in conditions for pattern in rule.get("onPodConditions", []))
        codes = rule.get("onExitCodes")
        by_code = bool(code and codes and (code in codes["values"]) is (codes["operator"] == "In"))
        if by_condition or by_code:
            job_reason = "PodFailurePolicy" if rule["action"] == "FailJob" else job_reason
            break
    rules = owner["spec"]["failurePolicy"]["rules"]
    action = next((rule["action"] for rule in rules if job_reason in rule["onJobFailureReasons"]), "RestartJobSet")
    return action == "RestartJobSet"


@pytest.mark.parametrize("code", [1, 2, 3, 127, 134, 137, 139, 143])
def test_a_job_set_is_not_started_again_after_the_notebooks_own_failure(code: int) -> None:
    assert not restarts([], code)
    assert restarts(["DisruptionTarget"], code)


def test_a_job_set_is_started_again_after_a_disruption_wherever_it_is_noticed_first() -> None:
    assert restarts(["DisruptionTarget"], None)  # the node is gone
    assert restarts([], 75)  # the connection to a rank that was preempted
    assert not restarts([], None, "DeadlineExceeded")


def test_a_job_set_names_its_pods_and_keeps_no_second_record() -> None:
    owner, bundle = render(asked(spec(cluster={"retries": 2})), "jobset")
    found = owner["spec"]
    assert found["network"] == {
        "enableDNSHostnames": True,
        "subdomain": "digits-0123456789",
        "publishNotReadyAddresses": True,
    }
    assert found["failurePolicy"]["maxRestarts"] == 2 and found["ttlSecondsAfterFinished"] == 604_800
    child = found["replicatedJobs"][0]
    assert child["replicas"] == 1 and "ttlSecondsAfterFinished" not in child["template"]["spec"]
    container = pod_of(owner)["spec"]["containers"][0]
    assert env_of(container)["MASTER_ADDR"] == "digits-0123456789-worker-0-0.digits-0123456789"
    assert bundle["kind"] == "ConfigMap" and "subdomain" not in pod_of(owner)["spec"]


# -- owners and YAML --------------------------------------------------------------------------------------------------


def test_what_is_owned_names_its_owner_and_asks_for_no_right_to_block_it() -> None:
    owner, bundle, _ = render(asked())
    created = {**owner, "metadata": {**owner["metadata"], "uid": "1-2-3"}}
    owned = owned_by(bundle, created)
    assert owned["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "digits-0123456789", "uid": "1-2-3"}
    ]
    assert "ownerReferences" not in bundle["metadata"]


def test_yaml_reads_back_as_what_is_created_whatever_reads_it() -> None:
    traps = [
        "y",
        "No",
        "1e3",
        "0o17",
        "0x1f",
        "1_000",
        "~",
        "",
        " a",
        "a ",
        "2026-01-01",
        "1:30",
        "é",
        "a\nb",
        "a: b # c",
    ]
    request = asked(spec(env={f"V{number}": text for number, text in enumerate(traps)}, cluster={"network": {}}))
    for kind in KINDS:
        manifests = render(request, kind)  # type: ignore[arg-type]
        text = as_yaml(manifests)
        assert list(yaml.safe_load_all(text)) == manifests
        assert text.startswith("# ") and text.count("\n---\n") == len(manifests)
        bare = re.findall(r"^ *(?:- )?(?:name|value): ([^\"|\n]*)$", text, re.MULTILINE)
        assert bare and not {"y", "No", "1e3", "0o17", "~"} & set(bare)


# -- whatever is asked ------------------------------------------------------------------------------------------------

NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,12}[a-z0-9])?", fullmatch=True)
KEY = st.from_regex(r"([a-z]{1,8}\.io/)?[A-Za-z]([A-Za-z0-9_.-]{0,8}[A-Za-z0-9])?", fullmatch=True)
VALUE = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,12}[A-Za-z0-9])?", fullmatch=True)
QUANTITY = st.sampled_from(["500m", "1", "4", "0.5", "1e3", "512Mi", "3Gi", "1.5Gi", "7G", "2Ti", "1k"])
TEXT = st.text(max_size=20)
PATHS = st.from_regex(r"/[a-z]{1,6}(/[a-z.]{1,6}){0,2}", fullmatch=True)
REQUIREMENT = st.one_of(
    st.fixed_dictionaries(
        {"key": KEY, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(VALUE, min_size=1, max_size=2)}
    ),
    st.fixed_dictionaries({"key": KEY, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
TERM = st.fixed_dictionaries({"matchExpressions": st.lists(REQUIREMENT, max_size=2)})
POD_TERM = st.fixed_dictionaries({"topologyKey": KEY, "labelSelector": TERM})
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                REQUIRED: st.fixed_dictionaries({"nodeSelectorTerms": st.lists(TERM, min_size=1, max_size=2)}),
                PREFERRED: st.lists(
                    st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": TERM}), max_size=2
                ),
            },
        ),
        "podAntiAffinity": st.fixed_dictionaries({}, optional={REQUIRED: st.lists(POD_TERM, max_size=2)}),
    },
)
VOLUME = st.one_of(
    st.fixed_dictionaries({"path": PATHS, "claim": NAME}, optional={"read_only": st.booleans(), "sub_path": NAME}),
    st.fixed_dictionaries({"path": PATHS, "image": NAME}),
    st.fixed_dictionaries({"path": PATHS, "empty_dir": QUANTITY}),
)
ENV_FROM = st.one_of(
    st.fixed_dictionaries({"secret": NAME}),
    st.fixed_dictionaries({"config_map": NAME, "key": KEY, "name": st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)}),
)
CLUSTER = st.fixed_dictionaries(
    {},
    optional={
        "image_pull_policy": st.sampled_from(["Always", "IfNotPresent", "Never"]),
        "image_pull_secrets": st.lists(NAME, max_size=3),
        "cpu": QUANTITY,
        "memory": QUANTITY,
        "shared_memory": QUANTITY,
        "gpu_resource": st.sampled_from(["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu", "google.com/tpu"]),
        "gpu_product": VALUE,
        "node_selector": st.dictionaries(KEY, VALUE, max_size=3),
        "affinity": AFFINITY,
        "tolerations": st.lists(
            st.fixed_dictionaries({"key": KEY}, optional={"effect": st.sampled_from(["NoSchedule", "NoExecute"])}),
            max_size=2,
        ),
        "one_worker_per_node": st.booleans(),
        "spot": st.sampled_from(["allowed", "required"]),
        "queue": NAME,
        "priority": NAME,
        "service_account": NAME,
        "env_from": st.lists(ENV_FROM, max_size=3),
        "volumes": st.lists(VOLUME, max_size=4),
        "checkpoints": NAME,
        "staging": st.lists(st.text(min_size=1, max_size=10), max_size=3),
        "network": st.fixed_dictionaries(
            {}, optional={"allow": st.lists(st.sampled_from(["10.0.0.0/8:443", "fd00::/8", "1.2.3.4"]), max_size=2)}
        ),
        "grace_period_s": st.integers(1, 3600),
        "keep_s": st.integers(60, 1000),
        "retries": st.integers(0, 100),
        "labels": st.dictionaries(KEY, VALUE, max_size=2),
        "annotations": st.dictionaries(KEY, TEXT, max_size=2),
    },
)
SPEC = st.fixed_dictionaries(
    {"name": TEXT, "notebook": st.text(min_size=1, max_size=20), "cluster": CLUSTER},
    optional={
        "workers": st.integers(1, 1024),
        "gpus": st.integers(0, 16),
        "ranks_per_worker": st.integers(1, 8),
        "parameters": st.dictionaries(TEXT, st.one_of(st.integers(), TEXT), max_size=2),
        "env": st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), TEXT, max_size=3),
        "time_limit_s": st.integers(1, 1_000_000),
    },
)


@pytest.fixture(scope="module")
def catalog() -> served.Catalog:
    return served.Catalog(custom=("jobsets.jobset.x-k8s.io",))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(written=SPEC, kind=st.sampled_from(KINDS), attempt=st.integers(1, 101))
def test_whatever_is_accepted_is_taken_by_kubernetes(
    catalog: served.Catalog, written: dict[str, Any], kind: Any, attempt: int
) -> None:
    try:
        job_spec = JobSpec.model_validate(written)
    except ValidationError:
        assume(False)
    request = asked(job_spec, id=f"{'a' * 32}-0123456789", attempt=attempt if kind == "job" else 1)
    manifests = render(request, kind)
    assert list(yaml.safe_load_all(as_yaml(manifests))) == manifests
    for item in manifests:
        found = catalog.of_object(item["apiVersion"], item["kind"])
        assert found is not None
        _, findings = schema.check(copy.deepcopy(item), found)
        assert not findings.strict and not findings.invalid
        assert all(LABEL_VALUE.fullmatch(value) for value in item["metadata"]["labels"].values())
    _keeps_the_rules(request, manifests[0])


def _keeps_the_rules(request: RenderContext, owner: dict[str, Any]) -> None:
    """What the schemas do not say and the API server checks."""
    template = pod_of(owner)
    assert not list(breaches_of_restricted(template))
    last = request.spec.workers - 1
    middle = "-worker-0" if owner["kind"] == "JobSet" else ""
    assert DNS_LABEL.fullmatch(f"{owner['metadata']['name']}{middle}-{last}-abcde")  # the pod's name
    volumes = [volume["name"] for volume in template["spec"]["volumes"]]
    assert len(set(volumes)) == len(volumes)
    for container in containers_of(template):
        for field, key in (("env", "name"), ("volumeMounts", "mountPath")):
            found = [entry[key] for entry in container[field]]
            assert len(set(found)) == len(found)
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        amounts = container["resources"]
        for name, limit in amounts.get("limits", {}).items():
            assert parse(amounts["requests"][name]) <= parse(limit)
            assert "/" not in name or (amounts["requests"][name] == limit and limit.isdigit())
    claims = [
        v["persistentVolumeClaim"]["claimName"] for v in template["spec"]["volumes"] if "persistentVolumeClaim" in v
    ]
    assert len(set(claims)) == len(claims)
