"""The environment of the pods' containers. Pure."""

from __future__ import annotations

import json
from typing import Any

from .render_context import RenderContext

BUNDLE, WORK, HOME, CHECKPOINTS = "/mlk/bundle", "/mlk/work", "/mlk/home", "/mlk/checkpoints"
ARCHIVE = f"{BUNDLE}/bundle.pyz"
LAST_WORDS = "/dev/termination-log"
NONCE = "MLK_NONCE"
"""Variable with the nonce of the job's frames."""
CPU = "MLK_CPU_MILLIS"
"""Variable with what the container requests, in thousandths of a core."""
PORT = 29500  # where rank 0 listens: what torch.distributed takes where nothing is said
USER_ID = 10001


def variables(context: RenderContext, master: str) -> list[dict[str, Any]]:
    """The container's `env`. What comes later wins: ours, MLflow's, the person's own, what is read from elsewhere.

    Args: master: name under which the first worker is reached.
    """
    spec, options = context.spec, context.spec.cluster
    values = {
        "MLK_POD": "1",
        "MLK_JOB": context.id,
        NONCE: context.nonce,
        "MLK_WORKERS": str(spec.workers),
        "MLK_RANKS_PER_WORKER": str(spec.ranks_in_worker),
        "MLK_GRACE_S": str(spec.grace_period_s),
        "MLK_FILES": f"{WORK}/files",
        "MLK_OUTPUT_LIMITS": "{} {}".format(*spec.output_limits),
        "MLK_CHECKPOINT_DIR": CHECKPOINTS,
        "MLK_LAST_WORDS": LAST_WORDS,
        "MASTER_ADDR": master,
        "MASTER_PORT": str(PORT),
    }
    if options.run_as == "restricted":
        # The image knows no user of this number: its home is elsewhere, and nobody finds its name.
        # Jupyter's images name the cache in the home of theirs, where libraries would fail to write.
        values.update(HOME=HOME, USER="mlk", LOGNAME="mlk", XDG_CACHE_HOME=f"{HOME}/.cache")
    if not spec.gpus:
        # CUDA's images ask for every GPU of the node, also those that other pods were given.
        values.update(NVIDIA_VISIBLE_DEVICES="void", CUDA_VISIBLE_DEVICES="")
    if spec.parameters:
        values["MLK_PARAMETERS"] = json.dumps(spec.parameters)  # for the MLflow run; the notebook has its own
    values.update(context.mlflow)
    values.update(spec.env)
    found: dict[str, dict[str, Any]] = {
        name: {"name": name, "value": _literal(value)} for name, value in values.items()
    }
    # By reference: an admission webhook, or whoever edits what `mlk render` gives, may change the request. Not the
    # limit: where there is none, the kubelet puts in the whole node. In thousandths: whole cores are rounded up.
    found[CPU] = {"name": CPU, "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}}
    for entry in options.env_from:
        if entry.key is not None:
            name = entry.name or entry.key
            found.pop(name, None)
            found[name] = {"name": name, "valueFrom": _key_of(entry.secret, entry.config_map, entry.key)}
    return list(found.values())


def sources(context: RenderContext) -> list[dict[str, Any]]:
    """The container's `envFrom`: Secrets and ConfigMaps whose keys are all read. Any variable above wins over them."""
    return [
        {"secretRef": {"name": entry.secret}} if entry.secret else {"configMapRef": {"name": entry.config_map}}
        for entry in context.spec.cluster.env_from
        if entry.key is None
    ]


def escaped(words: list[str]) -> list[str]:
    """A command that Kubernetes passes on as it stands."""
    return [_literal(word) for word in words]


def _key_of(secret: str | None, config_map: str | None, key: str) -> dict[str, Any]:
    field, name = ("secretKeyRef", secret) if secret else ("configMapKeyRef", config_map)
    return {field: {"name": name, "key": key}}


def _literal(value: str) -> str:
    """Kubernetes puts variables in for `$(NAME)` and makes one dollar of two."""
    return value.replace("$", "$$") if "$(" in value or "$$" in value else value
