"""What was decided about kernels, and the signals behind it, as JSON lines that outlive the server.

`audit.jsonl` holds decisions, `samples.jsonl` the signals in between (`recording`): samples are many, and would push
decisions out that a whole month's figures need. Each is rotated by size: `.1` is the newest of the old ones.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import heapq
import json
import logging
import math
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..record.files import open_regular, opened
from .signals import NAMES, Sample, Verdict
from .values import without_secrets

DECISIONS, SAMPLES = "audit.jsonl", "samples.jsonl"
ROTATE_BYTES = 10 * 1024 * 1024
KEPT = 4
"""Files of each kind beside the one that grows."""
_LONGEST_LINE = 1024 * 1024

_log = logging.getLogger(__package__)  # the module's own is for the decisions themselves


class Audit:
    """Writes records into a folder; several servers may write into the same. `write` blocks: it belongs in a thread."""

    def __init__(self, folder: Path, *, log: bool = False, rotate_bytes: int = ROTATE_BYTES) -> None:
        """`log`: each decision goes to stdout, too, as one line of JSON, for whoever collects a pod's logs."""
        self.lost = 0
        """Records that could not be written so far."""
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._lost_in_a_row = 0
        self._server = f"{socket.gethostname()}-{os.getpid()}"
        self._log = _stdout() if log else None

    def write(self, record: Mapping[str, Any]) -> None:
        """Adds one record: `at` (now, where it is not given), `event`, and whatever else is known.

        Never raises: on a full, read-only or vanished disk the record is counted as lost, which is logged once, and
        the next is tried anew.
        """
        full = {"at": round(time.time(), 3), "event": "", "server": self._server, **_plain(record)}
        line = json.dumps(full, ensure_ascii=False, separators=(",", ":"))
        is_sample = full["event"] == "sample"
        if self._log is not None and not is_sample:
            self._log.info("%s", line)
        try:
            self._append(self._folder / (SAMPLES if is_sample else DECISIONS), line.encode("utf-8", "replace"))
        except OSError as error:
            self.lost += 1
            self._lost_in_a_row += 1
            if self._lost_in_a_row == 1:
                _log.warning(
                    "The audit of idle kernels cannot be written: %s: %s. Kernels are watched as before.",
                    self._folder,
                    error.strerror or error,
                )
        else:
            if self._lost_in_a_row:
                _log.warning("The audit of idle kernels is written again; %d records are lost.", self._lost_in_a_row)
            self._lost_in_a_row = 0

    def _append(self, path: Path, line: bytes) -> None:
        try:
            handle = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        except FileNotFoundError:  # also when somebody removed the folder since
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            size = os.fstat(handle).st_size
            is_torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a writer died, or the disk was full
            data = (b"\n" if is_torn else b"") + line + b"\n"
            if os.write(handle, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        finally:
            os.close(handle)
        if size + len(data) >= self._rotate_bytes:
            with contextlib.suppress(OSError):  # the record is written; the next one tries again
                self._rotate(path)

    def _rotate(self, path: Path) -> None:
        """Whoever writes into the file meanwhile finds its line in the one that it has become."""
        lock = open_regular(path.with_name(".audit.lock"), os.O_RDWR | os.O_CREAT)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another server is doing it
                return
            except OSError:  # a file system without locks: better two who rotate than a file that only grows
                pass
            if path.stat().st_size < self._rotate_bytes:  # another server has done it
                return
            for number in range(KEPT, 0, -1):
                older = path.with_name(f"{path.name}.{number}")
                newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
                with contextlib.suppress(FileNotFoundError):
                    newer.replace(older)
        finally:
            os.close(lock)


def decision(
    event: str,
    *,
    kernel: str,
    path: str | None,
    sample: Sample | None,
    verdict: Verdict | None,
    policy: Mapping[str, Any],
) -> dict[str, Any]:
    """A record of one decision with all that was behind it.

    Args: policy: its values by the names of the environment variables (`policy.as_values`).
    """
    return {
        "event": event,
        "kernel": kernel,
        "path": path,
        "verdict": None if verdict is None else {name: value for name, value in asdict(verdict).items() if value != ()},
        "policy": dict(policy),
        "signals": {} if sample is None else {name: asdict(getattr(sample, name)) for name in NAMES},
    }


def read(place: Path, wanted: Callable[[bytes], bool] | None = None) -> Iterator[dict[str, Any]]:
    """All records of a folder in the order of time, or those of one file. What is torn or no record is skipped.

    Args: wanted: whether a line, as `Audit.write` writes it, is read at all; most are samples that tell nothing more.

    Raises: OSError where the file, or the folder, is not there or may not be read.
    """
    if not place.is_dir():
        yield from _records(opened(place), wanted)
        return
    with contextlib.ExitStack() as stack:
        kinds = []
        for name in (DECISIONS, SAMPLES):
            files = []
            for number in range(KEPT, -1, -1):  # all opened at once: they may be rotated while they are read
                with contextlib.suppress(FileNotFoundError):
                    file = opened(place / (f"{name}.{number}" if number else name))
                    files.append(stack.enter_context(file))
            kinds.append(_timed(record for file in files for record in _records(file, wanted)))
        yield from (record for _, record in heapq.merge(*kinds, key=lambda timed: timed[0]))


def _timed(records: Iterable[dict[str, Any]]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Records of one kind with a time that never goes back: where a clock was set back, they keep their order."""
    latest = -math.inf
    for record in records:
        latest = max(latest, record["at"])
        yield latest, record


def _records(file: BinaryIO, wanted: Callable[[bytes], bool] | None) -> Iterator[dict[str, Any]]:
    with file:
        while line := file.readline(_LONGEST_LINE):
            if wanted is not None and not wanted(line):
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if not isinstance(record, dict) or not isinstance(record.get("event"), str):
                continue
            if isinstance(record.get("at"), (int, float)) and math.isfinite(record["at"]):
                yield record


def _plain(value: Any, key: str = "") -> Any:
    """The same as JSON can hold it, without what would let others post to a webhook."""
    if isinstance(value, Mapping):
        return {str(name): _plain(of, str(name)) for name, of in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(of, key) for of in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return without_secrets(value) if "webhook" in key.lower() else value
    return value if value is None or isinstance(value, (bool, int)) else str(value)


def _stdout() -> logging.Logger:
    logger = logging.getLogger(__name__)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    return logger
