"""What the workers' pods ask for, with the defaults that the API server and LimitRanges add."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .....model import JobSpec
from ... import labels
from ...amounts import Amounts, containers_of, of, total
from ...kinds.registry import kind_of
from ...manifests.pod import resources
from ...resources import PODS, Manifest
from ..cluster_facts import DryRun


@dataclass(frozen=True)
class PodTemplate:
    """The pods of a job's workers, all alike."""

    count: int
    spec: Manifest
    """The pod's `spec` as it would be created."""
    rendered: Manifest
    """The same as it was rendered, without what the cluster adds."""
    tried: bool
    """Whether the API server itself judged such a pod in a dry run."""

    @property
    def requests(self) -> Amounts:
        """Of one pod."""
        return total(self.spec, "requests")

    @property
    def limits(self) -> Amounts:
        """Of one pod."""
        return total(self.spec, "limits")

    @property
    def main(self) -> Manifest:
        """The container that runs the ranks."""
        ours = self.rendered["containers"][0]["name"]  # webhooks may have put others before it
        return next(one for one in self.spec["containers"] if one.get("name") == ours)

    def defaulted(self, container: Manifest) -> set[str]:
        """Resources whose limit a LimitRange sets for one of our containers, as the job names none."""
        asked = next((one for one in containers_of(self.rendered) if one.get("name") == container.get("name")), None)
        if asked is None:
            return set()
        return {name for name, amount in of(container, "limits").items() if amount and name not in of(asked, "limits")}


def template(
    manifests: Sequence[Manifest], spec: JobSpec, limit_ranges: Iterable[Manifest] | None, dry_run: DryRun = ()
) -> PodTemplate:
    """The pods of a job; from the spec alone where nothing could be rendered yet, as without an image.

    Where the dry run gave no pod, the defaults of the LimitRanges are filled in here.
    """
    rendered = kind_of(manifests[0]).pod_template(manifests[0])["spec"] if manifests else _assumed(spec)
    tried = next((outcome for outcome in dry_run if outcome.kind == PODS.kind and outcome.judged), None)
    if tried is not None and tried.object is not None:
        return PodTemplate(spec.workers, tried.object["spec"], rendered, tried=True)
    return PodTemplate(spec.workers, _with_defaults(rendered, limit_ranges or ()), rendered, tried=tried is not None)


def limits_of(limit_ranges: Iterable[Manifest], kind: str) -> list[tuple[str, Manifest]]:
    """What the LimitRanges say of containers or pods, each with the LimitRange's name."""
    return [
        (str(found["metadata"]["name"]), item)
        for found in limit_ranges
        for item in (found.get("spec") or {}).get("limits") or []
        if item.get("type") == kind
    ]


def _with_defaults(spec: Manifest, limit_ranges: Iterable[Manifest]) -> Manifest:
    """A pod with the defaults of LimitRanges, which the API server has completed when they were created."""
    filled = copy.deepcopy(spec)
    for _, item in limits_of(limit_ranges, "Container"):
        for container in containers_of(filled):
            asked = container.setdefault("resources", {})
            for part, source in (("limits", "default"), ("requests", "defaultRequest")):
                asked[part] = {**(item.get(source) or {}), **(asked.get(part) or {})}
    return filled


def _assumed(spec: JobSpec) -> Manifest:
    container = {"name": labels.CONTAINER, "resources": resources(spec)}
    return {"containers": [container], "nodeSelector": dict(spec.cluster.node_selector)}
