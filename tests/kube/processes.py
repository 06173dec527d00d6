"""A container as processes of this machine: started, signalled, and all of its tree gone at its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import uuid
from pathlib import Path
from typing import IO

from .pod_logs import ContainerLog

_AGAIN_S = 0.05
COOKIE = "KUBE_FAKE_CONTAINER"
"""A variable in the environment of all of a container's processes, by which they are found again."""


class ContainerProcess:
    """One run of one container's command. Raises OSError when the program cannot be started."""

    def __init__(self, argv: list[str], env: dict[str, str], cwd: str, log: ContainerLog) -> None:
        # The test too, as a container inherits no environment: what outlives its test is named by it.
        self._cookie, self.log = f"{uuid.uuid4().hex} {os.environ.get('TEST_STARTED_BY', '')}", log
        self._process = subprocess.Popen(
            argv,
            env={**env, COOKIE: self._cookie},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._exited = asyncio.Event()
        self._pidfd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)
        self._readers = [
            asyncio.create_task(self._copy(pipe, name), name=f"{name} of {argv[0]}")
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]

    async def wait(self) -> int:
        """Its exit code as a container's (128 + signal), when all its processes are gone and all output is read."""
        await self._exited.wait()
        pending = set(self._readers)
        while pending:  # what it left behind dies with it, as in a container when its first process ends
            self.kill()  # not once: while a process is being executed it shows no environment yet
            _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def terminate(self) -> None:
        """What a kubelet sends first: SIGTERM, to the first process alone.

        In a container that is process 1, which the kernel spares a signal that it has no handler for.
        """
        if not self._exited.is_set() and _catches(self._process.pid, signal.SIGTERM):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole tree now."""
        if not self._exited.is_set():
            self._process.kill()  # by its number: while it is being executed it shows no environment yet
        for _ in range(5):  # processes that were just being made are found by the next round
            found = _with_cookie(self._cookie)
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if not found:
                return

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._exited.set()

    async def _copy(self, pipe: IO[bytes] | None, name: str) -> None:
        loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            while data := await reader.read(64 * 1024):
                self.log.write(name, data)
        finally:
            transport.close()


def _with_cookie(cookie: str) -> list[int]:
    wanted, found = f"{COOKIE}={cookie}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0") and not _is_zombie(entry):
                    found.append(int(entry.name))
    return found


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _catches(pid: int, number: signal.Signals) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
