"""Where a rank begins: `python bundle.pyz`. Finds out which rank it is, and forks the process that runs the cells."""

from __future__ import annotations

import gc
import os
import signal
import sys

from .stop import Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Optional

    from .launchers import Identity

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def main(archive: Optional[str] = None) -> NoReturn:
    """Runs the bundle at `archive` (what Python was started with, where it is left out) as one rank, and exits.

    Exit codes: 0 the notebook is done; 1 a cell failed; the cell's own code after `sys.exit`; 143 stopped;
    128 + n ended by signal n; 2 the launcher's variables make no sense; in a pod, 75 where a cell failed because the
    connection to another worker's rank broke.
    """
    archive = os.path.abspath(archive or sys.argv[0])
    if os.environ.get("MLK_POD"):
        from . import pod

        pod.enter(archive, sys.argv[1:])
    gc.disable()  # nothing that the imports make is garbage, and looking for it costs a third of their time
    from .launchers import identify

    try:
        identity = identify(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    _start(archive, identity)


def _start(archive: str, identity: Identity) -> NoReturn:
    import json  # noqa: F401  both processes need it: imported once, before they part

    nonce = os.environ.pop("MLK_NONCE", "") or os.urandom(8).hex()
    token = os.urandom(8).hex()
    lifeline_text = os.environ.pop("MLK_LIFELINE", "")
    lifeline = int(lifeline_text) if lifeline_text.isdigit() else None
    member = None
    if os.environ.get("MLK_LAST_WORDS") or os.environ.get("MLK_TEAM"):
        from .member import Member

        member = Member(os.environ, identity)
        lifeline = lifeline if member.lifeline is None else member.lifeline
    stop = Stop()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    answers_read, answers_write = os.pipe()
    keeper = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # none may hit before its handler is there
    pid = os.fork()
    if pid == 0:
        for fd in (out_read, err_read, answers_write, *(() if lifeline is None else (lifeline,))):
            os.close(fd)
        from . import user

        sys.exit(user.run(archive, identity, token, stop, keeper, out_write, err_write, answers_read))
    os.close(out_write)
    os.close(err_write)
    os.close(answers_read)
    from .keeper import Keeper

    code = Keeper(identity, nonce, token, stop, pid, out_read, err_read, answers_write, lifeline, member).run()
    if member is not None:
        member.ended(code)
    os._exit(code)  # nothing of this process is left to be tidied up, and a rank's end should take no time
