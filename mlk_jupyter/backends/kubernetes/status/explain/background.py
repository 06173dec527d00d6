"""What is known of a cluster beside a job's own objects, for the reasons of jobs that wait. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..... import quantities
from ...kinds.fields import mapping, status, text
from ...resources import Manifest
from .messages import clean


@dataclass(frozen=True)
class Background:
    """None means "not known"."""

    largest: Mapping[str, str] | None = None
    """By resource the most that any one node can give, as a quantity. What is not in it, no node has."""
    taints: Sequence[Mapping[str, Any]] | None = None
    """Those of the nodes."""
    ahead: int | None = None
    """Workloads before this one in its queue."""

    def most(self, resource: str) -> str | None:
        """The most that one node can give of a resource: "0" where no node has it; None when it is not known."""
        return None if self.largest is None else self.largest.get(resource, "0")

    def untolerated(self, tolerations: Iterable[Any]) -> list[str]:
        """The nodes' taints that keep a pod with such tolerations off, the most frequent first."""
        kept_off = Counter(
            taint_in_words(text(taint.get("key")), text(taint.get("value")))
            for taint in self.taints or ()
            if taint.get("effect") in ("NoSchedule", "NoExecute")
            and not any(_tolerates(mapping(one), taint) for one in tolerations)
        )
        return [clean(taint, 120) for taint, _ in kept_off.most_common()]


def taint_in_words(key: str, value: str) -> str:
    """As a taint is written: key=value, or key alone."""
    return f"{key}={value}" if value else key


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key, exists = toleration.get("key"), toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.get("key") and (exists or text(toleration.get("value")) == text(taint.get("value")))


def largest_of(nodes: Iterable[Manifest]) -> dict[str, str]:
    """By resource the most that any one of the nodes can give, for `Background.largest`."""
    found: dict[str, str] = {}
    for node in nodes:
        for resource, amount in mapping(status(node).get("allocatable")).items():
            value, best = quantities.find(amount), quantities.find(found.get(resource, "0"))
            if value is not None and best is not None and value > best:
                found[resource] = str(amount)
    return found
