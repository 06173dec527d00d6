"""`/mlk/jobs/ID/notebook`, `…/frames` and the topic `job/ID/frames`: the notebook with what it showed so far."""

from __future__ import annotations

from collections.abc import Sequence

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, Handler, allowed
from .features import Feature, Feed, Query, Route, Subscription, TopicKind

_MEDIA_TYPE = "application/x-ipynb+json"


class FramesHandler(Handler):
    """Frames after an offset."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from .records import as_json, frame_piece

        offset = self.integer("offset", 0, least=0, most=1 << 50)
        status = await self.backend.job(job_id)
        folder = self.backend.folder(job_id)
        over, world_size = status.phase.final, status.world_size
        self.finish(await in_thread(as_json, frame_piece, folder, offset, over=over, world_size=world_size))


class NotebookHandler(Handler):
    """The notebook for the page, or with `download=1` as a file."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from ..record.notebook import NoNotebook, as_file, executed
        from .records import as_json, file_name, snapshot

        as_download = self.integer("download", 0, least=0, most=1)
        status = await self.backend.job(job_id)
        folder = self.backend.folder(job_id)
        if not as_download:
            async with self.services.replays:
                so_far = await in_thread(as_json, snapshot, folder, over=status.phase.final)
            self.finish(so_far)
            return
        async with self.services.replays:
            notebook = await in_thread(executed, folder)
        if notebook is None:
            raise NoNotebook(job_id)
        self.offer_file(file_name(status.name, ".ipynb"), _MEDIA_TYPE)
        self.finish(await in_thread(as_file, notebook), set_content_type=_MEDIA_TYPE)


def _open(asked: Subscription) -> Feed:
    from .feeds import FramesFeed

    return FramesFeed(asked.services.backend, asked.names["job_id"], asked.offset, asked.services.replays)


def _routes() -> Sequence[Route]:
    from ..model.api import FramePiece, FramesSnapshot

    return (
        Route(
            "GET",
            "/mlk/jobs/{job_id}/frames",
            "getFrames",
            "Frames after an offset.",
            "read",
            FramePiece,
            query=(Query("offset", {"type": "integer", "minimum": 0, "default": 0}, "Byte offset to go on from."),),
        ),
        Route(
            "GET",
            "/mlk/jobs/{job_id}/notebook",
            "getNotebook",
            "The notebook with its outputs so far; with download=1 as a file.",
            "read",
            FramesSnapshot,
            query=(
                Query("download", {"type": "integer", "enum": [0, 1], "default": 0}, "1 gives the notebook as a file."),
            ),
            file=_MEDIA_TYPE,
        ),
    )


FEATURE = Feature(
    handlers=[(rf"/mlk/jobs/{JOB_ID}/frames", FramesHandler), (rf"/mlk/jobs/{JOB_ID}/notebook", NotebookHandler)],
    routes=_routes,
    topics=[TopicKind(rf"job/{JOB_ID}/frames", "job/ID/frames", "the notebook so far, then frames", _open)],
)
