"""`/mlk/jobs/ID/frames`: what the ranks said, from an offset on."""

from __future__ import annotations

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, Handler, allowed


class FramesHandler(Handler):
    """Frames after an offset."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from .records import frame_piece

        offset = self.integer("offset", 0, least=0, most=1 << 50)
        status = await self.backend.job(job_id)
        folder = self.backend.folder(job_id)
        self.answer(await in_thread(frame_piece, folder, offset, over=status.phase.final))


handlers = [(rf"/mlk/jobs/{JOB_ID}/frames", FramesHandler)]
