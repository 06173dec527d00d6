"""Everything else below `/mlk`: a refusal in our own shape, not Jupyter's page."""

from __future__ import annotations

from tornado import web

from ..errors import MlkError
from .base import Handler, allowed


class NoSuchAddress(MlkError):
    """No endpoint of ours has this address, or what stands for a job's id can be none."""

    code, title, status = "no_such_address", "There is nothing here", 404


class NothingHandler(Handler):
    """Comes last, so it sees what no other handler takes."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        raise self._refusal()

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        raise self._refusal()

    @web.authenticated
    @allowed("write")
    async def delete(self) -> None:
        raise self._refusal()

    def _refusal(self) -> NoSuchAddress:
        return NoSuchAddress(
            f"This server has nothing at {self.request.path[:200]!r}.",
            hint="Check the job's id; if the page sent this, reload it.",
        )


HANDLERS = [(r"/mlk/.*", NothingHandler)]
