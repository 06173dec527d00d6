"""What the kernel has, for a job to compare with what it finds."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from importlib import metadata

from .carried import package_of


def versions(modules: Iterable[str]) -> dict[str, str]:
    """The versions of this Python ("python") and of the installed packages that hold these modules, by package.

    Left out are modules of the standard library, those that no installed package claims, and our own: these travel with
    the job.
    """
    found = {"python": platform.python_version()}
    for module in sorted({name.partition(".")[0] for name in modules}):
        at_hand = module in sys.stdlib_module_names or module == __name__.partition(".")[0]
        package = None if at_hand else package_of(module)
        if package is not None:
            found[package] = metadata.version(package)
    return found
