"""`/mlk/form`, `/mlk/preflight` and `/mlk/render`: what comes before a submission. Nothing is created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tornado import web

from .base import BadRequest, Handler, allowed, authorize
from .features import Feature, Query, Route

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..bundle import Bundle
    from ..model import JobSpec


class FormHandler(Handler):
    """The form for a notebook, with its parameters."""

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


class PreflightHandler(Handler):
    """What would happen if this were submitted now."""

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        from ..model.api import PreflightRequest

        asked = self.json_body(PreflightRequest)
        with self.services.preparations.held(self.user):
            backend, bundle = await prepared(self, asked.spec, asked.backend)
            self.answer(await backend.preflight(asked.spec, bundle))


class RenderHandler(Handler):
    """What submitting this would create."""

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        from ..model.api import PreflightRequest, Rendered

        asked = self.json_body(PreflightRequest)
        with self.services.preparations.held(self.user):
            backend, bundle = await prepared(self, asked.spec, asked.backend)
            self.answer(Rendered(yaml=await backend.render(asked.spec, bundle)))


async def prepared(handler: Handler, spec: JobSpec, place: str | None) -> tuple[Backend, Bundle]:
    """Where a job would run, and its bundle.

    Args:   place: name of the backend; None means the chosen one.
    Raises: BadInput, NotebookUnreadable, BundleTooLarge.
    """
    from ..library import prepare
    from .source import read

    backend = await handler.backend.at(place)
    source = await read(handler.contents_manager, spec.notebook)
    return backend, await prepare(source, spec, backend.carriage)


def _routes() -> Sequence[Route]:
    from ..model import api

    return (
        Route(
            "GET",
            "/mlk/form",
            "getForm",
            "What the submit dialog needs for one notebook.",
            "read",
            api.Form,
            query=(
                Query(
                    "path", {"type": "string", "minLength": 1, "maxLength": 4096}, "The notebook's contents path.", True
                ),
                Query(
                    "backend", {"type": "string", "maxLength": 253}, "Where it is to run; without it the chosen one."
                ),
            ),
        ),
        Route(
            "POST",
            "/mlk/preflight",
            "preflight",
            "What would happen if this were submitted now. Creates nothing.",
            "write",
            api.Preflight,
            body=api.PreflightRequest,
        ),
        Route(
            "POST",
            "/mlk/render",
            "render",
            "The objects that submitting this would create, as YAML. Creates nothing.",
            "write",
            api.Rendered,
            body=api.PreflightRequest,
        ),
    )


FEATURE = Feature(
    handlers=[(r"/mlk/form", FormHandler), (r"/mlk/preflight", PreflightHandler), (r"/mlk/render", RenderHandler)],
    routes=_routes,
)
