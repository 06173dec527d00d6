"""The namespace's Pod Security level against the way the job's pods run."""

from __future__ import annotations

from .....model.api import Finding
from .case import Case, error, note

_ENFORCE = "pod-security.kubernetes.io/enforce"


def check(case: Case) -> list[Finding]:
    labels = case.facts.namespace_labels
    level = None if labels is None else labels.get(_ENFORCE)
    if case.options.run_as == "restricted" or level is None:
        return []
    if level == "restricted":
        text = (
            f"Namespace {case.facts.namespace} refuses pods that run as their image says "
            "(Pod Security level restricted): none would be created."
        )
        return [error("pod_security_restricted", text, "Run as `restricted`.", "cluster.run_as")]
    return [
        note(
            "pod_security_level",
            f"Namespace {case.facts.namespace} has Pod Security level {level}.",
            None,
            "cluster.run_as",
        )
    ]
