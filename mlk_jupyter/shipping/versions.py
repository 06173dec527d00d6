"""What the kernel has, for a job to compare with what it finds."""

from __future__ import annotations

import functools
import platform
import sys
from collections.abc import Iterable
from importlib import metadata


def versions(modules: Iterable[str]) -> dict[str, str]:
    """The versions of this Python ("python") and of the installed packages that hold these modules, by package.

    Modules of the standard library, and those that no installed package claims, are left out.
    """
    found = {"python": platform.python_version()}
    for module in sorted({name.partition(".")[0] for name in modules}):
        package = None if module in sys.stdlib_module_names else _package_of(module)
        if package is not None:
            found[package] = metadata.version(package)
    return found


def _package_of(module: str) -> str | None:
    try:
        metadata.version(module)
    except metadata.PackageNotFoundError:
        return next(iter(_packages().get(module, [])), None)
    return module


@functools.lru_cache(maxsize=1)
def _packages() -> dict[str, list[str]]:
    """Which packages hold which modules: reads a file of each installed package."""
    return {module: sorted(names) for module, names in metadata.packages_distributions().items()}
