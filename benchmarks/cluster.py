"""What a cluster with many jobs costs: `make bench-kubernetes`.

10,000 jobs that are over and 1,000 that are not, a tenth of these running, in the tests' API server. Nothing runs in
it: its objects are put there. It is a process of its own, so that its work is not counted as ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import panel
from .lab import Lab, lab
from .measure import Row, in_turn, row, say, seconds

_ROOT = Path(__file__).resolve().parent.parent
FINISHED, LIVE = 10_000, 1_000
_WINDOWS = 10
_EVENTS, _EACH_S = 2_000, 0.005
_QUIET_S = 5.0  # for what the first look leaves to do in the background
_SETTLE_LIMIT_S = 120.0

_IMPORT = """
import resource, sys, time
import mlk_jupyter.server.app, mlk_jupyter.backends.kubernetes.backend
def memory():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1024**2
before, started = memory(), time.perf_counter()
import aiohttp
print(time.perf_counter() - started, memory() - before)
"""


# Each prints the seconds by the clock, and those of the processor.
_READ = """
import asyncio, re, time
from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.api.connection import Connection
from mlk_jupyter.backends.kubernetes.api.targets import targets
from mlk_jupyter.backends.kubernetes.resources import EVENTS, JOBS, PODS
async def read(connection, resource):
    token = ""
    while token is not None:
        query = {"limit": "500"} | ({"continue": token} if token else {})
        text = await connection.text(resource.path("default"), **query)
        found = re.search(r'"continue": ?"([^"]+)"', text)
        token = found[1] if found else None
async def every():
    async with Connection(targets()[0]) as connection:
        await connection.get("/version")
        started, worked = time.perf_counter(), time.process_time()
        await asyncio.gather(*(read(connection, resource) for resource in (JOBS, PODS, EVENTS)))
        print(time.perf_counter() - started, time.process_time() - worked)
asyncio.run(every())
"""
_MLK_JOBS = """
import contextlib, io, sys, time
started = time.perf_counter()
from mlk_jupyter.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    main(["jobs", *{options}])
print(time.perf_counter() - started, time.process_time())
"""


class _Crowd:
    """The process with the API server."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, do: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        return (await self.answer())["answer"]

    async def turn(self, job: str) -> float:
        """Changes the reason of a job that waits; gives when."""
        return float(await self.ask("turn", job=job))

    async def answer(self) -> Any:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the API server ended")
        return json.loads(line)


def rows(runs: int) -> list[Row]:
    """All that is measured on the tests' cluster."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_importing(runs), *asyncio.run(_measured(Path(folder), runs))]


def _importing(runs: int) -> list[Row]:
    say("importing what speaks to a cluster")
    found = []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
        found.append([float(value) for value in done.stdout.split()])
    taken, memory = (statistics.median(column) for column in zip(*found, strict=True))
    return [
        row("importing aiohttp, over our own server", taken * 1000, "ms"),
        row("the same, resident memory", memory, "MB"),
    ]


async def _measured(folder: Path, runs: int) -> list[Row]:
    say("memory of a server without a cluster")
    alone, collected_alone = await _without(folder / "alone")
    kubeconfig = folder / "kubeconfig"
    say(f"filling an API server: {FINISHED:,} jobs that are over, {LIVE:,} that are not")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.crowd", str(kubeconfig), str(FINISHED), str(LIVE),
        cwd=_ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        crowd = _Crowd(process)
        await crowd.answer()
        env = {"KUBECONFIG": str(kubeconfig)}
        say("reading the same lists and throwing them away")
        limit = in_turn(runs, read=lambda: _in_process(_READ, env, folder / "cli")[0])["read"]
        async with lab(folder / "lab", env) as server:
            found = await _watched(server, crowd, alone, collected_alone)
        say("mlk jobs")
        once = in_turn(
            runs,
            newest=lambda: _mlk_jobs(env, folder / "cli"),
            newest_cpu=lambda: _in_process(_MLK_JOBS.format(options=[]), env, folder / "cli")[1],
            every=lambda: _mlk_jobs(env, folder / "cli", "--all"),
            every_cpu=lambda: _in_process(_MLK_JOBS.format(options=["--all"]), env, folder / "cli")[1],
        )
        return [
            row(
                "the lists of 11,000 jobs, their pods and events, read and thrown away: what the API server needs",
                limit,
                "s",
            ),
            *found,
            row("mlk jobs, once", once["newest"], "s", most=4),
            row("the same, processor time", once["newest_cpu"], "s"),
            row("mlk jobs --all, once", once["every"], "s", most=4),
            row("the same, processor time", once["every_cpu"], "s"),
        ]
    finally:
        process.terminate()
        await process.wait()


async def _without(home: Path) -> tuple[float, float]:
    """MB of memory of a server without a cluster, and ms of its longest garbage collection."""
    async with lab(home, {"KUBECONFIG": str(home / "none")}) as server:
        await server.look()
        await asyncio.sleep(1.0)
        return server.memory(), server.longest_collection(0.0)


async def _watched(server: Lab, crowd: _Crowd, alone: float, collected_alone: float) -> list[Row]:
    none = await crowd.ask("requests")
    say("looking for the first time, and again")
    began, worked = time.time(), server.cpu()
    first = await server.look(FINISHED + LIVE)
    first_cpu = server.cpu() - worked
    again = await server.look(FINISHED + LIVE)
    settled = await _settled(server, first)
    say("what kept the event loop longest meanwhile")
    listing, collected = server.longest_blocks(began), server.longest_collection(began)
    memory = server.memory()
    say("a browser")
    async with panel.opened(server.url) as page:
        opened = await panel.show(page)
        await panel.hide(page)
        reopened = await panel.show(page)
        frames = await panel.scroll(page)
        names = (await panel.first_rows(page))[:5]
        late = []
        for number in range(60):
            late.append(await panel.until_changed(page, names[number % len(names)], crowd.turn))
        say("events")
        idle = await _cpu_of(server, asyncio.sleep(_QUIET_S))
        steady = time.time()
        taken = 0.0

        async def events() -> None:
            nonlocal taken
            taken = await crowd.ask("events", count=_EVENTS, each_s=_EACH_S)
            await asyncio.sleep(1.0)

        busy = await _cpu_of(server, events())
        say(f"{_EVENTS} events in {taken:.1f} s; what kept the event loop longest meanwhile")
        eventful = server.longest_blocks(steady)
    server.look_away()
    one = {what: count - none.get(what, 0) for what, count in (await crowd.ask("requests")).items()}
    say(f"requests so far: {one}")
    for _ in range(_WINDOWS):
        await server.look(FINISHED + LIVE)
    ten = {what: count - none.get(what, 0) for what, count in (await crowd.ask("requests")).items()}
    whole = sum(count for what, count in one.items() if not what.startswith("page"))
    watched = sum(count for what, count in one.items() if what.startswith("watch"))
    cpu = (busy - idle * (taken + 1.0) / _QUIET_S) / _EVENTS * 1000
    return [
        row("first look at 11,000 jobs, from the socket to the whole list", first, "s", most=4),
        row("the same, processor time of the server", first_cpu, "s"),
        row("the same, once it is watched", again * 1000, "ms"),
        row("until the server has nothing left to do after the first look", settled, "s"),
        *_blocks("the first look", listing),
        row("longest garbage collection of the server meanwhile, processor time", collected, "ms"),
        row("longest of a server without a cluster, which nobody looks at: the limit of that", collected_alone, "ms"),
        row("JupyterLab without a cluster, resident memory", alone, "MB"),
        row("11,000 jobs of a cluster, added resident memory", memory - alone, "MB", most=200),
        row("panel opened in a new page, to the first painted jobs", opened, "ms", most=1000),
        row("panel opened again", reopened, "ms", most=1000),
        row("scrolling through 11,000 jobs, frame p95", _p(frames, 95), "ms", most=34),
        row("event in the API server to the page, p50", _p(late, 50), "ms"),
        row("event in the API server to the page, p95", _p(late, 95), "ms", most=150),
        row("CPU for 1,000 pod events, one window", cpu, "s", most=2),
        *_blocks("200 events/s", eventful),
        row("lists and watches for one window, pages of a list counted once", whole, "requests"),
        row(f"more of them for {_WINDOWS} more windows", sum(ten.values()) - sum(one.values()), "requests", most=0),
        row("watches for one window", watched, "requests"),
    ]


def _blocks(when: str, longest: tuple[float, float]) -> list[Row]:
    clock, processor = longest
    return [
        row(f"longest block of the event loop at {when}, processor time", processor, "ms", most=50),
        row("the same by the clock, with what else the machine does", clock, "ms"),
    ]


async def _settled(server: Lab, first: float) -> float:
    """Seconds since the first look until a second passes with hardly any work."""
    started = time.monotonic()
    while time.monotonic() - started < _SETTLE_LIMIT_S:
        if await _cpu_of(server, asyncio.sleep(1.0)) < 0.1:
            break
    return first + time.monotonic() - started - 1.0


async def _cpu_of(server: Lab, work: Any) -> float:
    """CPU seconds of the server while something goes on."""
    before = server.cpu()
    await work
    return server.cpu() - before


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _mlk_jobs(env: dict[str, str], data: Path, *options: str) -> float:
    whole = {**os.environ, **env, "MLK_DATA_DIR": str(data)}
    return seconds([Path(sys.executable).with_name("mlk"), "jobs", *options], env=whole)


def _in_process(code: str, env: dict[str, str], data: Path) -> tuple[float, float]:
    """What some code of a process of its own printed last: seconds by the clock, and of the processor."""
    whole = {**os.environ, **env, "MLK_DATA_DIR": str(data)}
    done = subprocess.run([sys.executable, "-c", code], env=whole, capture_output=True, text=True, check=True)
    clock, processor = done.stdout.split()[-2:]
    return float(clock), float(processor)
