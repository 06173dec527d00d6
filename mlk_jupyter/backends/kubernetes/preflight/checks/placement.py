"""Nodes: whether any has what a worker asks for, and whether there is room now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from .....model.api import Finding
from .....quantities import cores_in_words, plain, size_in_words
from .....text import counted, listed
from ...manifests.placement import GPU_PRODUCT
from .case import Case, error, note, warning
from .nodes import AUTOSCALED, Node, mismatch, room

_ZERO = Decimal(0)


def check(case: Case) -> list[Finding]:
    nodes = case.nodes
    if nodes is None:
        return _unknown(case)
    gpus = [*_product(case, nodes)] or [*_gpus(case, nodes)] if case.spec.gpus else []
    return gpus or [*_machine(case, nodes)] or [*_choice(case, nodes)] or [*_room(case, nodes)]


def has_room(case: Case) -> bool | None:
    """Whether all workers would be placed now; None when not known."""
    nodes = case.nodes
    if nodes is None:
        return None
    taken = _placed(case, nodes)
    if taken < case.pod.count:
        return False  # also where only pods of this namespace are known: the others can only take more
    return True if case.facts.all_pods is not None else None


def _unknown(case: Case) -> list[Finding]:
    if not case.spec.gpus:
        return []
    why = case.facts.unknown.get("nodes", "the nodes were not asked for")
    text = f"Whether the cluster has such GPUs, and how many are free, is not known: {why}."
    return [note("gpus_unknown", text, "If there are none, the job waits; its row then tells why.", "gpus")]


def _product(case: Case, nodes: Sequence[Node]) -> Iterator[Finding]:
    wanted = case.options.gpu_product
    if wanted is None or any(node.labels.get(GPU_PRODUCT) == wanted for node in nodes):
        return
    there = sorted({node.labels[GPU_PRODUCT] for node in nodes if GPU_PRODUCT in node.labels})
    if there:
        text = f"No node has the GPU {wanted}. There are: {listed(there)}."
    else:
        text = f"No node has the GPU {wanted}: none bears the label {GPU_PRODUCT}."
    hint = (
        f"Choose {listed(there)}, or name no product."
        if there
        else "Name no product, or choose nodes by a label they bear."
    )
    yield _never(nodes, "no_gpu_product", text, hint, "cluster.gpu_product")


def _gpus(case: Case, nodes: Sequence[Node]) -> Iterator[Finding]:
    name, each, workers = case.options.gpu_resource, case.spec.gpus, case.spec.workers
    word = "GPUs" if name == "nvidia.com/gpu" else name
    having = [node for node in nodes if node.allocatable.get(name, _ZERO) > 0]
    if not having:
        others = _accelerators(nodes)
        text = f"No node has {name}." + (
            f" There are: {listed(others)}." if others else " No node has any accelerator."
        )
        hint = "Choose one of these under `gpu_resource`." if others else "Ask for no GPUs, or use another cluster."
        yield _never(nodes, "no_such_gpus", text, hint, "cluster.gpu_resource" if others else "gpus")
        return
    largest = int(max(node.allocatable[name] for node in having))
    asked = f"{workers} × {each} {word}" if workers > 1 else f"{each} {word}"
    if each > largest:
        text = f"The job needs {asked}; the largest node has {largest}."
        yield _never(nodes, "gpus_over_node", text, f"Ask for at most {largest} per worker.", "gpus")
        return
    fitting = [node for node in having if mismatch(node, case.pod.spec) is None]
    most = sum(int(node.allocatable[name] // each) for node in fitting)
    if case.options.one_worker_per_node:
        most = sum(node.allocatable[name] >= each for node in fitting)
    if fitting and most < workers:
        total = int(sum(node.allocatable[name] for node in fitting))
        where = f"the {counted(len(fitting), 'node')} that fit have {total}"
        text = f"The job needs {asked}; {where}, which is enough for {counted(most, 'worker')}."
        yield _never(
            nodes,
            "gpus_over_cluster",
            text,
            f"Ask for at most {most} workers." if most else "Ask for fewer GPUs.",
            "workers",
        )


def _machine(case: Case, nodes: Sequence[Node]) -> Iterator[Finding]:
    """CPU and memory of one worker against the largest node."""
    for name, field, what in (("cpu", "cluster.cpu", "CPU"), ("memory", "cluster.memory", "memory")):
        asked = case.pod.requests.get(name, _ZERO)
        largest = max((node.allocatable.get(name, _ZERO) for node in nodes), default=_ZERO)
        if nodes and asked > largest > 0:
            text = f"A worker needs {_amount(name, asked)}; the largest node has {_amount(name, largest)}."
            yield _never(
                nodes, f"{name}_over_node", text, f"Ask for less {what}, or for more and smaller workers.", field
            )


def _choice(case: Case, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Nodes that have what is asked for, and that the job may not use."""
    able = [node for node in nodes if node.holds(case.pod.requests)]
    mismatches = [mismatch(node, case.pod.spec) for node in able]
    if not able or None in mismatches:
        return
    reasons: dict[str, int] = {}
    fields: dict[str, str] = {}
    for found in mismatches:
        if found is not None:
            reasons[found.text] = reasons.get(found.text, 0) + 1
            fields.setdefault(found.text, found.field)
    text = f"No node takes the job: {listed([f'{number} {reason}' for reason, number in reasons.items()])}."
    hint = "Add a toleration for the taint, or change the node selector or affinity."
    field = next(iter(fields.values()))
    if any(node.cordoned or not node.ready for node in able):
        closed = "It waits until a node takes pods again; whoever looks after the cluster knows when."
        yield warning("no_node_fits", text, closed, field)
        return
    yield _never(nodes, "no_node_fits", text, hint, field)


def _room(case: Case, nodes: Sequence[Node]) -> Iterator[Finding]:
    """Room for all workers at once: now, or at least where nothing else ran."""
    taken, workers, name = _placed(case, nodes), case.pod.count, case.options.gpu_resource
    if taken >= workers:
        return
    usable = [replace(node, cordoned=False, ready=True, allocated={}) for node in nodes]
    most = _placed(case, usable)
    if most < workers:
        asked = case.pod.requests
        sizes = [_amount(one, asked[one]) for one in ("cpu", "memory") if one in asked]
        needs = f"{counted(workers, 'worker')}{' of ' if sizes else ''}{' and '.join(sizes)}"
        text = f"The job needs {needs}; the nodes that fit have room for {most}, also when nothing else runs there."
        yield _never(nodes, "workers_over_cluster", text, f"Ask for at most {most}, or for smaller workers.", "workers")
        return
    hint = "It starts by itself when there is room."
    if case.spec.gpus:
        fitting = [node for node in nodes if mismatch(node, case.pod.spec) is None and node.allocatable.get(name)]
        total = int(sum(node.allocatable[name] for node in fitting))
        free = int(sum(max(_ZERO, node.free(name)) for node in fitting))
        sure = "" if case.facts.all_pods is not None else "at most "
        text = (
            f"It would wait: it needs {workers * case.spec.gpus} {name if name != 'nvidia.com/gpu' else 'GPUs'}, "
            f"and {sure}{free} of {total} are free; {counted(taken, 'worker')} of {workers} would find room."
        )
        yield note("gpus_busy", text, hint, "gpus")
    else:
        text = f"It would wait: the nodes have room for {counted(taken, 'worker')} of {workers} now."
        yield note("nodes_busy", text, hint, "workers")


def _placed(case: Case, nodes: Sequence[Node]) -> int:
    """Workers that find room now."""
    apart = case.options.one_worker_per_node
    most = (room(node, case.pod.requests) for node in nodes if mismatch(node, case.pod.spec) is None)
    return sum(min(count, 1) if apart else count for count in most)


def _accelerators(nodes: Sequence[Node]) -> list[str]:
    """What extended resources there are, with their numbers."""
    found: dict[str, Decimal] = {}
    for node in nodes:
        for name, amount in node.allocatable.items():
            if "/" in name and amount > 0:
                found[name] = found.get(name, _ZERO) + amount
    return [f"{name} ({plain(amount)})" for name, amount in sorted(found.items())]


def _never(nodes: Sequence[Node], code: str, text: str, hint: str, field: str) -> Finding:
    """An error, unless the cluster may grow: then nobody knows what nodes it would add."""
    if any(mark in node.labels for node in nodes for mark in AUTOSCALED):
        text = f"{text} It would wait, unless the cluster adds such a node by itself."
        return warning(code, text, hint, field)
    return error(code, text, hint, field)


def _amount(name: str, value: Decimal) -> str:
    return cores_in_words(value) if name == "cpu" else f"{size_in_words(value)} of memory"
