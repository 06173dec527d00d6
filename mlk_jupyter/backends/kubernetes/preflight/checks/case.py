"""What every check gets, and how it says what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .....bundle import Bundle
from .....model import ClusterOptions, JobSpec
from .....model.api import Finding, Level
from ...resources import Manifest
from ..cluster_facts import ClusterFacts, DryRun
from .nodes import Node, nodes_of
from .pod import PodTemplate


@dataclass(frozen=True)
class Case:
    """One job, what would be created for it, and what is known of the cluster."""

    spec: JobSpec
    bundle: Bundle
    facts: ClusterFacts
    manifests: Sequence[Manifest]
    pod: PodTemplate
    """Of the workers, with what the namespace's LimitRanges add."""
    dry_run: DryRun

    @cached_property
    def nodes(self) -> list[Node] | None:
        """The nodes with what is allocated of them, as far as the user may list it; None when not."""
        facts = self.facts
        if facts.nodes is None:
            return None
        return nodes_of(facts.nodes, facts.all_pods if facts.all_pods is not None else facts.pods or ())

    @property
    def options(self) -> ClusterOptions:
        return self.spec.cluster


def error(code: str, text: str, hint: str, field: str | None = None) -> Finding:
    """Keeps the job from being submitted."""
    return Finding(level=Level.ERROR, code=code, text=text, hint=hint, field=field)


def warning(code: str, text: str, hint: str | None, field: str | None = None) -> Finding:
    return Finding(level=Level.WARNING, code=code, text=text, hint=hint, field=field)


def note(code: str, text: str, hint: str | None = None, field: str | None = None) -> Finding:
    return Finding(level=Level.NOTE, code=code, text=text, hint=hint, field=field)
