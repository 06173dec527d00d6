"""Which backends there are, and which of them jobs go to. Nothing of Kubernetes is imported without a cluster."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import BackendUnavailable, BadInput, MlkError
from .base import Backend
from .many import Backends, Choice

if TYPE_CHECKING:
    from .kubernetes.backend import KubernetesBackend

KINDS = ("local", "kubernetes")


class NoCluster(MlkError):
    """Kubernetes was asked for, and no cluster is configured."""

    code, title, status = "no_cluster", "No cluster is configured", 503

    def __init__(self, why: str) -> None:
        super().__init__(
            why,
            hint="Set KUBECONFIG or write ~/.kube/config, for example with your provider's login command; "
            "or choose the backend `local`.",
        )


class NoKubernetesPackage(MlkError):
    """A cluster is configured, and what speaks to it is not installed."""

    code, title, status = "no_kubernetes_package", "The Kubernetes client is not installed", 503

    def __init__(self) -> None:
        super().__init__(
            "Jobs on a cluster need the Python package `aiohttp`, which the extra `kubernetes` installs.",
            hint="pip install 'mlk-jupyter[kubernetes]'",
        )


def choose(
    name: str | None = None,
    *,
    context: str | None = None,
    namespace: str | None = None,
    image: str | None = None,
    kernels: Callable[[], Any] | None = None,
) -> Backends:
    """All backends of this machine, and a rule for which one to take.

    Args:
        name:      `local`, `kubernetes` or `kubernetes:CONTEXT`; None means MLK_BACKEND, and without that Kubernetes
                   when a cluster answers and local otherwise.
        context:   of the kubeconfig; None means MLK_CONTEXT, else the current one.
        namespace: None means MLK_NAMESPACE, else the context's own.
        image:     for jobs that name none; None means MLK_IMAGE.
        kernels:   gives the manager of kernelspecs; None means the one that Jupyter's configuration names.

    Raises: BadInput for a name that is none; NoCluster, NoKubernetesPackage when Kubernetes was asked for in vain.
    """
    where = "The command" if name else "MLK_BACKEND"
    wanted = (name or os.environ.get("MLK_BACKEND", "")).strip()
    kind, _, of_context = wanted.partition(":")
    kind = kind.lower()
    if kind and kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, 1)
        raise BadInput(
            f"{where} names {wanted!r}, which is no backend." + (f" Did you mean {near[0]!r}?" if near else ""),
            hint=f"Choose one of: {', '.join(KINDS)}; kubernetes:CONTEXT names a context of the kubeconfig.",
        )
    if (context or namespace) and kind != "local":
        kind = "kubernetes"
    from .local import LocalBackend

    local: Backend = LocalBackend() if kernels is None else LocalBackend(kernels=kernels)
    try:
        clusters = _clusters(of_context or context, namespace, image)
    except MlkError as error:
        if kind == "kubernetes":
            raise
        return _only(local, f"{error.detail} So jobs run on this machine." if not kind else f"{where} says so.")
    if kind == "kubernetes":
        if not clusters:
            raise NoCluster(f"{where} asks for Kubernetes; there is no kubeconfig, and this is no pod.")
        return _fixed([*clusters, local], clusters[0], f"{where} says so.")
    if kind == "local":
        return _fixed([local, *clusters], local, f"{where} says so.")
    if not clusters:
        return _only(local, "No cluster is configured, so jobs run on this machine.")
    return _asking(clusters, local)


def rendering(
    *, context: str | None = None, namespace: str | None = None, image: str | None = None
) -> KubernetesBackend:
    """A backend that renders for the cluster at hand, or for any cluster where none is configured."""
    from .kubernetes.api import targets
    from .kubernetes.backend import KubernetesBackend

    image = image or os.environ.get("MLK_IMAGE") or None
    if not targets.configured() or find_spec("aiohttp") is None:
        return KubernetesBackend.detached(namespace or "default", image=image)
    return _clusters(context, namespace, image)[0]


def _clusters(context: str | None, namespace: str | None, image: str | None) -> list[KubernetesBackend]:
    """A backend for each cluster that is configured, the one to take first."""
    from .kubernetes.api import targets

    if not targets.configured():
        return []
    found = targets.targets(context, namespace)
    if found and find_spec("aiohttp") is None:
        raise NoKubernetesPackage()
    from .kubernetes.backend import KubernetesBackend

    return [
        KubernetesBackend(
            target,
            name="kubernetes" if number == 0 else f"kubernetes:{target.context}",
            image=image or os.environ.get("MLK_IMAGE") or None,
            at_hand=number == 0,
        )
        for number, target in enumerate(found)
    ]


def _only(backend: Backend, why: str) -> Backends:
    return Backends.of(backend, why)


def _fixed(every: list[Backend], chosen: Backend, why: str) -> Backends:
    async def decide() -> tuple[Choice, bool]:
        return Choice(chosen, why), True

    return Backends(every, decide)


def _asking(clusters: list[KubernetesBackend], local: Backend) -> Backends:
    """Kubernetes while its first cluster answers and lets this person run jobs, else this machine."""
    first = clusters[0]

    async def decide() -> tuple[Choice, bool]:
        try:
            refused = await first.refusal()
        except BackendUnavailable as error:
            return Choice(
                local, f"{first.title} does not answer ({error.detail}), so jobs run on this machine.", True
            ), False
        except MlkError as error:
            return Choice(local, f"{error.detail} So jobs run on this machine.", True), False
        if refused:
            return Choice(local, f"{refused} So jobs run on this machine.", True), False
        return Choice(first, f"{first.title} answers."), True

    return Backends([*clusters, local], decide)
