"""`/mlk/info`: what this server is and where jobs run."""

from __future__ import annotations

from tornado import web

from .base import Handler, allowed


class InfoHandler(Handler):
    """Version, backend, and where runs are recorded."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        self.answer(await self.app.describe())


handlers = [(r"/mlk/info", InfoHandler)]
