"""Being told when the notebook imports a module."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def when_imported(name: str, loaded: Callable[[Any], None]) -> None:
    """Calls `loaded` with the module of that name, right after Python has loaded it; nothing, if it never does."""
    sys.meta_path.insert(0, _Finder(name, loaded))


class _Finder:
    """Finds the module as Python would, and has it looked at once it is loaded."""

    def __init__(self, module: str, loaded: Callable[[Any], None]) -> None:
        self._module, self._loaded = module, loaded

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._module:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._loaded)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, loader: Any, loaded: Callable[[Any], None]) -> None:
        self._loader, self._loaded = loader, loaded

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        try:
            self._loaded(module)
        except Exception as error:  # a version that we do not know: the import is the notebook's and goes on
            import warnings

            warnings.warn(f"mlk-jupyter does not fit this {module.__name__}: {error!r}", RuntimeWarning, stacklevel=2)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
