"""`/mlk/orphans`: what jobs left in a cluster that are gone themselves."""

from __future__ import annotations

from tornado import web

from .base import Handler, allowed


class OrphansHandler(Handler):
    """Objects of ours without a job."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        from ..model.api import Orphans

        self.answer(Orphans(orphans=await self.app.orphans()))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def delete(self) -> None:
        from ..model.api import Orphans

        self.app.forget_orphans()
        self.answer(Orphans(orphans=await self.backend.remove_orphans()))


handlers = [(r"/mlk/orphans", OrphansHandler)]
