"""Who we are to a tracking server: MLflow's own variables and files, in MLflow's own order."""

from __future__ import annotations

import base64
import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TRUE = ("true", "1")


@dataclass(frozen=True)
class Credentials:
    """How to call one server. `headers` holds secrets and is left out of the representation."""

    base_url: str
    """Without user, query, fragment and trailing slash."""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    verify: bool | str = True
    """Whether its certificate is checked, or the file of the authority to check it against."""
    client_certificate: str | None = None

    @classmethod
    def of(cls, tracking_uri: str, base: Mapping[str, str] | None = None) -> Credentials:
        """What the environment says about the server at an http(s) URI. Token files are read anew: they rotate.

        Raises: ValueError when it is no http(s) URI with a host.
        """
        chosen = os.environ if base is None else base
        parts = urlsplit(tracking_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a tracking server's address begins with http:// or https:// and names a host")
        base_url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        headers = {}
        name, password = _name_and_password(chosen)
        if name is None and parts.username:
            name, password = unquote(parts.username), unquote(parts.password or "")
        token = chosen.get("MLFLOW_TRACKING_TOKEN")
        workspace = chosen.get("MLFLOW_WORKSPACE")
        plugin = chosen.get("MLFLOW_TRACKING_AUTH", "")
        if plugin in ("kubernetes", "kubernetes-namespaced"):
            headers["Authorization"] = f"Bearer {_service_account('token') or token or ''}"
            if plugin == "kubernetes-namespaced":
                workspace = workspace or _service_account("namespace")
        elif name is not None and password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
        elif token:
            headers["Authorization"] = f"Bearer {token}"
        if workspace:
            headers["X-MLFLOW-WORKSPACE"] = workspace
        insecure = chosen.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in _TRUE
        return cls(
            base_url,
            headers,
            False if insecure else chosen.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True,
            chosen.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        )


def _name_and_password(chosen: Mapping[str, str]) -> tuple[str | None, str | None]:
    name, password = chosen.get("MLFLOW_TRACKING_USERNAME"), chosen.get("MLFLOW_TRACKING_PASSWORD")
    if name and password:
        return name, password
    file = configparser.ConfigParser(interpolation=None)
    try:
        file.read(Path(chosen.get("HOME") or "~").expanduser() / ".mlflow" / "credentials")
        section = file["mlflow"]
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError, RuntimeError):
        return name or None, password or None
    return name or section.get("mlflow_tracking_username"), password or section.get("mlflow_tracking_password")


def _service_account(name: str) -> str | None:
    try:
        return (_SERVICE_ACCOUNT / name).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
