"""What a job made from a cell or a function does besides: it takes the values sent along, and gives values back.

The bundle holds them beside the notebook: `job/values/index.json` ({name: encoding}), `job/values/NAME.ENCODING`, the
job's key where something may be pickled (`job/values/key`) and what the notebook's kernel had (`versions.json`).
"""

from __future__ import annotations

import json
import sys

from . import api, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_entries: Dict[str, Optional[bytes]] = {}


def load(name: str) -> Any:
    """A value that was sent along, made anew each time.

    Raises: ValueProblem when it was not, or needs a package that is not here.
    """
    encoding = json.loads(_entry("index.json") or b"{}").get(name)
    data = None if encoding is None else _entry(f"{name}.{encoding}", keep=False)
    if data is None:
        raise values.ValueProblem(name, "It was not sent along.", "Push it with `--push`.")
    return values.decode(str(encoding), data, key=key(), name=name)


def send(*names: str) -> None:
    """Sends variables of the notebook back. One that cannot be sent does not fail the job: its reason is sent."""
    space = vars(sys.modules["__main__"])
    for name in names:
        if name in space:
            give(name, space[name])
        else:
            api.refuse_value(name, values.ValueProblem(name, "The job did not define it.", "Correct its name."))


def give_back(value: Any) -> None:
    """Sends what a function gave back."""
    give(values.RETURNED, value)


def give(name: str, value: Any) -> None:
    """Sends a value, pickled where it must be and may be; where it cannot be sent, the reason."""
    try:
        api.send_value(name, value, key=key())
    except values.ValueProblem as problem:
        api.refuse_value(name, problem)


def key() -> Optional[bytes]:
    """The job's key; None where nothing may be pickled."""
    return _entry("key")


def _entry(name: str, keep: bool = True) -> Optional[bytes]:
    """An entry of the bundle that this module came from; None where it has no such entry."""
    if name in _entries:
        return _entries[name]
    data = None
    loader: Any = __loader__  # type: ignore[name-defined]
    archive = getattr(loader, "archive", None)
    if archive is not None:
        try:
            data = loader.get_data(f"job/values/{name}")
        except OSError:
            data = None
    if keep:
        _entries[name] = data
    return data
