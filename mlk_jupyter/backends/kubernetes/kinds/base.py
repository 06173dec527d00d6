"""What each kind of job says of itself, so that nobody else has to know it. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from ....model import JobSpec
from ..manifests.bundle import bundle
from ..manifests.network import network_policy
from ..manifests.render_context import RenderContext
from ..resources import Manifest, Resource, Rule


class JobKind(ABC):
    """One kind of object that a job may be. What it does not say itself is as with Kubernetes' own Job."""

    resource: ClassVar[Resource]
    """Of the object that is the job, and owns the others."""
    noun: ClassVar[str] = "a job"
    """What it is called where rights to it are explained."""
    creates: ClassVar[tuple[Resource, ...]] = ()
    """Of what is created beside it, a ConfigMap and a NetworkPolicy apart."""

    @property
    def name(self) -> str:
        """What it is asked for by, e.g. `jobset`."""
        return self.resource.kind.lower()

    def preference(self, spec: JobSpec) -> int:
        """How well it fits a job: of those that a cluster serves the highest is taken; 0: only when asked for."""
        return 0

    @abstractmethod
    def render(self, context: RenderContext) -> list[Manifest]:
        """The object that is the job, and then what it needs beside it. The same input gives the same bytes.

        Every pod template bears the context's labels. Raises: AnnotationsTooLarge.
        """

    @abstractmethod
    def pod_template(self, owner: Manifest) -> Manifest:
        """The `metadata` and `spec` of a worker's pod, out of what `render` gave or the cluster holds."""

    def rules(self) -> list[Rule]:
        """What we call of it."""
        resource, noun = self.resource, self.noun
        return [
            Rule("submit", resource, ("create", "get", "delete"), f"creates {noun}, and takes a half-made one away"),
            Rule("watch", resource, ("get", "list", "watch"), f"tells what became of {noun}"),
            Rule("stop", resource, ("patch",), f"suspends {noun}"),
            Rule("delete", resource, ("delete",), f"removes {noun} and, through it, all it owns"),
        ]

    def manifests(self, context: RenderContext) -> list[Manifest]:
        """All objects of one attempt in the order to create them; the first is to own the others.

        Raises: AnnotationsTooLarge.
        """
        owner, *beside = self.render(context)
        policies = [network_policy(context)] if context.spec.cluster.network is not None else []
        return [owner, bundle(context), *beside, *policies]
