"""Credentials from a program that the kubeconfig names (logins of EKS, GKE, AKS, OIDC). Blocking: for a thread."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from .api_errors import LoginNeeded
from .redaction import redacted

LIMIT_S = 20.0
"""Longest time that a plugin may take."""
_LARGEST_BYTES = 1 << 20


_HINT = "Log in again with it in a terminal; `kubectl get pods` shows whether it works."


class PluginFailed(LoginNeeded):
    """The kubeconfig's credential plugin gave no credentials."""

    code, title = "credential_plugin_failed", "The cluster's login helper failed"

    def __init__(self, command: str, what: str, *, install_hint: str | None = None) -> None:
        super().__init__(f"The credential plugin {Path(command).name!r} {what}", hint=install_hint or _HINT)


@dataclass(frozen=True)
class ExecCredential:
    """The `status` of what a plugin printed. Secrets are left out of the representation."""

    token: str | None = field(repr=False)
    certificate: str | None = field(repr=False)
    """PEM."""
    key: str | None = field(repr=False)
    """PEM."""
    expires_at: float | None
    """Seconds since the epoch; None: it does not say."""


def run_plugin(
    config: dict[str, Any], cluster: dict[str, Any], kubeconfig: Path | None, limit_s: float = LIMIT_S
) -> ExecCredential:
    """Runs the plugin of a kubeconfig's user, without a terminal, and gives what it printed.

    Args:   config: the user's `exec` entry. cluster: the cluster's entry, for a plugin with `provideClusterInfo`.
            kubeconfig: the file of the user; a relative command is found beside it.
    Raises: PluginFailed.
    """
    command = str(config.get("command") or "")
    if not command:
        raise PluginFailed("?", "is not named in the kubeconfig.")
    if config.get("interactiveMode") == "Always":
        raise PluginFailed(command, "wants a terminal, which a server has not.")
    program = command
    if "/" in command and not Path(command).is_absolute() and kubeconfig is not None:
        program = str(kubeconfig.absolute().parent / command)
    version = str(config.get("apiVersion") or "client.authentication.k8s.io/v1")
    spec: dict[str, Any] = {"interactive": False}
    if config.get("provideClusterInfo"):
        spec["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
    environment = dict(os.environ)
    for variable in config.get("env") or []:
        environment[str(variable["name"])] = str(variable["value"])
    environment["KUBERNETES_EXEC_INFO"] = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": spec})
    arguments = [program, *(str(argument) for argument in config.get("args") or [])]
    output = _output(command, arguments, environment, limit_s, config.get("installHint"))
    return _credential(command, output)


def _output(
    command: str, arguments: list[str], environment: dict[str, str], limit_s: float, install_hint: object
) -> bytes:
    try:
        process = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that what it started ends with it
        )
    except OSError as error:
        hint = redacted(str(install_hint)) if install_hint else "Install it, or put its folder on the server's PATH."
        raise PluginFailed(command, f"cannot be started: {error.strerror}.", install_hint=hint) from error
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise PluginFailed(command, f"gave no answer within {limit_s:g} s.") from error
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    if process.returncode != 0:
        words = redacted(errors.decode("utf-8", "replace"), 200)
        raise PluginFailed(command, f"failed with code {process.returncode}: {words or 'it says nothing.'}")
    return output[:_LARGEST_BYTES]


def _credential(command: str, output: bytes) -> ExecCredential:
    try:
        status = json.loads(output)["status"]
        token, certificate, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
        expiry = status.get("expirationTimestamp")
        expires_at = datetime.fromisoformat(expiry.replace("Z", "+00:00")).timestamp() if expiry else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PluginFailed(command, "printed no ExecCredential.") from error
    if not token and not (certificate and key):
        raise PluginFailed(command, "gave neither a token nor a certificate with its key.")
    return ExecCredential(token, certificate, key, expires_at)
