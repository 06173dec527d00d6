"""`mlk render`: what would be created in a cluster, or what a user needs to be allowed there, as YAML."""

from __future__ import annotations

import argparse
import asyncio

from .. import library
from ..backends.choosing import rendering
from ..errors import BadInput
from .arguments import spec_of
from .printing import give_document


def render(options: argparse.Namespace) -> int:
    """`mlk render NOTEBOOK` and `mlk render rbac`: YAML for `kubectl apply` on stdout. Creates nothing."""
    give_document(rbac(options) if options.source == "rbac" else asyncio.run(_manifests(options)))
    return 0


def rbac(options: argparse.Namespace) -> str:
    """The least rights that make everything work for one user in one namespace."""
    from ..backends.kubernetes.rights.rbac import render as rights

    if not options.user or not options.namespace:
        raise BadInput(
            "`mlk render rbac` needs --namespace and --user.",
            hint="Write for example `mlk render rbac --namespace ml-team --user ada`.",
        )
    return rights(options.namespace, options.user, nodes=options.nodes, gpus=options.gpu_holders)


async def _manifests(options: argparse.Namespace) -> str:
    source = await library.read_source(options.source)
    spec = spec_of(options, source)
    backend = rendering(context=options.context, namespace=options.namespace, image=options.image)
    try:
        rendered = await backend.render(spec, await library.prepare(source, spec, backend.carriage))
    finally:
        await backend.close()
    assert rendered is not None
    return rendered
