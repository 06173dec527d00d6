"""Looks at all accelerators while somebody wants to know: once, whatever the number of those who do."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..costs.prices import PriceBook
from ..errors import MlkError
from ..gpus.attribution import Attributed, attribute
from ..gpus.stock import Stock
from ..model.gpus import Gpus
from ..threads import in_thread
from .dismissals import Dismissals
from .view import Seen, gpus, idle_now

HERE_S, CLUSTER_S = 5.0, 30.0
"""How old an answer may be: NVML costs little; a cluster lists its pods for it, and exporters tell news every 30 s."""
_MINUTES = 30
_FORGOTTEN_S = 3600.0  # who was not looked at for so long is watched anew: what happened meanwhile is not known
_PRICES_S = 60.0


@dataclass
class _Device:
    minutes: deque[tuple[int, float | None]] = field(default_factory=lambda: deque(maxlen=_MINUTES))
    """Minute since the epoch, and the highest busy share in it."""


class Monitor:
    """Of one process.

    Args:
        stocks:   asks all places; raises nothing of what they answer.
        data_dir: where the file of prices and what a person dismissed are.
        me:       names under which the person's own pods run.
        environ:  names the prices.
        clock:    seconds since the epoch.
    """

    def __init__(
        self,
        stocks: Callable[[], Awaitable[Sequence[Stock]]],
        data_dir: Path,
        *,
        me: Collection[str],
        environ: Callable[[], dict[str, str]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stocks, self._data_dir, self._me, self._environ, self._clock = stocks, data_dir, me, environ, clock
        self._asking: asyncio.Task[Gpus] | None = None
        self._shown: Gpus | None = None
        self._idle: dict[str, dict[str, tuple[float, float]]] = {}
        self._devices: dict[str, dict[str, _Device]] = {}
        self._book: tuple[float, PriceBook, str | None] | None = None
        self._dismissals = Dismissals(data_dir / "advice.json")
        self.period_s = HERE_S
        """How long an answer holds."""

    async def look(self, fresh_s: float | None = None) -> Gpus:
        """Everything as it was so many seconds ago at most; who asks meanwhile gets the same answer."""
        limit_s = self.period_s if fresh_s is None else fresh_s
        if self._shown is not None and 0 <= self._clock() - self._shown.now < limit_s:
            return self._shown
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._look(), name="mlk gpus")
        return await asyncio.shield(self._asking)

    async def dismiss(self, advice: str, days: int) -> None:
        """Takes an advice away for so many days. Raises: OSError."""
        now = self._clock()
        await in_thread(self._dismissals.add, advice, now + days * 86400.0, now)
        if self._shown is not None:
            left = [one for one in self._shown.advice if one.id != advice]
            self._shown = self._shown.model_copy(update={"advice": left})

    async def close(self) -> None:
        """Waits for nobody."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _look(self) -> Gpus:
        stocks, (book, why) = await asyncio.gather(self._stocks(), self._prices())
        self.period_s = CLUSTER_S if any(stock.backend != "local" for stock in stocks) else HERE_S
        # Of a thousand GPUs this takes longer than the event loop may be kept.
        self._shown = await in_thread(self._view, stocks, book, [] if why is None else [why])
        return self._shown

    def _view(self, stocks: Sequence[Stock], book: PriceBook, notes: Sequence[str]) -> Gpus:
        """Blocking, and never run twice at once."""
        now = self._clock()
        found = [(stock, attribute(stock)) for stock in stocks]
        for stock, whose in found:
            self._remember(stock, whose, now)
        return gpus(
            found,
            book.price,
            currency=book.currency,
            me=self._me,
            now=now,
            seen=lambda backend: self._seen(backend, now),
            dismissed=self._dismissals.now(now),
            notes=notes,
        )

    async def _prices(self) -> tuple[PriceBook, str | None]:
        """The prices, and what is wrong with a person's own. Read again every minute: they are a file to edit."""
        now = self._clock()
        if self._book is None or not 0 <= now - self._book[0] < _PRICES_S:
            environ = self._environ()
            try:
                book, why = await in_thread(PriceBook.load, self._data_dir, environ), None
            except MlkError as error:
                book, why = PriceBook(), f"{error.title}: {error.detail} {error.hint}"
            self._book = (now, book, why)
        return self._book[1], self._book[2]

    def _remember(self, stock: Stock, found: Attributed, now: float) -> None:
        """Notes who does nothing since when, and how busy each device was this minute."""
        before = self._idle.get(stock.backend, {})
        idle = {}
        for name, does_nothing in idle_now(stock, found).items():
            since, last = before.get(name, (now, now))
            if does_nothing:
                idle[name] = (now if now - last > _FORGOTTEN_S or last > now else since, now)
            elif does_nothing is None and name in before:
                idle[name] = before[name]  # one figure that is missing is no work
        self._idle[stock.backend] = idle
        devices = self._devices.setdefault(stock.backend, {})
        for device in found.devices:
            busy = None if device.use.busy is None else round(device.use.busy.value, 3)
            minutes = devices.setdefault(device.id, _Device()).minutes
            minute = int(now // 60)
            if minutes and minutes[-1][0] == minute:
                known = [one for one in (minutes.pop()[1], busy) if one is not None]
                busy = max(known) if known else None
            minutes.append((minute, busy))
        for name in [one for one, kept in devices.items() if kept.minutes[-1][0] < int(now // 60) - _MINUTES]:
            del devices[name]

    def _seen(self, backend: str, now: float) -> Seen:
        minute = int(now // 60)
        history = {}
        for name, device in self._devices.get(backend, {}).items():
            known = dict(device.minutes)
            first = min((one for one in known if one > minute - _MINUTES), default=minute)
            history[name] = [known.get(at) for at in range(first, minute + 1)]
        return Seen({name: since for name, (since, _) in self._idle.get(backend, {}).items()}, history)
