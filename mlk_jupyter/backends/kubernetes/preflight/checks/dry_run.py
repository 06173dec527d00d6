"""What the cluster itself said of the job in the dry run."""

from __future__ import annotations

import re

from .....errors import BackendUnavailable, MlkError
from .....model.api import Finding
from ...api.api_errors import AdmissionRefused, InvalidObject, NotFoundInCluster
from ...api.redaction import redacted
from ...resources import PODS
from ..cluster_facts import NO_DRY_RUN
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
    "terminationGracePeriodSeconds": "grace_period_s",
    "ttlSecondsAfterFinished": "cluster.keep_s",
    "activeDeadlineSeconds": "time_limit_s",
    "securityContext": "cluster.run_as",
    "labels": "cluster.labels",
    "annotations": "cluster.annotations",
    "parallelism": "workers",
    "completions": "workers",
    "egress": "cluster.network",
}
# Code of a refusal → that of its finding, and the field of the spec.
_REFUSALS: dict[str, tuple[str, str | None]] = {
    "quota_exceeded": ("quota_used_up", None),
    "pod_security": ("pod_security_restricted", "cluster.run_as"),
}
_AMOUNTS = {"memory": "cluster.memory", "CPU": "cluster.cpu", "GPU": "gpus"}
_ENFORCE = "pod-security.kubernetes.io/enforce"


def check(case: Case) -> list[Finding]:
    findings: dict[tuple[str, str], Finding] = {}
    for outcome in case.dry_run:
        found = [
            warning("cluster_warns", f"The cluster warns: {redacted(text)}", _hint(text), _field(text))
            for text in outcome.warnings
        ]
        if outcome.error is not None and not (outcome.kind == PODS.kind and _covered(case, outcome.error)):
            found.append(_refusal(outcome.kind, outcome.error))
        for finding in found:
            findings.setdefault((finding.code, finding.text), finding)
    return [*findings.values(), *_security(case)]


def _covered(case: Case, problem: MlkError) -> bool:
    """Whether another check says the same, with more figures."""
    facts, code = case.facts, problem.refusal.code if isinstance(problem, AdmissionRefused) else None
    return {
        "quota_exceeded": facts.quotas is not None,
        "quota_needs_requests": facts.quotas is not None,
        "service_account_not_found": facts.service_account is False and case.options.service_account is not None,
        "priority_class_not_found": facts.priority_class is False,
    }.get(code or "", False)


def _security(case: Case) -> list[Finding]:
    """The namespace's Pod Security level, which refuses no Job: where no pod was tried it has to be read."""
    level = (case.facts.namespace_labels or {}).get(_ENFORCE)
    if case.options.run_as == "restricted" or level is None:
        return []
    namespace = case.facts.namespace
    if level != "restricted":
        text = f"Namespace {namespace} has Pod Security level {level}."
        return [note("pod_security_level", text, None, "cluster.run_as")]
    if case.pod.tried:
        return []
    text = (
        f"Namespace {namespace} refuses pods that run as their image says (Pod Security level restricted): none would "
        "be created."
    )
    return [error("pod_security_restricted", text, "Run as `restricted`.", "cluster.run_as")]


def _refusal(kind: str, problem: MlkError) -> Finding:
    detail, hint = problem.detail, problem.hint
    if NO_DRY_RUN in detail:
        text = f"Whether the cluster takes the {kind} could not be tried: {detail}"
        return note("dry_run_unsupported", text)
    if isinstance(problem, BackendUnavailable):
        text = f"Whether the cluster takes the {kind} could not be tried: {detail}"
        return warning("dry_run_failed", text, hint)
    if isinstance(problem, InvalidObject):
        field = next((found for found in map(_field, problem.paths) if found), None) or _field(detail)
        return error("cluster_refuses", f"The cluster does not accept the {kind}: {detail}", hint, field)
    if isinstance(problem, NotFoundInCluster):
        text = f"The {kind} has nowhere to go: {detail}"
        return error("namespace_or_kind_missing", text, "Check the name of the namespace.")
    said = problem.refusal.code if isinstance(problem, AdmissionRefused) else ""
    if said == "limit_range":
        field = next((field for word, field in _AMOUNTS.items() if word in detail), None)
        return error("limit_range", f"The cluster refuses the {kind}: {detail}", hint, field)
    code, field = _REFUSALS.get(said, ("cluster_refuses", _field(detail)))
    return error(code, f"The cluster refuses the {kind}: {detail}", hint, field)


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
