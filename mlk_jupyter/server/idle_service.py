"""The idle kernels of one server, for its handlers and for the topic `kernels`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psutil

from ..errors import BadInput
from ..figures import duration
from ..idle.book import Book
from ..idle.folders import Folders
from ..idle.happened import Happened
from ..idle.kernels import Ended
from ..idle.leftovers import end as end_leftovers
from ..idle.notebooks import Notebooks
from ..idle.notices import Notices
from ..idle.parts import Parts
from ..idle.patience import Patience
from ..idle.policy import as_values, ignored, resolve
from ..idle.processes import Usages
from ..idle.refusals import BeingStopped, NoSuchKernel, NoSuchNotice
from ..idle.settings import read_settings, write_settings
from ..idle.showing import explained, shown_of, state_of, stopped_of
from ..idle.state import StateFile
from ..idle.stopping import stop
from ..idle.unfinished import Unfinished
from ..idle.watched import Watched, interval_for
from ..idle.watcher import Watcher
from ..model.kernels import (
    AppliedSettings,
    Explained,
    IdleSettings,
    Kernels,
    KernelState,
    LeaseRequest,
    PolicyView,
    Presence,
    Stopped,
)
from ..record.places import data_dir
from ..threads import in_thread
from .features import Encoded, Kind
from .idle_events import Events
from .idle_metrics import metrics
from .idle_telling import Telling, audit_of
from .kernel_host import JupyterKernels
from .server_end import OwnEnd
from .services import Services

logger = logging.getLogger(__name__)

_STATE_EVERY_S = 60.0
_LEFTOVERS_S = 5.0
_OPENING_S = 5.0
_AT_A_TIME = 16
_OF_AN_INTERVAL = 0.6  # looks that begin a little early are compared with the one before all the same
_KEY = "mlk_idle_service"
_FIELDS = IdleSettings.model_fields.keys()


class IdleService:
    """What is known of the kernels of one server, and what a person may do about them."""

    def __init__(self, services: Services) -> None:
        self._configured = services.idle_policy
        self._settings: dict[str, str] = {}
        self._values = as_values(self._configured.policy)
        app = services.serverapp
        self._folder = data_dir() / "idle"
        self._root = str(getattr(app.contents_manager, "root_dir", ""))
        self._host = JupyterKernels(app)
        self._own_end = services.the(OwnEnd)
        self._book = Book(self._folder, services.the(audit_of))
        period_s = interval_for(self._configured.policy) * _OF_AN_INTERVAL
        parts = Parts(
            host=self._host,
            folders=Folders(self._folder / "kernels"),
            usages=lambda: Usages(period_s=period_s),
            end_leftovers=lambda processes: end_leftovers(processes, _LEFTOVERS_S),
            stop=stop,
            unfinished=Unfinished().of,
            notebook=Notebooks(_file_of(app.contents_manager)).of,
        )
        self.watcher = Watcher(parts, self._configured, self._book)
        self._telling = services.the(Telling)
        self._telling.follow(self.watcher)
        self.watcher.hears.append(self._hear)
        self.watcher.looks.append(self._looked)
        self.watcher.stops.append(self._stopped)
        self.listeners: set[Callable[[], None]] = set()
        self._notices = Notices(self._folder / "stopped", self._root, _file_of(app.contents_manager))
        self._stopped_kernels: list[Stopped] = []
        began = psutil.Process().create_time()
        self._state = StateFile(self._folder / "servers", url=app.connection_url, root=self._root, created=began)
        self._events = Events(app.event_logger)
        self._opening: asyncio.Task[None] | None = None
        self._shown: Kernels | None = None
        self._encoded: Encoded | None = None
        self._explained: dict[str, Explained] = {}
        self._writing, self._tidying = Patience(), Patience()
        self._written_at = 0.0
        self._own_end.listeners.add(self.changed)
        services.at_end(self._close)

    @classmethod
    def of(cls, services: Services) -> IdleService:
        """The one of a server, also where the extension was loaded twice: two would both stop its kernels."""
        settings = services.serverapp.web_app.settings
        if _KEY not in settings:
            settings[_KEY] = cls(services)
        return cast("IdleService", settings[_KEY])

    async def open(self) -> None:
        """Returns when what was kept by servers before is read, and kernels are watched where there are any.

        They are watched also where the disk does not answer.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="mlk idle start")
        done, _ = await asyncio.wait({self._opening}, timeout=_OPENING_S)
        if done:
            self._opening.result()
        self.watcher.notice()

    async def _open(self) -> None:
        notices, settings = await in_thread(
            lambda: (self._notices.read(), read_settings(self._folder / "settings.json"))
        )
        self._stopped_kernels += notices
        self._hold(settings)

    def _hold(self, settings: dict[str, str]) -> dict[str, str]:
        """Goes by a person's settings from now on. Gives where each value comes from."""
        given = self._configured
        policy, sources = resolve(given.policy, given.ceilings, setting=settings or None, given=given.sources)
        self._settings, self._values = settings, as_values(policy)
        self.watcher.set_setting(settings or None)
        return sources

    async def _close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        await self.watcher.close(is_idle=self._own_end.is_ending)
        await in_thread(self._state.remove)

    def kernels(self) -> Kernels:
        """All kernels as they are now."""
        watcher = self.watcher
        policy = watcher.policy
        quiet = [kernel for kernel in watcher.kernels.values() if _is_wasted(kernel)]
        return Kernels(
            kernels=[shown_of(kernel, policy) for kernel in watcher.kernels.values()],
            stopped=self._stopped_kernels,
            totals=self._book.totals(
                policy,
                {kernel.id: kernel.cost_per_hour for kernel in quiet},
                [kernel.sample.gpus.value if kernel.sample else None for kernel in quiet],
            ),
            policy=PolicyView(mode=policy.mode, values=self._values, warnings=self._telling.other_cullers),
            settings=IdleSettings(**{name: text for name, text in self._settings.items() if name in _FIELDS}),
            currency=policy.currency,
            now=time.time(),
            sampled_at=watcher.sampled_at,
            server_stops_at=self._own_end.stops_at,
            server_words=self._own_end.words,
            server_ended=self._own_end.ended,
        )

    def encoded(self) -> tuple[Kernels, Encoded]:
        """The same, made once for all windows; anew only where something changed that a person sees."""
        now = self.kernels()
        if self._shown is None or self._encoded is None or _seen(now) != _seen(self._shown):
            self._shown, self._encoded = now, Encoded(now.model_dump_json())
        return self._shown, self._encoded

    def explain(self, kernel_id: str) -> Explained:
        """Why a kernel is in its state. Raises: NoSuchKernel."""
        return explained(self.watcher.kernel(kernel_id), self.watcher.policy, time.time())

    async def keep(self, kernel_id: str, asked: LeaseRequest) -> KernelState:
        """Leases a kernel. Raises: NoSuchKernel, LeaseRefused, BeingStopped."""
        kernel = await self._known(kernel_id)
        if kernel.decided is not None:
            raise BeingStopped(kernel_id)
        await self.watcher.keep(kernel_id, asked.seconds, asked.reason)
        state = await self._after(kernel_id)
        if kernel.decided is not None:  # meanwhile, by a look before the one that saw the lease
            raise BeingStopped(kernel_id)
        return state

    async def release(self, kernel_id: str) -> KernelState:
        """Ends the leases that persons asked for; a block of code that holds one goes on. Raises: NoSuchKernel."""
        await self._known(kernel_id)
        await self.watcher.release(kernel_id)
        return await self._after(kernel_id)

    async def stop(self, kernel_id: str) -> KernelState:
        """Begins to stop a kernel, because a person says so. Raises: NoSuchKernel."""
        await self._known(kernel_id)
        kernel = self.watcher.begin_stop(kernel_id)
        self.changed()
        return state_of(kernel, self.watcher.policy)

    def present(self, presence: Presence) -> None:
        """A person is there. Kernels that are gone are passed over."""
        for kernel_id in presence.kernels:
            self._host.present(kernel_id, presence.kind)
        self.watcher.person(presence.kernels)

    async def dismiss(self, kernel_id: str) -> None:
        """Takes the notice of a stopped kernel away. Raises: NoSuchNotice."""
        if all(stopped.id != kernel_id for stopped in self._stopped_kernels):
            raise NoSuchNotice(kernel_id)
        self._stopped_kernels = self._without({kernel_id})
        self.changed()
        await in_thread(self._notices.remove, {kernel_id})

    async def apply(self, settings: IdleSettings) -> AppliedSettings:
        """Keeps a person's settings and goes by them from now on. Raises: BadInput naming the fields."""
        chosen = {name: text.strip() for name, text in settings.model_dump().items() if text.strip()}
        wrong = {name: " ".join(said) for name, text in chosen.items() if (said := ignored(setting={name: text}))}
        if wrong:
            raise BadInput(" ".join(wrong.values()), hint="Correct the fields, or empty them.", fields=wrong)
        sources = self._hold(chosen)
        values = self._values
        await in_thread(write_settings, self._folder / "settings.json", chosen)
        self.changed()
        cut = [name for name, source in sources.items() if source == "ceiling"]
        notes = [f"{name} is {duration(values[name])}: whoever runs this server allows no more." for name in cut]
        return AppliedSettings(values=values, notes=notes)

    def changed(self) -> None:
        """Something changed that a person sees: windows ask for it."""
        for call in list(self.listeners):
            call()

    async def _known(self, kernel_id: str) -> Watched:
        """Also a kernel that began just now. Raises: NoSuchKernel."""
        if kernel_id not in self.watcher.kernels:
            if kernel_id not in self._host.kernel_ids() or not self.watcher.is_running:
                raise NoSuchKernel(kernel_id)
            await self.watcher.look_again()
        return self.watcher.kernel(kernel_id)

    async def _after(self, kernel_id: str) -> KernelState:
        await self.watcher.look_again()
        return state_of(self.watcher.kernel(kernel_id), self.watcher.policy)

    def _hear(self, happened: Happened, kernel: Watched) -> None:
        self._events.emit(happened)
        metrics().hear(happened)

    async def _looked(self) -> None:
        """After each look at all kernels."""
        watcher = self.watcher
        before = self._shown
        shown, _ = self.encoded()
        figures = metrics()
        figures.show(watcher.kernels.values(), shown.totals, profile=watcher.policy.profile, mode=watcher.policy.mode)
        figures.tick.set(watcher.tick_s or 0.0)
        figures.lost.set(self._book.lost)
        is_new = shown is not before
        if is_new:
            self.changed()
        is_old = time.monotonic() - self._written_at >= _STATE_EVERY_S
        if is_new or is_old:
            if is_old:
                self._written_at = time.monotonic()
                await self._tidy()
            await self._write_state(shown, anew=is_old)

    async def _write_state(self, shown: Kernels, *, anew: bool) -> None:
        """Writes down how things are. Args: anew: also why kernels are so that are as they were."""
        told: dict[str, Explained] = {}
        for number, state in enumerate(shown.kernels, start=1):
            before = self._explained.get(state.id)
            if before is not None and before.kernel == state and not anew:
                told[state.id] = before
            elif state.id in self.watcher.kernels:
                try:
                    told[state.id] = self.explain(state.id)
                except Exception:  # the others are written down
                    logger.debug("Kernel %s cannot be explained", state.id, exc_info=True)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        self._explained = told
        await self._writing.do(self._state.write, shown.model_copy(update={"now": time.time()}), told)

    async def _stopped(self, kernel: Watched, ended: Ended, kind: str) -> None:
        stopped = stopped_of(kernel, ended, kind, time.time())
        older = {one.id for one in self._stopped_kernels if one.path is not None and one.path == stopped.path}
        self._stopped_kernels = [stopped, *self._without(older)]
        self.changed()
        await in_thread(self._notices.write, stopped)
        await in_thread(self._notices.remove, older - {stopped.id})

    async def _tidy(self) -> None:
        """Takes notices away that nobody will ask for."""
        over: set[str] = set()
        there = list(self._stopped_kernels)

        def tidy() -> None:
            found = self._notices.over(there)
            self._notices.remove(found)
            over.update(found)

        if await self._tidying.do(tidy) and over:
            self._stopped_kernels = self._without(over)
            self.changed()

    def _without(self, kernel_ids: set[str]) -> list[Stopped]:
        return [one for one in self._stopped_kernels if one.id not in kernel_ids]


class KernelsFeed:
    """All kernels, whole each time something about them changed."""

    due: float | None = None

    def __init__(self, service: IdleService, call: Callable[[], None]) -> None:
        self._service, self._call = service, call
        self._sent: Kernels | None = None
        service.listeners.add(call)

    async def next(self) -> tuple[Kind, Encoded] | None:
        if self._sent is None:
            await self._service.open()
        shown, encoded = self._service.encoded()
        if shown is self._sent:
            return None
        first, self._sent = self._sent is None, shown
        return ("snapshot" if first else "delta"), encoded

    async def close(self) -> None:
        self._service.listeners.discard(self._call)


def _seen(kernels: Kernels) -> Kernels:
    """What a person sees of it: not the moments at which it was found out."""
    return kernels.model_copy(update={"now": 0.0, "sampled_at": None})


def _is_wasted(kernel: Watched) -> bool:
    return kernel.verdict.state in ("quiet", "warned", "due") and kernel.lease is None and kernel.look.local


def _file_of(contents: Any) -> Callable[[str], Path | None]:
    """Where a contents manager keeps its files; those that keep none in a folder give None."""
    os_path = getattr(contents, "_get_os_path", None)
    return (lambda path: Path(os_path(path))) if callable(os_path) else (lambda path: None)
