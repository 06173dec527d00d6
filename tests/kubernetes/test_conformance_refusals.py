"""What a Kubernetes API server refuses, and in which words: the same cases for the tests' server and a real one."""

from __future__ import annotations

import base64
import contextlib

import pytest
from apiclient import Api
from kubeobjects import CORE, config_map, job, jobs, maps, pod, pods

pytestmark = pytest.mark.apiserver


# What is refused


def test_unknown_and_doubled_fields_are_errors_under_strict(api: Api, ns: str) -> None:
    said = api.create(jobs(ns), job(activeDeadlineSecond=3))
    assert (said["code"], said["reason"]) == (400, "BadRequest")
    assert said["message"] == (
        'Job in version "v1" cannot be handled as a Job: strict decoding error: unknown field '
        '"spec.activeDeadlineSecond"'
    )
    text = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{},"data":{"x":"1"}}'
    answer = api.http.post(maps(ns), content=text, params={"fieldValidation": "Strict"},
                           headers={"Content-Type": "application/json"})  # fmt: skip
    assert answer.status_code == 400 and 'duplicate field "data"' in answer.json()["message"]


def test_unknown_fields_are_dropped_with_a_warning_otherwise(api: Api, ns: str) -> None:
    answer = api.call("POST", jobs(ns), job(activeDeadlineSecond=3))
    assert answer.status_code == 201 and "activeDeadlineSecond" not in answer.json()["spec"]
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.activeDeadlineSecond\\""'
    assert "warning" not in api.call("POST", jobs(ns), job("k", nothing=1), fieldValidation="Ignore").headers


def test_wrong_types_are_refused(api: Api, ns: str) -> None:
    said = api.create(jobs(ns), job(backoffLimit="three"))
    assert (
        said["code"] == 400
        and "cannot unmarshal string into Go struct field JobSpec.spec.backoffLimit" in (said["message"])
    )
    assert api.create(maps(ns), {**config_map("a"), "kind": "Secret"})["code"] == 400


REFUSED_JOBS = {
    "a name whose pods have no valid host name": (
        job("x" * 62), 'metadata.name: Invalid value: "' + "x" * 62 + '": will not able to create pod with invalid '
        "DNS label: " + "x" * 62 + "-1"),
    "a name with a dot": (job("a.b"), "will not able to create pod with invalid DNS label: a.b-1"),
    "a name in upper case": (job("Ab"), "a lowercase RFC 1123 subdomain must consist of lower case"),
    "Indexed without completions": (
        job(completions=None), "spec.completions: Required value: when completion mode is Indexed"),
    "pods that restart for ever": (
        job(template={"restartPolicy": "Always"}), 'restartPolicy: Required value: valid values: "OnFailure", "Never"'),
    "no containers": (job(template={"containers": []}), "spec.template.spec.containers: Required value"),
    "a negative number of tries": (
        job(backoffLimit=-1), "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0"),
    "a failure policy that names no container": (
        job(podFailurePolicy={"rules": [{"action": "FailJob", "onExitCodes": {
            "containerName": "b", "operator": "In", "values": [1]}}]}),
        'onExitCodes.containerName: Invalid value: "b": must be one of the container or initContainer names in the '
        "pod template"),
    "a failure policy on success": (
        job(podFailurePolicy={"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]}),
        "values[0]: Invalid value: 0: must not be 0 for the In operator"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED_JOBS)
def test_a_job_is_refused_for(api: Api, ns: str, why: str) -> None:
    body, words = REFUSED_JOBS[why]
    said = api.create(jobs(ns), body)
    assert (said["code"], said["reason"]) == (422, "Invalid")
    assert said["message"].startswith(f'Job.batch "{body["metadata"]["name"]}" is invalid: ')
    assert words in said["message"]


REFUSED_PODS = {
    "half a GPU": (pod(limits={"nvidia.com/gpu": "0.5"}),
                   'resources.limits[nvidia.com/gpu]: Invalid value: "500m": must be an integer'),
    "fewer GPUs requested than the limit": (
        pod(limits={"nvidia.com/gpu": 2}, requests={"nvidia.com/gpu": 1}),
        "must be equal to nvidia.com/gpu limit of 2"),
    "GPUs requested without a limit": (
        pod(requests={"nvidia.com/gpu": 1}), "Limit must be set for non overcommitable resources"),
    "a GPU of nobody": (pod(limits={"gpu": 1}), "must be a standard resource type or fully qualified"),
    "more memory requested than the limit": (
        pod(limits={"memory": "1Gi"}, requests={"memory": "2Gi"}), "must be less than or equal to memory limit of 1Gi"),
    "a volume that is not there": (
        pod(containers=[{"name": "a", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"'),
    "two containers of one name": (
        pod(containers=[{"name": "a", "image": "i"}] * 2), 'spec.containers[1].name: Duplicate value: "a"'),
    "no image": (pod(containers=[{"name": "a"}]), "spec.containers[0].image: Required value"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED_PODS)
def test_a_pod_is_refused_for(api: Api, ns: str, why: str) -> None:
    body, words = REFUSED_PODS[why]
    said = api.create(pods(ns), body)
    assert (said["code"], said["reason"]) == (422, "Invalid")
    assert words in said["message"]


def test_whole_gpus_may_be_written_in_thousandths(api: Api, ns: str) -> None:
    assert api.create(pods(ns), pod(limits={"nvidia.com/gpu": "1000m"}))["kind"] == "Pod"


@pytest.mark.parametrize("value", ["alice@example.com", "x" * 64, "two\nlines", "-a"])
def test_values_of_labels_are_short_and_plain(api: Api, ns: str, value: str) -> None:
    said = api.create(maps(ns), config_map("a", {"user": value}))
    assert said["code"] == 422 and "metadata.labels: Invalid value" in said["message"]


def test_annotations_have_room_for_256_kib_together(api: Api, ns: str) -> None:
    body = config_map("a")
    body["metadata"]["annotations"] = {"a": "x" * 200_000, "b": "x" * 70_000}
    said = api.create(maps(ns), body)
    assert said["code"] == 422 and "metadata.annotations: Too long" in said["message"]
    assert "262144" in said["message"]


def test_a_config_map_has_room_for_1_mib(api: Api, ns: str) -> None:
    fits = base64.b64encode(b"x" * 1_048_576).decode()
    assert api.create(maps(ns), config_map("a", binaryData={"b": fits}))["kind"] == "ConfigMap"
    over = base64.b64encode(b"x" * 1_048_577).decode()
    said = api.create(maps(ns), config_map("b", binaryData={"b": over}))
    assert said["code"] == 422 and "1048576" in said["message"]


def test_a_request_has_room_for_3_mib(api: Api, ns: str) -> None:
    answer = api.call("POST", maps(ns), config_map("a", data={"b": "x" * 3_200_000}))
    assert answer.status_code == 413 and "limit is 3145728" in answer.text


def test_an_immutable_config_map_stays(api: Api, ns: str) -> None:
    api.create(maps(ns), config_map("a", data={"x": "1"}, immutable=True))
    said = api.patch(f"{maps(ns)}/a", {"data": {"x": "2"}})
    assert said["code"] == 422 and "field is immutable when `immutable` is set" in said["message"]


def test_a_jobs_template_stays(api: Api, ns: str) -> None:
    api.create(jobs(ns), job(suspend=False))
    said = api.patch(f"{jobs(ns)}/j", {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "i"}]}}}})
    assert said["code"] == 422 and "field is immutable" in said["message"]


# What a namespace allows


def test_a_quota_refuses_in_its_words_also_in_a_dry_run(api: Api, ns: str) -> None:
    hard = {"requests.nvidia.com/gpu": "1", "limits.nvidia.com/gpu": "0"}
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "gpu"}, "spec": {"hard": hard}}
    path = f"{CORE}/namespaces/{ns}/resourcequotas"
    api.create(path, body)
    used = dict.fromkeys(hard, "0")
    api.patch(f"{path}/gpu/status", {"status": {"hard": hard, "used": used}})  # what the quota's controller does
    said = api.create(pods(ns), pod(limits={"nvidia.com/gpu": 2}), dryRun="All")
    assert (said["code"], said["reason"]) == (403, "Forbidden")
    assert said["message"] == (
        'pods "p" is forbidden: exceeded quota: gpu, requested: requests.nvidia.com/gpu=2, used: '
        "requests.nvidia.com/gpu=0, limited: requests.nvidia.com/gpu=1"
    )
    assert api.create(pods(ns), pod(limits={"nvidia.com/gpu": 1}))["kind"] == "Pod"  # the other key never counts


def test_a_limit_range_gives_every_container_its_maximum(api: Api, ns: str) -> None:
    limits = [{"type": "Container", "max": {"nvidia.com/gpu": 2}}]
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": limits}}
    (item,) = api.create(f"{CORE}/namespaces/{ns}/limitranges", body)["spec"]["limits"]
    assert item["default"] == item["defaultRequest"] == {"nvidia.com/gpu": "2"}
    made = api.create(pods(ns), pod())
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    said = api.create(pods(ns), pod("q", limits={"nvidia.com/gpu": 3}))
    assert said["code"] == 403
    assert "maximum nvidia.com/gpu usage per Container is 2, but limit is 3" in said["message"]


def test_pod_security_refuses_pods_and_warns_of_jobs(api: Api, ns: str) -> None:
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    api.patch(f"{CORE}/namespaces/{ns}", {"metadata": {"labels": labels}})
    words = (
        '"restricted:latest": allowPrivilegeEscalation != false (container "a" must set '
        'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "a" must set '
        'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" must set '
        'securityContext.runAsNonRoot=true), seccompProfile (pod or container "a" must set '
        'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
    )
    said = api.create(pods(ns), pod())
    assert said["code"] == 403 and said["message"] == f'pods "p" is forbidden: violates PodSecurity {words}'
    answer = api.call("POST", jobs(ns), job())
    assert answer.status_code == 201
    escaped = f"would violate PodSecurity {words}".replace('"', '\\"')
    assert answer.headers["warning"] == f'299 - "{escaped}"'
    safe = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    body = pod("q", securityContext=safe, containers=[{"name": "a", "image": "i", "securityContext": container}])
    assert api.create(pods(ns), body)["kind"] == "Pod"


def test_a_pod_needs_a_service_account_that_is_there(api: Api, ns: str) -> None:
    said = api.create(pods(ns), pod(serviceAccountName="nobody"))
    assert said["code"] == 403
    assert f'error looking up service account {ns}/nobody: serviceaccount "nobody" not found' in said["message"]


# Who may


def test_strangers_are_refused(api: Api, ns: str) -> None:
    with contextlib.closing(api.as_bearer("nobody")) as stranger:
        answer = stranger.call("GET", maps(ns))
    assert answer.status_code == 401
    assert (answer.json()["reason"], answer.json()["message"]) == ("Unauthorized", "Unauthorized")


def test_one_may_ask_what_one_may(api: Api, ns: str) -> None:
    path = "/apis/authorization.k8s.io/v1"
    about = {"namespace": ns, "verb": "create", "group": "batch", "resource": "jobs"}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": about}}  # fmt: skip
    assert api.create(f"{path}/selfsubjectaccessreviews", body)["status"]["allowed"] is True
    rules = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": ns}}
    listed = api.create(f"{path}/selfsubjectrulesreviews", rules)["status"]["resourceRules"]
    assert any(rule["resources"] == ["*"] and rule["verbs"] == ["*"] for rule in listed)


def test_discovery_names_what_is_served(api: Api) -> None:
    assert int(api.get("/version")["minor"].rstrip("+")) >= 30
    assert "v1" in api.get("/api")["versions"]
    assert "batch" in {group["name"] for group in api.get("/apis")["groups"]}
    found = {entry["name"]: entry for entry in api.get("/apis/batch/v1")["resources"]}
    assert found["jobs"]["namespaced"] is True and "watch" in found["jobs"]["verbs"] and "jobs/status" in found
    assert "apis/batch/v1" in api.get("/openapi/v3")["paths"]
