"""`/mlk/idle` and the topic `kernels`: what kernels do, cost, and when those are stopped that do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tornado import web

from ..threads import in_thread
from . import kernel_tag
from .base import Handler, allowed, authorize
from .features import Feature, Feed, Route, Subscription, TopicKind

if TYPE_CHECKING:
    from .features import Action
    from .idle_service import IdleService
    from .services import Services

_KERNEL_ACTIONS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"
KERNEL_ID = r"(?P<kernel_id>[A-Za-z0-9_-]{1,64})"


class _IdleHandler(Handler):
    """Asks the authorizer about kernels too: who may not stop one at `/api/kernels` may not do so here."""

    async def service(self, action: Action) -> IdleService:
        """Raises: NotAllowed."""
        await authorize(self, action, "kernels")
        return await _ready(self.services)


class KernelsHandler(_IdleHandler):
    """All kernels."""

    @web.authenticated
    @allowed("read")
    async def get(self) -> None:
        self.answer((await self.service("read")).kernels())


class ExplainHandler(_IdleHandler):
    """One kernel, with the signals."""

    @web.authenticated
    @allowed("read")
    async def get(self, kernel_id: str) -> None:
        self.answer((await self.service("read")).explain(kernel_id))


class LeaseHandler(_IdleHandler):
    """Keeps a kernel, and lets go of it."""

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self, kernel_id: str) -> None:
        from ..model.kernels import LeaseRequest

        service = await self.service("write")
        self.answer(await service.keep(kernel_id, self.json_body(LeaseRequest)))

    @web.authenticated
    @allowed("write", is_activity=True)
    async def delete(self, kernel_id: str) -> None:
        self.answer(await (await self.service("write")).release(kernel_id))


class StopKernelHandler(_IdleHandler):
    """Stops one kernel, because a person says so."""

    @web.authenticated
    @allowed("write", is_activity=True)
    async def post(self, kernel_id: str) -> None:
        self.answer(await (await self.service("write")).stop(kernel_id), 202)


class PresenceHandler(_IdleHandler):
    """A person is at a window."""

    @web.authenticated
    @allowed("write")
    async def post(self) -> None:
        from ..model.kernels import Presence

        (await self.service("write")).present(self.json_body(Presence))
        self.set_status(204)
        self.finish()


class StoppedHandler(_IdleHandler):
    """The notice of one stopped kernel."""

    @web.authenticated
    @allowed("write")
    async def delete(self, kernel_id: str) -> None:
        await (await self.service("write")).dismiss(kernel_id)
        self.set_status(204)
        self.finish()


class SettingsHandler(_IdleHandler):
    """What a person wants of their kernels."""

    @web.authenticated
    @allowed("write")
    async def put(self) -> None:
        from ..model.kernels import IdleSettings

        self.answer(await (await self.service("write")).apply(self.json_body(IdleSettings)))


async def _ready(services: Services) -> IdleService:
    await in_thread(_load)
    from .idle_service import IdleService

    service = IdleService.of(services)
    await service.open()
    return service


def _load() -> None:
    """The first kernel brings everything into the server: half a second in which it would serve nobody."""
    from . import idle_service  # noqa: F401


def _open(asked: Subscription) -> Feed:
    from .idle_service import IdleService, KernelsFeed

    return KernelsFeed(IdleService.of(asked.services), asked.call)


async def _start(services: Services) -> None:
    """Begins to watch with the first kernel, and loads nothing before."""
    server = services.serverapp
    kernel_tag.install(server)

    async def heard(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") in ("start", "restart") and data.get("status") == "success":
            await _watch(services)

    server.event_logger.add_listener(schema_id=_KERNEL_ACTIONS, listener=heard)

    async def end() -> None:
        server.event_logger.remove_listener(schema_id=_KERNEL_ACTIONS, listener=heard)

    services.at_end(end)
    if server.kernel_manager.list_kernel_ids():
        await _watch(services)


async def _watch(services: Services) -> None:
    if services.idle_policy.policy.mode != "off":
        await _ready(services)


def _routes() -> Sequence[Route]:
    from ..model.kernels import AppliedSettings, Explained, IdleSettings, Kernels, KernelState, LeaseRequest, Presence

    lease, text = "/mlk/idle/{kernel_id}/lease", "Why a kernel is in its state: signals, limits, sentences."
    return (
        Route("GET", "/mlk/idle", "listKernels", "All kernels: what they do, cost, and will.", "read", Kernels),
        Route("GET", "/mlk/idle/explain/{kernel_id}", "explainKernel", text, "read", Explained),
        Route("POST", lease, "keepKernel", "Keeps a kernel for a while.", "write", KernelState, body=LeaseRequest),
        Route("DELETE", lease, "releaseKernel", "Ends the lease that was asked for here.", "write", KernelState),
        Route(
            "POST",
            "/mlk/idle/{kernel_id}/stop",
            "stopKernel",
            "Stops a kernel, whatever it does.",
            "write",
            KernelState,
            status=202,
        ),
        Route(
            "POST",
            "/mlk/idle/presence",
            "tellPresence",
            "A person is at a window that shows these kernels.",
            "write",
            status=204,
            body=Presence,
        ),
        Route(
            "DELETE",
            "/mlk/idle/stopped/{kernel_id}",
            "dismissStopped",
            "Takes the notice of a stopped kernel away.",
            "write",
            status=204,
        ),
        Route(
            "PUT",
            "/mlk/idle/settings",
            "setIdleSettings",
            "A person's own limits, under those of whoever runs the server.",
            "write",
            AppliedSettings,
            body=IdleSettings,
        ),
    )


FEATURE = Feature(
    handlers=[
        (r"/mlk/idle", KernelsHandler),
        (r"/mlk/idle/presence", PresenceHandler),
        (r"/mlk/idle/settings", SettingsHandler),
        (rf"/mlk/idle/explain/{KERNEL_ID}", ExplainHandler),
        (rf"/mlk/idle/stopped/{KERNEL_ID}", StoppedHandler),
        (rf"/mlk/idle/{KERNEL_ID}/lease", LeaseHandler),
        (rf"/mlk/idle/{KERNEL_ID}/stop", StopKernelHandler),
    ],
    routes=_routes,
    start=_start,
    topics=[
        TopicKind(
            "kernels",
            "kernels",
            "all kernels, whole each time something about them changed",
            _open,
            load=_load,
            resource="kernels",
        )
    ],
)
