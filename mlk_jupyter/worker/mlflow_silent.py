"""MLflow in ranks other than 0: the runs they open are kept from the store, where each would be one more of the job's.

All ranks run the same notebook, and log the same. A run that such a rank opens lives in a folder of its own that nobody
reads; so does what is logged to it. Runs and models that exist are theirs as they are everybody's: who resumes a run
by its id has asked for it.
"""

from __future__ import annotations

import functools
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional, Set

_EXPERIMENT = "0"  # the one that every store has
_NAMES = ("run_id", "model_id")


class Silence:
    """Keeps what a rank opens to itself, by wrapping the class of MLflow's tracking client."""

    def __init__(self, client: Any) -> None:
        self._class = client
        self._folder = ""
        self._inside: Any = None
        self._ids: Set[str] = set()  # of runs and models
        self._wrap_opening("create_run", "run_id")
        if hasattr(client, "create_logged_model"):
            self._wrap_opening("create_logged_model", "model_id")
        for name, method in list(vars(client).items()):
            if callable(method) and not name.startswith(("_", "create_")):
                setattr(client, name, self._wrapped(method))

    def end(self) -> None:
        """Removes what was kept."""
        if self._folder:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)

    def _kept(self) -> Any:
        """The client of the folder. Of all stores, files take no time to create."""
        if self._inside is None:
            import tempfile

            self._folder = tempfile.mkdtemp(prefix="mlk-mlflow-")
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 advises against them
            self._inside = self._class(
                "file://" + os.path.join(self._folder, "store")
            )  # one that it makes has an experiment
        return self._inside

    def _wrap_opening(self, name: str, identity: str) -> None:
        original: Callable[..., Any] = getattr(self._class, name)

        @functools.wraps(original)
        def call(client: Any, experiment_id: Any, *args: Any, **kwargs: Any) -> Any:
            source: Optional[str] = kwargs.get("source_run_id")
            if name != "create_run" and source not in self._ids:
                return original(client, experiment_id, *args, **kwargs)
            made = original(self._kept(), _EXPERIMENT, *args, **kwargs)
            self._ids.add(getattr(getattr(made, "info", made), identity))
            return made

        setattr(self._class, name, call)

    def _wrapped(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(client: Any, *args: Any, **kwargs: Any) -> Any:
            of = args[0] if args else next((kwargs[name] for name in _NAMES if name in kwargs), None)
            return method(self._kept() if isinstance(of, str) and of in self._ids else client, *args, **kwargs)

        return call
