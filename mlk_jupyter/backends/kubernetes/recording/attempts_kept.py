"""What an attempt leaves in the job folder when the next one begins: the frames of each apart, the logs in one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....record.folder import JobFolder


def put_aside(folder: JobFolder, before: int, number: int) -> dict[str, int]:
    """Makes room for the frames of attempt `number`, whose sequence numbers begin anew. Blocking.

    `frames.jsonl` and `samples.jsonl` of attempt `before` become `frames-aN.jsonl` and `samples-aN.jsonl`; each log
    goes on behind a line that says so.

    Returns: the sizes of the files that changed, by their path in the folder.
    Raises:  OSError.
    """
    sizes = {}
    for path in (folder.frames, folder.samples):
        kept = _kept(path, before)
        if not kept.exists():  # else it was done before, and cut off before it was remembered
            with contextlib.suppress(FileNotFoundError):
                path.rename(kept)
        sizes[path.name] = 0
    for log in sorted((folder.path / "logs").glob("rank-*.log")):
        with log.open("ab") as file:
            file.write(f"\n[mlk: attempt {before} ended here; attempt {number} begins]\n".encode())
            sizes[log.relative_to(folder.path).as_posix()] = file.tell()
    return sizes


def frames_of_all(folder: JobFolder, last: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """All frames of the job with the attempt that they are of, the newest attempt first."""
    for frame in folder.each_frame():
        yield last, frame
    for number in range(last - 1, 0, -1):
        path = _kept(folder.frames, number)
        for frame in _Frames(folder.path, path).each_frame():
            yield number, frame


class _Frames(JobFolder):
    """A folder's frames under another name."""

    def __init__(self, path: Path, frames: Path) -> None:
        super().__init__(path)
        self._frames = frames

    @property
    def frames(self) -> Path:
        return self._frames


def _kept(path: Path, attempt: int) -> Path:
    return path.with_name(f"{path.stem}-a{attempt}{path.suffix}")
