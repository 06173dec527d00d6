"""A job examined before it is submitted: what is known of the cluster, its dry run, and the verdict on both."""

from __future__ import annotations

import dataclasses

from ....bundle import Bundle
from ....model import JobSpec
from ....model.api import Level, Preflight
from ....threads import in_thread
from ..cluster import Cluster, Offer
from ..kinds.registry import KindUnavailable
from ..lifecycle.submission import context_of, manifests, preview_request
from ..manifests.network import notices
from ..manifests.render_context import RenderContext
from .dry_run import dry_run
from .lookup import look_up
from .verdict import preflight


async def examine(
    cluster: Cluster, spec: JobSpec, bundle: Bundle, offer: Offer, image: str | None
) -> tuple[Preflight, RenderContext | None]:
    """What the preflight says, and what would be asked of the cluster if nothing speaks against it. Creates nothing.

    The dry run is made under a name of its own: an earlier try of the same request may have made the job already.

    Args: image: for a spec that names none.
    """
    facts = await look_up(cluster.connection, offer.served, offer.access, spec, cluster.namespace)
    if spec.cluster.image is None and image is not None:
        spec = spec.model_copy(update={"cluster": spec.cluster.model_copy(update={"image": image})})
    if spec.cluster.image is None:
        return await in_thread(preflight, spec, bundle, facts, []), None
    what = await context_of(
        cluster,
        spec,
        bundle.data,
        preview_request(spec, bundle),
        image=image,
        notices=bundle.notices,
        workload_priority=bool(facts.workload_priority),
    )
    try:
        made = manifests(what, offer.served)
    except KindUnavailable:  # which the preflight says, with all the rest
        return await in_thread(preflight, spec, bundle, facts, []), None
    outcomes = await dry_run(cluster.connection, made, cluster.namespace, offer.access)
    found = await in_thread(preflight, spec, bundle, facts, made, outcomes)  # a large cluster takes a while
    warnings = [one.text for one in found.findings if one.level is Level.WARNING]
    return found, dataclasses.replace(what, notices=[*bundle.notices, *notices(what), *warnings])
