"""What a job would use on this machine, and what speaks against it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ...bundle import Bundle
from ...bundle.mistakes import lowered
from ...figures import duration, size
from ...gpus import GpuUse, Inventory
from ...model import JobSpec
from ...model.api import Finding, Level, Preflight, Use
from ...text import counted
from .interpreter import Interpreter
from .queue import gpus_in_words

_CROWDED = 4  # ranks for each core from which on they mostly wait for each other
_RANK_BYTES = 30 * 1024 * 1024  # a rank that has loaded nothing yet
_LOW_DISK_BYTES = 1024**3
_NO_DISK_BYTES = 8 * 1024**2


@dataclass(frozen=True)
class Facts:
    """The machine at one moment. None: not known."""

    cores: int
    memory_bytes: int | None
    memory_free_bytes: int | None
    disk_free_bytes: int | None
    data_dir: Path
    unwritable: str | None
    """Why the data directory cannot be written; None when it can."""
    open_to_others: bool
    """Whether others may look into the data directory."""
    inventory: Inventory
    held: dict[str, str]
    """GPU UUID to the job that holds it."""
    waiting: list[str]
    """Jobs that wait for GPUs."""
    use: dict[str, GpuUse]
    mlflow: bool | None
    """Whether the job's interpreter has MLflow."""
    same_python: bool = True
    """Whether what is no Python here is none there: the job's is no newer than this one."""


def preflight(spec: JobSpec, bundle: Bundle, python: Interpreter, facts: Facts) -> Preflight:
    """Everything that is known before the job is submitted. Pure."""
    gpus, starts_now = _gpus(spec, facts)
    findings = [
        *python.findings,
        *(bundle.findings if facts.same_python else lowered(bundle.findings)),
        *gpus,
        *_ranks(spec, facts),
        *_disk(facts),
        *_privacy(facts),
        *_mlflow(spec, python, facts),
        *(Finding(level=Level.WARNING, code="group_in_rank", text=text) for text in bundle.warnings),
        *(Finding(level=Level.NOTE, code="bundle", text=text) for text in bundle.notices),
    ]
    ok = all(finding.level is not Level.ERROR for finding in findings)
    return Preflight(
        ok=ok,
        starts_now=starts_now if ok else None,
        summary=_summary(spec, facts),
        uses=_uses(spec, python, facts),
        findings=findings,
        bundle_bytes=len(bundle.data),
        files=bundle.files,
    )


def unwritable(data_dir: Path) -> str | None:
    """Why nothing can be kept in the data directory; None when it can. Creates nothing."""
    for place in (data_dir, *data_dir.parents):
        if place.exists():
            if not place.is_dir():
                return f"{place} is not a folder."
            return None if os.access(place, os.W_OK | os.X_OK) else f"{place} cannot be written."
    return f"{data_dir} does not exist."


def _gpus(spec: JobSpec, facts: Facts) -> tuple[list[Finding], bool]:
    wants, there = spec.workers * spec.gpus, facts.inventory
    if wants == 0:
        return [], True
    if wants > len(there.gpus):
        text = f"The job asks for {gpus_in_words(wants)}; this machine has {len(there.gpus) or 'none'} for jobs."
        hint = there.hint or "Ask for fewer workers or fewer GPUs for each."
        text = f"{text} {there.why}" if there.why else text
        return [Finding(level=Level.ERROR, code="not_enough_gpus", text=text, hint=hint, field="gpus")], False
    held = [gpu for gpu in there.gpus if gpu.uuid in facts.held]
    free = len(there.gpus) - len(held)
    if wants > free or facts.waiting:
        holders = sorted({facts.held[gpu.uuid] for gpu in held})
        text = f"It would wait: it needs {gpus_in_words(wants)}, and {free} of {len(there.gpus)} are free"
        text += f", the others held by {', '.join(holders)}" if holders else ""
        text += f"; {', '.join(facts.waiting)} came first" if facts.waiting else ""
        hint = "It starts by itself when its turn comes."
        return [Finding(level=Level.NOTE, code="gpus_busy", text=text + ".", hint=hint, field="gpus")], False
    return [_used_elsewhere(gpu.index, facts.use[gpu.uuid]) for gpu in there.gpus if _is_used(gpu.uuid, facts)], True


def _is_used(uuid: str, facts: Facts) -> bool:
    use = facts.use.get(uuid)
    return uuid not in facts.held and use is not None and bool(use.processes)


def _used_elsewhere(index: int, use: GpuUse) -> Finding:
    memory = "" if use.memory_bytes is None else f" ({size(use.memory_bytes)} of its memory)"
    text = f"GPU {index} is in use by programs that are no jobs{memory}."
    hint = "An open notebook may hold it: shut kernels down that are not needed."
    return Finding(level=Level.WARNING, code="gpu_used_elsewhere", text=text, hint=hint, field="gpus")


def _ranks(spec: JobSpec, facts: Facts) -> list[Finding]:
    findings = []
    ranks, free = spec.world_size, facts.memory_free_bytes
    if ranks > _CROWDED * facts.cores:
        text = f"{ranks} processes share {_cores(facts.cores)}: they will mostly wait for each other."
        hint = f"Up to {_CROWDED * facts.cores} processes are reasonable here."
        findings.append(Finding(level=Level.WARNING, code="crowded", text=text, hint=hint, field="workers"))
    if free is not None and ranks * _RANK_BYTES > free:
        text = (
            f"{ranks} processes need at least {size(ranks * _RANK_BYTES)} of memory before they load anything; "
            f"{size(free)} are free."
        )
        hint = "Ask for fewer workers."
        findings.append(Finding(level=Level.ERROR, code="not_enough_memory", text=text, hint=hint, field="workers"))
    return findings


def _disk(facts: Facts) -> list[Finding]:
    choose = "Choose another place with the environment variable MLK_DATA_DIR."
    if facts.unwritable:
        text = f"The job's record cannot be kept: {facts.unwritable}"
        return [Finding(level=Level.ERROR, code="data_dir_unwritable", text=text, hint=choose)]
    free = facts.disk_free_bytes
    if free is None or free >= _LOW_DISK_BYTES:
        return []
    level = Level.ERROR if free < _NO_DISK_BYTES else Level.WARNING
    text = f"Only {size(free)} are free in {facts.data_dir}, where logs and outputs are kept."
    return [Finding(level=level, code="low_disk", text=text, hint=f"Delete old jobs. {choose}")]


def _privacy(facts: Facts) -> list[Finding]:
    if not facts.open_to_others:
        return []
    text = f"Others on this machine may look into {facts.data_dir}, where other things are kept than jobs."
    hint = f"The jobs in it are closed to them, MLflow's files may not be. Close it: `chmod 700 {facts.data_dir}`."
    return [Finding(level=Level.NOTE, code="data_dir_open", text=text, hint=hint)]


def _mlflow(spec: JobSpec, python: Interpreter, facts: Facts) -> list[Finding]:
    if not spec.mlflow or facts.mlflow is not False:
        return []
    text = f"MLflow is not installed for {python.path}: the job will have no MLflow run."
    hint = "Install it there with `pip install mlflow`, or switch MLflow off for this job."
    return [Finding(level=Level.NOTE, code="no_mlflow", text=text, hint=hint, field="mlflow")]


def _summary(spec: JobSpec, facts: Facts) -> str:
    ranks, gpus = spec.world_size, spec.workers * spec.gpus
    processes = counted(ranks, "process", "processes")
    if gpus:
        return f"{processes} on {gpus_in_words(gpus)}"
    if ranks > facts.cores:
        return f"{processes} on {_cores(facts.cores)}"
    return f"{processes} of {_cores(facts.cores // ranks)}{' each' if ranks > 1 else ''}"


def _uses(spec: JobSpec, python: Interpreter, facts: Facts) -> list[Use]:
    ranks = spec.world_size
    processes = counted(ranks, "process", "processes")
    if spec.ranks_in_worker > 1:
        processes += f" ({spec.workers} × {spec.ranks_in_worker})"
    uses = [Use(label="Workers", text=f"{processes} on this machine, which has {_cores(facts.cores)}")]
    if spec.gpus:
        each = f" ({spec.gpus} for each worker)" if spec.workers > 1 else ""
        uses.append(Use(label="GPUs", text=f"{spec.workers * spec.gpus} of {len(facts.inventory.gpus)}{each}"))
    if facts.memory_bytes is not None and facts.memory_free_bytes is not None:
        text = f"{size(facts.memory_free_bytes)} of {size(facts.memory_bytes)} are free"
        uses.append(Use(label="Memory", text=text))
    if facts.disk_free_bytes is not None:
        uses.append(Use(label="Disk", text=f"{size(facts.disk_free_bytes)} are free in {facts.data_dir}"))
    uses.append(Use(label="Python", text=python.path))
    if spec.time_limit_s is not None:
        uses.append(Use(label="Time limit", text=duration(spec.time_limit_s)))
    return uses


def _cores(count: int) -> str:
    return counted(count, "core")
