"""Which kinds of job there are, and which of them a job is to be. Pure."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping

from ....model import JobSpec
from ..resources import CONFIG_MAPS, NETWORK_POLICIES, Manifest, Resource
from .base import JobKind
from .indexed_job import IndexedJob
from .job_set import JobSet

_SHIPPED: tuple[type[JobKind], ...] = (IndexedJob, JobSet)
BUILT_IN = tuple(kind.name for kind in (shipped() for shipped in _SHIPPED) if "." not in kind.resource.group)
"""Names of those that every cluster serves: their API group is one of Kubernetes' own."""


@functools.cache
def kinds() -> Mapping[str, JobKind]:
    """Every kind by its name."""
    return {kind.name: kind for kind in (shipped() for shipped in _SHIPPED)}


def choose(spec: JobSpec, served: Collection[str]) -> JobKind:
    """The kind that a job is to be, out of those that a cluster serves."""
    return max((kind for name, kind in kinds().items() if name in served), key=lambda kind: kind.preference(spec))


def kind_of(owner: Manifest) -> JobKind:
    """The kind of an object that is a job."""
    return next(kind for kind in kinds().values() if _type_of(owner) == (kind.resource.group, kind.resource.kind))


def resource_of(manifest: Manifest) -> Resource:
    """Of any object that a job is made of."""
    own = (one for kind in kinds().values() for one in (kind.resource, *kind.creates))
    every = (CONFIG_MAPS, NETWORK_POLICIES, *own)
    return next(one for one in every if (one.group, one.kind) == _type_of(manifest))


def _type_of(manifest: Manifest) -> tuple[str, str]:
    return manifest["apiVersion"].rpartition("/")[0], manifest["kind"]
