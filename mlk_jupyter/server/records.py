"""Parts of a job's record, as the REST handlers and the channel give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import MlkError
from ..model.api import ErrorBody, FramePiece, FramesSnapshot, LogPiece, MetricList
from ..record.fields import count_of
from ..record.notebook import NoNotebook, replay_of
from ..record.rank_curves import RankCurves
from ..record.replay import MOST_RANKS, Replay
from .text import LINE_LIMIT, readable, whole_length

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..record.folder import JobFolder

FRAMES_LIMIT = 256 * 1024
"""Bytes of frames in one piece."""

_SNAPSHOT_STEP = 1 << 20  # bytes of frames that are held in memory at once


def log_piece(folder: JobFolder, rank: int, offset: int, limit: int, *, over: bool) -> LogPiece:
    """At most `limit` bytes of a rank's log, made readable.

    Args:
        offset: where to begin; a negative one counts from the end and moves on to the next line, if that is near.
        over:   whether the job was over before this call: then nothing more comes, and nothing waits for its rest.
    """
    data, size = folder.read_log(rank, offset, limit)
    start = max(0, size + offset) if offset < 0 else min(offset, size)
    if offset < 0 and start > 0:
        skipped = _to_next_beginning(data)
        data, start = data[skipped:], start + skipped
    complete = over and start + len(data) >= size
    end = len(data) if complete else whole_length(data)
    if end == 0 and len(data) == limit:
        end = len(data)  # a piece so small that one character fills it
    text = readable(data[:end].decode("utf-8", "replace"))
    return LogPiece(
        rank=rank, text=text, offset=start, next_offset=start + end, size=size, final=over and start + end >= size
    )


def _to_next_beginning(data: bytes) -> int:
    """How many bytes to leave out so that a text begins with a line, or inside of a very long one with a character."""
    line = data.find(b"\n", 0, LINE_LIMIT) + 1
    if line:
        return line
    return next((at for at, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)


def frame_piece(folder: JobFolder, offset: int, *, over: bool, world_size: int) -> FramePiece:
    """Frames after an offset, about FRAMES_LIMIT bytes of them, those of the ranks that the job has."""
    frames, next_offset = folder.read_frames(offset, FRAMES_LIMIT)
    # Where nothing whole follows, a torn last line of a writer that died is all there is.
    final = over and (next_offset == offset or next_offset >= folder.frames_bytes())
    ours = [_seen(frame) for frame in frames if (count_of(frame, "rank") or 0) < world_size]
    return FramePiece(frames=ours, next_offset=next_offset, final=final)


def _seen(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame as viewers get it: they show that a value came back, and have no use for its megabytes."""
    return {**frame, "data": None} if frame.get("kind") == "value" else frame


def _apply_all(folder: JobFolder, replay: Replay) -> int:
    """Applies all frames so far. Gives the offset behind them."""
    offset = 0
    while True:
        frames, next_offset = folder.read_frames(offset, _SNAPSHOT_STEP)
        if next_offset == offset:
            return offset
        for frame in frames:
            replay.apply(frame)
        offset = next_offset


def snapshot(folder: JobFolder, *, over: bool) -> FramesSnapshot:
    """The notebook so far. Can take seconds: not for the event loop.

    Raises: NoNotebook.
    """
    replay = replay_of(folder)
    if replay is None:
        raise NoNotebook(folder.id)
    offset = _apply_all(folder, replay)
    running = None if over else replay.running_cell
    return FramesSnapshot(notebook=replay.notebook(), offset=offset, running_cell=running, final=over)


def metrics(folder: JobFolder) -> MetricList:
    """Every metric that the ranks logged. Not for the event loop."""
    spec = folder.read_spec()
    curves = RankCurves(spec.world_size if spec is not None else MOST_RANKS)
    for frame in folder.each_frame():
        curves.apply(frame)
    return MetricList(source="frames", series=curves.series())


def as_json(read: Callable[..., BaseModel], *args: Any, **keywords: Any) -> str:
    """What `read` gives as JSON, which is made where it was read: it may be large, and no event loop is to wait."""
    return read(*args, **keywords).model_dump_json()


def file_name(text: str, ending: str) -> str:
    """A name for a download, from anything."""
    kept = "".join(character if character.isalnum() or character in "-_." else "-" for character in text)
    return f"{kept.strip('-.')[:80] or 'job'}{ending}"


def error_body(error: MlkError) -> ErrorBody:
    """An error as the model of what is sent."""
    return ErrorBody(**error.as_dict())
