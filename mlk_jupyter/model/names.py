"""Names, labels, quantities and paths as Kubernetes takes them: a typing error is found where it was made. Pure."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from ..quantities import find

_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = (
    "mlk-jupyter.io/",
    "app.kubernetes.io/managed-by",
    "batch.kubernetes.io/",
    "jobset.sigs.k8s.io/",
    "controller-uid",
    "job-name",
    "kueue.x-k8s.io/queue-name",
    "kueue.x-k8s.io/priority-class",
    "container.apparmor.security.beta.kubernetes.io/",
)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
# Set by the launcher for every rank; a person's own value would break the process group.
RESERVED_ENV = frozenset({"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"})
_PLACES_OF_OURS = ("/mlk", "/dev", "/proc", "/sys", "/tmp")


def _quantity(text: str) -> str:
    value = find(text)
    if value is None or value <= 0:
        raise ValueError(f"{text!r} is not a quantity above zero; write for example 500m, 4, 512Mi or 16Gi")
    return text


def _object_name(text: str) -> str:
    if len(text) > 253 or not _SUBDOMAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a name in Kubernetes: lower case letters, digits, '-' and '.' only")
    return text


def _qualified_name(text: str) -> str:
    prefix, slash, name = text.rpartition("/")
    if (slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix))) or not _LABEL_NAME.fullmatch(name):
        raise ValueError(
            f"{text!r} is not the key of a label: at most 63 of A-Z a-z 0-9 - _ . behind an optional domain/"
        )
    return text


def _own_key(text: str) -> str:
    if text.startswith(_OURS):
        raise ValueError(f"{text} is set by the launcher and cannot be chosen")
    return _qualified_name(text)


def _label_value(text: str) -> str:
    if text and not _LABEL_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not the value of a label: at most 63 of A-Z a-z 0-9 - _ .")
    return text


def _resource(text: str) -> str:
    if "/" not in text:
        raise ValueError(
            f"{text!r} has no domain; write for example nvidia.com/gpu, amd.com/gpu or nvidia.com/mig-1g.10gb"
        )
    if len(text.rpartition("/")[0]) > 240:  # quotas count it as `requests.DOMAIN/NAME`
        raise ValueError(f"the domain of {text!r} is too long")
    return _qualified_name(text)


def _mount_path(text: str) -> str:
    path = posixpath.normpath(f"/{text.lstrip('/')}")
    if not text.startswith("/") or ":" in text or ".." in text.split("/") or _UNPRINTABLE.search(text) or path == "/":
        raise ValueError(f"{text!r} is not an absolute path below /")
    if any(path == place or path.startswith(f"{place}/") for place in _PLACES_OF_OURS):
        raise ValueError(f"{text} is needed by the launcher; mount the volume elsewhere, for example at /data")
    return path


def _sub_path(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/") or _UNPRINTABLE.search(text):
        raise ValueError(f"{text!r} is not a folder in the volume: write it relative to the volume's root, without ..")
    return text


def _short_name(text: str) -> str:
    if len(text) > 63:
        raise ValueError(f"{text!r} has more than the 63 characters that a label holds")
    return _object_name(text)


def is_reserved(variable: str) -> bool:
    """Whether the launcher sets this environment variable, so that nobody else may."""
    return variable in RESERVED_ENV or (variable.startswith("MLK_") and variable != "MLK_MLFLOW_RANKS")


def env_name(text: str) -> str:
    """The same text. Raises: ValueError where no person may choose it as the name of an environment variable."""
    if not _ENV_NAME.fullmatch(text) or is_reserved(text):
        raise ValueError(f"{text!r} cannot be chosen as the name of an environment variable")
    return text


def _key(text: str) -> str:
    if text.startswith("..") or text == ".":
        raise ValueError(f"{text!r} is no key of a Secret or ConfigMap")
    return text


Quantity = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(_quantity)]
"""A Kubernetes quantity above zero, e.g. `500m`, `4`, `16Gi`."""
ObjectName = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_object_name)]
ShortName = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_short_name)]
"""The name of an object that is also the value of a label."""
KindName = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$")
]
"""The name of a kind of job, e.g. `jobset`. Which there are, the cluster decides."""
LabelKey = Annotated[str, AfterValidator(_own_key)]
SelectorKey = Annotated[str, AfterValidator(_qualified_name)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
Resource = Annotated[str, StringConstraints(strip_whitespace=True, max_length=317), AfterValidator(_resource)]
MountPath = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1024), AfterValidator(_mount_path)]
SubPath = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_sub_path)]
EnvName = Annotated[str, AfterValidator(env_name)]
Key = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]{1,253}$"), AfterValidator(_key)]
"""Of a Secret or ConfigMap."""
Image = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^\S+$")]
