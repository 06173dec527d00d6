"""What else is known of a cluster, where rights allow it, so that a reason can give figures. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Facts:
    """None and absence mean "not known"."""

    largest: Mapping[str, str] = field(default_factory=dict)
    """By resource the most that any one node can give, as a quantity; "0" where no node has it."""
    ahead: int | None = None
    """Workloads before this one in its queue."""
