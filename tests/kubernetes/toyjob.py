"""A kind of job that another package would bring: one file, and one row among its entry points (see `test_kinds`).

As operators of the older sort do it, its pods are made of it directly, numbered by a label of their own; the container
has to bear a name, the end is called Succeeded, and it is suspended in a place of its own.
"""

from __future__ import annotations

from typing import ClassVar

from mlk_jupyter.backends.kubernetes.kinds.base import JobKind
from mlk_jupyter.backends.kubernetes.kinds.fields import label, number
from mlk_jupyter.backends.kubernetes.manifests.pod import pod_template
from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext, owner_manifest
from mlk_jupyter.backends.kubernetes.resources import Manifest, Resource

REPLICA = "toys.example.org/replica"
CONTAINER = "toy"


class ToyJob(JobKind):
    """A ToyJob, whose pods are called ID-toy-N."""

    resource = Resource("toys.example.org", "v1", "toyjobs", "ToyJob")
    noun = "a toy job"
    suspend = ("spec", "runPolicy", "suspend")
    condition_types: ClassVar = {"Succeeded": "Complete"}

    def render(self, context: RenderContext) -> list[Manifest]:
        toy = owner_manifest(self.resource, context)
        template = pod_template(context, master=f"{context.owner}-toy-0", subdomain=None, container=CONTAINER)
        toy["spec"] = {"runPolicy": {"suspend": False}, "replicas": context.spec.workers, "template": template}
        return [toy]

    def pod_template(self, owner: Manifest) -> Manifest:
        template: Manifest = owner["spec"]["template"]
        return template

    def worker_of(self, pod: Manifest) -> int:
        return number(label(pod, REPLICA)) or 0
