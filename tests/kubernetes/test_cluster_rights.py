from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from scripted import Scripted

from mlk_jupyter.backends.kubernetes.api.api_errors import LoginNeeded, Unreachable, error_of
from mlk_jupyter.backends.kubernetes.kinds.registry import kinds
from mlk_jupyter.backends.kubernetes.resources import (
    CONFIG_MAPS,
    JOBS,
    NODES,
    PODS,
    QUOTAS,
    SECRETS,
    SERVICES,
    WORKLOADS,
)
from mlk_jupyter.backends.kubernetes.rights.access import Access, Reviewer, review
from mlk_jupyter.backends.kubernetes.rights.discovery import Discovery, Served, discover
from mlk_jupyter.backends.kubernetes.rights.rbac import policy_rules, rules

KUEUE = Served("v1.36.0", kinds=("job", "jobset"), kueue="v1beta2")
PLAIN = Served("v1.30.0")


def cluster(
    granted: list[dict[str, Any]] | Exception,
    *,
    incomplete: bool = False,
    allow: Callable[[dict[str, Any]], Any] = lambda asked: False,
) -> Scripted:
    """A cluster that tells its rules, and answers single questions by `allow`."""

    def answer(path: str, body: dict[str, Any]) -> Any:
        if path.endswith("selfsubjectrulesreviews"):
            return (
                granted
                if isinstance(granted, Exception)
                else {"status": {"resourceRules": granted, "incomplete": incomplete}}
            )
        allowed = allow(body["spec"]["resourceAttributes"])
        return allowed if isinstance(allowed, Exception) else {"status": {"allowed": allowed}}

    return Scripted(created=answer)


def asked(connection: Scripted) -> list[dict[str, Any]]:
    return [body["spec"]["resourceAttributes"] for body in connection.bodies if "resourceAttributes" in body["spec"]]


def reviewed(connection: Scripted, namespace: str = "team-a", served: Served = KUEUE) -> Access:
    table = rules(served.kinds, queues=served.kueue is not None)
    return asyncio.run(review(connection, namespace, table))


def test_one_review_tells_all_rights_of_a_namespace() -> None:
    connection = cluster(policy_rules(rules(cluster_wide=False)))
    access = reviewed(connection)
    assert access.may("create", JOBS) is True
    assert access.may("get", PODS, "log") is True
    assert access.may("list", SECRETS) is False
    assert [path for _, path in connection.calls].count("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews") == 1
    assert all("namespace" not in question for question in asked(connection)), (
        "only what reaches beyond it is asked singly"
    )


def test_the_printed_role_allows_every_feature_of_a_namespace() -> None:
    rights = reviewed(cluster(policy_rules(rules(cluster_wide=False)))).rights(KUEUE)
    assert {right.code for right in rights if right.allowed is not True} == {"nodes", "gpus", "priorities"}


def test_a_right_that_reaches_beyond_the_namespace_is_not_read_off_its_rules() -> None:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    access = reviewed(cluster(everything))
    assert access.may("create", JOBS) is True
    assert access.may("list", NODES) is False
    assert access.may_everywhere("list", PODS) is False


def test_an_administrator_may_everything() -> None:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    access = reviewed(cluster(everything, allow=lambda question: True))
    assert all(right.allowed for right in access.rights(KUEUE))
    assert access.may_everywhere("list", PODS) is True


def test_an_incomplete_answer_is_completed_by_single_questions() -> None:
    some = [
        {"verbs": ["create", "get", "list", "watch", "patch", "delete"], "apiGroups": ["batch"], "resources": ["jobs"]}
    ]
    connection = cluster(some, incomplete=True, allow=lambda question: question["resource"] == "configmaps")
    access = reviewed(connection)
    assert access.may("create", JOBS) is True
    assert access.may("create", CONFIG_MAPS) is True
    assert access.may("create", SERVICES) is False
    assert not any(question["resource"] == "jobs" for question in asked(connection)), "what is known is not asked"
    assert access.may("create", PODS) is False, "it decides whether a pod can be tried before submission"


def test_nothing_is_asked_twice() -> None:
    connection = cluster([], incomplete=True)
    reviewed(connection)
    questions = [tuple(sorted(question.items())) for question in asked(connection)]
    assert len(questions) == len(set(questions))


def test_a_cluster_that_does_not_tell_rules_is_asked_singly() -> None:
    refused = error_of(403, {"message": "no", "reason": "Forbidden"})
    access = reviewed(cluster(refused, allow=lambda question: True))
    assert access.may("watch", PODS) is True
    assert access.may("list", SECRETS) is None, "nobody asked"


def test_what_the_cluster_cannot_tell_is_unknown_and_not_forbidden() -> None:
    broken = error_of(500, {"message": "webhook authorizer timed out"})
    access = reviewed(cluster(broken, allow=lambda question: broken))
    assert access.may("create", JOBS) is None
    (submit,) = [right for right in access.rights(KUEUE) if right.code == "submit"]
    assert submit.allowed is None
    assert submit.missing == []


def test_a_missing_login_is_no_missing_right() -> None:
    with pytest.raises(LoginNeeded):
        reviewed(cluster(error_of(401, "")))


def test_a_feature_names_what_it_lacks_and_the_rule_to_add() -> None:
    granted = [rule for rule in policy_rules(rules()) if "jobs" not in rule["resources"]]
    rights = {right.code: right for right in reviewed(cluster(granted)).rights(PLAIN)}
    submit = rights["submit"]
    assert submit.allowed is False
    assert submit.missing == ["create jobs.batch", "get jobs.batch", "delete jobs.batch"]
    assert submit.hint is not None
    first, *lines = submit.hint.splitlines()
    assert "namespace team-a" in first
    assert yaml.safe_load("\n".join(lines)) == [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", "get"]}
    ]
    assert rights["logs"].allowed is True


def test_features_of_what_is_not_served_are_left_out() -> None:
    codes = [right.code for right in reviewed(cluster([]), served=PLAIN).rights(PLAIN)]
    assert "queues" not in codes
    assert "submit" in codes


def test_a_rule_for_named_objects_allows_those_only() -> None:
    access = reviewed(
        cluster([{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["settings"]}])
    )
    assert access.may("get", CONFIG_MAPS, name="settings") is True
    assert access.may("get", CONFIG_MAPS, name="other") is False
    assert access.may("get", CONFIG_MAPS) is False


@pytest.mark.parametrize(
    ("resources", "pods", "log"),
    [(["pods"], True, False), (["pods/log"], False, True), (["*"], True, True), (["*/log"], False, True)],
)
def test_parts_of_an_object_are_rights_of_their_own(resources: list[str], pods: bool, log: bool) -> None:
    access = reviewed(cluster([{"verbs": ["get"], "apiGroups": [""], "resources": resources}]))
    assert access.may("get", PODS) is pods
    assert access.may("get", PODS, "log") is log


def test_many_who_ask_at_once_cause_one_review() -> None:
    connection = cluster(policy_rules(rules()))
    reviewer = Reviewer(connection)

    async def ask() -> list[Access]:
        return await asyncio.gather(*(reviewer.access("team-a", KUEUE) for _ in range(20)))

    found = asyncio.run(ask())
    assert all(access is found[0] for access in found)
    assert [path for _, path in connection.calls].count("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews") == 1


def test_a_flood_of_refusals_asks_for_the_rights_once_more_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, now = cluster(policy_rules(rules())), [1000.0]
    monkeypatch.setattr("mlk_jupyter.backends.kubernetes.rights.access.time.monotonic", lambda: now[0])
    reviewer = Reviewer(connection)

    def reviews() -> int:
        return sum(path.endswith("selfsubjectrulesreviews") for _, path in connection.calls)

    async def refused(times: int) -> None:
        for _ in range(times):
            await reviewer.access("team-a", KUEUE, doubted=True)

    asyncio.run(refused(100))
    assert reviews() == 1
    now[0] += 30
    asyncio.run(refused(100))
    assert reviews() == 2


def groups(*names: str) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name in names:
        group, _, version = name.rpartition("/")
        found.setdefault(group, []).append(version)
    return {
        "groups": [{"name": group, "versions": [{"version": one} for one in some]} for group, some in found.items()]
    }


def plurals(*names: str) -> dict[str, Any]:
    return {"resources": [{"name": name} for name in names]}


def test_a_cluster_of_today_with_everything_offers_everything() -> None:
    connection = Scripted(
        {
            "/version": {"gitVersion": "v1.36.2"},
            "/apis": groups(
                "batch/v1",
                "networking.k8s.io/v1",
                "jobset.x-k8s.io/v1alpha2",
                "kueue.x-k8s.io/v1beta1",
                "kueue.x-k8s.io/v1beta2",
                "resource.k8s.io/v1",
                "metrics.k8s.io/v1beta1",
            ),
            "/apis/jobset.x-k8s.io/v1alpha2": plurals("jobsets", "jobsets/status"),
            "/apis/kueue.x-k8s.io/v1beta2": plurals("localqueues", "workloads", "workloadpriorityclasses"),
        }
    )
    served = asyncio.run(discover(connection))
    assert served == Served("v1.36.2", ("job", "jobset"), "v1beta2", True, True, True, True)
    assert served.workloads is not None
    assert served.workloads.path("team-a") == "/apis/kueue.x-k8s.io/v1beta2/namespaces/team-a/workloads"
    assert served.image_volumes is True


def test_an_older_kueue_is_spoken_to_in_its_own_version() -> None:
    connection = Scripted(
        {
            "/version": {"gitVersion": "v1.30.1"},
            "/apis": groups("kueue.x-k8s.io/v1beta1"),
            "/apis/kueue.x-k8s.io/v1beta1": plurals("localqueues", "workloads"),
        }
    )
    served = asyncio.run(discover(connection))
    assert served.kueue == "v1beta1"
    assert served.local_queues is not None
    assert served.local_queues.api_version == "kueue.x-k8s.io/v1beta1"
    assert served.workload_priority_classes is None


def test_openshift_is_known_to_choose_the_users_of_pods() -> None:
    documents = {"/version": {"gitVersion": "v1.34.2"}, "/apis": groups("batch/v1", "security.openshift.io/v1")}
    assert asyncio.run(discover(Scripted(documents))).assigns_users


def test_a_bare_cluster_offers_plain_jobs() -> None:
    served = asyncio.run(
        discover(Scripted({"/version": {"gitVersion": "v1.30.0"}, "/apis": groups("networking.k8s.io/v1")}))
    )
    assert served.kinds == ("job",)
    assert served.workloads is None
    assert served.network_policies
    assert served.image_volumes is False


def test_a_group_that_is_announced_and_broken_is_not_served() -> None:
    broken = error_of(503, {"message": "the server is currently unable to handle the request"})
    connection = Scripted(
        {
            "/version": {"gitVersion": "v1.36.0"},
            "/apis": groups("jobset.x-k8s.io/v1alpha2"),
            "/apis/jobset.x-k8s.io/v1alpha2": broken,
        }
    )
    assert asyncio.run(discover(connection)).kinds == ("job",)


def test_discovery_that_is_closed_to_a_user_leaves_what_every_cluster_has() -> None:
    closed = error_of(403, {"message": "forbidden", "reason": "Forbidden"})
    served = asyncio.run(discover(Scripted({"/version": closed, "/apis": closed})))
    assert served.version is None
    assert served.kinds == ("job",)
    assert served.network_policies
    assert served.image_volumes is None


@pytest.mark.parametrize(
    ("version", "release", "images"),
    [
        ("v1.36.0", (1, 36), True),
        ("v1.33.4-gke.100", (1, 33), None),
        ("v1.30.2+k3s1", (1, 30), False),
        ("strange", None, None),
        (None, None, None),
    ],
)
def test_a_version_tells_what_can_be_had(
    version: str | None, release: tuple[int, int] | None, images: bool | None
) -> None:
    served = Served(version)
    assert served.release == release
    assert served.image_volumes is images


def test_discovery_is_remembered_until_it_is_doubted() -> None:
    connection = Scripted({"/version": {"gitVersion": "v1.36.0"}, "/apis": groups()})
    discovery = Discovery(connection)

    async def ask() -> None:
        await asyncio.gather(*(discovery.served() for _ in range(5)))
        assert connection.calls.count(("get", "/version")) == 1
        discovery.forget()
        await asyncio.gather(*(discovery.served() for _ in range(5)))
        assert connection.calls.count(("get", "/version")) == 2

    asyncio.run(ask())


def test_a_cluster_that_went_away_is_remembered_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    connection, now = Scripted({"/version": {"gitVersion": "v1.36.0"}, "/apis": groups()}), [1000.0]
    monkeypatch.setattr("mlk_jupyter.backends.kubernetes.rights.discovery.time.monotonic", lambda: now[0])
    discovery = Discovery(connection)

    async def ask() -> None:
        first = await discovery.served()
        away = Unreachable("The cluster does not answer.", hint="Wait.")
        connection.documents.update({"/version": away, "/apis": away})
        now[0] += 3600
        assert await discovery.served() == first
        discovery.forget()
        with pytest.raises(Unreachable):
            await discovery.served()

    asyncio.run(ask())


def test_resources_are_named_as_rights_name_them() -> None:
    names = {resource.full_name for resource in (JOBS, kinds()["jobset"].resource, WORKLOADS, QUOTAS)}
    assert names == {"jobs.batch", "jobsets.jobset.x-k8s.io", "workloads.kueue.x-k8s.io", "resourcequotas"}
