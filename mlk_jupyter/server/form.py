"""`/mlk/form`: what the submit dialog needs for one notebook."""

from __future__ import annotations

from tornado import web

from .base import BadRequest, Handler, allowed, authorize


class FormHandler(Handler):
    """The form for a notebook, with its parameters and what was chosen last time."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        from ..library import form
        from .source import read

        await authorize(self, "read", "contents")  # it tells what stands in a file
        path = self.get_query_argument("path", "")
        if not 0 < len(path) <= 4096:
            raise BadRequest("`path` must name a notebook.", hint="Correct the address.")
        backend = await self.backend.at(self.get_query_argument("backend", None))
        source = await read(self.contents_manager, path)
        self.answer(await form(source, cluster=backend.kind == "kubernetes", image=backend.image))


handlers = [(r"/mlk/form", FormHandler)]
