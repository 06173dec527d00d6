"""The user process: what it must have before the first cell runs, and how it ends."""

from __future__ import annotations

import gc
import os
import signal
import sys
import zipimport

from . import api, jax_hook, loopback, mlflow_hook, reach, spawned, streams, tree
from .files import put, unpack
from .wire import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from .launchers import Identity
    from .stop import Stop

_INLINE = "module://matplotlib_inline.backend_inline"


def run(
    archive: str,
    identity: Identity,
    token: str,
    stop: Stop,
    keeper: int,
    out_fd: int,
    err_fd: int,
    answers_fd: int,
) -> int:
    """Runs the bundle's notebook or script in this process, a fresh fork of the keeper. Gives the exit code."""
    tree.die_with(keeper)
    # A group of its own: a signal for the keeper's group reaches the notebook once, through the keeper.
    os.setpgid(0, 0)
    sender = _connect(out_fd, err_fd, answers_fd, token)
    code = 1
    try:
        _take_signals()
        code = _run(archive, identity, sender, stop)
    except KeyboardInterrupt:
        code = 143 if stop.requested else 130
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # a fault of ours, or of the image: say so as any failure is said
        import traceback

        from .tracebacks import said

        lines = traceback.format_exception(type(error), error, error.__traceback__)
        name, module = type(error).__name__, type(error).__module__
        sender.send(
            "error", cell=None, number=None, ename=name, evalue=said(error), traceback=lines, module=str(module)
        )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows is the way out
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mlflow_hook.finish(code)
    streams.flush()
    code = 143 if stop.requested and code else code
    sender.send("done", code=code)
    return code


def _take_signals() -> None:
    """As in any Python, whatever was inherited: see `stop.py` for why there is no handler of ours."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))


def _connect(out_fd: int, err_fd: int, answers_fd: int, token: str) -> Sender:
    """Points this process' descriptors at the keeper's pipes. Messages have their own, which survives `os.dup2`."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(out_fd, 1)
    os.dup2(err_fd, 2)
    os.close(null)
    sender = Sender(out_fd, token, answers_fd)
    reach.offer(os.environ, out_fd, token)
    streams.install(sender, Sender(err_fd, token))
    return sender


def _run(archive: str, identity: Identity, sender: Sender, stop: Stop) -> int:
    import json

    bundle = zipimport.zipimporter(archive)
    job: Dict[str, Any] = json.loads(bundle.get_data("job/job.json"))
    source = bundle.get_data("job/notebook.ipynb")
    notebook: Dict[str, Any] = json.loads(source)
    identity.complete(os.environ)
    folder = unpack(bundle, job.get("files") or [])
    script = bool(job.get("script"))
    _set_path(archive, folder, os.getcwd() if script else "")
    api.connect(sender)
    if identity.rank == 0 and "values/versions.json" in (job.get("extra") or ()):
        from .compare import compare

        compare(bundle.get_data("job/values/versions.json"), sender)
    # It lies in the working folder, or would if it had been carried; its path is the one that a person knows.
    name = os.path.join(os.getcwd(), os.path.basename(str(job.get("notebook") or "script.py")))
    sys.argv = [os.path.basename(name), *(str(word) for word in job.get("arguments") or [])]
    mlflow_hook.install(sender, identity.rank)
    loopback.install(identity.master_addr)
    jax_hook.install(identity)

    from . import cells

    if not script:
        spawned.install()
    elif "MLK_WORKERS" in os.environ and not os.path.exists(name):
        # In a pod, to which it came as a notebook: processes by `spawn` run it, to define what it defines.
        put(name, "\n\n".join(cells.source_of(cell) for cell in notebook["cells"] if cells.is_code(cell)).encode())

    shell = _shell(sender, notebook, name if script else None)
    gc.freeze()  # what was made so far stays: collections in the notebook need not look at it
    gc.enable()
    return cells.run(notebook, sender, shell, lambda: stop.requested, script)


def _shell(sender: Sender, notebook: Dict[str, Any], filename: Optional[str]) -> Any:
    """IPython's shell, or ours where the image has none. `filename`: of a script."""
    try:
        from .shell import make
    except ImportError:
        if os.environ.get("MPLBACKEND", _INLINE) == _INLINE:
            os.environ["MPLBACKEND"] = "module://mlk_jupyter.worker.figures"
        from .plain import PlainShell

        sender.send(
            "notice",
            text="The image has no IPython: cells run as plain Python, with the common magics only. "
            "Install `ipython` in the image for the others.",
        )
        return PlainShell(sender, filename)
    os.environ.setdefault("MPLBACKEND", _INLINE)
    return make(sender, filename)


def _set_path(archive: str, folder: str, working: str) -> None:
    """The working folder first, as in a kernel ("") or for a script; before it the bundle's files, where it carries
    some and they lie elsewhere. The archive stays, for our own package."""
    carried = [folder] if folder and folder != os.getcwd() else []
    rest = [entry for entry in sys.path if os.path.abspath(entry or ".") != archive]
    sys.path[:] = [*carried, working, *rest]
    if not any(finder.find_spec("mlk_jupyter", None) for finder in sys.meta_path):
        # Processes that the notebook starts find our package in the bundle, as it does.
        found = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = f"{found}{os.pathsep}{archive}" if found else archive
    sys.path.append(archive)
