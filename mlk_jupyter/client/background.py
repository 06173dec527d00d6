"""One background thread with an event loop for each process: where the asynchronous half of the library runs.

It begins with the first call, whatever loop or thread that comes from, and ends with the process. A forked child begins
its own. Whoever waits for it holds no loop's thread but their own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import concurrent.futures.thread  # registers its own end of the process, which has to come after ours
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from ..errors import MlkError

T = TypeVar("T")
_CLOSE_S = 5.0  # how long the end of the process waits for connections to close and records to be written


class Background:
    """A thread with an event loop, and what is to be closed with it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mlk", daemon=True)
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._asked: set[concurrent.futures.Future[Any]] = set()
        self.closing = False
        self._thread.start()

    @property
    def here(self) -> bool:
        """Whether the caller is in this thread, and so must not wait for it."""
        return threading.current_thread() is self._thread

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begins to run something; cancelling the future cancels it."""
        try:
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise
        self._asked.add(future)
        future.add_done_callback(self._asked.discard)
        return future

    def at_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Has something closed, in the loop, as the process ends."""
        self._closers.append(close)

    def close(self) -> None:
        """Ends what runs here, and the thread."""
        if self._loop.is_closed() or not self._thread.is_alive():
            return
        self.closing = True
        for asked in list(self._asked):
            asked.cancel()
        with contextlib.suppress(Exception):  # the process ends: nobody is left to be told
            self.start(self._end()).result(_CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _end(self) -> None:
        for close in self._closers:
            await close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_CLOSE_S / 2)


_lock = threading.Lock()
_current: Background | None = None
_of_parents: list[Background] = []  # their loops share open files with the parent: never closed, never collected


def background() -> Background:
    """This process' own; begun when it is first asked for."""
    global _current
    with _lock:
        if _current is None:
            _current = Background()
        return _current


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs something in the background and waits for it. Being interrupted cancels it.

    Raises: RuntimeError in the background's own thread, which would wait for itself.
    """
    there = background()
    if there.here:
        work.close()
        raise RuntimeError("This waits for the thread that it is called in. Call it from any other thread.")
    future = there.start(work)
    try:
        return future.result()
    except MlkError as error:
        told = error.with_traceback(None)  # what a person did wrong is not explained by our innards
        add_hint(told)
        raise told from told.__cause__
    except concurrent.futures.CancelledError:
        if there.closing:
            raise SystemExit from None  # a thread that still waits as the process ends, ends with it
        raise
    finally:
        future.cancel()


def add_hint(error: MlkError) -> None:
    """Shows what to do next below the error, where Python can (3.11)."""
    add_note = getattr(error, "add_note", None)
    if add_note is not None and error.hint and error.hint not in getattr(error, "__notes__", ()):
        add_note(error.hint)


def _close() -> None:
    if _current is not None:
        _current.close()


def _forked() -> None:
    global _lock, _current
    if _current is not None:
        _of_parents.append(_current)
    _lock, _current = threading.Lock(), None


os.register_at_fork(after_in_child=_forked)
# Not `atexit`: by then no thread can be started any more, and closing a backend writes files in threads.
getattr(threading, "_register_atexit")(_close)  # noqa: B009
