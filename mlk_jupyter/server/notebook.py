"""`/mlk/jobs/ID/notebook`: the notebook with what it showed so far."""

from __future__ import annotations

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, Handler, allowed

_MEDIA_TYPE = "application/x-ipynb+json"


class NotebookHandler(Handler):
    """The notebook for the page, or with `download=1` as a file."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from ..record.notebook import NoNotebook, as_file, executed
        from .records import file_name, snapshot

        as_download = self.integer("download", 0, least=0, most=1)
        status = await self.backend.job(job_id)
        folder = self.backend.folder(job_id)
        if not as_download:
            async with self.app.replays:
                so_far = await in_thread(snapshot, folder, over=status.phase.final)
            self.answer(so_far)
            return
        async with self.app.replays:
            notebook = await in_thread(executed, folder)
        if notebook is None:
            raise NoNotebook(job_id)
        self.offer_file(file_name(status.name, ".ipynb"), _MEDIA_TYPE)
        self.finish(await in_thread(as_file, notebook), set_content_type=_MEDIA_TYPE)


handlers = [(rf"/mlk/jobs/{JOB_ID}/notebook", NotebookHandler)]
