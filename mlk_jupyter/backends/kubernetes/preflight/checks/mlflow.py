"""MLflow's address: one that only this machine knows is of no use in a pod."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from .....model.api import Finding
from .case import Case, warning

_HERE = ("localhost", "host.docker.internal", "host.minikube.internal")
_ELSEWHERE_KEPT = ("databricks", "databricks-uc", "uc")
_ELSEWHERE = "Set MLFLOW_TRACKING_URI to an address that the cluster reaches, or switch MLflow off for this job."


def check(case: Case) -> list[Finding]:
    uri = _tracking_uri(case)
    if not case.spec.mlflow or uri is None:
        return []
    scheme, host = _parts(uri)
    if scheme in ("http", "https"):
        if host is None or not _is_here(host):
            return []
        text = f"Pods cannot reach MLflow at {host}: in a pod that is the pod itself. The job would have no live run."
    elif scheme in _ELSEWHERE_KEPT or uri in _ELSEWHERE_KEPT:
        return []
    else:
        kind = scheme if scheme and len(scheme) > 1 else "file"
        text = (
            f"MLflow's store is kept on this machine ({kind}), where pods cannot write. The job would have no live run."
        )
    return [warning("mlflow_out_of_reach", text, _ELSEWHERE, "mlflow")]


def _tracking_uri(case: Case) -> str | None:
    """What the ranks would find; the job's own word first."""
    own = case.spec.env.get("MLFLOW_TRACKING_URI")
    if own:
        return own
    for container in case.pod.spec.get("containers") or []:
        for variable in container.get("env") or []:
            if variable.get("name") == "MLFLOW_TRACKING_URI" and variable.get("value"):
                return str(variable["value"])
    return None


def _parts(uri: str) -> tuple[str, str | None]:
    try:
        parts = urlsplit(uri)
        return parts.scheme.lower().partition("+")[0], parts.hostname
    except ValueError:
        return "", None


def _is_here(host: str) -> bool:
    if host in _HERE or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or address.is_link_local
