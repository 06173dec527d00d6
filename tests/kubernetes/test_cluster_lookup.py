"""What a preflight asks of a cluster, and what it leaves alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from preflight_cases import (
    claim,
    job,
    look,
    manifests,
    node,
    pod,
    quota,
)
from scripted import Scripted

from mlk_jupyter.backends.kubernetes.api.api_errors import error_of
from mlk_jupyter.backends.kubernetes.api.connection import Answer
from mlk_jupyter.backends.kubernetes.preflight.dry_run import dry_run
from mlk_jupyter.backends.kubernetes.preflight.lookup import look_up
from mlk_jupyter.backends.kubernetes.rights.access import Access, Question
from mlk_jupyter.backends.kubernetes.rights.discovery import Served
from mlk_jupyter.backends.kubernetes.rights.rbac import policy_rules, rules


def allowed(*, everywhere: bool = False) -> Access:
    everything = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    access = Access("team-a", everything if everywhere else policy_rules(rules(cluster_wide=False)), complete=True)
    questions = {"nodes": ("", "list"), "priorityclasses": ("scheduling.k8s.io", "get"), "pods": ("", "list")}
    return replace(
        access, answers={Question(verb, group, plural): everywhere for plural, (group, verb) in questions.items()}
    )


def namespace_of(**more: Any) -> dict[str, Any]:
    core, ours = "/api/v1", "/api/v1/namespaces/team-a"
    return {
        f"{ours}/resourcequotas": [quota({"pods": "10"})],
        f"{ours}/limitranges": [],
        f"{ours}/pods": [],
        f"{ours}/persistentvolumeclaims": [claim("data", "ReadWriteMany")],
        f"{ours}/serviceaccounts/default": {"imagePullSecrets": [{"name": "key"}]},
        f"{ours}/configmaps/settings": {"data": {"a": "b"}},
        "/api/v1/namespaces/team-a": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        f"{core}/nodes": [node("a", gpus=8)],
        f"{core}/pods": [pod("other", "a", gpus=1)],
        **more,
    }


FULL = {
    "volumes": [{"path": "/data", "claim": "data"}],
    "env_from": [{"config_map": "settings"}, {"secret": "wandb"}],
    "priority": "batch",
}


def test_only_what_the_role_allows_is_asked_for_and_nothing_of_secrets() -> None:
    connection = Scripted(namespace_of())
    known = asyncio.run(look_up(connection, Served(), allowed(), job(FULL, gpus=1), "team-a"))
    assert not any("/secrets" in path or path in ("/api/v1/nodes", "/api/v1/pods") for _, path in connection.calls)
    assert known.nodes is None
    assert known.all_pods is None
    assert known.unknown["nodes"] == "there is no right to list nodes"
    assert known.unknown["priority_class"] == "there is no right to get priorityclasses"
    assert known.config_maps == {"settings": True}
    assert known.account_pull_secrets == ["key"]
    assert known.namespace_labels == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_whoever_may_sees_nodes_and_what_is_taken_of_them() -> None:
    known = asyncio.run(
        look_up(Scripted(namespace_of()), Served(), allowed(everywhere=True), job(FULL, gpus=8), "team-a")
    )
    assert known.priority_class is False
    (finding,) = [finding for finding in look(job(gpus=8), known).findings if finding.code == "gpus_busy"]
    assert "7 of 8 are free" in finding.text


def test_a_read_that_is_refused_or_breaks_leaves_its_fact_unknown() -> None:
    documents = namespace_of()
    documents["/api/v1/namespaces/team-a/resourcequotas"] = error_of(403, {"message": "forbidden"})
    documents["/api/v1/namespaces/team-a/limitranges"] = error_of(500, {"message": "etcd is away"})
    known = asyncio.run(look_up(Scripted(documents), Served(), allowed(), job(), "team-a"))
    assert known.quotas is None
    assert known.limit_ranges is None
    assert known.unknown["quotas"] == "there is no right to list resourcequotas"
    assert known.unknown["limit_ranges"] == "the cluster has trouble"
    assert look(job(), known).ok


def test_a_cluster_that_does_not_answer_in_time_leaves_a_fact_unknown() -> None:
    class Slow(Scripted):
        async def list(self, path: str, **more: Any) -> Any:
            if path.endswith("resourcequotas"):
                await asyncio.Event().wait()
            return await super().list(path, **more)

    known = asyncio.run(look_up(Slow(namespace_of()), Served(), allowed(), job(), "team-a", limit_s=0.01))
    assert known.quotas is None
    assert "took longer" in known.unknown["quotas"]


def test_every_object_is_tried_before_it_is_created_and_nothing_is_created() -> None:
    connection = Scripted(created=lambda path, body: Answer(body, ["mind the gap"]))
    spec = job({"network": {}})
    outcomes = asyncio.run(dry_run(connection, manifests(spec), "team-a", allowed()))
    assert [outcome.kind for outcome in outcomes] == ["Job", "ConfigMap", "Service", "NetworkPolicy"]
    assert {verb for verb, _ in connection.calls} == {"dry-run"}
    assert all(outcome.warnings == ["mind the gap"] for outcome in outcomes)


def test_a_pod_is_tried_too_where_the_user_may_create_one() -> None:
    connection = Scripted()
    outcomes = asyncio.run(dry_run(connection, manifests(job()), "team-a", allowed(everywhere=True)))
    assert outcomes[-1].kind == "Pod"
    assert connection.bodies[-1]["spec"]["containers"][0]["name"] == "worker"


def test_what_may_not_be_created_is_not_tried() -> None:
    connection = Scripted()
    assert asyncio.run(dry_run(connection, manifests(job()), "team-a", Access("team-a", [], complete=True))) == []
    assert connection.calls == []


def test_a_refusal_of_one_object_does_not_hide_the_others() -> None:
    def created(path: str, body: dict[str, Any]) -> Any:
        return (
            error_of(422, {"message": "Service is invalid: spec.ports: Required value"})
            if path.endswith("services")
            else body
        )

    outcomes = asyncio.run(dry_run(Scripted(created=created), manifests(job()), "team-a", allowed()))
    assert [outcome.error is None for outcome in outcomes] == [True, True, False]
