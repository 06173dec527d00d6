"""`/mlk/jobs/ID/outputs/NAME`: an output that was too large for the notebook, as the file that the job made of it."""

from __future__ import annotations

from collections.abc import Sequence

from tornado import web

from ..errors import MlkError
from ..threads import in_thread
from .base import JOB_ID, Handler, allowed
from .features import Feature, Route

_NAME = r"(?P<name>cell-\d{1,9}-output-\d{1,9}\.[a-z]{2,4})"
_CHUNK = 256 * 1024  # bytes that are in memory at once
_MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "md": "text/plain; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
}
"""What a browser may show; anything else, for example HTML, it keeps as a file."""


class NoOutput(MlkError):
    """The job's record has no such file (any more)."""

    code, title, status = "no_output", "No such output in the record", 404

    def __init__(self, job_id: str, name: str) -> None:
        super().__init__(
            f"The record of {job_id} on this machine has no {name}: it was removed, or the job ran elsewhere.",
            hint="Run the job again with a larger `--output-limit`, or save the output to a file in the notebook.",
        )


class OutputHandler(Handler):
    """One file, which the browser shows where nothing in it can act for this server's page."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str, name: str) -> None:
        from ..record.files import opened

        await self.backend.job(job_id)
        try:
            file = await in_thread(opened, self.backend.folder(job_id).path / "outputs" / name)
        except OSError as error:
            raise NoOutput(job_id, name) from error
        shown = _MEDIA_TYPES.get(name.rpartition(".")[2])
        media_type = shown or "application/octet-stream"
        self.offer_file(name, media_type)
        if shown is not None:
            self.set_header("Content-Disposition", f'inline; filename="{name}"')
        with file:
            while data := await in_thread(file.read, _CHUNK):
                self.write(data)
                await self.flush()
        self.finish(set_content_type=media_type)


def _routes() -> Sequence[Route]:
    return (
        Route(
            "GET",
            "/mlk/jobs/{job_id}/outputs/{name}",
            "getOutput",
            "An output that was too large for the notebook, as a file.",
            "read",
            file="application/octet-stream",
        ),
    )


FEATURE = Feature(handlers=[(rf"/mlk/jobs/{JOB_ID}/outputs/{_NAME}", OutputHandler)], routes=_routes)
