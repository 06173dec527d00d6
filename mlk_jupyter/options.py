"""Options that the command line and the magics share: what is asked of a job, of a cluster, and where it runs."""

from __future__ import annotations

import argparse
import ast
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import BadInput


def add_where(parser: argparse.ArgumentParser) -> None:
    """The options of every command that say where jobs are."""
    add = parser.add_argument
    add(
        "--backend",
        metavar="NAME",
        help="local, kubernetes or kubernetes:CONTEXT (default: MLK_BACKEND, else the cluster when one answers)",
    )
    add("--context", metavar="NAME", help="context of the kubeconfig (default: MLK_CONTEXT, else the current one)")
    add("--namespace", metavar="NS", help="namespace in the cluster (default: MLK_NAMESPACE, else the context's)")


def add_spec(parser: argparse.ArgumentParser) -> None:
    """The options that every job has, wherever it runs."""
    add = parser.add_argument
    add(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="process groups on this machine, pods on a cluster (default: 1)",
    )
    add("--gpus", type=int, default=0, metavar="N", help="whole GPUs for each worker (default: 0)")
    add(
        "--ranks-per-worker",
        type=int,
        metavar="N",
        help="processes in each worker (default: one for each GPU, and one without GPUs)",
    )
    add(
        "--param",
        action="append",
        default=[],
        metavar="K=V",
        help="value for the notebook's `parameters` cell: a Python or JSON literal, else text (repeatable)",
    )
    add(
        "--env",
        action="append",
        default=[],
        metavar="K=V",
        help="environment variable of every rank; K alone takes its value from here (repeatable)",
    )
    add(
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="one more file or folder to carry along, relative to the notebook's folder (repeatable)",
    )
    add("--name", metavar="NAME", help="what the job is called (default: the file's name)")
    add("--time-limit", metavar="TIME", help="stop the job after this wall time, for example 90s, 15m or 2h")
    add("--grace-period", metavar="TIME", help="from SIGTERM to SIGKILL when the job is stopped (default: 30s)")
    add("--kernel", metavar="NAME", help="kernel whose Python runs it on this machine (default: the notebook's)")
    add(
        "--python",
        metavar="PATH",
        help="Python that runs it on this machine, or the folder of its environment (default: the kernel's; for a "
        "script, that of the .venv in its folder)",
    )
    add("--output-limit", metavar="SIZE", help="most that the notebook keeps of one output (default: 16Mi)")
    add("--notebook-limit", metavar="SIZE", help="most that it keeps of all outputs together (default: 64Mi)")
    add("--no-mlflow", action="store_true", help="do not record the job as an MLflow run")


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """The options that only a job on a cluster has."""
    add = parser.add_argument_group("on a cluster").add_argument
    add("--image", metavar="IMAGE", help="container image with Python 3.9 or later (default: MLK_IMAGE)")
    add(
        "--image-pull-policy",
        choices=["Always", "IfNotPresent", "Never"],
        metavar="WHEN",
        help="Always, IfNotPresent or Never",
    )
    add("--image-pull-secret", action="append", metavar="NAME", help="Secret for a private registry (repeatable)")
    add(
        "--kind",
        metavar="NAME",
        help="kind of object that the job is, for example job or jobset (default: what fits best)",
    )
    add("--cpu", metavar="N", help="CPU of each worker, for example 4 or 500m (default: one core for each rank)")
    add(
        "--memory",
        metavar="SIZE",
        help="memory of each worker, for example 16Gi (default: 2Gi for each rank, no limit)",
    )
    add("--shared-memory", metavar="SIZE", help="size of /dev/shm (default: half of the memory, or 1Gi)")
    add(
        "--gpu-resource",
        metavar="NAME",
        help="what --gpus counts, for example amd.com/gpu or nvidia.com/gpu.shared (default: nvidia.com/gpu)",
    )
    add("--mig", metavar="PROFILE", help="count MIG slices of this profile as GPUs, for example 1g.10gb")
    add("--gpu-type", metavar="PRODUCT", help="node label nvidia.com/gpu.product, for example NVIDIA-A100-SXM4-80GB")
    add("--node-selector", action="append", metavar="K=V", help="label that the nodes must have (repeatable)")
    add(
        "--toleration",
        action="append",
        metavar="K[=V][:EFFECT]",
        help="taint that the pods may ignore, for example gpu=true:NoSchedule (repeatable)",
    )
    add("--one-worker-per-node", action="store_true", default=None, help="never two workers on one node")
    add("--spot", choices=["allowed", "required"], metavar="HOW", help="run on spot nodes: allowed or required")
    add("--queue", metavar="NAME", help="Kueue LocalQueue")
    add("--priority", metavar="NAME", help="PriorityClass")
    add("--service-account", metavar="NAME", help="service account of the pods (default: the namespace's)")
    add(
        "--secret",
        action="append",
        metavar="NAME[:KEY[=VAR]]",
        help="environment from a Secret: all keys, one key, or one key under another name (repeatable)",
    )
    add(
        "--config-map",
        action="append",
        metavar="NAME[:KEY[=VAR]]",
        help="the same from a ConfigMap (repeatable)",
    )
    add(
        "--volume",
        action="append",
        metavar="CLAIM:PATH[:ro]",
        help="mount a PersistentVolumeClaim, for example data:/data:ro (repeatable)",
    )
    add("--image-volume", action="append", metavar="IMAGE=PATH", help="mount an image's files (repeatable)")
    add("--checkpoints", metavar="CLAIM", help="claim that keeps what `checkpoint_dir()` names between attempts")
    add("--stage", metavar="COMMAND", help="command that every worker runs first, for example 'dvc pull'")
    add("--stage-image", metavar="IMAGE", help="image for that command (default: the job's)")
    add("--isolate", action="store_true", help="a NetworkPolicy: the ranks among themselves, DNS and MLflow only")
    add(
        "--allow",
        action="append",
        metavar="CIDR[:PORT]",
        help="with --isolate, an address that is allowed (repeatable)",
    )
    add(
        "--run-as",
        choices=["restricted", "image"],
        metavar="WHO",
        help="restricted (user 10001, the default) or image (whoever the image says)",
    )
    add("--keep", metavar="TIME", help="how long a finished job's objects stay in the cluster (default: 7d)")
    add("--retries", type=int, metavar="N", help="start all ranks again up to N times after a preemption or lost node")
    add("--label", action="append", metavar="K=V", help="label for the job's objects (repeatable)")
    add("--annotation", action="append", metavar="K=V", help="annotation for the job's objects (repeatable)")
    add("--cluster-options", metavar="FILE", help="YAML or JSON file with any of these; what is typed here wins")


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What was typed before the first `--`, and behind it: the script's own."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def spec_fields(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked of the job, as plain data for the spec: everything but its notebook.

    Name, grace period and limits of outputs are there if they were given, `cluster` if anything was asked of one.

    Raises: BadInput that names the option which cannot be read.
    """
    asked = {
        "workers": options.workers,
        "gpus": options.gpus,
        "ranks_per_worker": options.ranks_per_worker,
        "arguments": getattr(options, "arguments", []),  # not one of the parser's own: see `parted`
        "parameters": dict(_parameter(pair) for pair in options.param),
        "env": dict(_variable(pair) for pair in options.env),
        "files": options.file,
        "time_limit_s": options.time_limit,
        "kernel": options.kernel,
        "python": _python(options.python),
        "mlflow": not options.no_mlflow,
    }
    given = {
        "name": options.name or None,
        "grace_period_s": _seconds(options.grace_period, "--grace-period"),
        "output_limit": options.output_limit,
        "notebook_limit": options.notebook_limit,
    }
    cluster = cluster_options(options)
    named = {name: value for name, value in given.items() if value is not None}
    return {**named, **asked, **({"cluster": cluster} if cluster else {})}


def cluster_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was asked of a cluster, as plain data for the spec.

    Raises: BadInput that names the option which cannot be read.
    """
    asked = _from_file(options.cluster_options)
    plain = {
        "image": options.image,
        "image_pull_policy": options.image_pull_policy,
        "image_pull_secrets": options.image_pull_secret,
        "kind": options.kind,
        "cpu": options.cpu,
        "memory": options.memory,
        "shared_memory": options.shared_memory,
        "gpu_resource": f"nvidia.com/mig-{options.mig.removeprefix('mig-')}" if options.mig else options.gpu_resource,
        "gpu_product": options.gpu_type,
        "one_worker_per_node": options.one_worker_per_node,
        "spot": options.spot,
        "queue": options.queue,
        "priority": options.priority,
        "service_account": options.service_account,
        "checkpoints": options.checkpoints,
        "staging": _words(options.stage),
        "staging_image": options.stage_image,
        "run_as": options.run_as,
        "keep_s": _seconds(options.keep, "--keep"),
        "retries": options.retries,
        "network": _network(options),
        "node_selector": _pairs(options.node_selector, "--node-selector"),
        "labels": _pairs(options.label, "--label"),
        "annotations": _pairs(options.annotation, "--annotation"),
        "tolerations": _each(options.toleration, _toleration),
        "env_from": [
            *_each(options.secret, lambda typed: _env_from("secret", typed)),
            *_each(options.config_map, lambda typed: _env_from("config_map", typed)),
        ],
        "volumes": [*_each(options.volume, _volume), *_each(options.image_volume, _image_volume)],
    }
    if options.mig and options.gpu_resource:
        raise BadInput("--mig and --gpu-resource both say what --gpus counts.", hint="Give one of them.")
    return {**asked, **{name: value for name, value in plain.items() if value not in (None, [], {})}}


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


def _python(typed: str | None) -> str | None:
    """A path that was typed here, wherever the notebook lies; a bare name is looked up in PATH."""
    if typed is None or not (os.sep in typed or os.path.isdir(typed)):  # noqa: PTH112 - raises for no name, however long
        return typed
    # A link to a Python tells its environment: it is not followed.
    return str(Path(os.path.expanduser(typed)).absolute())  # noqa: PTH111 - which raises for a user who is none


def _from_file(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"--cluster-options {path}: {error}", hint="Name a YAML or JSON file.") from error
    if not isinstance(found, dict):
        raise BadInput(f"--cluster-options {path} holds no options.", hint="Write for example `image: python:3.12`.")
    return found


def _each(typed: list[str] | None, read: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [read(one) for one in typed or []]


def _pairs(typed: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for one in typed or []:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise BadInput(f"{option} {one}: this is not KEY=VALUE.", hint=f"Write for example `{option} team=vision`.")
        pairs[name] = value
    return pairs


def _words(typed: str | None) -> list[str]:
    from .model.texts import words

    try:
        found: list[str] = words(typed or "")
    except ValueError as error:
        raise BadInput(f"--stage {typed}: {error}.", hint="Close the quotes.") from error
    return found


def _seconds(typed: str | None, option: str) -> int | None:
    from .model.texts import seconds

    try:
        return None if typed is None else seconds(typed)
    except ValueError as error:
        raise BadInput(f"{option}: {error}.", hint=f"Write for example `{option} 90s`.") from error


def _network(options: argparse.Namespace) -> dict[str, Any] | None:
    if options.allow and not options.isolate:
        raise BadInput("--allow has no effect without --isolate.", hint="Add --isolate, or leave --allow out.")
    return {"allow": options.allow or []} if options.isolate else None


def _toleration(typed: str) -> dict[str, Any]:
    head, colon, effect = typed.rpartition(":")
    taint, effect = (head, effect) if colon else (typed, "")
    key, equals, value = taint.partition("=")
    found: dict[str, Any] = {"key": key, "operator": "Equal" if equals else "Exists"}
    return {**found, **({"value": value} if equals else {}), **({"effect": effect} if effect else {})}


def _env_from(kind: str, typed: str) -> dict[str, Any]:
    source, colon, rest = typed.partition(":")
    key, equals, name = rest.partition("=")
    return {kind: source, **({"key": key} if colon else {}), **({"name": name} if equals else {})}


def _volume(typed: str) -> dict[str, Any]:
    claim, _, rest = typed.partition(":")
    path, _, mode = rest.partition(":")
    if not path.startswith("/") or mode not in ("", "ro", "rw"):
        raise BadInput(
            f"--volume {typed}: this is not CLAIM:/PATH or CLAIM:/PATH:ro.", hint="Write for example data:/data:ro."
        )
    return {"claim": claim, "path": path, "read_only": mode == "ro"}


def _image_volume(typed: str) -> dict[str, Any]:
    image, equals, path = typed.rpartition("=")
    if not equals or not path.startswith("/"):
        raise BadInput(f"--image-volume {typed}: this is not IMAGE=/PATH.", hint="Write for example data:v1=/data.")
    return {"image": image, "path": path, "read_only": True}
