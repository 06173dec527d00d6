"""LimitRanges: what they refuse, and what they change without a word."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from .....model.api import Finding
from .....text import listed
from ...quantities import cores_in_words, plain, size_in_words
from ...resources import Manifest
from .case import Case, error, note, warning
from .pod import Amounts, Container, amounts

_FIELDS = {"cpu": "cluster.cpu", "memory": "cluster.memory"}


def check(case: Case) -> list[Finding]:
    findings = [*_given(case)]
    for limit_range in case.facts.limit_ranges or []:
        name = str(limit_range["metadata"]["name"])
        for item in (limit_range.get("spec") or {}).get("limits") or []:
            if item.get("type") == "Container":
                for container in case.pod.containers:
                    findings += _bounds(case, name, item, container.requests, container.limits, _who(container))
            elif item.get("type") == "Pod":
                findings += _bounds(case, name, item, case.pod.requests, case.pod.limits, "a worker's pod")
    return findings


def _given(case: Case) -> Iterator[Finding]:
    """What a LimitRange adds to containers that said nothing."""
    extended = {name for one in case.pod.containers for name in one.given if "/" in name}
    for name in sorted(extended):
        amount = max(one.limits.get(name, Decimal(0)) for one in case.pod.containers)
        text = (
            f"A LimitRange of namespace {case.facts.namespace} gives {plain(amount)} {name} to every container, "
            "also to this job's, which did not ask for any."
        )
        hint = f"Tell who runs the cluster: next to `max`, set `default` and `defaultRequest` of {name} to 0."
        yield warning("limit_range_gives_gpus", text, hint, "gpus")
    main = case.pod.main
    for name in sorted(main.given):
        asked, limit = main.requests.get(name, main.limits[name]), main.limits[name]
        if asked > limit:
            text = (
                f"A LimitRange of namespace {case.facts.namespace} limits {name} to {_amount(name, limit)} where none "
                f"is named, less than the {_amount(name, asked)} that each worker requests: no pod would be created."
            )
            yield error(
                "limit_range_default_too_small", text, f"Name how much {name} each worker gets.", _field(case, name)
            )
            return
    given = [
        f"{name} {_amount(name, main.limits[name])}"
        for name in sorted(main.given)
        if "/" not in name and name in main.limits
    ]
    if given:
        text = f"A LimitRange of the namespace sets the limit of each worker: {listed(given)}."
        hint = "Name your own figures if these are too small."
        yield note("limit_range_default", text, hint, "cluster.memory" if "memory" in main.given else "cluster.cpu")


def _bounds(case: Case, quoted: str, item: Manifest, requests: Amounts, limits: Amounts, who: str) -> Iterator[Finding]:
    for name, most in amounts(item.get("max")).items():
        limit = limits.get(name)
        if limit is None:
            text = f"LimitRange {quoted} wants a limit of {name} for {who}, at most {_amount(name, most)}; none is set."
            yield error("limit_range_needs_limit", text, f"Set {name}.", _field(case, name))
        elif max(limit, requests.get(name, limit)) > most:
            asked = _amount(name, max(limit, requests.get(name, limit)))
            text = f"LimitRange {quoted} allows {_amount(name, most)} of {name} for {who}; the job asks for {asked}."
            yield error("limit_range_exceeded", text, f"Ask for at most {_amount(name, most)}.", _field(case, name))
    for name, least in amounts(item.get("min")).items():
        request = requests.get(name)
        if request is None or request < least:
            asked = "none" if request is None else _amount(name, request)
            wanted = _amount(name, least)
            text = f"LimitRange {quoted} wants at least {wanted} of {name} for {who}; the job asks for {asked}."
            yield error("limit_range_below", text, f"Ask for at least {wanted}.", _field(case, name))
    for name, ratio in amounts(item.get("maxLimitRequestRatio")).items():
        limit, request = limits.get(name), requests.get(name)
        if not limit or not request or limit > ratio * request:
            text = (
                f"LimitRange {quoted} allows a limit of {name} of at most {plain(ratio)} times the request for {who}."
            )
            hint = f"Set {name}: it is then both the request and the limit."
            yield error("limit_range_ratio", text, hint, _field(case, name))


def _who(container: Container) -> str:
    return "the staging step" if container.init else "a worker"


def _field(case: Case, name: str) -> str | None:
    return "gpus" if name == case.options.gpu_resource else _FIELDS.get(name)


def _amount(name: str, value: Decimal) -> str:
    if name == "cpu":
        return cores_in_words(value)
    return size_in_words(value) if name in ("memory", "ephemeral-storage") else plain(value)
