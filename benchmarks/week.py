"""A week of people who use notebooks, as a model: what their kernels do, what can be measured of it, what is lost.

Every behaviour says in its docstring where it comes from. Nothing here knows of a policy. Apart from the week, in
`unkept`, are threads without a lease that wake for less than 2 % of a core. The policy takes those for idle on purpose,
for a ticker of a library is as busy; whoever needs one keeps its kernel, as `watcher` does in the week.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(slots=True)
class Stretch:
    """Something that a kernel does for some time. Seconds of the week; what is measured in any 15 s of it."""

    behaviour: str
    begin: float
    end: float
    in_cell: bool = False
    cpu: float = 0.0
    """Percent of one core."""
    gpu: float = 0.0
    """Share 0-1."""
    io: float = 0.0
    """Bytes a second."""
    says_s: float = 0.0
    """Between two messages of output; 0: none comes."""
    input: bool = False
    waits_for: str | None = None
    needed: bool = False
    """Whoever stops the kernel in it destroys work."""


@dataclass(slots=True)
class Kernel:
    """One kernel as it would live without any policy."""

    user: int
    gpus: int
    use_is_known: bool
    """False: tenants share the GPU."""
    started: float
    ended: float = math.inf
    stretches: list[Stretch] = field(default_factory=list)
    acts: list[float] = field(default_factory=list)
    """When a person sent something."""
    presence: list[float] = field(default_factory=list)
    """When one moved the pointer or pressed a key."""
    loads: list[float] = field(default_factory=list)
    """When the page was loaded: a person's doing, but no use of the kernel."""
    leases: list[tuple[float, float]] = field(default_factory=list)

    def finish(self, ended: float) -> None:
        """It is shut down by its person, or the week is over."""
        self.ended = ended
        for times in (self.acts, self.presence, self.loads):
            times.sort()
            del times[bisect_right(times, ended) :]
        self.stretches = sorted((one for one in self.stretches if one.begin < ended), key=lambda one: one.begin)
        for one in self.stretches:
            one.end = min(one.end, ended)


def week(seed: int, users: int, days: int) -> list[Kernel]:
    """All kernels of so many people; the same seed gives the same."""
    return [kernel for user in range(users) for kernel in _Person(random.Random(f"{seed}/{user}"), user, days).live()]


def unkept(seed: int, users: int) -> list[Kernel]:
    """A night of so many people who each left a thread at 0.3 % of a core, and did not keep its kernel."""
    kernels = []
    for user in range(users):
        rng = random.Random(f"{seed}/{user}/unkept")
        kernel = Kernel(user, rng.choices(*_GPUS)[0], use_is_known=True, started=0.0, acts=[0.0])
        kernel.stretches = _watches(rng, kernel, 5.0, 1.0)
        kernel.leases.clear()
        kernel.finish(DAY)
        kernels.append(kernel)
    return kernels


_GPUS = (0, 1, 8), (40, 54, 6)
"""Three of five need a GPU; one of ten of these has a whole node."""


class _Person:
    """One person: how they work, and what they leave behind in the evening."""

    def __init__(self, rng: random.Random, user: int, days: int) -> None:
        self._rng, self._user, self._days = rng, user, days
        self._gpus = rng.choices(*_GPUS)[0]
        # One of seven of those who have one shares a time-sliced card.
        self._use_is_known = rng.random() > 1 / 7
        # Most never shut a kernel down; the habit is a person's.
        self._tidiness = rng.choice((0.0, 0.0, 0.1, 0.6))
        self._kernel: Kernel | None = None

    def live(self) -> Iterator[Kernel]:
        """The kernels, one after the other: a person works in one notebook at a time."""
        busy_until = 0.0
        for day in range(self._days):
            if day % 7 >= 5 and self._rng.random() > 0.15:
                continue  # a free Saturday or Sunday
            begin = day * DAY + self._rng.gauss(9, 0.75) * HOUR
            end = day * DAY + self._rng.gauss(17.75, 1) * HOUR
            if begin < busy_until:  # last night's work still runs: they wait for it
                begin = busy_until + 5 * MINUTE
            at = begin
            while at < end - HOUR:
                at = self._at_the_desk(at, min(end, at + self._rng.uniform(0.75, 2.5) * HOUR))
                if self._rng.random() < 0.15:
                    at = self._leave(at, self._rng.choice((_trains, _asks_a_database, _downloads)), 0.4)
                at += self._rng.choice((15, 30, 60, 90)) * MINUTE  # lunch, meetings
            busy_until = self._evening(max(at, end))
            if self._kernel is not None and self._rng.random() < self._tidiness:
                yield self._shut_down(busy_until + MINUTE)
        if self._kernel is not None:
            yield self._shut_down(self._days * DAY)

    def _evening(self, at: float) -> float:
        """What they leave running; most leave nothing running, and the kernel with its GPU as it is.

        Returns: when it is over, or they would interrupt it.
        """
        if self._kernel is None or self._rng.random() < 0.4:
            return at
        behaviours, weights = zip(*_OVERNIGHT.items(), strict=True)
        return self._leave(at, self._rng.choices(behaviours, weights)[0], 1.0)

    def _leave(self, at: float, behaviour: _Behaviour, scale: float) -> float:
        assert self._kernel is not None
        self._kernel.acts.append(at)
        self._kernel.presence.append(at)
        found = behaviour(self._rng, self._kernel, at + 5, scale)
        self._kernel.stretches += found
        return max(stretch.end for stretch in found)

    def _at_the_desk(self, at: float, until: float) -> float:
        """Cells of seconds, rarely of minutes, with a few minutes of thought between them; the pointer moves."""
        rng = self._rng
        if self._kernel is None:
            self._kernel = Kernel(self._user, self._gpus, self._use_is_known, at)
        kernel = self._kernel
        kernel.loads.append(at)
        while at < until:
            kernel.acts.append(at)
            length = min(rng.lognormvariate(math.log(4), 1.8), 20 * MINUTE)
            gpu = rng.uniform(0.2, 0.9) if kernel.gpus and rng.random() < 0.5 else 0.0
            cell = Stretch("cell", at, at + length, True, cpu=rng.uniform(20, 100), gpu=gpu, says_s=10, needed=True)
            kernel.stretches.append(cell)
            following = at + length + rng.expovariate(1 / (3 * MINUTE))
            kernel.presence += [at + seconds for seconds in range(0, int(following - at), 90) if rng.random() < 0.8]
            at = following
        return at

    def _shut_down(self, at: float) -> Kernel:
        kernel, self._kernel = self._kernel, None
        assert kernel is not None
        kernel.finish(min(at, self._days * DAY))
        return kernel


_Behaviour = Callable[[random.Random, Kernel, float, float], list[Stretch]]


def _hours(rng: random.Random, median: float, scale: float, most: float) -> float:
    """Run times have long tails (Jeon et al., USENIX ATC 2019, figure 2: minutes to weeks). Seconds."""
    return min(rng.lognormvariate(math.log(median * scale), 0.8), most) * HOUR


def _gpu(rng: random.Random, kernel: Kernel) -> float:
    """Half of a GPU on average while a job runs (Jeon et al., 2019, section 3.4)."""
    return rng.uniform(0.15, 0.95) if kernel.gpus else 0.0


def _trains(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A cell that trains and prints a line a step or an epoch."""
    end = at + _hours(rng, 4, scale, 20)
    says = rng.choice((10.0, 60.0, 900.0))
    return [Stretch("trains", at, end, True, cpu=rng.uniform(60, 400), gpu=_gpu(rng, kernel), says_s=says, needed=True)]


def _trains_silently(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A thread that trains and says nothing, behind a kernel that shows as idle: jupyter_server stops it."""
    end = at + _hours(rng, 4, scale, 16)
    return [Stretch("thread", at, end, cpu=rng.uniform(30, 300), gpu=_gpu(rng, kernel), needed=True)]


def _starts_a_process(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """`subprocess.Popen(["python", "train.py"])` with its output in a file, or `!python train.py` in a cell."""
    end = at + _hours(rng, 5, scale, 16)
    cpu = rng.uniform(60, 400)
    in_cell = rng.random() < 0.5
    return [Stretch("process", at, end, in_cell, cpu=cpu, gpu=_gpu(rng, kernel), says_s=30.0 * in_cell, needed=True)]


def _downloads(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A large download: next to no CPU, 5 MB/s in the median, stalls of minutes while a server makes it wait."""
    end, found = at + _hours(rng, 3, scale, 12), []
    in_cell, rate = rng.random() < 0.6, rng.lognormvariate(math.log(5e6), 1.2)
    while at < end:
        stall = at + rng.expovariate(1 / (40 * MINUTE))
        again = stall + rng.uniform(1, 10) * MINUTE
        found.append(Stretch("downloads", at, stall, in_cell, cpu=rng.uniform(0.2, 1.5), io=rate, needed=True))
        found.append(Stretch("downloads", stall, again, in_cell, needed=True))
        at = again
    return found


def _asks_a_database(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A cell that waits for a query: no CPU, no output, nothing, for at most the 6 h that BigQuery gives one."""
    return [Stretch("query", at, at + _hours(rng, 1, scale, 6), True, needed=True)]


def _delegates(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A cell that only waits for a job: the job goes on without it."""
    return [Stretch("delegates", at, at + _hours(rng, 6, scale, 24), True, waits_for="job")]


def _hangs(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A deadlock (workers of a DataLoader, a lock) until somebody comes; one of four is a collective that spins."""
    spins = rng.random() < 0.25
    end = (math.floor(at / DAY) + 1) * DAY + 9 * HOUR
    return [Stretch("hangs", at, end, True, cpu=100.0 * spins, gpu=1.0 * spins * bool(kernel.gpus))]


def _asks(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """`input()` or a debugger's prompt that nobody answers."""
    return [Stretch("asks", at, (math.floor(at / DAY) + 1) * DAY + 9 * HOUR, True, input=True)]


def _sweeps(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A sweep over the night with pauses: 5 to 40 min in which the data of the next trial are made elsewhere."""
    end, found = at + rng.uniform(6, 13) * HOUR, []
    in_cell = rng.random() < 0.5
    while at < end:
        pause = at + rng.uniform(10, 90) * MINUTE
        again = pause + rng.uniform(5, 40) * MINUTE
        use = {"cpu": rng.uniform(50, 300), "gpu": _gpu(rng, kernel)}
        found.append(Stretch("sweep", at, pause, in_cell, needed=True, **use))
        found.append(Stretch("sweep", pause, again, in_cell, needed=True))
        at = again
    return found


def _trains_with_pauses(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A cell that trains and waits 20 min after each epoch for the data of the next, saying so only once an epoch."""
    found = []
    for _ in range(rng.randint(4, 10)):
        found.append(Stretch("epochs", at, at + 40 * MINUTE, True, cpu=150, gpu=_gpu(rng, kernel), needed=True))
        found.append(Stretch("epochs", at + 40 * MINUTE, at + HOUR, True, needed=True))
        at += HOUR
    return found


def _watches(rng: random.Random, kernel: Kernel, at: float, scale: float) -> list[Stretch]:
    """A thread that looks at something once a minute at 0.3 % of a core: cannot be told from a library's ticker, so
    its person keeps the kernel for the night, as the documentation says."""
    end = at + rng.uniform(8, 14) * HOUR
    kernel.leases.append((at, end))
    return [Stretch("watcher", at, end, cpu=0.3, needed=True)]


_OVERNIGHT: dict[_Behaviour, float] = {
    _trains: 24,
    _trains_silently: 8,
    _starts_a_process: 10,
    _downloads: 8,
    _asks_a_database: 8,
    _delegates: 10,
    _hangs: 6,
    _asks: 5,
    _sweeps: 8,
    _trains_with_pauses: 6,
    _watches: 4,
}
"""How often each is left behind. Nobody has counted: that a figure rests on one of them is seen by changing it."""
