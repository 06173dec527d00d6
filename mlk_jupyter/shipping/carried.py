"""Which modules a job has: those of Python, installed ones, and those beside the notebook, which the bundle carries."""

from __future__ import annotations

import functools
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_carried(name: str, directory: Path) -> bool:
    """Whether a job can import a module by its name."""
    top = name.partition(".")[0]
    if top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    module = sys.modules.get(top)
    if module is None or name == "__main__":
        return False
    places = _places(module)
    if not places or package_of(top) is not None:
        return bool(places)
    beside = (directory / f"{top}.py", directory / top / "__init__.py", directory / top)
    return any(
        bool(_INSTALLED.intersection(place.parts)) or any(place == path.resolve() for path in beside)
        for place in places
    )


def import_of(value: Any, directory: Path) -> tuple[str, str] | None:
    """Module and attribute from which a job can import this very value; None where there is none."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", getattr(value, "__name__", None))
    if module is None and isinstance(getattr(value, "__self__", None), ModuleType):
        module = value.__self__.__name__
    if not isinstance(module, str) or not isinstance(name, str) or "." in name or not name.isidentifier():
        return None
    if getattr(sys.modules.get(module), name, None) is not value or not is_carried(module, directory):
        return None
    return module, name


def package_of(module: str) -> str | None:
    """The installed package that holds a module; None where there is none."""
    try:
        metadata.version(module)
    except (metadata.PackageNotFoundError, ValueError):
        return next(iter(_packages().get(module, [])), None)
    return module


@functools.lru_cache(maxsize=1)
def _packages() -> dict[str, list[str]]:
    """Which packages hold which modules: reads a file of each installed package."""
    return {module: sorted(names) for module, names in metadata.packages_distributions().items()}


def _places(module: ModuleType) -> list[Path]:
    """The file of a module, or the folders of a package without one."""
    file = getattr(module, "__file__", None)
    return [Path(place).resolve() for place in ([file] if file else list(getattr(module, "__path__", [])))]
