"""What else is known of a cluster, where rights allow it, so that a reason can give figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ... import quantities
from ...objects import Manifest
from ..seen import mapping, status


@dataclass(frozen=True)
class Background:
    """None means "not known"."""

    largest: Mapping[str, str] | None = None
    """By resource the most that any one node can give, as a quantity. What is not in it, no node has."""
    ahead: int | None = None
    """Workloads before this one in its queue."""

    def most(self, resource: str) -> str | None:
        """The most that one node can give of a resource: "0" where no node has it; None when it is not known."""
        return None if self.largest is None else self.largest.get(resource, "0")


def largest_of(nodes: Iterable[Manifest]) -> dict[str, str]:
    """By resource the most that any one of the nodes can give, for `Background.largest`."""
    found: dict[str, str] = {}
    for node in nodes:
        for resource, amount in mapping(status(node).get("allocatable")).items():
            value, best = quantities.find(amount), quantities.find(found.get(resource, "0"))
            if value is not None and best is not None and value > best:
                found[resource] = str(amount)
    return found
