"""What a watcher works with: whoever runs the kernels, samples them, ends them, and keeps the records."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .folders import Folders
from .kernels import Ended, KernelHost, Process, Usage
from .policy import Policy
from .watched import INTERVAL_S

SAMPLING_S = 10.0
"""Most that a sample may take; what takes longer is unknown, and asked again when it has ended."""
_RETRY_S = (10.0, 60.0, 300.0, 3600.0)


class Usages(Protocol):
    """What `processes.Usages` does."""

    def sample(self, targets: Mapping[str, Process]) -> dict[str, Usage]: ...

    def leftovers(self, kernel_id: str) -> Sequence[Any]: ...

    def close(self) -> None: ...


class Stop(Protocol):
    """What `stopping.stop` does."""

    async def __call__(
        self,
        host: KernelHost,
        kernel_id: str,
        *,
        still_due: Callable[[], Awaitable[bool]],
        policy: Policy,
        leftovers: Callable[[], Awaitable[Sequence[str]]],
        why: str,
        kind: Any,
        again: bool,
    ) -> Ended: ...


@dataclass
class Parts:
    """What a watcher works with."""

    host: KernelHost
    folders: Folders
    usages: Callable[[], Usages]
    """Opened with the first kernel, closed after the last."""
    end_leftovers: Callable[[Sequence[Any]], list[str]]
    """Ends processes that a kernel left behind; gives each as "name (pid)". Blocking."""
    stop: Stop
    unfinished: Callable[[set[str]], set[str]]
    """Of these jobs those that are not over. Blocking."""
    notebook: Callable[[str], object] = lambda path: None
    """What the metadata of a notebook says of idle kernels. Blocking."""
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    interval_s: float = INTERVAL_S
    """Most seconds between two looks."""
    sampling_s: float = SAMPLING_S
    retry_s: Sequence[float] = _RETRY_S
    """After the first, second, … stop in a row that failed; the last for all that follow."""
