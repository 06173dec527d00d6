"""What we call in a cluster, and the least rights that allow it. Pure.

One table: what a person may do (`access`) and the Role that an administrator applies are both made from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from ....errors import BadInput
from .. import labels
from ..kinds.registry import kinds as all_kinds
from ..manifests.yaml_dump import documents as as_documents
from ..resources import (
    CLAIMS,
    CONFIG_MAPS,
    EVENTS,
    LIMIT_RANGES,
    LOCAL_QUEUES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    PRIORITY_CLASSES,
    QUOTAS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_PRIORITIES,
    WORKLOADS,
    Manifest,
    Rule,
)

_ROLE = "mlk-jupyter"
_INVENTORY = "mlk-jupyter-inventory"
_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:(?P<namespace>[a-z0-9-]+):(?P<name>[a-z0-9.-]+)")

FEATURES = {
    "submit": "Submit jobs",
    "watch": "See jobs and why they wait",
    "logs": "Read logs and live notebooks",
    "stop": "Stop jobs and keep their record",
    "delete": "Delete jobs",
    "orphans": "Find what deleted jobs left behind",
    "quota": "See quotas and limits",
    "volumes": "See volumes",
    "references": "Check what a job refers to",
    "queues": "See queues",
    "stop_queued": "Stop jobs of a queue",
    "network": "Isolate a job's network",
    "nodes": "See nodes and their GPUs",
    "gpus": "See who holds GPUs, and how busy they are",
    "priorities": "Check priority classes",
}
"""Code of a feature → what it is for, in words."""


_RULES = (
    Rule("submit", CONFIG_MAPS, ("create", "get"), "carries the notebook and its modules"),
    Rule("submit", SERVICES, ("create", "get"), "lets the workers find each other by name"),
    Rule("watch", PODS, ("get", "list", "watch"), "tells where each worker runs and why not"),
    Rule("watch", EVENTS, ("list", "watch"), "tells why a job waits: a quota refusal stands nowhere else"),
    Rule("logs", PODS, ("get",), "reads logs, which carry the live notebook", subresource="log"),
    Rule("delete", CONFIG_MAPS, ("get", "delete"), "removes the code of a job that nothing owns"),
    Rule("delete", SERVICES, ("get", "delete"), "removes the service of a job that nothing owns"),
    Rule("orphans", PODS, ("list", "delete"), "finds and ends pods whose job is gone"),
    Rule("orphans", CONFIG_MAPS, ("list", "delete"), "finds and removes code whose job is gone"),
    Rule("orphans", SERVICES, ("list", "delete"), "finds and removes services whose job is gone"),
    Rule("quota", QUOTAS, ("list",), "says before submission what a quota would refuse"),
    Rule("quota", LIMIT_RANGES, ("list",), "says before submission what a LimitRange would refuse or change"),
    Rule("volumes", CLAIMS, ("list",), "offers volumes and checks that all workers can mount them"),
    Rule("references", CONFIG_MAPS, ("get",), "checks that a ConfigMap exists"),
    Rule("references", SERVICE_ACCOUNTS, ("get",), "checks that a ServiceAccount exists"),
    Rule("references", NAMESPACES, ("get",), "reads the namespace's own Pod Security level"),
    Rule("queues", LOCAL_QUEUES, ("list",), "offers queues and checks that they take jobs"),
    Rule("queues", WORKLOADS, ("list", "watch"), "tells why a queue holds a job back"),
    Rule("stop_queued", WORKLOADS, ("patch",), "stops a job without its queue starting it again"),
    Rule("network", NETWORK_POLICIES, ("create", "get", "list", "delete"), "isolates a job's network, and cleans up"),
    Rule("nodes", NODES, ("list",), "counts GPUs and compares them with what a worker asks for"),
    Rule("gpus", PODS, ("list",), "tells who holds GPUs in all namespaces, and which are free", everywhere=True),
    Rule("gpus", PODS, ("get",), "reads what dcgm-exporter tells, without Prometheus", "proxy", everywhere=True),
    Rule("gpus", RESOURCE_SLICES, ("list",), "counts the devices that drivers offer"),
    Rule("gpus", RESOURCE_CLAIMS, ("list",), "tells who claims these", everywhere=True),
    Rule("priorities", PRIORITY_CLASSES, ("get",), "checks that a PriorityClass exists"),
    Rule("priorities", WORKLOAD_PRIORITIES, ("get",), "checks that a WorkloadPriorityClass exists"),
)


def rules(kinds: Iterable[str] | None = None, *, queues: bool = True, cluster_wide: bool = True) -> list[Rule]:
    """All that we call.

    Args:
        kinds:        names of the kinds of job that are served; None: of all there are.
        queues:       whether Kueue is served.
        cluster_wide: whether to include what takes a ClusterRole; all of it can be done without.
    """
    known = all_kinds()
    own = [rule for name in (known if kinds is None else kinds) for rule in known[name].rules()]
    table = [*own, *(rule for rule in _RULES if queues or rule.resource.group != WORKLOADS.group)]
    wanted = [rule for rule in table if cluster_wide or not rule.cluster_wide]
    return sorted(wanted, key=lambda rule: list(FEATURES).index(rule.feature))


def policy_rules(wanted: Iterable[Rule]) -> list[Manifest]:
    """The same as the `rules` of a Role: one for each set of verbs in an API group, nothing twice."""
    verbs: dict[tuple[str, str], set[str]] = {}
    for rule in wanted:
        name = f"{rule.resource.plural}/{rule.subresource}" if rule.subresource else rule.resource.plural
        verbs.setdefault((rule.resource.group, name), set()).update(rule.verbs)
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, name), some in verbs.items():
        merged.setdefault((group, tuple(sorted(some))), []).append(name)
    return [
        {"apiGroups": [group], "resources": sorted(names), "verbs": list(some)}
        for (group, some), names in sorted(merged.items())
    ]


def rule_line(rule: Rule, verbs: Iterable[str]) -> str:
    """One line of YAML that an administrator adds to a role, e.g. `- {apiGroups: [batch], …}`."""
    (policy,) = policy_rules([Rule(rule.feature, rule.resource, tuple(verbs), rule.why, rule.subresource)])
    text: str = yaml.safe_dump(policy, default_flow_style=True, sort_keys=False, width=1000)
    return f"- {text.strip()}"


def render(
    namespace: str,
    user: str,
    *,
    service_account: bool = True,
    nodes: bool = False,
    gpus: bool = False,
    kinds: Iterable[str] | None = None,
    queues: bool = True,
) -> str:
    """YAML for `kubectl apply` of the least that one user needs in one namespace.

    Args:
        user:            a user as the cluster knows them, or the name of a ServiceAccount.
        service_account: makes a ServiceAccount for the user, and binds it beside the user of that name.
        nodes:           adds a ClusterRole to see nodes and priority classes. Everything works without.
        gpus:            adds to that the pods of all namespaces, with all that stands in them, and dcgm-exporter.
        kinds:           names of the kinds of job that are served; None: of all there are.
        queues:          whether Kueue is served. Rights to what is not served do no harm.

    Raises: BadInput for a namespace or user that cannot be.
    """
    _check(namespace, user)
    account = _account_name(user) if service_account else None
    subjects = _subjects(namespace, user, account)
    wanted = rules(kinds, queues=queues)
    own, wide = [rule for rule in wanted if not rule.cluster_wide], [rule for rule in wanted if rule.cluster_wide]
    who = labels.user_label(user)
    documents = [
        _role("Role", _ROLE, namespace, own),
        _binding("RoleBinding", _ROLE, f"{_ROLE}-{who}", namespace, subjects),
    ]
    if account is not None:
        documents.insert(0, _manifest("v1", "ServiceAccount", account, namespace, automountServiceAccountToken=False))
    given = [rule for rule in wide if gpus or (nodes and rule.feature != "gpus")]
    if given:
        documents.append(_role("ClusterRole", _INVENTORY, None, given))
        documents.append(_binding("ClusterRoleBinding", _INVENTORY, f"{_INVENTORY}-{namespace}-{who}", None, subjects))
    return _comment(own, given, [rule for rule in wide if rule not in given]) + as_documents(documents)


def _check(namespace: str, user: str) -> None:
    if not _DNS_LABEL.fullmatch(namespace):
        hint = "Use at most 63 lower case letters, digits and '-'."
        raise BadInput(f"{namespace[:100]!r} cannot be the name of a namespace.", hint=hint)
    if not user or len(user) > 500 or _CONTROL.search(user):
        hint = "Give the name that `kubectl auth whoami` shows, or a name for a ServiceAccount."
        raise BadInput(f"{user[:100]!r} cannot be the name of a user.", hint=hint)


def _account_name(user: str) -> str:
    known = _SERVICE_ACCOUNT.fullmatch(user)
    return known["name"] if known else user if _DNS_LABEL.fullmatch(user) else f"mlk-{labels.user_label(user)}"


def _subjects(namespace: str, user: str, account: str | None) -> list[Manifest]:
    known = _SERVICE_ACCOUNT.fullmatch(user)
    if known and (account is None or known["namespace"] == namespace):
        return [{"kind": "ServiceAccount", "name": known["name"], "namespace": known["namespace"]}]
    person = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    if account is None:
        return [person]
    made = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    # Those of the cluster's own users who bear such names (anonymous ones among them) are nobody's person.
    return [made] if user.startswith("system:") else [person, made]


def _manifest(api_version: str, kind: str, name: str, namespace: str | None, **rest: Any) -> Manifest:
    metadata: Manifest = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _role(kind: str, name: str, namespace: str | None, allowed: list[Rule]) -> Manifest:
    return _manifest("rbac.authorization.k8s.io/v1", kind, name, namespace, rules=policy_rules(allowed))


def _binding(kind: str, role: str, name: str, namespace: str | None, subjects: list[Manifest]) -> Manifest:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind.removesuffix("Binding"), "name": role}
    return _manifest("rbac.authorization.k8s.io/v1", kind, name, namespace, roleRef=reference, subjects=subjects)


def _comment(own: list[Rule], granted: list[Rule], missing: list[Rule]) -> str:
    lines = ["The least that mlk-jupyter needs for one user in one namespace. What each right is for:"]
    lines += [f"  {', '.join(rule.verbs)} {rule.full_name}: {rule.why}" for rule in (*own, *granted)]
    lines += [
        "Nothing here reads Secrets, runs commands in pods or deletes collections. Whoever may create Jobs in a",
        "namespace can mount every Secret and volume in it, though: give each user or team a namespace of its own.",
    ]
    if missing:
        lines.append(
            "Some of what is beyond the namespace stays unknown (`--nodes` adds the rights to nodes and priorities,"
            if granted
            else "No right reaches beyond the namespace, so these are unknown in it (`--nodes` adds those to nodes,"
        )
        lines.append("`--gpu-holders` those to pods of all namespaces as well):")
        lines += [f"  {', '.join(rule.verbs)} {rule.full_name}: {rule.why}" for rule in missing]
    return "".join(f"# {line}\n" for line in lines)
