"""One worker pod: `python bundle.pyz` where MLK_POD is set. One rank becomes this process; several get a team.

Variables it is given: MLK_WORKERS, MLK_RANKS_PER_WORKER, JOB_COMPLETION_INDEX (the worker's number, from Kubernetes),
MASTER_ADDR and MASTER_PORT (of the first worker), MLK_FILES (where the files go, and the working folder),
MLK_LAST_WORDS (file for why it failed), MLK_GRACE_S (seconds from SIGTERM to SIGKILL), MLK_CPU_MILLIS (thousandths of
a core that the container requests).
"""

from __future__ import annotations

import contextlib
import os
import re
import sys

from .launchers import DEFAULT_PORT
from .member import leave_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, MutableMapping, NoReturn, Tuple

# What other launchers say, and a ConfigMap may bring along. Here the pod's own number decides.
_FOREIGN = re.compile(
    r"(NODE_)?RANK|WORLD_SIZE|(LOCAL|GROUP|ROLE)_(RANK|WORLD_SIZE)|ROLE_NAME|PET_.*|TORCHELASTIC_.*|OMPI_.*|PMI_.*"
    r"|PMIX_.*|TF_CONFIG"
)


def enter(archive: str, arguments: List[str]) -> None:
    """Runs the pod. Returns only where this process is to become the pod's one rank; its environment then says so.

    With the arguments `--stage -- COMMAND…` it unpacks the files instead, runs the command and exits as that does.
    Exit codes: those of the first rank that failed; 143 stopped; 2 the pod's variables make no sense.
    """
    environ = os.environ
    environ.pop("MLK_POD", None)
    _enter_folder(environ)
    if arguments[:2] == ["--stage", "--"] and arguments[2:]:
        _stage(archive, arguments[2:])
    try:
        worker, workers, ranks = _place(environ)
    except (KeyError, ValueError) as error:
        text = f"The pod's variables do not say which worker this is: {error}"
        leave_words(environ.get("MLK_LAST_WORDS", ""), {"rank": None, "ename": "NoPlace", "evalue": text})
        print(text, file=sys.stderr)
        sys.exit(2)
    for name in [name for name in environ if _FOREIGN.fullmatch(name)]:
        del environ[name]
    environ["MLK_WORKER"] = str(worker)
    # As on one machine, threads of all ranks together fill the cores once; else each rank takes all of the node's.
    millis = environ.pop("MLK_CPU_MILLIS", "")
    cores = int(millis) // 1000 if millis.isdigit() else 0
    environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // ranks)))
    environ.setdefault("MASTER_PORT", DEFAULT_PORT)
    if workers == 1:
        environ["MASTER_ADDR"] = "127.0.0.1"  # needs no name, and no wait until the name is known
    elif worker == 0 and _is_here(environ.get("MASTER_ADDR", "")):
        environ["MASTER_ADDR"] = os.uname().nodename  # known from the start; what others ask DNS for comes later
    _make_user_site()
    if ranks == 1:
        environ.update(RANK=str(worker), WORLD_SIZE=str(workers), LOCAL_RANK="0", LOCAL_WORLD_SIZE="1")
        return
    from .team import Team

    code = Team(archive, worker, workers, ranks).run()
    sys.stdout.flush()
    os._exit(code)


def _place(environ: MutableMapping[str, str]) -> Tuple[int, int, int]:
    """The worker's number, how many there are, and how many ranks each has."""
    worker, workers = int(environ["JOB_COMPLETION_INDEX"]), int(environ["MLK_WORKERS"])
    ranks = int(environ.get("MLK_RANKS_PER_WORKER") or 1)
    if not 0 <= worker < workers or ranks < 1:
        raise ValueError(f"worker {worker} of {workers}, with {ranks} ranks")
    return worker, workers, ranks


def _is_here(address: str) -> bool:
    """Whether `HOST.SERVICE` is this pod, and the pod knows itself as HOST."""
    import socket

    host = os.uname().nodename
    if address.partition(".")[0] != host:
        return False
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _make_user_site() -> None:
    """Where `%pip install` puts packages when the image's own folder is not ours to write to.

    Python looks there only where the folder exists when it starts; ranks that it starts later find it.
    """
    import site

    if not site.ENABLE_USER_SITE:
        return
    with contextlib.suppress(OSError):
        folder = site.getusersitepackages()
        os.makedirs(folder, exist_ok=True)
        if folder not in sys.path:
            others = [sys.path.index(other) for other in site.getsitepackages() if other in sys.path]
            sys.path.insert(min(others) if others else len(sys.path), folder)


def _enter_folder(environ: MutableMapping[str, str]) -> None:
    """Relative paths mean what they mean beside the notebook."""
    folder = environ.get("MLK_FILES")
    if folder:
        os.makedirs(folder, exist_ok=True)
        os.chdir(folder)
        environ["PWD"] = folder


def _stage(archive: str, command: List[str]) -> NoReturn:
    import json
    import signal
    import subprocess
    import zipimport

    from .files import unpack

    bundle = zipimport.zipimporter(archive)
    unpack(bundle, json.loads(bundle.get_data("job/job.json")).get("files") or [])
    os.environ.pop("MLK_NONCE", None)  # what the command prints is no frame
    # Not `exec`: the first process of a container is not ended by a signal that it has no handler for, so that a job
    # could not be stopped before its grace period is over.
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # none may hit before there is somebody to pass it on to
    try:
        child = subprocess.Popen(command, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, signals))
    except OSError as error:
        print(f"The staging command cannot be started: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)
    for number in signals:
        signal.signal(number, lambda number, frame: child.send_signal(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)
