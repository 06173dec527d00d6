"""Which kinds of job there are, and which of them a job is to be. Pure."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping

from ....model import JobSpec
from ..resources import CONFIG_MAPS, NETWORK_POLICIES, Manifest, Objects, Resource
from .attempt import Started
from .base import JobKind
from .fields import controller, text
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
    """The kind of an object that is a job. Raises: KeyError for any other object."""
    return _by_type()[_type_of(owner)]


def kind_of_job(objects: Objects) -> JobKind:
    """By the objects that are the job; where they are gone, by what controls the rest; a Job where nothing says it."""
    said = [*objects.owners[-1:], *map(controller, (*objects.children, *objects.pods))]
    known = _by_type()
    return next((known[_type_of(one)] for one in said if _type_of(one) in known), kinds()[BUILT_IN[0]])


def starts(objects: Objects) -> list[Started]:
    """All starts of all ranks that the cluster still knows, the newest last; see `JobKind.starts`."""
    return kind_of_job(objects).starts(objects)


def resource_of(manifest: Manifest) -> Resource:
    """Of any object that a job is made of."""
    own = (one for kind in kinds().values() for one in (kind.resource, *kind.creates))
    every = (CONFIG_MAPS, NETWORK_POLICIES, *own)
    return next(one for one in every if (one.group, one.kind) == _type_of(manifest))


def _by_type() -> dict[tuple[str, str], JobKind]:
    return {(kind.resource.group, kind.resource.kind): kind for kind in kinds().values()}


def _type_of(item: Manifest) -> tuple[str, str]:
    """API group and kind of an object, or of a reference to one."""
    return text(item.get("apiVersion")).rpartition("/")[0], text(item.get("kind"))
