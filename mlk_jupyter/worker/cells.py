"""Runs a notebook's cells, one after the other, in one event loop. Says what begins and how it ends."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import os
import sys
import time

from . import mlflow_hook, streams
from .tracebacks import said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Coroutine, Dict, List, Optional, Tuple

    from .wire import Sender

_CLEANUP_S = 5.0  # seconds that an interrupted `await` gets for its `finally`


class Failure:
    """Why a cell failed: the exception, and its traceback as the notebook shows it."""

    def __init__(self, error: BaseException, lines: List[str]) -> None:
        self.error, self.lines = error, lines


def run(
    notebook: Dict[str, Any], sender: Sender, shell: Any, stopping: Callable[[], bool], script: bool = False
) -> int:
    """Runs all cells. `stopping`: whether the job was asked to stop. `script`: whether they are a script, which
    may call `asyncio.run`: no loop runs around it, unless it awaits as only cells can.

    Gives the exit code: 0 done, 1 a cell failed, 143 stopped, or what a cell gave to `sys.exit`.
    """
    cells = [(index, cell) for index, cell in enumerate(notebook.get("cells") or []) if is_code(cell)]
    running = sum("skip-execution" not in _tags(cell) and _counts(cell) for _, cell in cells)
    sender.send("started", python=sys.version.split()[0], ipython=shell.version, cells=running)
    if script and not any(_awaits(source_of(cell)) for _, cell in cells):
        return _without_loop(_run_all(cells, sender, shell, stopping))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    task = loop.create_task(_run_all(cells, sender, shell, stopping))
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt:
        # It hit the loop itself, while the cell was awaiting: the cell hears of it as a cancellation.
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, asyncio.TimeoutError, KeyboardInterrupt):
            loop.run_until_complete(asyncio.wait_for(task, _CLEANUP_S))
        return 143 if stopping() else 130


def _without_loop(work: Coroutine[Any, Any, int]) -> int:
    """What the coroutine gives, which only ever yields its turn."""
    try:
        while True:
            work.send(None)
    except StopIteration as done:
        return int(done.value)


def _awaits(source: str) -> bool:
    """Whether the code awaits outside of any function, as far as it is plain Python."""
    try:
        code = compile(source, "<script>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return True  # magics, perhaps: as in a notebook
    return bool(code.co_flags & inspect.CO_COROUTINE)


async def _run_all(
    cells: List[Tuple[int, Dict[str, Any]]], sender: Sender, shell: Any, stopping: Callable[[], bool]
) -> int:
    number = 0
    for index, cell in cells:
        if stopping():
            return 143  # a cell swallowed the request, as IPython does while a `!command` runs
        if "skip-execution" in _tags(cell):
            sender.send("cell_finished", cell=index, status="skipped", seconds=0)
            continue
        number += _counts(cell)
        code = await _run_one(index, number if _counts(cell) else None, cell, sender, shell, stopping)
        if code is not None:
            return code
        await asyncio.sleep(0)  # tasks that a cell started move on between cells, as in a kernel
    sender.send("rank_left", cell=None, number=None)
    return 0


async def _run_one(
    index: int, number: Optional[int], cell: Dict[str, Any], sender: Sender, shell: Any, stopping: Callable[[], bool]
) -> Optional[int]:
    """Runs a cell. Gives None when the next may run, else the exit code."""
    counts = number is not None
    sender.send("cell_started", cell=index, number=number, count=shell.count if counts else None)
    start, process = time.perf_counter(), os.getpid()
    failure: Optional[Failure]
    try:
        failure = await shell.run(source_of(cell), counts)
    except (KeyboardInterrupt, asyncio.CancelledError) as interruption:
        failure = Failure(interruption, [f"{type(interruption).__name__}: {said(interruption)}"])
    error: Optional[BaseException] = None if failure is None else failure.error
    exits = isinstance(error, SystemExit)
    well = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
    if os.getpid() != process:  # a child that the cell forked came out of it: what follows is its parent's
        streams.flush()
        os._exit(0 if well else _exit_code(error))
    mlflow_hook.after_cell()
    seconds = round(time.perf_counter() - start, 6)
    sync = streams.end_of_cell()
    expected = "raises-exception" in _tags(cell) and not exits and not stopping()
    status = "ok" if well else "expected_error" if expected else "error"
    sender.send("cell_finished", cell=index, status=status, seconds=seconds, sync=sync)
    if failure is None or expected:
        return None
    if well:
        sender.send("rank_left", cell=index, number=number)
        return 0
    interrupted = isinstance(error, (KeyboardInterrupt, asyncio.CancelledError))
    if stopping() and interrupted:
        return 143
    sender.send(
        "error",
        cell=index,
        number=number,
        ename=type(failure.error).__name__,
        evalue=said(failure.error),
        traceback=failure.lines,
        module=str(type(failure.error).__module__),
    )
    return _exit_code(error)


def _exit_code(error: Optional[BaseException]) -> int:
    return (error.code & 0xFF or 1) if isinstance(error, SystemExit) and isinstance(error.code, int) else 1


def _counts(cell: Dict[str, Any]) -> bool:
    """Whether a person knows the cell: not one that was injected."""
    return "injected-parameters" not in _tags(cell)


def is_code(cell: Dict[str, Any]) -> bool:
    """Whether the cell is one that runs."""
    return cell.get("cell_type") == "code" and bool(source_of(cell).strip())


def source_of(cell: Dict[str, Any]) -> str:
    """The cell's text, which nbformat allows to be a list of lines."""
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(source)


def _tags(cell: Dict[str, Any]) -> List[str]:
    return list((cell.get("metadata") or {}).get("tags") or [])
