"""Run notebooks as distributed GPU jobs. What a notebook imports; each name is resolved on first use.

The same file lies in every bundle, where only `mlk_jupyter.worker` exists beside it: it imports nothing itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._version import __version__
    from .worker.api import checkpoint_dir, log_metric, progress, rank, result, world_size

__all__ = ["__version__", "checkpoint_dir", "log_metric", "progress", "rank", "result", "world_size"]

_HOMES = {
    "__version__": "_version",
    "checkpoint_dir": "worker.api",
    "log_metric": "worker.api",
    "progress": "worker.api",
    "rank": "worker.api",
    "result": "worker.api",
    "world_size": "worker.api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where jupyter_server finds the server extension."""
    from .server.app import MlkJupyterApp

    return [{"module": "mlk_jupyter", "app": MlkJupyterApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the front end."""
    return [{"src": "labextension", "dest": "mlk-jupyter"}]
