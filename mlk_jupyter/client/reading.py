"""What a job's folder says, as Python values. Reads files: for a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..record.failure import Failure, failure_of, first_of
from ..record.fields import count_of, number_of, text_of, whole_of
from ..record.replay import MOST_RANKS

if TYPE_CHECKING:
    from ..record.folder import JobFolder

_NAN = float("nan")


@dataclass
class Outcome:
    """What came back from a job that is over."""

    result: Any = None
    """The last value that rank 0 gave to `result()`."""
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The `value` frames by name, not decoded yet."""
    failure: Failure | None = None
    """What failed first."""
    module: str | None = None
    """The module of that exception's type, where the job told it."""


def outcome(folder: JobFolder) -> Outcome:
    """What the frames say about how the job ended."""
    found = Outcome()
    failures: dict[int, tuple[Failure, str | None]] = {}
    spec = folder.read_spec()
    world_size = spec.world_size if spec is not None else MOST_RANKS
    for frame in folder.each_frame():
        kind, rank = frame.get("kind"), count_of(frame, "rank")
        if kind == "result" and rank == 0:
            found.result = frame.get("value")
        elif kind == "value" and rank == 0:
            found.values[str(frame.get("name"))] = frame
        elif kind == "error" and rank is not None and rank < world_size and rank not in failures:
            failures[rank] = failure_of(frame, rank), text_of(frame, "module")
    found.failure = first_of(failure for failure, _ in failures.values())
    if found.failure is not None:
        found.module = failures[found.failure.rank][1]
    return found


def metrics(folder: JobFolder) -> Any:
    """Every number that the ranks logged, oldest first: name, step, time, value.

    Ranks that log the same name give one curve, that of the lowest. Returns: a pandas frame where pandas is installed
    (times in UTC), else a list of dictionaries (times in seconds since the epoch).
    """
    lowest: dict[str, int] = {}
    rows: list[tuple[int, dict[str, Any]]] = []
    for frame in folder.each_frame():
        name, rank = text_of(frame, "name"), count_of(frame, "rank")
        if frame.get("kind") != "metric" or name is None or rank is None:
            continue
        lowest[name] = min(rank, lowest.get(name, rank))
        value = number_of(frame, "value")
        row = {
            "name": name,
            "step": whole_of(frame, "step"),
            "time": number_of(frame, "time") or _NAN,
            "value": _NAN if value is None else value,
        }
        rows.append((rank, row))
    kept = [row for rank, row in rows if rank == lowest[row["name"]]]
    return kept if find_spec("pandas") is None else _as_frame(kept)


def _as_frame(rows: list[dict[str, Any]]) -> Any:
    import pandas

    frame = pandas.DataFrame(rows, columns=["name", "step", "time", "value"])
    frame["step"] = frame["step"].astype("Int64")
    frame["time"] = pandas.to_datetime(frame["time"].astype(float), unit="s", utc=True)
    frame["value"] = frame["value"].astype(float)
    return frame
