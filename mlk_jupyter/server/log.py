"""`/mlk/jobs/ID/log` and the topic `job/ID/log/RANK`: the text of one rank, in pieces for the page or as a file."""

from __future__ import annotations

from collections.abc import Sequence

from tornado import web

from ..threads import in_thread
from .base import JOB_ID, Handler, allowed
from .features import Feature, Feed, Query, Route, Subscription, TopicKind

_CHUNK = 256 * 1024  # bytes of a download that are in memory at once
_MEDIA_TYPE = "text/plain; charset=utf-8"
_MOST_RANK = 99_999
_MOST_OFFSET = 1 << 50


class LogHandler(Handler):
    """A piece of the log, made readable."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from ..library import check_rank
        from .records import log_piece

        rank = self.integer("rank", 0, least=0, most=_MOST_RANK)
        offset = self.integer("offset", 0, least=None, most=_MOST_OFFSET)
        limit = self.integer("limit", 1 << 16, least=1, most=1 << 20)
        status = await self.backend.job(job_id)
        check_rank(status, rank)
        folder = self.backend.folder(job_id)
        self.answer(await in_thread(log_piece, folder, rank, offset, limit, over=status.phase.final))


class LogDownloadHandler(Handler):
    """The whole log as it was written."""

    @web.authenticated
    @allowed("read")
    async def get(self, job_id: str) -> None:
        from ..library import check_rank
        from .records import file_name

        rank = self.integer("rank", 0, least=0, most=_MOST_RANK)
        status = await self.backend.job(job_id)
        check_rank(status, rank)
        folder = self.backend.folder(job_id)
        self.offer_file(file_name(status.name, f"-rank-{rank}.log"), _MEDIA_TYPE)
        offset = 0
        while True:
            data, _ = await in_thread(folder.read_log, rank, offset, _CHUNK)
            if not data:
                break
            offset += len(data)
            self.write(data)
            await self.flush()
        self.finish(set_content_type=_MEDIA_TYPE)


def _open(asked: Subscription) -> Feed:
    from .feeds import LogFeed

    return LogFeed(asked.services.backend, asked.names["job_id"], int(asked.names["rank"]), asked.offset)


def _routes() -> Sequence[Route]:
    from ..model.api import LogPiece

    rank = Query("rank", {"type": "integer", "minimum": 0, "maximum": _MOST_RANK, "default": 0}, "Which rank's log.")
    return (
        Route(
            "GET",
            "/mlk/jobs/{job_id}/log",
            "getLog",
            "Part of one rank's log.",
            "read",
            LogPiece,
            query=(
                rank,
                Query("offset", {"type": "integer", "default": 0}, "Byte offset; negative counts from the end."),
                Query(
                    "limit",
                    {"type": "integer", "minimum": 1, "maximum": 1 << 20, "default": 1 << 16},
                    "Most bytes to give.",
                ),
            ),
        ),
        Route(
            "GET",
            "/mlk/jobs/{job_id}/log/download",
            "downloadLog",
            "One rank's log as it was written.",
            "read",
            query=(rank,),
            file="text/plain",
        ),
    )


FEATURE = Feature(
    handlers=[(rf"/mlk/jobs/{JOB_ID}/log", LogHandler), (rf"/mlk/jobs/{JOB_ID}/log/download", LogDownloadHandler)],
    routes=_routes,
    topics=[
        TopicKind(
            rf"job/{JOB_ID}/log/(?P<rank>\d{{1,5}})",
            "job/ID/log/RANK",
            "the end of a rank's log, then what is added",
            _open,
            limit=lambda services: services.followers,
        )
    ],
)
