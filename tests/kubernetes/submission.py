"""What a cluster is asked in the tests, and the rules that whatever is asked keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlk_jupyter.backends.kubernetes.kinds.registry import kinds
from mlk_jupyter.backends.kubernetes.manifests.render_context import RenderContext
from mlk_jupyter.model import JobSpec

KINDS = ("job", "jobset")
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def spec(*, cluster: dict[str, Any] | None = None, **fields: Any) -> JobSpec:
    """A job of two workers, unless said otherwise."""
    return JobSpec.model_validate(
        {"name": "Digits", "notebook": "examples/digits.ipynb", "workers": 2, **fields, "cluster": cluster or {}}
    )


def asked(job: JobSpec | None = None, **fields: Any) -> RenderContext:
    """One attempt of it."""
    values: dict[str, Any] = {
        "id": "digits-0123456789",
        "spec": job or spec(),
        "bundle": b"PK\x05\x06" + bytes(18),
        "namespace": "research",
        "user": "alice@example.com",
        "request_id": "request-1",
        "nonce": "0123456789e12345",
        "image": "registry.example.com/torch:2.13",
    }
    return RenderContext(**{**values, **fields})


def render(context: RenderContext, kind: str = "job") -> list[dict[str, Any]]:
    """The objects of it, as one kind or another."""
    return kinds()[kind].manifests(context)


def pod_of(owner: dict[str, Any]) -> dict[str, Any]:
    """The pod template in a Job or JobSet."""
    if owner["kind"] == "JobSet":
        return owner["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    return owner["spec"]["template"]


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def env_of(container: dict[str, Any]) -> dict[str, str]:
    """The literal variables."""
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def breaches_of_restricted(pod: dict[str, Any]) -> Iterator[str]:
    """What Pod Security's strictest level would refuse, in its own words."""
    pod_spec = pod["spec"]
    security = pod_spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod_spec.get(name):
            yield name
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
    }
    for volume in pod_spec.get("volumes", []):
        if not (volume.keys() - {"name"}) <= allowed:
            yield f"restricted volume types: {volume}"
    for container in containers_of(pod):
        own = container.get("securityContext", {})
        both = {**security, **own}
        if own.get("allowPrivilegeEscalation") is not False:
            yield "allowPrivilegeEscalation != false"
        if "ALL" not in own.get("capabilities", {}).get("drop", []) or own["capabilities"].get("add"):
            yield "unrestricted capabilities"
        if not both.get("runAsNonRoot") or both.get("runAsUser") == 0:
            yield "runAsNonRoot != true"
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            yield "seccompProfile"
        if own.get("privileged") or any("hostPort" in port for port in container.get("ports", [])):
            yield "privileged"
    if any("apparmor" in key for key in pod["metadata"].get("annotations", {})):
        yield "forbidden AppArmor profiles"


def job(**fields: Any) -> dict[str, Any]:
    """The Job that a spec makes."""
    return render(asked(spec(**fields)))[0]


def pod(**fields: Any) -> dict[str, Any]:
    """The spec of its pods."""
    found: dict[str, Any] = pod_of(job(**fields))["spec"]
    return found


def worker(**fields: Any) -> dict[str, Any]:
    """The container of a worker in them."""
    found: dict[str, Any] = pod(**fields)["containers"][0]
    return found
