"""LimitRanges: what they add to the pods without a word, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from .....model.api import Finding
from .....quantities import cores_in_words, plain, size_in_words
from .....text import listed
from ...amounts import Amounts, amounts, containers_of, of
from ...resources import Manifest
from .case import Case, error, note, warning
from .pod import limits_of

_FIELDS = {"cpu": "cluster.cpu", "memory": "cluster.memory"}


def check(case: Case) -> list[Finding]:
    return [*_defaults(case), *([] if case.pod.tried else _bounds(case))]


def _defaults(case: Case) -> Iterator[Finding]:
    """What a LimitRange adds to containers that name nothing."""
    pod = case.pod
    extended = {
        name: amount
        for container in containers_of(pod.spec)
        for name, amount in of(container, "limits").items()
        if "/" in name and name in pod.defaulted(container)
    }
    for name, amount in sorted(extended.items()):
        text = (
            f"A LimitRange of namespace {case.facts.namespace} gives {plain(amount)} {name} to every container, "
            "also to this job's, which did not ask for any."
        )
        hint = f"Tell who runs the cluster: next to `max`, set `default` and `defaultRequest` of {name} to 0."
        yield warning("limit_range_gives_gpus", text, hint, "gpus")
    requests, limits, defaulted = of(pod.main, "requests"), of(pod.main, "limits"), pod.defaulted(pod.main)
    for name in sorted(defaulted):
        asked, limit = requests.get(name, limits[name]), limits[name]
        if asked > limit:
            text = (
                f"A LimitRange of namespace {case.facts.namespace} limits {name} to {_amount(name, limit)} where none "
                f"is named, less than the {_amount(name, asked)} that each worker requests: no pod would be created."
            )
            yield error(
                "limit_range_default_too_small", text, f"Name how much {name} each worker gets.", _field(case, name)
            )
            return
    named = [f"{name} {_amount(name, limits[name])}" for name in sorted(defaulted) if "/" not in name]
    if named:
        text = f"A LimitRange of the namespace sets the limit of each worker: {listed(named)}."
        hint = "Name your own figures if these are too small."
        yield note("limit_range_default", text, hint, "cluster.memory" if "memory" in defaulted else "cluster.cpu")


def _bounds(case: Case) -> Iterator[Finding]:
    """Most and least amounts. They stand in for the dry run of a pod, which not everybody may make."""
    pod, ranges = case.pod, case.facts.limit_ranges or ()
    for quoted, item in limits_of(ranges, "Container"):
        for container in containers_of(pod.spec):
            who = "a worker" if container is pod.main else "the staging step"
            yield from _outside(case, quoted, item, of(container, "requests"), of(container, "limits"), who)
    for quoted, item in limits_of(ranges, "Pod"):
        yield from _outside(case, quoted, item, pod.requests, pod.limits, "a worker's pod")


def _outside(
    case: Case, quoted: str, item: Manifest, requests: Amounts, limits: Amounts, who: str
) -> Iterator[Finding]:
    for bound, words, has in (("max", "at most", limits), ("min", "at least", requests)):
        for name, edge in amounts(item.get(bound)).items():
            found = has.get(name)
            if found is None or (found > edge if bound == "max" else found < edge):
                wanted, asked = f"{words} {_amount(name, edge)}", "none" if found is None else _amount(name, found)
                text = f"LimitRange {quoted} allows {wanted} of {name} for {who}; the job asks for {asked}."
                yield error("limit_range", text, f"Ask for {wanted}.", _field(case, name))


def _field(case: Case, name: str) -> str | None:
    return "gpus" if name == case.options.gpu_resource else _FIELDS.get(name)


def _amount(name: str, value: Decimal) -> str:
    if name == "cpu":
        return cores_in_words(value)
    return size_in_words(value) if name in ("memory", "ephemeral-storage") else plain(value)
