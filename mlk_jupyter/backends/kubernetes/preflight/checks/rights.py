"""Access rights: what the user may not do, and what that costs."""

from __future__ import annotations

from .....model.api import Finding, Right
from .....text import listed
from .case import Case, error, warning

_COSTS = {
    "watch": "The job would run, and nothing could be seen of it.",
    "logs": "The job would run; its live notebook, log and executed notebook would stay empty.",
    "stop": "The job could not be stopped from here.",
    "delete": "The job could not be deleted from here.",
}


def check(case: Case) -> list[Finding]:
    access, served = case.facts.access, case.facts.served
    if access is None:
        return []
    rights = {right.code: right for right in access.rights(served)}
    findings = []
    for code in ("submit", *(["network"] if case.options.network is not None and served.network_policies else [])):
        right = rights.get(code)
        if right is not None and right.allowed is False:
            field = "cluster.network" if code == "network" else None
            findings.append(error(f"no_right_to_{code}", _text(case, right), right.hint or "", field))
    for code, cost in _COSTS.items():
        right = rights.get(code)
        if right is not None and right.allowed is False:
            findings.append(warning(f"no_right_to_{code}", f"{_text(case, right)} {cost}", right.hint))
    return findings


def _text(case: Case, right: Right) -> str:
    return f"{right.feature}: you may not {listed(right.missing)} in namespace {case.facts.namespace}."
