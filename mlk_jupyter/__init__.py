"""Run notebooks as distributed GPU jobs. What a notebook imports; each name is resolved on first use.

The same file lies in every bundle, where only `mlk_jupyter.worker` exists beside it: it imports nothing itself.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._version import __version__
    from .client import Job, job, jobs, train
    from .client.decorator import remote
    from .idle.inside import keep
    from .worker.api import checkpoint_dir, log_metric, objective_metric, progress, rank, result, world_size

__all__ = [
    "Job",
    "__version__",
    "checkpoint_dir",
    "job",
    "jobs",
    "keep",
    "log_metric",
    "objective_metric",
    "progress",
    "rank",
    "remote",
    "result",
    "train",
    "world_size",
]

_HOMES = {
    "Job": "client",
    "__version__": "_version",
    "checkpoint_dir": "worker.api",
    "job": "client",
    "jobs": "client",
    "keep": "idle.inside",
    "log_metric": "worker.api",
    "objective_metric": "worker.api",
    "progress": "worker.api",
    "rank": "worker.api",
    "remote": "client",
    "result": "worker.api",
    "train": "client",
    "world_size": "worker.api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        value = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{home.partition('.')[0]}":  # all that is not there is a whole room
            raise
        if name not in ("keep", "remote"):  # what a job's code may use there as well, and which then does nothing
            raise _absent(name) from None
        value = getattr(import_module(f"{__name__}.worker.api"), name)
    globals()[name] = value
    return value


def _absent(name: str) -> Exception:
    """What is raised inside a job for a name that only whoever submits jobs has."""
    import sys

    text = f"mlk_jupyter.{name} is not there inside of a job: jobs are submitted from outside, and do not submit others"
    # `from mlk_jupyter import …` asks through this module first, and hides what any other error says.
    importing = sys._getframe(2).f_globals.get("__name__") == "importlib._bootstrap"
    return ImportError(text, name=__name__) if importing else AttributeError(text)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext mlk_jupyter` calls: gives the shell `%%mlk` and the other magics."""
    from .magics import register

    register(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Where jupyter_server finds the server extension."""
    from .server.app import MlkJupyterApp

    return [{"module": "mlk_jupyter", "app": MlkJupyterApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the front end."""
    return [{"src": "labextension", "dest": "mlk-jupyter"}]
