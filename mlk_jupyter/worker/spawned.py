"""`__main__` of a process that a notebook starts by `spawn` or `forkserver`: it says what such a process cannot see.

Python runs a script again there, to define what it defines; a notebook is no file that it could run. In a kernel the
names are missing then, and a `Pool` starts new workers for ever, since each ends before it has taken its task. Here
each name stands for something whose use raises: in the process, and through a `Pool` where the result is asked for.
"""

from __future__ import annotations

import sys

from .imports import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NoReturn


_UNPICKLING = ("multiprocessing.queues", "multiprocessing.connection", "multiprocessing.spawn")


class _Unseen(type):
    """A function or a class of the notebook's cells, or what one of them holds."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if _is_unpickling():
            return object.__new__(cls)  # type: ignore[arg-type]
        _refuse(cls.__name__)

    def __getattr__(cls, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if _is_unpickling():  # a class within it, a method, or, before Python 3.11.4, a member of an enum
            return __getattr__(cls.__name__)
        _refuse(cls.__name__)

    def __repr__(cls) -> str:
        _refuse(cls.__name__)


def _is_unpickling() -> bool:
    """Whether a task or an argument is just being read: an error then would end the worker before it has its task."""
    return sys._getframe(2).f_globals.get("__name__") in _UNPICKLING


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(
        f"`{name}` is defined in the notebook, where a process by `spawn` or `forkserver` cannot see it. "
        "Define it in a module beside the notebook, or start the process by `fork`."
    )


def __getattr__(name: str) -> Any:
    """Stands for `name` of the notebook when a task or an argument is unpickled."""
    if name.startswith("__"):
        raise AttributeError(name)

    def missing(self: Any, attribute: str) -> NoReturn:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        _refuse(name)

    space = {
        "__module__": "__main__",
        "__new__": lambda cls, *args, **kwargs: object.__new__(cls),
        "__setstate__": lambda self, state: None,
        "__getattr__": missing,
        "__repr__": lambda self: _refuse(name),
    }
    return _Unseen(name, (), space)


def install() -> None:
    """Has the processes that this notebook starts take this module for `__main__`."""
    name = "multiprocessing.spawn"
    if name in sys.modules:
        _prepare(sys.modules[name])
    else:
        when_imported(name, _prepare)


def _prepare(spawn: Any) -> None:
    given = spawn.get_preparation_data

    def get_preparation_data(*args: Any, **kwargs: Any) -> Dict[str, Any]:
        data: Dict[str, Any] = given(*args, **kwargs)
        if not data.keys() & {"init_main_from_name", "init_main_from_path"} and _is_found(__name__):
            data["init_main_from_name"] = __name__
        return data

    spawn.get_preparation_data = get_preparation_data


def _is_found(name: str) -> bool:
    """Whether a process with this one's path finds the module: another version of our package may be installed."""
    from importlib.machinery import PathFinder

    places, parts = None, name.split(".")
    for length in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:length]), places)
        if spec is None:
            return False
        places = spec.submodule_search_locations
    return True
