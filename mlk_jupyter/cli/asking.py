"""What was typed after `mlk`, as a spec and a place."""

from __future__ import annotations

import argparse
import ast
import json
import os
from typing import Any

from .. import jobs
from ..backends.choosing import choose
from ..backends.many import Backends
from ..errors import BadInput
from ..model import JobSpec
from ..options import cluster_options


def spec_of(options: argparse.Namespace, source: jobs.Source) -> JobSpec:
    """What `mlk run` was asked for.

    Raises: BadInput, naming what cannot be used.
    """
    asked = {
        "name": options.name or source.stem,
        "notebook": source.path,
        "workers": options.workers,
        "gpus": options.gpus,
        "ranks_per_worker": options.ranks_per_worker,
        "parameters": dict(_parameter(pair) for pair in options.param),
        "env": dict(_variable(pair) for pair in options.env),
        "files": options.file,
        "time_limit_s": options.time_limit,
        "mlflow": not options.no_mlflow,
    }
    cluster = cluster_options(options)
    if cluster:
        asked["cluster"] = cluster
    return jobs.spec_from(asked)


def chosen(options: argparse.Namespace) -> Backends:
    """The backends, the one first that the options name.

    Raises: BadInput, NoCluster, NoKubernetesPackage.
    """
    return choose(options.backend, context=options.context, namespace=options.namespace)


def literal(typed: str) -> Any:
    """The value of a Python or JSON literal; anything else is text: `0.1`, `true`, `[1, 2]`, `adam`.

    Raises: BadInput for a literal that JSON cannot carry (a set, bytes, NaN).
    """
    for read in (ast.literal_eval, json.loads):
        try:
            value = read(typed.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        try:
            return json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"--param: {typed} is a value that JSON cannot carry.",
                hint="Use numbers, text, true, false, null, lists and dictionaries.",
            ) from error
    return typed


def _parameter(pair: str) -> tuple[str, Any]:
    name, equals, value = pair.partition("=")
    if not equals or not name.isidentifier():
        raise BadInput(f"--param {pair}: this is not NAME=VALUE.", hint="Write for example `--param epochs=3`.")
    return name, literal(value)


def _variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise BadInput(f"--env {name}: this variable is not set here.", hint=f"Give it a value: `--env {name}=VALUE`.")
    return name, os.environ[name]
