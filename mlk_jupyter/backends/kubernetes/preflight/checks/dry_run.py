"""What the cluster itself said when it was asked to create the job for show."""

from __future__ import annotations

import re

from .....errors import BackendUnavailable
from .....model.api import Finding
from ...api.api_errors import (
    AdmissionRefused,
    Forbidden,
    InvalidObject,
    NotFoundInCluster,
    PodSecurityViolation,
    QuotaExceeded,
)
from ...api.redaction import redacted
from .case import Case, error, note, warning

_FIELDS = {
    "resources": "cluster.memory",
    "image": "cluster.image",
    "imagePullPolicy": "cluster.image_pull_policy",
    "imagePullSecrets": "cluster.image_pull_secrets",
    "nodeSelector": "cluster.node_selector",
    "affinity": "cluster.affinity",
    "tolerations": "cluster.tolerations",
    "volumes": "cluster.volumes",
    "volumeMounts": "cluster.volumes",
    "envFrom": "cluster.env_from",
    "env": "env",
    "serviceAccountName": "cluster.service_account",
    "priorityClassName": "cluster.priority",
    "terminationGracePeriodSeconds": "cluster.grace_period_s",
    "ttlSecondsAfterFinished": "cluster.keep_s",
    "activeDeadlineSeconds": "time_limit_s",
    "securityContext": "cluster.run_as",
    "labels": "cluster.labels",
    "annotations": "cluster.annotations",
    "parallelism": "workers",
    "completions": "workers",
    "egress": "cluster.network",
}
_NO_DRY_RUN = "does not support dry run"


def check(case: Case) -> list[Finding]:
    findings: dict[tuple[str, str], Finding] = {}
    for outcome in case.dry_run:
        found = [
            warning("cluster_warns", f"The cluster warns: {redacted(text)}", _hint(text), _field(text))
            for text in outcome.warnings
        ]
        counted_by_us = (
            outcome.kind == "Pod" and isinstance(outcome.error, QuotaExceeded) and case.facts.quotas is not None
        )
        if outcome.error is not None and not counted_by_us:
            found.append(_refusal(outcome.kind, outcome.error))
        for finding in found:
            findings.setdefault((finding.code, finding.text), finding)
    return list(findings.values())


def _refusal(kind: str, problem: Exception) -> Finding:
    detail, hint = str(problem), getattr(problem, "hint", "")
    if _NO_DRY_RUN in detail:
        text = f"Whether the cluster takes the {kind} could not be tried: {detail}"
        return note("dry_run_unsupported", text)
    if isinstance(problem, BackendUnavailable):
        text = f"Whether the cluster takes the {kind} could not be tried: {detail}"
        return warning("dry_run_failed", text, hint)
    if isinstance(problem, InvalidObject):
        field = next((found for found in map(_field, problem.fields) if found), None) or _field(detail)
        return error("cluster_refuses", f"The cluster does not accept the {kind}: {detail}", hint, field)
    if isinstance(problem, QuotaExceeded):
        return error("quota_used_up", f"The cluster refuses the {kind}: {detail}", hint)
    if isinstance(problem, PodSecurityViolation):
        return error("pod_security_restricted", f"The cluster refuses the {kind}: {detail}", hint, "cluster.run_as")
    if isinstance(problem, NotFoundInCluster):
        text = f"The {kind} has nowhere to go: {detail}"
        return error("namespace_or_kind_missing", text, "Check the name of the namespace.")
    if isinstance(problem, AdmissionRefused | Forbidden):
        return error("cluster_refuses", f"The cluster refuses the {kind}: {detail}", hint, _field(detail))
    return error("cluster_refuses", f"The cluster refuses the {kind}: {detail}", hint)


def _field(text: str) -> str | None:
    """The field of the spec that an API path such as spec.template.spec.containers[0].image comes from."""
    if "PodSecurity" in text:
        return "cluster.run_as"
    words = re.findall(r"[A-Za-z]+", (re.search(r"(?:spec|metadata)[\w.\[\]\"'/-]*", text) or [""])[0])
    return next((_FIELDS[word] for word in reversed(words) if word in _FIELDS), None)


def _hint(text: str) -> str | None:
    if "PodSecurity" in text:
        return "Run as `restricted`, or use a namespace with a lower Pod Security level."
    return None
