"""CPU, memory and GPUs as they were asked for: figures that are typing errors, and traps of some accelerators."""

from __future__ import annotations

from decimal import Decimal

from .....model.api import Finding
from .....quantities import cores_in_words, parse, plain, size_in_words
from ...amounts import of
from .case import Case, error, note, warning

_MIB = 1024**2
_LEAST_BYTES = 16 * _MIB  # a Python that has imported nothing
_LEAST_CORES = Decimal("0.01")
_MANY_CORES = 1024  # more than any machine has
_USUAL_SHM_BYTES = 64 * _MIB  # what containers have without a volume of their own


def check(case: Case) -> list[Finding]:
    return [*_cpu(case), *_memory(case), *_shared_memory(case), *_accelerator(case)]


def _cpu(case: Case) -> list[Finding]:
    asked = case.options.cpu
    if asked is None:
        return []
    value = parse(asked)
    if value > _MANY_CORES:
        text = f"{asked} as CPU of each worker means {cores_in_words(value)}: no machine has as many."
        hint = (
            f"Did you mean {plain(value / 1000)}, which is {plain(value)}m?"
            if value < 10**6
            else "Write for example 4."
        )
        return [error("cpu_too_large", text, hint, "cluster.cpu")]
    if value < _LEAST_CORES:
        text = f"{asked} as CPU of each worker means {cores_in_words(value)}: hardly anything would run."
        return [error("cpu_too_small", text, "Write for example 500m for half a core, or 4.", "cluster.cpu")]
    return []


def _memory(case: Case) -> list[Finding]:
    findings = []
    for field in ("memory", "shared_memory"):
        asked = getattr(case.options, field)
        if asked is not None and parse(asked) < (_LEAST_BYTES if field == "memory" else _MIB):
            text = f"{asked} as {field.replace('_', ' ')} means {_few_bytes(parse(asked))}."
            number = asked.rstrip("mkKMGTPEi")
            hint = f"Did you mean {number}Gi or {number}Mi? A plain number counts bytes, and m thousandths of one."
            findings.append(error(f"{field}_too_small", text, hint, f"cluster.{field}"))
    return findings


def _few_bytes(value: Decimal) -> str:
    return size_in_words(value) if value >= 1 else f"{plain(value)} bytes"


def _shared_memory(case: Case) -> list[Finding]:
    shm, limit = case.options.shared_memory, of(case.pod.main, "limits").get("memory")
    if shm is None:
        return []
    size, findings = parse(shm), []
    if limit is not None and size >= limit and size >= _MIB:
        text = (
            f"/dev/shm of {shm} counts against the memory of {size_in_words(limit)}: "
            "filling it ends the worker for lack of memory."
        )
        findings.append(
            error(
                "shared_memory_over_memory", text, "Ask for more memory, or less of /dev/shm.", "cluster.shared_memory"
            )
        )
    if _MIB <= size <= _USUAL_SHM_BYTES:
        text = f"/dev/shm of {shm} is too little for NCCL and for DataLoader workers, which then die with a bus error."
        findings.append(warning("shared_memory_small", text, "Ask for 1Gi or more.", "cluster.shared_memory"))
    return findings


def _accelerator(case: Case) -> list[Finding]:
    spec, name = case.spec, case.options.gpu_resource
    if spec.gpus == 0:
        if case.options.gpu_product:
            text = f"A GPU product is named ({case.options.gpu_product}), but no GPUs are asked for."
            return [warning("product_without_gpus", text, "Ask for 1 GPU, or name no product.", "gpus")]
        return []
    findings = []
    nvidia = name.startswith("nvidia.com/")
    if case.options.gpu_product and not nvidia:
        text = f"nvidia.com/gpu.product stands on nodes with NVIDIA GPUs only; the job asks for {name}."
        hint = "Choose the nodes with a node selector of that vendor's instead."
        findings.append(error("product_of_another_vendor", text, hint, "cluster.gpu_product"))
    if "/mig-" in name and spec.gpus * spec.workers > 1:
        text = f"Slices of a GPU ({name}) cannot talk to each other by NVLink or NCCL's fast paths."
        findings.append(
            warning("mig_apart", text, "Ask for one slice and one worker, or for whole GPUs.", "cluster.gpu_resource")
        )
    if name.endswith(".shared") and spec.gpus > 1:
        text = f"{spec.gpus} × {name} are shares of GPUs, perhaps of one and the same: more shares give no more speed."
        findings.append(warning("shares_of_one_gpu", text, "Ask for one share, or for whole GPUs.", "gpus"))
    if spec.ranks_in_worker % spec.gpus and spec.ranks_in_worker > 1:
        text = f"{spec.ranks_in_worker} processes share {spec.gpus} GPUs in each worker unevenly."
        findings.append(note("ranks_uneven", text, "As many processes as GPUs is usual.", "ranks_per_worker"))
    if name == "google.com/tpu" and "cloud.google.com/gke-tpu-topology" not in case.options.node_selector:
        text = "TPUs are chosen by node labels: without them no node is found."
        hint = (
            "Add the node selectors cloud.google.com/gke-tpu-accelerator and cloud.google.com/gke-tpu-topology, "
            "and ask for all chips of the machine."
        )
        findings.append(warning("tpu_without_topology", text, hint, "cluster.node_selector"))
    if not nvidia and case.options.run_as == "restricted":
        text = f"Devices of {name} often belong to root or a group of the node; a restricted pod's user is neither."
        hint = "If the job finds no device, let it run as its image says (run_as: image)."
        findings.append(note("devices_not_ours", text, hint, "cluster.run_as"))
    if name == "habana.ai/gaudi":
        text = "Gaudi needs hugepages-2Mi, which this job does not ask for."
        hint = "An administrator can add them to all pods of the namespace by a policy."
        findings.append(note("gaudi_hugepages", text, hint, "cluster.gpu_resource"))
    return findings
