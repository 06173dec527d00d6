"""Kernelspecs as Jupyter finds them: asked of the manager that it is configured with."""

from __future__ import annotations

import inspect
from typing import Any, Protocol, TypeAlias

from ...threads import in_thread


class KernelSpec(Protocol):
    """What is read of a kernelspec (jupyter_client's)."""

    argv: list[str]
    env: dict[str, Any]
    display_name: str
    language: str
    resource_dir: str
    metadata: dict[str, Any]


KernelSpecs: TypeAlias = Any
"""A `jupyter_client.kernelspec.KernelSpecManager`, or what stands in its place (`kernel_spec_manager_class`)."""


def configured() -> KernelSpecs:
    """The manager that Jupyter's configuration on this machine names; jupyter_client's own where it names none.

    Blocking: reads `jupyter_config` and `jupyter_server_config` as a server does.

    Raises: whatever a class that is named there raises as it is imported or made.
    """
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_core.application import JupyterApp
    from traitlets.utils.importstring import import_item

    reader = JupyterApp(config_file_name="jupyter_server_config")
    reader.load_config_file()
    named = [
        section.get("kernel_spec_manager_class") for section in (reader.config.ServerApp, reader.config.JupyterApp)
    ]
    found = next((one for one in named if one), KernelSpecManager)
    return (import_item(found) if isinstance(found, str) else found)(config=reader.config)


async def spec_of(specs: KernelSpecs, kernel: str) -> KernelSpec:
    """A kernelspec by its name.

    Raises: NoSuchKernel; OSError or ValueError where it cannot be read.
    """
    return await _answer(specs.get_kernel_spec, kernel)  # type: ignore[no-any-return]


async def names_of(specs: KernelSpecs) -> list[str]:
    """The names of all kernels."""
    return sorted(await _answer(specs.find_kernel_specs))


async def _answer(ask: Any, *arguments: Any) -> Any:
    """Managers read files, or answer with something to be awaited."""
    found = await in_thread(ask, *arguments)
    return await found if inspect.isawaitable(found) else found
