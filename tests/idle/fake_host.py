"""Kernels that a test makes up, and a clock that it turns."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlk_jupyter.idle.book import Book
from mlk_jupyter.idle.folders import Folders
from mlk_jupyter.idle.happened import Happened
from mlk_jupyter.idle.kernels import Ended, Look, Process, Usage
from mlk_jupyter.idle.parts import Parts
from mlk_jupyter.idle.policy import Ceilings, Configured, Policy
from mlk_jupyter.idle.signals import Signal
from mlk_jupyter.idle.watcher import Watcher

IDLE = Usage(
    cpu=Signal(0.0, 0.0), io=Signal(0.0, 0.0), stopped=Signal(False, 0.0), gpus=Signal(0, 0.0), gpu_busy=Signal(),
    gpu_memory=Signal(0, 0.0),
)  # fmt: skip


class Clock:
    """Monotonic seconds and seconds since the epoch, each turned on its own."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 1000.0, 1_800_000_000.0

    def turn(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


class FakeHost:
    """Runs nothing."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.looks: dict[str, Look] = {}
        self.shut_down: list[str] = []
        self.used: dict[str, float] = {}

    def start(self, kernel_id: str, **about: Any) -> None:
        known: dict[str, Any] = {
            "kernel_id": kernel_id, "name": "python3", "language": "python", "path": f"{kernel_id}.ipynb",
            "started": self.clock.wall, "pid": 100 + len(self.looks), "local": True, "spec_metadata": {},
            "execution": Signal("idle", 0.0), "message": Signal(), "pending": Signal(0), "presence": Signal(),
            "output": Signal(), "input": Signal(False),
        }  # fmt: skip
        self.looks[kernel_id] = Look(**{**known, **about})
        self.used[kernel_id] = self.clock.monotonic

    def use(self, kernel_id: str) -> None:
        """A person runs a cell."""
        self.used[kernel_id] = self.clock.monotonic
        self.looks[kernel_id] = replace(self.looks[kernel_id], message=Signal("execute_request", 0.0))

    def kernel_ids(self) -> Sequence[str]:
        return list(self.looks)

    def look(self, kernel_id: str) -> Look | None:
        look = self.looks.get(kernel_id)
        if look is None or look.message.age_s is None:
            return look
        return replace(look, message=replace(look.message, age_s=self.clock.monotonic - self.used[kernel_id]))

    def refuse(self, kernel_id: str, why: str | None) -> None: ...

    async def fence(self, kernel_id: str, *, list_memory: bool, limit_s: float) -> Ended:
        return Ended(stopped=False)

    async def answers(self, kernel_id: str, limit_s: float) -> bool:
        return True

    async def shutdown(self, kernel_id: str, limit_s: float) -> None:
        self.shut_down.append(kernel_id)
        self.looks.pop(kernel_id, None)


class FakeUsages:
    """Uses what the test says."""

    def __init__(self) -> None:
        self.usages: dict[str, Usage] = {}
        self.closed = False
        self.before: Callable[[], None] = lambda: None

    def sample(self, targets: Mapping[str, Process]) -> dict[str, Usage]:
        self.before()
        return {kernel_id: self.usages.get(kernel_id, IDLE) for kernel_id in targets}

    def leftovers(self, kernel_id: str) -> Sequence[Any]:
        return ()

    def close(self) -> None:
        self.closed = True


@dataclass
class Room:
    """A watcher and all around it."""

    folder: Path
    policy: Policy = field(default_factory=lambda: Policy(mode="enforce", ttl_s=600.0, warn_s=60.0))
    clock: Clock = field(default_factory=Clock)
    usages: FakeUsages = field(default_factory=FakeUsages)
    unfinished: set[str] = field(default_factory=set)
    sampling_s: float = 10.0

    def __post_init__(self) -> None:
        self.host = FakeHost(self.clock)
        self.happened: list[Happened] = []
        self.begun = 0
        self.fails: list[BaseException | Ended] = []
        self.watcher = self.new()

    def new(self) -> Watcher:
        """A watcher as another server would have it."""
        parts = Parts(
            host=self.host,
            folders=Folders(self.folder / "kernels"),
            usages=lambda: self.usages,
            end_leftovers=lambda processes: [],
            stop=self.stop,
            unfinished=lambda jobs: jobs & self.unfinished,
            clock=lambda: self.clock.monotonic,
            wall=lambda: self.clock.wall,
            sampling_s=self.sampling_s,
        )
        watcher = Watcher(parts, Configured(self.policy, Ceilings(), {}), Book(self.folder))
        watcher.hears.append(lambda happened, kernel: self.happened.append(happened))
        return watcher

    async def stop(self, host: Any, kernel_id: str, *, still_due: Any, **more: Any) -> Ended:
        self.begun += 1
        if self.fails:
            failure = self.fails.pop(0)
            if isinstance(failure, BaseException):
                raise failure
            return failure
        if not await still_due():
            return Ended(stopped=False, is_active=True, why="it was used meanwhile")
        await host.shutdown(kernel_id, 30.0)
        return Ended(stopped=True)

    async def pass_by(self, seconds: float, step_s: float = 15.0) -> None:
        """Lets time pass, with a look every 15 s; what is begun by one ends before the next."""
        for _ in range(round(seconds / step_s)):
            self.clock.turn(step_s)
            await self.watcher.look_again()
            await self.settle()

    async def settle(self) -> None:
        while tasks := [kernel.stopping for kernel in self.watcher.kernels.values() if kernel.stopping is not None]:
            await asyncio.wait(tasks)

    def wish(self, kernel_id: str, seconds: float, holder: str = "panel") -> None:
        """Somebody wants it to be kept, from now on."""
        folder = self.folder / "kernels" / kernel_id
        folder.mkdir(parents=True, exist_ok=True)
        now = self.clock.wall
        said = {"asked": now, "until": now + seconds, "reason": "", "pid": None, "created": None}
        (folder / f"keep-{holder}.json").write_text(json.dumps(said))

    @property
    def events(self) -> list[str]:
        return [happened.event for happened in self.happened]


async def eventually(wanted: Callable[[], bool]) -> None:
    """Returns when something has become true; fails when it does not within 20 s."""
    deadline = time.monotonic() + 20
    while not wanted():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.01)
