"""ResourceQuotas: what a job asks for against what is used and allowed, and quotas that do not count what they name.

A dry run of a Job cannot tell this: its pods are what a quota refuses, and they are created later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from .....model.api import Finding
from .....quantities import cores_in_words, plain, size_in_words
from .....text import counted
from ...amounts import Amounts, amounts, containers_of, of
from ...kinds.registry import resource_of
from ...resources import Manifest, Resource
from .case import Case, error, note, warning

_COMPUTE = ("cpu", "memory")
_FIELDS = {"cpu": "cluster.cpu", "memory": "cluster.memory", "pods": "workers"}


@dataclass(frozen=True)
class Line:
    """One resource of one quota that the job counts against."""

    quota: str
    resource: str
    """As the quota names it, e.g. `requests.cpu`."""
    requested: Decimal
    each: Decimal
    """Of it for one worker."""
    used: Decimal
    hard: Decimal
    at_once: bool
    """Whether it is refused when the job is created, and not only when its pods are."""

    @property
    def free(self) -> Decimal:
        return max(Decimal(0), self.hard - self.used)

    @property
    def base(self) -> str:
        """What is counted, e.g. `cpu`."""
        return self.resource.removeprefix("requests.").removeprefix("limits.").removeprefix("count/")


def check(case: Case) -> list[Finding]:
    if case.facts.quotas is None:
        why = case.facts.unknown.get("quotas")
        return [note("quota_unknown", f"Whether a quota has room for the job is not known: {why}.")] if why else []
    findings = [finding for quota in case.facts.quotas for finding in (*_unset(case, quota), *_dead(case, quota))]
    for line in lines(case):
        if line.requested > line.hard:
            findings.append(
                error("quota_too_small", f"{_figures(line)}. It can never start.", _less(line), _field(case, line))
            )
        elif line.requested > line.free and line.at_once:
            text = f"{_figures(line)}. It would be refused."
            hint = "Delete jobs that are over, or have the quota raised."
            findings.append(error("quota_used_up", text, hint, _field(case, line)))
        elif line.requested > line.free:
            text = f"{_figures(line)}. It would wait until others have ended{_some(case, line)}."
            findings.append(warning("quota_busy", text, _less(line, now=True), _field(case, line)))
    return findings


def has_room(case: Case) -> bool | None:
    """Whether all quotas have room now; None when not known."""
    if case.facts.quotas is None:
        return None
    refused = any(_unset(case, quota) for quota in case.facts.quotas)
    return not refused and all(line.requested <= line.free for line in lines(case))


def lines(case: Case) -> Iterator[Line]:
    """Every resource of every quota that the job counts against."""
    for quota in case.facts.quotas or []:
        status, spec = quota.get("status") or {}, quota.get("spec") or {}
        hard = {**amounts(spec.get("hard")), **amounts(status.get("hard"))}
        used = amounts(status.get("used"))
        pods_count, counted_objects = _matches(case, spec), not (spec.get("scopes") or spec.get("scopeSelector"))
        for resource, allowed in hard.items():
            each = _of_a_pod(case, resource) if pods_count else None
            if each is not None:
                requested, at_once = each * case.pod.count, False
            else:
                made = sum(resource in _counted_as(resource_of(manifest)) for manifest in case.manifests)
                requested = Decimal(made if counted_objects else 0)
                each, at_once = requested, True
            if requested > 0:
                name = quota["metadata"]["name"]
                yield Line(name, resource, requested, each, used.get(resource, Decimal(0)), allowed, at_once)


def _counted_as(resource: Resource) -> tuple[str, ...]:
    """Names under which a quota counts objects of a kind."""
    return f"count/{resource.full_name}", *(() if resource.group else (resource.plural,))


def _of_a_pod(case: Case, resource: str) -> Decimal | None:
    """How much of a quota's resource one pod counts; None for what pods do not count against."""
    if resource in ("pods", "count/pods"):
        return Decimal(1)
    requests, limits = case.pod.requests, case.pod.limits
    if resource in (*_COMPUTE, "ephemeral-storage") or resource.startswith("hugepages-"):
        return requests.get(resource, Decimal(0))
    if resource.startswith("requests."):
        return requests.get(resource.removeprefix("requests."))
    name = resource.removeprefix("limits.")
    if resource.startswith("limits.") and "/" not in name:  # limits of extended resources are never counted
        return limits.get(name)
    return None


def _matches(case: Case, spec: Manifest) -> bool:
    """Whether a quota's scopes take in the job's pods."""
    wanted = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or []]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_in_scope(case, expression) for expression in wanted)


def _in_scope(case: Case, expression: Manifest) -> bool:
    scope, operator = str(expression.get("scopeName")), str(expression.get("operator"))
    best_effort = not _compute(case.pod.requests) and not _compute(case.pod.limits)
    if scope in ("Terminating", "NotTerminating"):
        return ("activeDeadlineSeconds" in case.pod.spec) == (scope == "Terminating")
    if scope in ("BestEffort", "NotBestEffort"):
        return best_effort == (scope == "BestEffort")
    if scope == "PriorityClass":
        name, values = case.pod.spec.get("priorityClassName"), expression.get("values") or []
        return {
            "In": name in values,
            "NotIn": name not in values,
            "Exists": bool(name),
            "DoesNotExist": not name,
        }.get(operator, False)
    return scope != "CrossNamespacePodAffinity"


def _compute(resources: Amounts) -> bool:
    return any(resources.get(name) for name in _COMPUTE)


def _unset(case: Case, quota: Manifest) -> list[Finding]:
    """A quota on CPU or memory refuses every pod that does not say how much it takes."""
    spec = quota.get("spec") or {}
    if not _matches(case, spec):
        return []
    findings = []
    for resource in amounts(spec.get("hard")):
        part, _, name = resource.rpartition(".")
        if name not in _COMPUTE or part not in ("", "requests", "limits"):
            continue
        said = [
            of(container, "limits" if part == "limits" else "requests") for container in containers_of(case.pod.spec)
        ]
        if any(name not in asked for asked in said):
            what = "CPU" if name == "cpu" else "memory"
            text = f"Quota {quota['metadata']['name']} counts {resource}, so pods without it are refused; none is set."
            hint = f"Say how much {what} each worker gets."
            findings.append(error("quota_needs_value", text, hint, _FIELDS[name]))
    return findings


def _dead(case: Case, quota: Manifest) -> list[Finding]:
    """Keys that Kubernetes takes and never counts: limits of an extended resource, or its bare name."""
    hard = amounts((quota.get("spec") or {}).get("hard"))
    name = case.options.gpu_resource
    dead = [key for key in (name, f"limits.{name}") if key in hard]
    if not case.spec.gpus or not dead or f"requests.{name}" in hard:
        return []
    text = (
        f"Quota {quota['metadata']['name']} limits {' and '.join(dead)} to {plain(hard[dead[0]])}, "
        "which Kubernetes never counts: it does not hold anybody back."
    )
    hint = f"Tell who runs the cluster: what counts is requests.{name}."
    return [note("quota_does_not_count", text, hint, "gpus")]


def _figures(line: Line) -> str:
    """Used, hard and requested."""
    unit = _unit(line)
    figures = f"{_amount(line.used, unit)} of {_amount(line.hard, unit)} are used, and the job asks for"
    return f"Quota {line.quota} on {line.resource}: {figures} {_amount(line.requested, unit)}"


def _unit(line: Line) -> Literal["cores", "bytes", "number"]:
    if line.base == "cpu":
        return "cores"
    return "bytes" if line.base in ("memory", "ephemeral-storage") or line.base.startswith("hugepages-") else "number"


def _amount(value: Decimal, unit: Literal["cores", "bytes", "number"]) -> str:
    if unit == "cores":
        return cores_in_words(value)
    return size_in_words(value) if unit == "bytes" else plain(value)


def _less(line: Line, *, now: bool = False) -> str:
    room = line.free if now else line.hard
    if line.at_once or line.each <= 0:
        return "Delete jobs that are over, or have the quota raised."
    workers = int(room // line.each)
    fits = (
        f"{counted(workers, 'worker')} of this size would fit" if workers else "Not one worker of this size would fit"
    )
    return f"{fits}{' now' if now else ''}. Ask for less, or have the quota raised."


def _some(case: Case, line: Line) -> str:
    workers = int(line.free // line.each) if line.each else 0
    if 0 < workers < case.pod.count:
        return f"; {counted(workers, 'worker')} would start and wait for the rest"
    return ""


def _field(case: Case, line: Line) -> str | None:
    return "gpus" if line.base == case.options.gpu_resource else _FIELDS.get(line.base)
