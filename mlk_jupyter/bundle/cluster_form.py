"""The part of the submit dialog that asks what only a cluster has. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ..model import ClusterOptions
from ..model.cluster import RANK_MEMORY, SHARED_MEMORY
from .fields import AS_DURATION, DURATION_HINTS, plain, span

# Title and help of each field, for people who train models. The first group is always seen, the others are folded.
_GROUPS: tuple[tuple[str | None, dict[str, tuple[str, str]]], ...] = (
    (
        None,
        {
            "image": (
                "Image",
                "Has Python 3.9 or later and what the notebook imports. mlk-jupyter need not be in it.",
            ),
            "cpu": ("CPU for each worker", "Cores, e.g. 4 or 500m. Empty: one for each process."),
            "memory": (
                "Memory for each worker",
                f"E.g. 16Gi. Empty: {RANK_MEMORY} for each process are asked for, without a limit.",
            ),
            "gpu_resource": (
                "Kind of GPU",
                "What a GPU is called in this cluster. Counts only where GPUs are asked for.",
            ),
            "gpu_product": ("GPU model", "Only nodes with this GPU, e.g. NVIDIA-A100-SXM4-80GB. Empty: any."),
            "queue": ("Queue", "Name of the Kueue queue that the job waits in. Empty: none."),
        },
    ),
    (
        "Nodes and priority",
        {
            "priority": ("Priority class", "Name of the PriorityClass. Empty: the cluster's default."),
            "spot": ("Spot nodes", "Cheaper nodes that the cloud may take away at any time."),
            "retries": (
                "Restarts",
                "How often all workers start again together after a preemption, an eviction or a lost node. "
                "An error of the notebook's own is never tried again.",
            ),
            "kind": (
                "Kind of job",
                "What the job is in the cluster, e.g. Job or JobSet. Empty: what fits best of what the cluster has.",
            ),
            "one_worker_per_node": (
                "One worker per node",
                "Each worker gets a node that no other worker of the job is on.",
            ),
            "node_selector": ("Node labels", "Only nodes with all of these labels."),
            "tolerations": ("Tolerations", "Taints of nodes that the job may ignore."),
            "affinity": ("Affinity", "JSON of a pod's `affinity`, for what labels cannot say."),
        },
    ),
    (
        "Files and checkpoints",
        {
            "volumes": ("Volumes", "Files that the workers see at a path of their own."),
            "checkpoints": (
                "Claim for checkpoints",
                "Name of a PersistentVolumeClaim that keeps what is written below `checkpoint_dir()` between restarts. "
                "Empty: it is lost with the pod.",
            ),
            "staging": ("Command before the start", "Runs in the notebook's folder of each worker, e.g. dvc pull."),
            "staging_image": ("Image of that command", "Empty: the job's own image."),
            "shared_memory": (
                "Shared memory",
                f"Size of /dev/shm, which data loaders use. Empty: half of the memory, or {SHARED_MEMORY}.",
            ),
        },
    ),
    (
        "Secrets, access and network",
        {
            "env_from": (
                "Variables from Secrets and ConfigMaps",
                "Named here, read only in the cluster: the values never pass through this server.",
            ),
            "service_account": (
                "Service account",
                "Empty: the default of the namespace. The job gets no token of it either way.",
            ),
            "image_pull_secrets": ("Secrets for pulling the image", "Names of Secrets, for a private registry."),
            "image_pull_policy": (
                "Pulling the image",
                "Empty: always for the tag `latest`, else where a node lacks it.",
            ),
            "run_as": ("User in the container", "What the namespace allows depends on its Pod Security level."),
            "network": (
                "Keep the job to itself",
                "Workers reach each other, DNS and MLflow, and nothing else but what is named here. "
                "The cluster's network plugin has to enforce it.",
            ),
        },
    ),
    (
        "End and labels",
        {
            "keep_s": ("Keep the ended job in the cluster", "E.g. 7d. The record here stays until it is deleted."),
            "labels": ("Labels", "Set on the job and its pods."),
            "annotations": ("Annotations", "Set on the job and its pods."),
        },
    ),
)
_TEXTS = {name: text for _, fields in _GROUPS for name, text in fields.items()}
# The same of what is asked in a list, by the model of its items.
_INNER: dict[str, dict[str, tuple[str, str]]] = {
    "volumes": {
        "path": ("Path", "Where the workers see it, e.g. /data."),
        "claim": ("Claim", "Name of a PersistentVolumeClaim."),
        "image": ("or image", "An image whose files are mounted (Kubernetes 1.33 and later)."),
        "empty_dir": ("or empty, of size", "An empty folder that lives as long as the pod, e.g. 20Gi."),
        "sub_path": ("Folder in the claim", "Empty: all of it."),
        "read_only": ("Read only", "Needed where other jobs mount the same claim for reading only."),
    },
    "env_from": {
        "secret": ("Secret", "Name of a Secret."),
        "config_map": ("or ConfigMap", "Name of a ConfigMap."),
        "key": ("Key", "Empty: all keys."),
        "name": ("Variable", "Empty: called as the key."),
    },
    "tolerations": {
        "key": ("Key", "Empty, with Exists: every taint."),
        "operator": ("Operator", "How key and value are compared."),
        "value": ("Value", "With Equal."),
        "effect": ("Effect", "Empty: every effect."),
    },
    "network": {"allow": ("May also reach", "A network, with or without a port, e.g. 10.0.0.0/8:443.")},
}
_CHOICES = {
    "spot": {"allowed": "May be used", "required": "Only these"},
    "image_pull_policy": {"Always": "Always", "IfNotPresent": "Where a node lacks it", "Never": "Never"},
    "run_as": {
        "restricted": "10001, without any rights (Pod Security restricted)",
        "image": "As the image says",
    },
}
_EXAMPLES = {
    "gpu_resource": [
        "nvidia.com/gpu",
        "nvidia.com/gpu.shared",
        "nvidia.com/mig-1g.10gb",
        "amd.com/gpu",
        "google.com/tpu",
        "habana.ai/gaudi",
        "aws.amazon.com/neuron",
    ]
}
_HINTS = {
    "image": "registry/name:tag",
    "cpu": "one core for each process",
    "memory": f"{RANK_MEMORY} for each process",
    "gpu_product": "any",
    "queue": "none",
    "affinity": '{"nodeAffinity": …}',
    "kind": "what fits best",
    "staging": "dvc pull",
}
_AS_DURATION = ("keep_s",)
_AS_TEXT = ("affinity", "staging")
_TITLE = ("Cluster", "What the job asks of the cluster.")


def cluster_schema() -> dict[str, Any]:
    """Draft 7 and without references: the limits are the model's."""
    model = ClusterOptions.model_json_schema()
    known = model.get("$defs", {})
    properties = {name: _field(name, model["properties"][name], known) for name in _TEXTS}
    return {
        "type": "object",
        "title": _TITLE[0],
        "description": _TITLE[1],
        "properties": properties,
        "additionalProperties": False,
    }


def cluster_ui_schema() -> dict[str, Any]:
    """The order of the fields, and which stand together; a group without a title is always seen."""
    groups = [{"title": title, "fields": list(fields)} for title, fields in _GROUPS]
    inner = {name: {"items": {"ui:order": list(texts)}} for name, texts in _INNER.items() if name != "network"}
    # Not `oneOf` with constants: the form's library would take the first for a default.
    choices = {name: {"ui:enumNames": list(words.values())} for name, words in _CHOICES.items()}
    hints = {name: {"ui:placeholder": text} for name, text in _HINTS.items()}
    durations = {name: {"ui:options": DURATION_HINTS} for name in _AS_DURATION}
    return {"ui:order": list(_TEXTS), "ui:options": {"groups": groups}, **inner, **choices, **hints, **durations}


def cluster_values(image: str | None) -> dict[str, Any]:
    """What to fill in, as the form has it.

    Args: image: what a job gets that names none; None where the server has no default.
    """
    options = ClusterOptions(image=image)
    values = options.model_dump(mode="json", exclude_none=True)
    for name in _AS_DURATION:
        values[name] = span(values[name])
    values["staging"] = shlex.join(options.staging)
    return values


def _field(name: str, schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    title, description = _TEXTS[name]
    text = {"title": title, "description": description}
    if name in _AS_DURATION:
        default = span(schema["default"])
        return {"type": "string", **text, "default": default, "pattern": AS_DURATION}
    if name in _AS_TEXT:
        return {"type": "string", **text}
    if name == "network":
        # Nothing and an empty object mean different things, which a form's own defaults would blur.
        return {**text, "anyOf": [{"type": "null"}, _object(known["Network"], _INNER[name])]}
    field = {**plain(schema), **text}
    if name in _EXAMPLES:
        field["examples"] = _EXAMPLES[name]
    items = field.get("items", {})
    if "$ref" in items:
        field["items"] = _object(known[items["$ref"].rpartition("/")[2]], _INNER[name])
    return field


def _object(model: Mapping[str, Any], texts: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    properties = {
        name: {**plain(model["properties"][name]), "title": title, "description": description}
        for name, (title, description) in texts.items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": model.get("required", []),
        "additionalProperties": False,
    }
