"""Why the scheduler finds no node: its message taken apart, and put in words with the figures. Pure."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..... import quantities
from .....model import JobSpec, Reason
from .....quantities import resource_word
from .....text import counted, listed
from ...kinds.fields import mapping, sequence, spec_of, text
from ...resources import Manifest
from .background import Background, taint_in_words
from .messages import clean

_HEAD = re.compile(r"(\d+)/(\d+) nodes are available:?\s*")
_TAIL = re.compile(r"[.,;]?\s*(?:no new claims to deallocate|preemption: ).*", re.DOTALL)
# Of a node on which even an empty place would not do; since 1.31 also of one that has less than is asked for.
_IN_VAIN = re.compile(r"(\d+) Preemption is not helpful for scheduling")
_CAUSE = re.compile(r"(?:(\d+) )?(.+)", re.DOTALL)
_TAINT = re.compile(r"taints?(?:\(s\))? \{([^}]*)\}")
# Prefixes of taints that say how a node fares, and not who may use it.
_OF_THE_NODE = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_NO_NODES = "no nodes available to schedule pods"


@dataclass(frozen=True)
class Cause:
    """What speaks against some of the nodes."""

    code: str
    nodes: int | None
    """How many; None where the message gives no number, as then it concerns all."""
    detail: str
    """The resource, or the scheduler's own words."""
    taints: tuple[str, ...] = ()
    """As far as they are named."""


@dataclass(frozen=True)
class Verdict:
    """A FailedScheduling message."""

    fitting: int
    total: int
    causes: tuple[Cause, ...]
    never: bool = False
    """Whether no node could take the pod as it is, whatever else went from it."""


# In the order in which the scheduler asks: a node that fails on a later line has passed the earlier ones.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("node_cordoned", re.compile(r"were unschedulable|taints?(?:\(s\))? \{node\.kubernetes\.io/unschedulable")),
    (
        "node_not_ready",
        re.compile(r"taints?(?:\(s\))? \{node\.kubernetes\.io/(?:not-ready|unreachable)|node\(s\) (?:were )?not ready"),
    ),
    ("untolerated_taint", re.compile(r"untolerated taint|had taints? |didn't tolerate")),
    ("node_selector", re.compile(r"node affinity/selector|node selector|node affinity(?! conflict)")),
    ("node_ports", re.compile(r"free ports")),
    ("insufficient", re.compile(r"[Ii]nsufficient (\S+)")),
    ("too_many_pods", re.compile(r"[Tt]oo many pods")),
    ("claim_in_use", re.compile(r"ReadWriteOncePod|already in-use by another pod")),
    ("volume_limit", re.compile(r"max volume count")),
    ("volume_elsewhere", re.compile(r"volume node affinity conflict|volume zone")),
    ("no_volume", re.compile(r"available persistent volumes? to bind")),
    ("claim_not_found", re.compile(r"persistentvolumeclaim \"?([^\"\s]+)\"? not found")),
    ("claim_lost", re.compile(r"persistentvolumeclaim \"?([^\"\s]+)\"? (?:bound to non-existent|is being deleted)")),
    ("claim_unbound", re.compile(r"unbound immediate PersistentVolumeClaims")),
    ("devices_unavailable", re.compile(r"allocate all claims|resourceclaim|ResourceClaim")),
    ("one_worker_per_node", re.compile(r"anti-affinity")),
    ("pod_affinity", re.compile(r"pod affinity rules")),
    ("topology_spread", re.compile(r"topology spread")),
)
_ORDER = {code: place for place, (code, _) in enumerate(_KINDS)}


def parse(message: str) -> Verdict | None:
    """The figures of a FailedScheduling message; None when it is no such message."""
    return _parse(message[:20_000])


@functools.lru_cache(maxsize=128)
def _parse(message: str) -> Verdict | None:
    """Of the jobs that wait most wait for the same, and each is told so again and again."""
    head = _HEAD.search(message)
    if head is None:
        return Verdict(0, 0, (Cause("no_nodes", None, _NO_NODES),)) if _NO_NODES in message else None
    body = _TAIL.sub("", message[head.end() :]).strip()
    in_vain = sum(int(number) for number in _IN_VAIN.findall(message))
    parts = (part.strip().rstrip(".").strip() for part in re.split(r",\s+(?=\d+ )", body))
    return Verdict(int(head[1]), int(head[2]), tuple(_cause(part) for part in parts if part), in_vain >= int(head[2]))


def explain_unschedulable(message: str, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    """Why a pod has no node, and what would give it one."""
    verdict = parse(message)
    if verdict is None or not verdict.causes:
        return Reason(
            code="unschedulable",
            text=f"Waiting: the scheduler finds no node for it: {clean(message, 220)}",
            hint="An administrator of the cluster knows more.",
        )
    causes = [_named(cause, pod, facts) for cause in verdict.causes]
    main = _main(causes)
    reason = _WORDS[main.code](main, verdict, pod, spec, facts)
    others = [cause for cause in causes if cause is not main]
    if not others or main.code == "no_nodes":
        return reason
    rest = listed([_short(cause) for cause in [main, *others]])
    return reason.model_copy(update={"text": f"{reason.text} Of {counted(verdict.total, 'node')}, {rest}."})


def _named(cause: Cause, pod: Manifest, facts: Background) -> Cause:
    """The same with the taints, which schedulers since 1.35 leave to the nodes to tell."""
    if cause.code != "untolerated_taint" or cause.taints:
        return cause
    return dataclasses.replace(cause, taints=tuple(facts.untolerated(sequence(spec_of(pod).get("tolerations")))))


def requests_of(pod: Manifest) -> dict[str, str]:
    """What the pod's first container asks for, by resource."""
    containers = sequence(spec_of(pod).get("containers"))
    resources = mapping(mapping(containers[0]).get("resources")) if containers else {}
    found = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
    return {key: str(value) for key, value in found.items() if isinstance(value, str | int)}


def _cause(part: str) -> Cause:
    match = _CAUSE.fullmatch(part)
    nodes, words = (int(match[1]) if match and match[1] else None), (match[2] if match else part)
    for code, pattern in _KINDS:
        found = pattern.search(words)
        if found:
            taint = _TAINT.search(words)
            taints = (_taint(clean(taint[1], 120)),) if taint else ()
            detail = found[1] if found.groups() and found[1] else words
            return Cause(code, nodes, clean(detail.rstrip(".,"), 120), taints)
    return Cause("unschedulable", nodes, clean(words, 160))


def _main(causes: list[Cause]) -> Cause:
    """The cause that stands nearest to a node. GPU nodes that repel the pod matter more than nodes without GPUs."""
    repelled = next((cause for cause in causes if any("gpu" in taint for taint in cause.taints)), None)
    if repelled is not None and all(cause.code in ("untolerated_taint", "insufficient") for cause in causes):
        return repelled
    return max(causes, key=lambda cause: (_ORDER.get(cause.code, -1), _is_gpu(cause), cause.nodes or 0))


def _is_gpu(cause: Cause) -> bool:
    return cause.code == "insufficient" and "/" in cause.detail


def _short(cause: Cause) -> str:
    nodes = cause.nodes if cause.nodes is not None else 0
    have = "has" if nodes == 1 else "have"
    does = "does" if nodes == 1 else "do"
    is_ = "is" if nodes == 1 else "are"
    words = {
        "insufficient": f"{have} too little {resource_word(cause.detail)} free"
        if cause.detail in ("cpu", "memory", "ephemeral-storage")
        else f"{have} too few {resource_word(cause.detail)} free",
        "untolerated_taint": f"{have} {_tainted(cause)}",
        "node_selector": f"{does} not match what was asked of nodes",
        "node_cordoned": f"{is_} closed for maintenance",
        "node_not_ready": f"{is_} not ready",
        "one_worker_per_node": f"{have} a worker already",
        "volume_elsewhere": "cannot reach the volume",
        "too_many_pods": f"{have} as many pods as allowed",
    }
    return f"{nodes} {words.get(cause.code, cause.detail)}" if cause.nodes is not None else cause.detail


def _tainted(cause: Cause) -> str:
    if not cause.taints:
        return "a taint that it does not tolerate"
    return f"the taint{'s' if len(cause.taints) > 1 else ''} {listed(cause.taints)}"


def _taint(detail: str) -> str:
    """`key: value` as a taint is written: key=value, or key alone."""
    key, _, value = detail.partition(":")
    return taint_in_words(key.strip(), value.strip())


def _insufficient(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    resource = cause.detail
    asked = requests_of(pod).get(resource)
    if asked is None and resource == spec.cluster.gpu_resource and spec.gpus:
        asked = str(spec.gpus)
    times = f"{spec.workers} × " if spec.workers > 1 else ""
    what, plural = _amount(resource, asked)
    needs = f"Waiting: needs {times}{what}"
    wanted, most = quantities.find(asked), quantities.find(facts.most(resource))
    if most is not None and most == 0:
        return Reason(
            code="no_such_resource",
            text=f"{needs}; no node of the cluster has any.",
            hint=f"Choose another resource than {clean(resource, 100)}, or ask an administrator for such nodes.",
        )
    if wanted is not None and most is not None and wanted > most:
        has = _figure(resource, facts.most(resource))
        return Reason(
            code="larger_than_any_node",
            text=f"{needs}; the largest node has {has}.",
            hint=f"Ask for at most {has} per worker.",
        )
    if verdict.never:
        short = {one.detail for one in verdict.causes if one.code == "insufficient"}
        what = "that" if short == {resource} else f"that with {listed(sorted(map(resource_word, short - {resource})))}"
        which = "the only node" if verdict.total == 1 else "each node that it may use"
        return Reason(
            code="larger_than_any_node",
            text=f"{needs}; {which} has less than {what}, also when nothing else runs there.",
            hint="Ask for less per worker. Waiting helps only where the cluster adds larger nodes by itself.",
        )
    code = {"cpu": "insufficient_cpu", "memory": "insufficient_memory", "ephemeral-storage": "insufficient_disk"}.get(
        resource, "insufficient_gpu" if "gpu" in resource or "mig-" in resource else "insufficient_resource"
    )
    if verdict.total == 1:
        free = f"the only node has {'fewer' if plural else 'less'} free."
    else:
        free = f"none of the {verdict.total} nodes has {'so many' if plural else 'so much'} free."
    other = ", ask for fewer, or choose another type" if plural else ", or ask for less"
    return Reason(code=code, text=f"{needs}; {free}", hint=f"Wait until others are done{other}.")


def _amount(resource: str, asked: str | None) -> tuple[str, bool]:
    """ "16 GPUs" and True; "64 GiB of memory" and False: what is asked, and whether it is counted."""
    if resource in ("memory", "ephemeral-storage"):
        return (f"{_figure(resource, asked)} of {resource_word(resource)}" if asked else resource_word(resource)), False
    if resource == "cpu":
        return (f"{_figure(resource, asked)} of CPU" if asked else "CPU"), True
    number = int(asked) if asked and asked.isdecimal() else None
    return f"{asked or 'more'} {resource_word(resource, number)}", True


def _figure(resource: str, quantity: str | None) -> str:
    found = quantities.find(quantity)
    if found is None:
        return clean(quantity, 40)
    if resource in ("memory", "ephemeral-storage"):
        return quantities.size_in_words(found)
    return quantities.cores_in_words(found) if resource == "cpu" else quantities.plain(found)


def _untolerated(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    number = cause.nodes or verdict.total
    nodes, repel = counted(number, "node"), "repels" if number == 1 else "repel"
    text_ = f"Waiting: {nodes} of {verdict.total} {repel} it by {_tainted(cause)}."
    if not cause.taints:
        hint = "Add the toleration that the cluster's administrator names."
        return Reason(code="untolerated_taint", text=text_, hint=hint)
    own = [taint for taint in cause.taints if not taint.startswith(_OF_THE_NODE)]
    hint = "The cluster removes that taint when the node is well again. If it lasts, tell an administrator."
    if own:
        hint = f"If it may run there, add a toleration for {listed(own)}."
    return Reason(code="untolerated_taint", text=text_, hint=hint)


def _selector(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    product, options = spec.cluster.gpu_product, spec.cluster
    asked = [f"{key}={value}" for key, value in options.node_selector.items()]
    if product and not (asked or options.affinity or options.spot == "required"):
        return Reason(
            code="gpu_product_absent",
            text=f"Waiting: no node that it may use has a GPU called {product}.",
            hint="Choose a GPU product that the cluster has, or none. It is the node label nvidia.com/gpu.product.",
        )
    asked += [f"nvidia.com/gpu.product={product}"] if product else []
    words = f" ({listed(asked)})" if asked else ""
    return Reason(
        code="node_selector",
        text=f"Waiting: {_of(cause, verdict)} not match what it asks of nodes{words}.",
        hint="Change the node selector, the affinity or the choice of spot nodes.",
    )


def _of(cause: Cause, verdict: Verdict) -> str:
    if verdict.total == 1:
        return "the only node does"
    nodes = cause.nodes or verdict.total
    return f"{nodes} of {verdict.total} nodes do"


def _one_per_node(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    if not spec.cluster.one_worker_per_node:
        words = "{nodes} run pods that it must not be beside, or that must not be beside it."
        return _plain("pod_anti_affinity", words, "Wait until they are done.")(cause, verdict, pod, spec, facts)
    return Reason(
        code="one_worker_per_node",
        text=f"Waiting: {counted(spec.workers, 'worker')} need as many nodes, and no other node that fits is free.",
        hint="Allow more than one worker on a node, or ask for fewer workers.",
    )


def _claim_of(pod: Manifest) -> str:
    volumes = (mapping(one) for one in sequence(spec_of(pod).get("volumes")))
    claims = [text(mapping(one.get("persistentVolumeClaim")).get("claimName")) for one in volumes]
    named = [clean(claim, 80) for claim in claims if claim]
    return f"the claim {named[0]}" if len(named) == 1 else f"one of the claims {listed(named)}" if named else "a claim"


def _claim_unbound(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    return Reason(
        code="claim_unbound",
        text=f"Waiting: {_claim_of(pod)} has no volume yet.",
        hint="See `kubectl describe pvc`: its storage class may not exist, or have nothing left to give.",
    )


def _claim_not_found(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
    return Reason(
        code="claim_not_found",
        text=f"Waiting: there is no PersistentVolumeClaim {cause.detail} in this namespace.",
        hint="Correct its name, or create it; the job starts by itself then.",
    )


def _plain(code: str, words: str, hint: str) -> Callable[[Cause, Verdict, Manifest, JobSpec, Background], Reason]:
    def reason(cause: Cause, verdict: Verdict, pod: Manifest, spec: JobSpec, facts: Background) -> Reason:
        nodes = "the only node" if verdict.total == 1 else f"{cause.nodes or verdict.total} of {verdict.total} nodes"
        filled = words.format(nodes=nodes, detail=cause.detail, claim=_claim_of(pod))
        return Reason(code=code, text=f"Waiting: {filled}", hint=hint)

    return reason


_WORDS: dict[str, Callable[[Cause, Verdict, Manifest, JobSpec, Background], Reason]] = {
    "insufficient": _insufficient,
    "untolerated_taint": _untolerated,
    "node_selector": _selector,
    "one_worker_per_node": _one_per_node,
    "claim_unbound": _claim_unbound,
    "claim_not_found": _claim_not_found,
    "no_nodes": _plain("no_nodes", "the cluster has no node.", "An administrator has to add one."),
    "node_cordoned": _plain(
        "node_cordoned",
        "the nodes that fit are closed for maintenance ({nodes} cordoned).",
        "Wait, or ask an administrator until when.",
    ),
    "node_not_ready": _plain(
        "node_not_ready", "the nodes that fit are not ready ({nodes}).", "Wait; if it lasts, tell an administrator."
    ),
    "node_ports": _plain("node_ports", "a port that it needs is taken on {nodes}.", "Wait until others are done."),
    "too_many_pods": _plain(
        "too_many_pods", "as many pods as allowed run already on {nodes}.", "Wait until others are done."
    ),
    "claim_in_use": _plain(
        "claim_in_use",
        "{claim} may be used by one pod at a time (ReadWriteOncePod), and another one uses it.",
        "End the pod that uses it, usually the notebook's own, or use a claim that allows more.",
    ),
    "volume_limit": _plain(
        "volume_limit", "as many volumes as possible are attached already to {nodes}.", "Wait, or use fewer volumes."
    ),
    "volume_elsewhere": _plain(
        "volume_elsewhere",
        "the volume of {claim} cannot be reached from the nodes that have what else it asks for ({nodes}).",
        "Use a volume in the zone of those nodes, or drop what ties the job to other nodes.",
    ),
    "no_volume": _plain(
        "no_volume", "there is no volume to give to {claim} on {nodes}.", "Ask an administrator for a volume."
    ),
    "claim_lost": _plain(
        "claim_lost", "the claim {detail} is being deleted or has lost its volume.", "Use another claim."
    ),
    "devices_unavailable": _plain(
        "devices_unavailable", "the devices that it claims are not free on {nodes}.", "Wait until others are done."
    ),
    "pod_affinity": _plain("pod_affinity", "no node runs the pods that it wants to be beside.", "Drop the affinity."),
    "topology_spread": _plain(
        "topology_spread", "on {nodes} it would not be spread as it asks to be.", "Drop the spread constraint."
    ),
    "unschedulable": _plain(
        "unschedulable", "the scheduler finds no node for it: {detail}.", "An administrator of the cluster knows more."
    ),
}
