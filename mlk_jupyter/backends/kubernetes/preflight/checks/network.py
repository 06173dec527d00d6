"""Network isolation: a NetworkPolicy is a request that the cluster's network may ignore."""

from __future__ import annotations

from .....model.api import Finding
from .case import Case, error, note


def check(case: Case) -> list[Finding]:
    if case.options.network is None:
        return []
    if not case.facts.served.network_policies:
        text = "The cluster serves no NetworkPolicies, so a job's network cannot be isolated."
        return [error("no_network_policies", text, "Switch network isolation off.", "cluster.network")]
    text = (
        "Network isolation is declared by a NetworkPolicy, not verified: whether the cluster's network enforces it "
        "cannot be seen from here."
    )
    hint = "Ask who runs the cluster whether its network plugin enforces NetworkPolicies."
    return [note("network_unverified", text, hint, "cluster.network")]
