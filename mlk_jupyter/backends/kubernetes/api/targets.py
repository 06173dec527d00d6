"""Which clusters this person can submit to. Cheap: reads files, asks nobody, imports nothing large."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .kubeconfig import BrokenKubeconfig, Kubeconfig, UnknownContext, kubeconfig_paths, read_kubeconfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token, the authority and the namespace of its service account."""


@dataclass(frozen=True)
class Target:
    """One namespace of one cluster, for one user."""

    context: str | None
    """Of the kubeconfig; None: the service account of the pod that this runs in."""
    namespace: str
    server: str
    """Address of the API server."""
    in_cluster: bool
    why: str
    """One sentence: why it is offered."""


def configured() -> bool:
    """Whether there is a kubeconfig or a service account at all. Looks at files' existence only."""
    return bool(kubeconfig_paths()) or _in_cluster_server() is not None


def targets(context: str | None = None, namespace: str | None = None) -> list[Target]:
    """All clusters that are configured, the one to use first: the context named here, in MLK_CONTEXT, the kubeconfig's
    current one, else the pod's own cluster. A namespace named here or in MLK_NAMESPACE holds for the first.

    Contexts that cannot be used are left out unless they were asked for.

    Raises: BrokenKubeconfig, UnknownContext.
    """
    requested = context or os.environ.get("MLK_CONTEXT") or None
    kubeconfig = read_kubeconfig()
    found = _contexts(kubeconfig, requested) if kubeconfig else []
    if requested and not found:
        raise UnknownContext(requested, [])
    own = _own_cluster()
    if own is not None:
        found.insert(0 if kubeconfig is None or not (requested or kubeconfig.current) else 1, own)
    chosen = namespace or os.environ.get("MLK_NAMESPACE") or None
    if found and chosen:
        first = found[0]
        found[0] = Target(first.context, chosen, first.server, first.in_cluster, first.why)
    return found


def _contexts(kubeconfig: Kubeconfig, requested: str | None) -> list[Target]:
    first = requested or kubeconfig.current
    if first is not None and (requested or first in kubeconfig.contexts):
        names = [first, *(name for name in kubeconfig.contexts if name != first)]
    elif first is not None:
        raise UnknownContext(first, sorted(kubeconfig.contexts))
    else:
        names = list(kubeconfig.contexts)
    found = []
    for name in names:
        try:
            context = kubeconfig.context(name)
        except BrokenKubeconfig:
            if name == first:
                raise
            continue
        if name == requested:
            why = f"The context {name!r} was asked for."
        elif name == kubeconfig.current:
            why = f"{name!r} is the current context of the kubeconfig."
        else:
            why = f"{name!r} is a context of the kubeconfig."
        found.append(Target(name, context.namespace, context.server, False, why))
    return found


def _own_cluster() -> Target | None:
    server = _in_cluster_server()
    if server is None:
        return None
    try:
        namespace = (SERVICE_ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        namespace = ""
    return Target(None, namespace or "default", server, True, "This runs in a pod that has a service account.")


def _in_cluster_server() -> str | None:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port or not (SERVICE_ACCOUNT / "token").is_file():
        return None
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
