"""Several ranks in one pod: started by torchrun where the image has torch, else by us. One failure ends them all."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

from . import tree
from .member import ALIVE, ENDS, TURN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PATIENCE_S = 10.0  # seconds that ranks get to end after another one failed
_JOIN_S = 3600  # seconds that torchrun waits for the other pods: their images may still be pulled
_LEFT_S = 1.0  # seconds between SIGTERM and SIGKILL for what is left in the end

# Not `-m`: it would look for modules in the notebook's folder first. Each rank has told its failure itself.
_TORCHRUN = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main
try:
    main()
except (ChildFailedError, SignalException):
    sys.exit(1)
"""


class Team:
    """The ranks of one worker. They share the pod's standard output, and end together."""

    def __init__(self, archive: str, worker: int, workers: int, ranks: int) -> None:
        self._archive = archive
        self._worker, self._workers, self._ranks = worker, workers, ranks
        self._children: Dict[int, subprocess.Popen[bytes]] = {}
        self._code: Optional[int] = None  # of the first that failed
        self._killed = False  # one was, that did not end by itself
        self._torchrun = has_torch()
        self._stopping = False
        self._kill_at: Optional[float] = None

    def run(self) -> int:
        """Starts the ranks and waits for their end. Gives the pod's exit code."""
        import shutil
        import tempfile

        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        tree.become_subreaper()
        folder = tempfile.mkdtemp(prefix="mlk-team-")
        try:
            self._listen(folder)
            self._start({**os.environ, "MLK_TEAM": folder})
            self._watch()
            tree.kill_descendants(_LEFT_S)
            self._hear()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if self._stopping and self._code is not None:
            return 128 + (signal.SIGKILL if self._killed else signal.SIGTERM)
        return self._code or 0

    def _listen(self, folder: str) -> None:
        for name in (ALIVE, ENDS):
            os.mkfifo(os.path.join(folder, name), 0o600)
        os.close(os.open(os.path.join(folder, TURN), os.O_CREAT, 0o600))
        # Opened for both directions: this end never waits for the other. `alive` closes when this process ends.
        self._alive = os.open(os.path.join(folder, ALIVE), os.O_RDWR)
        self._ends = os.open(os.path.join(folder, ENDS), os.O_RDWR | os.O_NONBLOCK)

    def _start(self, environ: Dict[str, str]) -> None:
        if self._torchrun:
            # torchrun's own limit for a stop, where it knows the variable: ours is kept by the ranks themselves.
            grace = max(30, int(environ.get("MLK_GRACE_S") or 0))
            self._spawn(self._torchrun_command(environ), {**environ, "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(grace)})
            return
        for local in range(self._ranks):
            place = {
                "RANK": str(self._worker * self._ranks + local),
                "WORLD_SIZE": str(self._workers * self._ranks),
                "LOCAL_RANK": str(local),
                "LOCAL_WORLD_SIZE": str(self._ranks),
            }
            self._spawn([sys.executable, self._archive], {**environ, **place})

    def _torchrun_command(self, environ: Dict[str, str]) -> List[str]:
        return [
            sys.executable,
            "-c",
            _TORCHRUN,
            f"--nnodes={self._workers}",
            f"--node-rank={self._worker}",
            f"--nproc-per-node={self._ranks}",
            "--rdzv-backend=static",
            f"--rdzv-conf=timeout={_JOIN_S}",
            f"--master-addr={environ['MASTER_ADDR']}",
            f"--master-port={environ['MASTER_PORT']}",
            "--max-restarts=0",
            "--monitor-interval=0.1",
            self._archive,
        ]

    def _spawn(self, command: List[str], environ: Dict[str, str]) -> None:
        parent = os.getpid()

        def prepare() -> None:
            tree.die_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

        child = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=prepare
        )
        self._children[child.pid] = child

    def _watch(self) -> None:
        while self._children:
            found = signal.sigtimedwait(_SIGNALS, self._rest())
            if found is not None and found.si_signo in (signal.SIGTERM, signal.SIGINT) and not self._stopping:
                self._stopping = True
                self._tell()
            self._hear()
            self._reap()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                tree.kill_descendants()
                self._reap()
                return

    def _rest(self) -> float:
        """Seconds until something is due. Ends of ranks below torchrun raise no signal here, so they are looked for."""
        return 0.2 if self._kill_at is None else max(0.0, min(0.2, self._kill_at - time.monotonic()))

    def _hear(self) -> None:
        """What the ranks said of their ends, in their order."""
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._ends, 65_536).splitlines():
                self._note(int(line.split()[1]))

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                child = self._children.pop(pid, None)
                if child is not None:
                    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                    child.returncode = 128 + number if number else os.WEXITSTATUS(status)
                    self._note(child.returncode)

    def _note(self, code: int) -> None:
        self._killed = self._killed or code == 128 + signal.SIGKILL
        if not code or self._code is not None:
            return
        self._code = code
        if not self._stopping:
            self._kill_at = time.monotonic() + _PATIENCE_S
            if not self._torchrun:  # which sees it as well, and a rank should be interrupted once
                self._tell()

    def _tell(self) -> None:
        """Asks those that run to end."""
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def has_torch() -> bool:
    """Whether the image has torch with its launcher. Does not import it."""
    from importlib.util import find_spec

    spec = find_spec("torch")
    places = (spec.submodule_search_locations if spec is not None else None) or []
    return any(os.path.isfile(os.path.join(place, "distributed", "run.py")) for place in places)
