"""What we rely on of a Kubernetes API server: the same cases for the tests' own server and for a real one.

Written from the API's documentation and from what Kubernetes 1.36 was seen to do. A real server takes part where
KUBEBUILDER_ASSETS names etcd and kube-apiserver, or MLK_TEST_KUBECONFIG a cluster (needs no controllers or nodes).
"""

from __future__ import annotations

import uuid

import pytest
from apiclient import Api
from kubeobjects import config_map, job, jobs, maps, pod, pods

pytestmark = pytest.mark.apiserver


# Objects and their versions


def test_a_new_object_has_what_the_server_gives_it(api: Api, ns: str) -> None:
    made = api.create(jobs(ns), job())
    meta = made["metadata"]
    assert meta["namespace"] == ns and meta["generation"] == 1
    assert uuid.UUID(meta["uid"]) and meta["creationTimestamp"].endswith("Z") and int(meta["resourceVersion"]) > 0
    again = api.get(f"{jobs(ns)}/j")
    assert (again["metadata"]["uid"], again["spec"]) == (meta["uid"], made["spec"])


def test_a_job_gets_its_defaults_its_selector_and_its_labels(api: Api, ns: str) -> None:
    made = api.create(jobs(ns), job())
    uid, spec = made["metadata"]["uid"], made["spec"]
    assert spec["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert spec["backoffLimit"] == 6 and spec["podReplacementPolicy"] == "TerminatingOrFailed"
    wanted = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "j", "controller-uid": uid,
              "job-name": "j"}  # fmt: skip
    assert spec["template"]["metadata"]["labels"] == wanted
    inside = spec["template"]["spec"]
    assert inside["terminationGracePeriodSeconds"] == 30 and inside["dnsPolicy"] == "ClusterFirst"
    assert inside["containers"][0]["terminationMessagePath"] == "/dev/termination-log"
    assert made["status"] == {}


def test_a_job_s_deadline_can_be_brought_forward(api: Api, ns: str) -> None:
    api.create(jobs(ns), job())
    change = [{"op": "add", "path": "/spec/activeDeadlineSeconds", "value": 1}]
    assert api.patch(f"{jobs(ns)}/j", change, "json-patch+json")["spec"]["activeDeadlineSeconds"] == 1


def test_a_pod_requests_what_it_is_limited_to(api: Api, ns: str) -> None:
    made = api.create(pods(ns), pod(limits={"nvidia.com/gpu": 2, "memory": "1Gi"}))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"nvidia.com/gpu": "2", "memory": "1Gi"}
    assert made["status"]["phase"] == "Pending" and made["status"]["qosClass"] == "Burstable"
    assert made["spec"]["serviceAccountName"] == "default" and made["spec"]["enableServiceLinks"] is True


def test_a_name_is_taken_once(api: Api, ns: str) -> None:
    api.create(maps(ns), config_map("a"))
    said = api.create(maps(ns), config_map("a"))
    assert (said["code"], said["reason"]) == (409, "AlreadyExists")
    assert said["message"] == 'configmaps "a" already exists'


def test_what_is_not_there_is_named(api: Api, ns: str) -> None:
    said = api.get(f"{jobs(ns)}/nobody")
    assert (said["code"], said["reason"], said["message"]) == (404, "NotFound", 'jobs.batch "nobody" not found')
    assert said["details"] == {"name": "nobody", "group": "batch", "kind": "jobs"}


def test_a_namespace_must_be_there(api: Api) -> None:
    said = api.create(maps("not-there"), config_map("a"))
    assert (said["code"], said["message"]) == (404, 'namespaces "not-there" not found')


def test_kinds_that_are_not_served_are_not_found(api: Api, ns: str) -> None:
    answer = api.call("GET", f"/apis/nobody.example.org/v1/namespaces/{ns}/things")
    assert answer.status_code == 404


def test_an_update_of_a_stale_version_conflicts(api: Api, ns: str) -> None:
    made = api.create(maps(ns), config_map("a", data={"x": "1"}))
    assert api.call("PUT", f"{maps(ns)}/a", {**made, "data": {"x": "2"}}).status_code == 200
    said = api.call("PUT", f"{maps(ns)}/a", {**made, "data": {"x": "3"}}).json()
    assert (said["code"], said["reason"]) == (409, "Conflict")
    assert said["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )


def test_an_update_that_changes_nothing_keeps_the_version(api: Api, ns: str) -> None:
    made = api.create(maps(ns), config_map("a", data={"x": "1"}))
    same = api.patch(f"{maps(ns)}/a", {"data": {"x": "1"}})
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_generation_counts_changes_of_the_spec_only(api: Api, ns: str) -> None:
    api.create(jobs(ns), job())
    assert api.patch(f"{jobs(ns)}/j", {"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    assert api.patch(f"{jobs(ns)}/j", {"spec": {"suspend": False}})["metadata"]["generation"] == 2


def test_status_is_written_apart_from_the_rest(api: Api, ns: str) -> None:
    api.create(jobs(ns), job())
    untouched = api.patch(f"{jobs(ns)}/j", {"status": {"active": 1}})
    assert "active" not in untouched["status"]
    both = api.patch(f"{jobs(ns)}/j/status", {"status": {"active": 0, "ready": 0}, "spec": {"parallelism": 9}})
    assert both["status"].get("ready") == 0 and both["spec"]["parallelism"] == 2


# Deleting


def test_a_delete_can_name_the_uid_it_means(api: Api, ns: str) -> None:
    made = api.create(maps(ns), config_map("a"))
    asked = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    said = api.call("DELETE", f"{maps(ns)}/a", asked).json()
    assert said["code"] == 409 and "UID in the precondition" in said["message"]
    assert "does not match the UID in record" in said["message"]
    done = api.call("DELETE", f"{maps(ns)}/a", {"preconditions": {"uid": made["metadata"]["uid"]}}).json()
    assert done["status"] == "Success"
    assert api.get(f"{maps(ns)}/a")["code"] == 404


def test_finalizers_hold_an_object_until_the_last_is_gone(api: Api, ns: str) -> None:
    api.create(maps(ns), {**config_map("a"), "metadata": {"name": "a", "finalizers": ["example.org/hold"]}})
    api.call("DELETE", f"{maps(ns)}/a")
    held = api.get(f"{maps(ns)}/a")
    assert held["metadata"]["deletionTimestamp"] and held["metadata"]["finalizers"] == ["example.org/hold"]
    api.patch(f"{maps(ns)}/a", {"metadata": {"finalizers": None}})
    assert api.get(f"{maps(ns)}/a")["code"] == 404


def test_a_pod_without_a_node_goes_at_once(api: Api, ns: str) -> None:
    api.create(pods(ns), pod())
    api.call("DELETE", f"{pods(ns)}/p")
    assert api.get(f"{pods(ns)}/p")["code"] == 404


def test_a_bound_pod_terminates_with_grace(api: Api, ns: str) -> None:
    api.create(pods(ns), pod(nodeName="nowhere", terminationGracePeriodSeconds=7))
    gone = api.call("DELETE", f"{pods(ns)}/p").json()
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 7 and gone["metadata"]["deletionTimestamp"]
    api.call("DELETE", f"{pods(ns)}/p", {"gracePeriodSeconds": 0})
    assert api.get(f"{pods(ns)}/p")["code"] == 404


def test_deleting_a_job_without_a_policy_warns_that_pods_stay(api: Api, ns: str) -> None:
    api.create(jobs(ns), job())
    answer = api.call("DELETE", f"{jobs(ns)}/j")
    assert "child pods are preserved by default when jobs are deleted" in answer.headers["warning"]
    api.create(jobs(ns), job("k"))
    assert "warning" not in api.call("DELETE", f"{jobs(ns)}/k", propagationPolicy="Background").headers


# Lists and watches


def test_labels_select(api: Api, ns: str) -> None:
    for name, labels in (("a", {"app": "x"}), ("b", {"app": "y", "tier": "1"}), ("c", {})):
        api.create(maps(ns), config_map(name, labels))

    def found(selector: str) -> set[str]:
        listed = api.get(maps(ns), labelSelector=selector)
        return {item["metadata"]["name"] for item in listed["items"]} & {"a", "b", "c"}  # a distribution adds its own

    assert found("app=x") == {"a"}
    assert found("app!=x") == {"b", "c"}
    assert found("app in (x, y)") == {"a", "b"}
    assert found("app notin (x),tier") == {"b"}
    assert found("!app") == {"c"}
    assert found("") == {"a", "b", "c"}
    assert api.get(maps(ns), labelSelector="app=x)")["code"] == 400


def test_fields_select_and_unknown_ones_are_refused(api: Api, ns: str) -> None:
    api.create(pods(ns), pod("a"))
    api.create(pods(ns), pod("b", nodeName="nowhere"))
    listed = api.get(pods(ns), fieldSelector="spec.nodeName=nowhere,status.phase!=Running")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["b"]
    said = api.get(pods(ns), fieldSelector="spec.image=a")
    assert said["code"] == 400 and "field label not supported: spec.image" in said["message"]


def test_a_list_comes_in_pages_of_one_version(api: Api, ns: str) -> None:
    for name in "abcde":
        api.create(maps(ns), config_map(name, {"paged": "yes"}))
    first = api.get(maps(ns), limit=2, labelSelector="paged=yes")
    api.create(maps(ns), config_map("bb", {"paged": "yes"}))
    seen, page = list(first["items"]), first
    while page["metadata"].get("continue"):
        page = api.get(maps(ns), limit=2, labelSelector="paged=yes", **{"continue": page["metadata"]["continue"]})
        seen += page["items"]
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert [item["metadata"]["name"] for item in seen] == list("abcde")


def test_a_watch_tells_what_happened_after_its_version(api: Api, ns: str) -> None:
    api.create(maps(ns), config_map("a", {"w": "1"}))
    version = api.get(maps(ns))["metadata"]["resourceVersion"]
    api.create(maps(ns), config_map("b", {"w": "1"}))
    with api.watch(maps(ns), resourceVersion=version, labelSelector="w=1") as events:
        first = next(events)
        assert (first["type"], first["object"]["metadata"]["name"], first["object"]["kind"]) == (
            "ADDED", "b", "ConfigMap",
        )  # fmt: skip
        api.patch(f"{maps(ns)}/b", {"data": {"x": "1"}})
        assert next(events)["type"] == "MODIFIED"
        api.patch(f"{maps(ns)}/b", {"metadata": {"labels": {"w": None}}})
        left = next(events)
        assert left["type"] == "DELETED" and left["object"]["metadata"]["labels"] == {"w": "1"}
        api.patch(f"{maps(ns)}/b", {"metadata": {"labels": {"w": "1"}}})
        assert next(events)["type"] == "ADDED"
        last = api.get(f"{maps(ns)}/b")["metadata"]["resourceVersion"]
        api.call("DELETE", f"{maps(ns)}/b")
        gone = next(events)
        assert gone["type"] == "DELETED" and int(gone["object"]["metadata"]["resourceVersion"]) > int(last)


def test_a_watch_without_a_version_begins_with_what_is_there(api: Api, ns: str) -> None:
    api.create(maps(ns), config_map("a", {"w": "1"}))
    with api.watch(maps(ns), labelSelector="w=1") as events:
        assert next(events)["object"]["metadata"]["name"] == "a"


def test_a_watch_ends_after_the_time_asked_for(api: Api, ns: str) -> None:
    version = api.get(maps(ns))["metadata"]["resourceVersion"]
    with api.watch(maps(ns), resourceVersion=version, timeoutSeconds=1, labelSelector="none=there") as events:
        assert list(events) == []


def test_a_version_of_the_future_is_refused_by_lists(api: Api, ns: str) -> None:
    answer = api.call("GET", maps(ns), resourceVersion="999999999", resourceVersionMatch="NotOlderThan")
    assert answer.status_code == 504 and "Too large resource version" in answer.json()["message"]


# Patches


def test_a_json_patch_tests_first(api: Api, ns: str) -> None:
    made = api.create(maps(ns), config_map("a", data={"x": "1"}))
    uid = made["metadata"]["uid"]
    wrong = [{"op": "test", "path": "/metadata/uid", "value": "other"}, {"op": "remove", "path": "/data/x"}]
    said = api.patch(f"{maps(ns)}/a", wrong, "json-patch+json")
    assert said["code"] == 422 and "the server rejected our request" in said["message"]
    right = [{"op": "test", "path": "/metadata/uid", "value": uid}, {"op": "add", "path": "/data/y", "value": "2"}]
    assert api.patch(f"{maps(ns)}/a", right, "json-patch+json")["data"] == {"x": "1", "y": "2"}


def test_a_strategic_patch_knows_containers_by_name(api: Api, ns: str) -> None:
    api.create(jobs(ns), job())
    patch = {"spec": {"template": {"spec": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}}}}
    made = api.patch(f"{jobs(ns)}/j", patch, "strategic-merge-patch+json")
    inside = made["spec"]["template"]["spec"]
    assert inside["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert inside["containers"][0]["image"] == "example.org/a:1"
    api.create(pods(ns), pod())
    image = {"spec": {"containers": [{"name": "a", "image": "example.org/a:2"}]}}
    changed = api.patch(f"{pods(ns)}/p", image, "strategic-merge-patch+json")
    assert [each["image"] for each in changed["spec"]["containers"]] == ["example.org/a:2"]
    assert changed["spec"]["containers"][0]["terminationMessagePath"] == "/dev/termination-log"


def test_apply_creates_changes_and_takes_back(api: Api, ns: str) -> None:
    asked = {"fieldManager": "one"}
    api.patch(f"{maps(ns)}/a", config_map("a", data={"x": "1", "y": "1"}), "apply-patch+yaml", **asked)
    made = api.patch(f"{maps(ns)}/a", config_map("a", data={"x": "2"}), "apply-patch+yaml", **asked)
    assert made["data"] == {"x": "2"}


def test_a_dry_run_does_all_but_keep_it(api: Api, ns: str) -> None:
    made = api.create(jobs(ns), job(), dryRun="All")
    assert made["metadata"]["uid"] and made["spec"]["backoffLimit"] == 6
    assert "resourceVersion" not in made["metadata"]
    assert api.get(f"{jobs(ns)}/j")["code"] == 404
    api.create(maps(ns), config_map("a"))
    assert api.create(maps(ns), config_map("a"), dryRun="All")["code"] == 409
    assert api.call("DELETE", f"{maps(ns)}/a", dryRun="All").status_code == 200
    assert api.get(f"{maps(ns)}/a")["metadata"]["name"] == "a"
