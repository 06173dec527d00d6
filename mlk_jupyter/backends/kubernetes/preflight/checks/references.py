"""What the job refers to by name: Secrets, ConfigMaps, the service account, the priority class."""

from __future__ import annotations

from .....model.api import Finding
from .....text import listed
from .case import Case, error, note, warning


def check(case: Case) -> list[Finding]:
    return [*_secrets(case), *_config_maps(case), *_service_account(case), *_priority(case)]


def _secrets(case: Case) -> list[Finding]:
    names = list(dict.fromkeys(entry.secret for entry in case.options.env_from if entry.secret))
    if not names:
        return []
    text = (
        f"Whether Secret {listed(names)} exists cannot be checked: that would take the right to read Secrets. "
        "If one or its key is missing, the workers do not start."
    )
    return [
        note(
            "secret_unchecked", text, f"`kubectl get secret {names[0]}` shows it to those who may.", "cluster.env_from"
        )
    ]


def _config_maps(case: Case) -> list[Finding]:
    findings = []
    for name in dict.fromkeys(entry.config_map for entry in case.options.env_from if entry.config_map):
        if case.facts.config_maps.get(name) is False:
            text = f"There is no ConfigMap {name} in namespace {case.facts.namespace}: the workers would not start."
            findings.append(error("no_config_map", text, "Create it first, or correct the name.", "cluster.env_from"))
    return findings


def _service_account(case: Case) -> list[Finding]:
    name = case.options.service_account
    if name is None or case.facts.service_account is not False:
        return []
    text = f"There is no ServiceAccount {name} in namespace {case.facts.namespace}: no pod would be created."
    hint = "Leave it out for the namespace's default, or have it created."
    return [error("no_service_account", text, hint, "cluster.service_account")]


def _priority(case: Case) -> list[Finding]:
    name, facts = case.options.priority, case.facts
    if name is None:
        return []
    if name.startswith("system-"):
        text = f"Priority class {name} is kept for the cluster's own pods."
        return [error("priority_reserved", text, "Choose another one, or none.", "cluster.priority")]
    if facts.priority_class is False:
        text = f"There is no PriorityClass {name} in the cluster: no pod would be created."
        return [error("no_priority_class", text, "Leave it out, or correct the name.", "cluster.priority")]
    if facts.priority_class is None:
        why = facts.unknown.get("priority_class", "it was not asked")
        text = f"Whether PriorityClass {name} exists is not known: {why}."
        hint = "If it does not, no pod is created and the job waits."
        return [warning("priority_unchecked", text, hint, "cluster.priority")]
    return []
