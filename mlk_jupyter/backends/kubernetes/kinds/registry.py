"""Which kinds of job there are, and which of them a job is to be. Pure, but for what is installed beside us."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Collection, Mapping
from importlib import metadata

from ....errors import MlkError
from ....model import JobSpec
from ....text import listed
from ..resources import CONFIG_MAPS, NETWORK_POLICIES, Manifest, Objects, Resource
from .attempt import Started
from .base import JobKind
from .fields import controller, text
from .indexed_job import IndexedJob
from .job_set import JobSet

_SHIPPED: tuple[type[JobKind], ...] = (IndexedJob, JobSet)
BUILT_IN = tuple(kind.name for kind in (shipped() for shipped in _SHIPPED) if "." not in kind.resource.group)
"""Names of those that every cluster serves: their API group is one of Kubernetes' own."""


ENTRY_POINTS = "mlk_jupyter.job_kinds"
"""Where other packages name theirs: subclasses of `JobKind`, made without arguments."""

_logger = logging.getLogger(__name__)


class KindUnavailable(MlkError):
    """A kind of job was asked for that there is not, or that the cluster does not offer."""

    code, title, status = "kind_unavailable", "There are no jobs of this kind", 422

    def __init__(self, name: str, offered: Collection[str]) -> None:
        known = kinds().get(name)
        why = f"The cluster serves no {known.resource.kind}s, or you may not create them." if known else None
        detail = why or f"There is no kind of job called {name}."
        super().__init__(detail, hint=f"Choose {listed(sorted(offered))}, or leave the kind out.")


@functools.cache
def kinds() -> Mapping[str, JobKind]:
    """Every kind by its name: ours, then those of other packages. Blocks for some milliseconds the first time."""
    found = {kind.name: kind for kind in (shipped() for shipped in _SHIPPED)}
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        try:
            kind = entry.load()()
            if not isinstance(kind, JobKind) or kind.name in found:
                raise TypeError(f"{kind!r} is no JobKind of a name of its own")
        except Exception:  # somebody else's code: jobs of the other kinds go on without it
            _logger.exception("The kind of job %s (%s) is left out", entry.name, entry.value)
        else:
            found[kind.name] = kind
    return found


def choose(spec: JobSpec, served: Collection[str]) -> JobKind:
    """The kind that a job is to be, out of those that a cluster serves. Raises: KindUnavailable."""
    offered = {name: kind for name, kind in kinds().items() if name in served}
    wanted = spec.cluster.kind
    if wanted is not None and wanted not in offered:
        raise KindUnavailable(wanted, offered)
    return offered[wanted] if wanted is not None else max(offered.values(), key=lambda kind: kind.preference(spec))


def kind_of(owner: Manifest) -> JobKind:
    """The kind of an object that is a job. Raises: KeyError for any other object."""
    return _by_type()[_type_of(owner)]


def kind_of_job(objects: Objects) -> JobKind:
    """By the objects that are the job; where they are gone, by what controls the rest; a Job where nothing says it."""
    said = itertools.chain(objects.owners[-1:], map(controller, itertools.chain(objects.children, objects.pods)))
    known = _by_type()
    found = (known.get(_type_of(one)) for one in said)
    return next((kind for kind in found if kind is not None), kinds()[BUILT_IN[0]])


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
