from __future__ import annotations

from itertools import chain

import pytest
import yaml

from mlk_jupyter.backends.kubernetes.rights.rbac import FEATURES, policy_rules, render, rule_line, rules
from mlk_jupyter.errors import BadInput


def documents(text: str) -> dict[str, dict]:
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def granted(role: dict) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_a_role_a_binding_and_an_account_are_printed_for_one_user() -> None:
    found = documents(render("team-a", "ada"))
    assert list(found) == ["ServiceAccount", "Role", "RoleBinding"]
    assert all(document["metadata"]["namespace"] == "team-a" for document in found.values())
    assert found["RoleBinding"]["roleRef"]["name"] == found["Role"]["metadata"]["name"]
    assert found["RoleBinding"]["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada"},
        {"kind": "ServiceAccount", "name": "ada", "namespace": "team-a"},
    ]


def test_no_user_of_the_clusters_own_is_bound() -> None:
    found = documents(render("team-a", "system:anonymous"))
    assert [one["kind"] for one in found["RoleBinding"]["subjects"]] == ["ServiceAccount"]


def test_a_user_of_the_cluster_is_bound_as_they_are() -> None:
    found = documents(render("team-a", "ada@example.com", service_account=False))
    assert "ServiceAccount" not in found
    (subject,) = found["RoleBinding"]["subjects"]
    assert subject == {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada@example.com"}


def test_a_user_that_is_no_name_in_kubernetes_gets_an_account_of_a_fitting_name() -> None:
    found = documents(render("team-a", "Ada Lovelace <ada@example.com>"))
    name = found["ServiceAccount"]["metadata"]["name"]
    assert name.startswith("mlk-ada-lovelace")
    assert found["RoleBinding"]["subjects"][1]["name"] == name


def test_an_account_that_exists_is_named_as_the_cluster_names_it() -> None:
    (subject,) = documents(render("team-a", "system:serviceaccount:hub:ada", service_account=False))["RoleBinding"][
        "subjects"
    ]
    assert subject == {"kind": "ServiceAccount", "name": "ada", "namespace": "hub"}


def test_the_role_holds_exactly_what_the_table_says() -> None:
    wanted = {
        (
            rule.resource.group,
            f"{rule.resource.plural}/{rule.subresource}" if rule.subresource else rule.resource.plural,
            verb,
        )
        for rule in rules(cluster_wide=False)
        for verb in rule.verbs
    }
    assert granted(documents(render("team-a", "ada"))["Role"]) == wanted


@pytest.mark.parametrize("nodes", [False, True])
def test_nothing_asks_for_secrets_commands_in_pods_or_collections(nodes: bool) -> None:
    found = documents(render("team-a", "ada", nodes=nodes))
    rights = set(chain.from_iterable(granted(found[kind]) for kind in ("Role", "ClusterRole") if kind in found))
    assert not any(resource.split("/")[0] == "secrets" for _, resource, _ in rights)
    assert not any(resource in ("pods/exec", "pods/attach", "pods/portforward") for _, resource, _ in rights)
    assert not {verb for _, _, verb in rights} & {"*", "deletecollection", "impersonate", "escalate", "bind", "update"}
    assert not any("*" in (group, resource) for group, resource, _ in rights)
    assert ("", "pods", "create") not in rights


def test_what_is_submitted_can_be_found_and_taken_away_again() -> None:
    rights = granted(documents(render("team-a", "ada"))["Role"])
    for resource in ("configmaps", "services"):
        assert {verb for _, name, verb in rights if name == resource} == {"get", "create", "delete", "list"}


def test_without_a_right_to_nodes_its_absence_is_said() -> None:
    text = render("team-a", "ada")
    assert "ClusterRole" not in documents(text)
    assert "# No right reaches beyond the namespace" in text
    assert "#   list nodes: " in text


def test_nodes_are_seen_through_a_cluster_role_that_holds_nothing_else() -> None:
    found = documents(render("team-a", "ada", nodes=True))
    assert granted(found["ClusterRole"]) == {
        ("", "nodes", "list"),
        ("scheduling.k8s.io", "priorityclasses", "get"),
        ("kueue.x-k8s.io", "workloadpriorityclasses", "get"),
    }
    assert "namespace" not in found["ClusterRoleBinding"]["metadata"]


def test_who_holds_gpus_is_seen_through_rights_of_their_own() -> None:
    found = documents(render("team-a", "ada", gpus=True))
    assert granted(found["ClusterRole"]) == {
        ("", "nodes", "list"),
        ("", "pods", "list"),
        ("", "pods/proxy", "get"),
        ("resource.k8s.io", "resourceslices", "list"),
        ("resource.k8s.io", "resourceclaims", "list"),
        ("scheduling.k8s.io", "priorityclasses", "get"),
        ("kueue.x-k8s.io", "workloadpriorityclasses", "get"),
    }


def test_groups_that_are_not_served_can_be_left_out() -> None:
    role = documents(render("team-a", "ada", kinds=["job"], queues=False))["Role"]
    assert {group for group, _, _ in granted(role)} == {"", "batch", "networking.k8s.io"}


@pytest.mark.parametrize("name", ["1e3", "0x10", "123", "true", "null", "on", "y"])
def test_a_name_that_looks_like_a_number_or_a_truth_stays_a_name(name: str) -> None:
    text = render(name, name)
    found = documents(text)
    assert found["ServiceAccount"]["metadata"] == {"name": name, "namespace": name}
    assert f"name: {name}\n" not in text, "other readers of YAML take it for something else"


@pytest.mark.parametrize(
    ("namespace", "user"),
    [
        ("", "ada"),
        ("Team", "ada"),
        ("a/b", "ada"),
        ("x" * 64, "ada"),
        ("team-a\nkind: Pod", "ada"),
        ("team-a", ""),
        ("team-a", "ada\n---\nkind: ClusterRoleBinding"),
        ("team-a", "a" * 501),
    ],
)
def test_names_that_cannot_be_are_refused(namespace: str, user: str) -> None:
    with pytest.raises(BadInput):
        render(namespace, user)


@pytest.mark.parametrize("user", ["{{evil}}", "a: b", "- x", "'\"", "&anchor", "*alias", "!!python/object", "# no"])
def test_a_user_s_name_never_becomes_yaml(user: str) -> None:
    found = list(yaml.safe_load_all(render("team-a", user, service_account=False)))
    assert [document["kind"] for document in found] == ["Role", "RoleBinding"]
    assert found[1]["subjects"][0]["name"] == user


def test_two_users_of_one_namespace_share_the_role_and_not_the_binding() -> None:
    one, other = documents(render("team-a", "Ada")), documents(render("team-a", "ada "[:3]))
    assert one["Role"] == other["Role"]
    assert (
        one["RoleBinding"]["metadata"]["name"] != documents(render("team-a", "bob"))["RoleBinding"]["metadata"]["name"]
    )


def test_every_rule_belongs_to_a_feature_and_says_what_it_is_for() -> None:
    table = rules()
    assert {rule.feature for rule in table} == set(FEATURES)
    assert all(rule.why and rule.verbs for rule in table)


def test_the_line_for_an_administrator_is_a_rule_of_its_own() -> None:
    rule = next(rule for rule in rules() if rule.full_name == "pods/log")
    assert "\n" not in rule_line(rule, ["get"])
    assert yaml.safe_load(rule_line(rule, ["get"])) == policy_rules([rule])
