"""What was typed after `mlk`, as a spec and a place."""

from __future__ import annotations

import argparse

from .. import library
from ..backends.choosing import choose
from ..backends.many import Backends
from ..model import JobSpec
from ..options import spec_fields


def spec_of(options: argparse.Namespace, source: library.Source) -> JobSpec:
    """What `mlk run` was asked for.

    Raises: BadInput, naming what cannot be used.
    """
    return library.spec_from({"name": source.stem, "notebook": source.path, **spec_fields(options)})


def chosen(options: argparse.Namespace) -> Backends:
    """The backends, the one first that the options name.

    Raises: BadInput, NoCluster, NoKubernetesPackage.
    """
    return choose(options.backend, context=options.context, namespace=options.namespace)
