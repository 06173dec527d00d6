"""What is known before a job is submitted to a cluster: what speaks against it, what it uses, whether it starts now.

Pure; `lookup` and `dry_run` ask the cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ....bundle import Bundle
from ....model import JobSpec
from ....model.api import Finding, Level, Preflight, Use
from ....quantities import cores_in_words, size_in_words
from ....text import counted, listed
from ..amounts import of
from ..resources import Manifest
from .checks import (
    carried,
    image,
    limits,
    literals,
    mlflow,
    placement,
    quota,
    references,
    resources,
    rights,
    served,
    volumes,
)
from .checks import dry_run as dry_run_check
from .checks.case import Case
from .checks.pod import template
from .cluster_facts import ClusterFacts, DryRun

_CHECKS = (
    image.check,
    rights.check,
    literals.check,
    resources.check,
    placement.check,
    quota.check,
    limits.check,
    served.check,
    volumes.check,
    references.check,
    mlflow.check,
    dry_run_check.check,
    carried.check,
)
_ORDER = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
# Warnings that leave open whether pods start.
_MAY_HOLD = ("claim_", "queue_", "priority_", "dry_run_", "image_volumes_", "image_never_")


def preflight(
    spec: JobSpec, bundle: Bundle, facts: ClusterFacts, manifests: Sequence[Manifest], dry_run: DryRun = ()
) -> Preflight:
    """Everything at once, worst first. Pure.

    Args:
        manifests: what would be created; empty where nothing can be rendered, as without an image.
        dry_run: what the cluster said of them in a dry run.
    """
    case = Case(spec, bundle, facts, manifests, template(manifests, spec, facts.limit_ranges, dry_run), dry_run)
    findings = sorted((finding for check in _CHECKS for finding in check(case)), key=lambda one: _ORDER[one.level])
    ok = all(finding.level is not Level.ERROR for finding in findings)
    return Preflight(
        ok=ok,
        starts_now=_starts_now(case, findings) if ok else None,
        summary=_summary(case),
        uses=_uses(case),
        findings=findings,
        bundle_bytes=len(bundle.data),
        files=bundle.files,
    )


def _starts_now(case: Case, findings: Sequence[Finding]) -> bool | None:
    rooms = (placement.has_room(case), quota.has_room(case))
    if False in rooms:
        return False
    held = any(finding.level is Level.WARNING and finding.code.startswith(_MAY_HOLD) for finding in findings)
    return None if None in rooms or held or case.options.queue is not None else True


def _summary(case: Case) -> str:
    """ "2 pods of 1 GPU, 4 cores and 16 GiB each"; what the pods do not ask for is left out."""
    spec, requests = case.spec, of(case.pod.main, "requests")
    cpu, memory = requests.get("cpu"), requests.get("memory")
    each = [
        counted(spec.gpus, "GPU") if spec.gpus else None,
        cores_in_words(cpu) if cpu else None,
        size_in_words(memory) if memory else None,
    ]
    asked = listed([text for text in each if text])
    pods = counted(spec.workers, "pod")
    return f"{pods} of {asked}{' each' if spec.workers > 1 else ''}" if asked else pods


def _uses(case: Case) -> list[Use]:
    spec, options, pod = case.spec, case.options, case.pod
    requests = of(pod.main, "requests")
    ranks = f" of {counted(spec.ranks_in_worker, 'process', 'processes')} each" if spec.ranks_in_worker > 1 else ""
    shown = {
        "Workers": f"{counted(spec.workers, 'pod')}{ranks}",
        "GPUs": _gpus(case) if spec.gpus else None,
        "CPU": _of_each(case, cores_in_words(requests.get("cpu", Decimal(0)))),
        "Memory": _memory(case),
        "Image": image.image_of(case),
        "Namespace": case.facts.namespace,
        "Queue": options.queue,
        "Kind": case.manifests[0]["kind"] if case.manifests else None,
        "Volumes": listed([f"{one.claim or one.image or 'empty folder'} at {one.path}" for one in options.volumes])
        if options.volumes
        else None,
        "Checkpoints": options.checkpoints,
    }
    return [Use(label=label, text=text) for label, text in shown.items() if text]


def _gpus(case: Case) -> str:
    spec, name = case.spec, case.options.gpu_resource
    product = f", {case.options.gpu_product}" if case.options.gpu_product else ""
    number = f"{spec.workers} × {spec.gpus}" if spec.workers > 1 else str(spec.gpus)
    return f"{number} {name}{product}"


def _memory(case: Case) -> str:
    request, limit = (of(case.pod.main, part).get("memory") for part in ("requests", "limits"))
    text = size_in_words(request or Decimal(0))
    bound = "no limit" if limit is None else f"at most {size_in_words(limit)}"
    return _of_each(case, text if limit == request else f"{text}, {bound}")


def _of_each(case: Case, text: str) -> str:
    return f"{text} for each worker" if case.spec.workers > 1 else text
