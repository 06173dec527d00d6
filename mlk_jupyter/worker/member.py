"""What a rank owes the pod it runs in: whole lines where ranks share one output, and a last word when it fails."""

from __future__ import annotations

import contextlib
import os
import re

from .wire import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, MutableMapping, Optional

    from .launchers import Identity

LOST_PEER = 75
"""Exit code of a rank whose connection to a rank of another worker broke: what happened to that worker decides."""
WORDS_LIMIT = 4096  # bytes that Kubernetes keeps of a container's termination message

ALIVE, ENDS, TURN = "alive", "ends", "turn"  # files of the team's folder: a pipe, a pipe, a lock

_SHORT = 500  # characters of an exception's name that are kept
_RESERVE_S = 3.0  # seconds of the grace period that the keeper keeps for itself, to say how the rank ended
# What torch.distributed raises, and what gloo and NCCL say when the other end of a connection is gone.
_DISTRIBUTED = frozenset({"RuntimeError", "DistBackendError", "DistNetworkError", "DistStoreError"})
_BROKEN = re.compile(
    r"connection (was )?(closed|reset|aborted)|broken pipe|pair closure|unexpected eof|remote (process|peer)"
    r"|unhandled system error|failed to connect|timed? ?out",
    re.IGNORECASE,
)


class Member:
    """One rank's part in its pod. Takes the pod's variables out of `environ`, so that the notebook does not see them.

    Attributes: lifeline: pipe that ends when the process that started the ranks is gone; None where that is nobody.
                stop_s: seconds that a stop may take before the rank is killed; None for no limit of its own.
    """

    def __init__(self, environ: MutableMapping[str, str], identity: Identity) -> None:
        self._rank = identity.rank
        self._others = identity.world_size > identity.local_world_size
        self._words = environ.pop("MLK_LAST_WORDS", "")
        self._team = environ.pop("MLK_TEAM", "")
        self._lock: Optional[int] = None
        self._lost_peer = False
        grace = environ.pop("MLK_GRACE_S", "")
        self.stop_s = max(1.0, float(grace) - _RESERVE_S) if grace.isdigit() else None
        self.lifeline: Optional[int] = None
        if self._team:
            self.lifeline = os.open(os.path.join(self._team, ALIVE), os.O_RDONLY | os.O_NONBLOCK)

    def write(self, data: Any) -> None:
        """Whole lines to the standard output, undivided by those of the pod's other ranks. Raises: OSError."""
        if not self._team:
            write_all(1, data)
            return
        import fcntl

        if self._lock is None:  # opened here, not before the fork: a lock belongs to all who inherit its descriptor
            self._lock = os.open(os.path.join(self._team, TURN), os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            write_all(1, data)
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def failed(self, words: Dict[str, Any]) -> None:
        """The rank has failed, as its `error` frame says it without the traceback: the first of the pod is heard."""
        self._lost_peer = self._others and lost_peer(words["ename"], words["evalue"])
        leave_words(self._words, {"rank": self._rank, **words})

    def exit_code(self, code: int) -> int:
        """The exit code of a rank whose process ended with `code`."""
        return LOST_PEER if code == 1 and self._lost_peer else code

    def ended(self, code: int) -> None:
        """The rank has ended with this exit code: whoever started the pod's ranks is told."""
        if self._team:
            with contextlib.suppress(OSError):  # nobody listens any more
                ends = os.open(os.path.join(self._team, ENDS), os.O_WRONLY | os.O_NONBLOCK)
                os.write(ends, b"%d %d\n" % (self._rank, code))


def lost_peer(ename: str, evalue: str) -> bool:
    """Whether an exception says that the connection to another rank broke."""
    return ename in _DISTRIBUTED and _BROKEN.search(evalue) is not None


def leave_words(path: str, words: Dict[str, Any]) -> None:
    """Writes why the pod fails into its termination message, where no rank has done so before."""
    if not path:
        return
    import fcntl
    import json

    with contextlib.suppress(OSError):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_size == 0:
                os.write(file, _fitting(json.dumps, words))
        finally:
            os.close(file)


def _fitting(dumps: Any, words: Dict[str, Any]) -> bytes:
    """The words as JSON, as much of the exception's text as there is room for."""
    whole = str(words.get("evalue"))
    short = {**words, "ename": str(words.get("ename"))[:_SHORT]}

    def of(size: int) -> bytes:
        text = whole if size >= len(whole) else whole[:size] + "…"
        data: bytes = dumps({**short, "evalue": text}).encode("ascii")
        return data

    fits, too_many = 0, min(len(whole), WORDS_LIMIT) + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if len(of(middle)) <= WORDS_LIMIT:
            fits = middle
        else:
            too_many = middle
    return of(fits)
