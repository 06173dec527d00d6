"""The MLflow server of this machine's SQLite store: there while somebody reads, gone when nobody does."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from ..errors import MlkError
from ..waiting import within
from .client import TrackingServer
from .credentials import Credentials
from .store import has_mlflow, prepare

_START_LIMIT_S = 60.0
_SCRIPT = Path(__file__).with_name("store_server.py")  # run, never imported: it is what imports MLflow


class TrackingStarting(MlkError):
    """Not a failure: the server for reading runs takes a few seconds to start."""

    code, title, status = "mlflow_starting", "MLflow is starting", 503

    def __init__(self) -> None:
        super().__init__(
            "The MLflow server for this machine's runs is starting.",
            hint="It takes a few seconds; the page asks again by itself.",
        )


class LocalServerFailed(MlkError):
    """It did not start."""

    code, title, status = "mlflow_server_failed", "MLflow could not be started", 503


class LocalServer:
    """At most one server process for one store, started by the first read and stopped when idle or with its owner.

    It listens on 127.0.0.1 only and answers only to who knows its secret. Should the owner be killed, the pipe that the
    server reads closes, and it ends at once. Without a reader this holds no process, no timer and no task.
    """

    def __init__(
        self,
        tracking_uri: str,
        artifacts: Path,
        *,
        log: Path,
        python: str = sys.executable,
        idle_s: float = 600.0,
    ) -> None:
        """
        Args:
            tracking_uri: of the SQLite store.
            log:          what the server prints, from its latest start.
            python:       an interpreter that has MLflow.
            idle_s:       seconds after the last read until it is stopped.
        """
        self._uri, self._artifacts, self._log, self._python, self._idle_s = tracking_uri, artifacts, log, python, idle_s
        self._process: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[TrackingServer] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._secret = ""

    @property
    def pid(self) -> int | None:
        """Of the running process, for those who want to see it; None when none runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def now(self) -> TrackingServer:
        """The server, if it answers already; else it is on its way when this raises.

        Raises: TrackingStarting, LocalServerFailed (once for each attempt; the next call tries again).
        """
        task = self._task()
        if not task.done():
            raise TrackingStarting
        return await self._outcome(task)

    async def ready(self) -> TrackingServer:
        """The server, however long it takes to start (3 to 10 s).

        Raises: LocalServerFailed.
        """
        task = self._task()
        await asyncio.wait({task})
        return await self._outcome(task)

    async def stop(self) -> None:
        """Ends the process, if there is one; a later read starts another."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        task, self._starting = self._starting, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                await task.result().__aexit__()
        process, self._process = self._process, None
        if process is not None:
            await _end(process)

    def browser_url(self, server: TrackingServer, url: str) -> str:
        """An address of this server that opens in a browser on this machine, the way in included."""
        address, hash_mark, place = url.partition("#")
        return f"{address}?token={self._secret}{hash_mark}{place}"

    def _task(self) -> asyncio.Task[TrackingServer]:
        died = self._process is not None and self._process.returncode is not None
        if self._starting is None or (died and self._starting.done()):
            self._starting = asyncio.create_task(self._start(), name="start of the local MLflow server")
        elif self._starting.done():
            self._rest()
        return self._starting

    async def _outcome(self, task: asyncio.Task[TrackingServer]) -> TrackingServer:
        if task.cancelled():
            raise LocalServerFailed("It was stopped while it started.", hint="Ask again.")
        try:
            return task.result()
        except MlkError:
            if self._starting is task:
                self._starting = None
            raise

    def _rest(self) -> None:
        """Counts the idle time from now."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._went_idle)

    def _went_idle(self) -> None:
        self._idle = None
        self._stopping = asyncio.get_running_loop().create_task(self.stop(), name="stop of the idle MLflow server")

    async def _start(self) -> TrackingServer:
        if not await has_mlflow(self._python):
            raise LocalServerFailed(f"MLflow is not installed for {self._python}.", hint="`pip install mlflow`")
        await prepare(self._uri, self._artifacts, self._python)
        self._secret = secrets.token_urlsafe(24)
        try:
            with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
                process = await asyncio.create_subprocess_exec(
                    self._python,
                    str(_SCRIPT),
                    self._uri,
                    str(self._artifacts),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=self._log.parent,
                    env=_environment(),
                    start_new_session=True,  # Ctrl-C in Jupyter's terminal is for Jupyter
                )
        except OSError as error:
            raise LocalServerFailed(f"{error.filename}: {error.strerror or error}.", hint="See the path.") from error
        try:
            port = await within(_START_LIMIT_S, self._port(process))
        except BaseException as error:
            await _end(process)
            if isinstance(error, asyncio.TimeoutError):
                raise self._failed(f"It did not answer within {_START_LIMIT_S:.0f} s.") from error
            raise
        self._process = process
        self._rest()
        credentials = Credentials(f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {self._secret}"})
        return TrackingServer(credentials, local=True)

    async def _port(self, process: asyncio.subprocess.Process) -> int:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(self._secret.encode() + b"\n")
            await process.stdin.drain()
            return int(json.loads(await process.stdout.read())["port"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._failed("It ended before it answered.") from error

    def _failed(self, what: str) -> LocalServerFailed:
        try:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        last = f" Its last words: {lines[-1][:256]}" if lines else ""
        return LocalServerFailed(what + last, hint=f"The whole log is {self._log}.")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kills: the server keeps nothing that a kill could harm. Survives being cancelled itself."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        process.kill()
    await asyncio.shield(asyncio.ensure_future(process.wait()))


def _environment() -> dict[str, str]:
    """Ours without MLflow's settings: those are about another server, and tell what a client should do."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "_MLFLOW_"))}
