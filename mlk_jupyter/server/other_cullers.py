"""Others that end kernels, terminals or the server by their own clock, beside this extension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def other_cullers(serverapp: Any) -> list[str]:
    """A sentence for each that is switched on. JupyterHub's culler cannot be seen from inside a server."""
    return list(_found(serverapp))


def _found(serverapp: Any) -> Iterator[str]:
    kernels = serverapp.kernel_manager
    limit_s = getattr(kernels, "cull_idle_timeout", 0)
    if limit_s > 0:
        yield (
            f"jupyter_server stops kernels by its own clock (MappingKernelManager.cull_idle_timeout = {limit_s} s): "
            "without a warning or a lease, and also one that computes in a thread and says nothing. Set it to 0."
        )
        for name, said in _of_kernelspecs(kernels):
            yield (
                f"The kernelspec {name} says cull_idle_timeout = {said!r}: jupyter_server stops its kernels after that "
                "time, and at once where it is 0 or less. Take it out of the kernelspec's metadata."
            )
    limit_s = getattr(serverapp.web_app.settings.get("terminal_manager"), "cull_inactive_timeout", 0)
    if limit_s > 0:
        yield (
            f"jupyter_server ends terminals by its own clock (TerminalManager.cull_inactive_timeout = {limit_s} s): "
            "also one whose program computes and says nothing. Set it to 0."
        )
    limit_s = getattr(serverapp, "shutdown_no_activity_timeout", 0)
    if limit_s > 0:
        yield (
            "jupyter_server ends the whole server by its own clock, too (ServerApp.shutdown_no_activity_timeout = "
            f"{limit_s} s). Set it to 0, and MLK_IDLE_SERVER_TTL to the time that you want."
        )


def _of_kernelspecs(kernels: Any) -> Iterator[tuple[str, object]]:
    """Kernelspecs of kernels that run, and their own limits. Only where the server has one are they obeyed at all."""
    told: set[str] = set()
    for kernel_id in kernels.list_kernel_ids():
        spec = getattr(kernels.get_kernel(kernel_id), "kernel_spec", None)
        metadata = getattr(spec, "metadata", None) or {}
        name = str(getattr(spec, "display_name", ""))
        if "cull_idle_timeout" in metadata and name not in told:
            told.add(name)
            yield name, metadata["cull_idle_timeout"]
