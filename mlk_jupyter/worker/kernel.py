"""What libraries look for in a kernel, where there is none: the kernel object, its comms, and ipykernel's classes.

Nothing is imported that the notebook does not import itself: `ipykernel` is in `sys.modules`, as in a kernel, and is
loaded when something is taken from it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
import time
import types

from .imports import when_imported
from .mime import clean
from .streams import flush_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_SESSION = os.urandom(16).hex()


def request(number: int, source: str) -> Dict[str, Any]:
    """The message by which a client would have asked for a cell: the parent of all that the cell shows."""
    header = {
        "msg_id": f"{_SESSION}_{os.getpid()}_{number}",
        "msg_type": "execute_request",
        "session": _SESSION,
        "username": "username",
        "version": "5.3",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
    return {
        "header": header,
        "msg_id": header["msg_id"],
        "msg_type": header["msg_type"],
        "parent_header": {},
        "metadata": {},
        "content": content,
        "buffers": [],
    }


class Session:
    """What a kernel sends its messages with: what of them is an output of the cell is shown."""

    session = _SESSION
    username = "username"

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def send(self, stream: object, msg_or_type: Any, content: Any = None, *args: object, **kwargs: object) -> None:
        """Shows a message for the front end. Other kinds, nobody is there to receive."""
        if isinstance(msg_or_type, dict):
            kind, content = msg_or_type.get("msg_type"), msg_or_type.get("content")
        else:
            kind = msg_or_type
        content = clean(content or {})
        send = self._shell.sender.send
        flush_text()
        if kind == "stream":
            send("text", name=content.get("name"), text=content.get("text"))
        elif kind == "clear_output":
            send("clear_output", wait=bool(content.get("wait")))
        elif kind in ("display_data", "execute_result", "error", "update_display_data"):
            display_id = (content.pop("transient", None) or {}).get("display_id")
            if kind != "update_display_data":
                send("output", output={"output_type": kind, **content}, display_id=display_id)
            elif display_id is not None:
                data, metadata = content.get("data") or {}, content.get("metadata") or {}
                send("update_display", display_id=display_id, data=data, metadata=metadata)


class Kernel:
    """What `get_ipython().kernel` is."""

    implementation = "ipython"
    iopub_socket = iopub_thread = shell_stream = control_stream = stdin_socket = io_loop = eventloop = None
    parent = app = None
    _allow_stdin = False

    def __init__(self, shell: Any) -> None:
        self.shell, self.session = shell, Session(shell)
        self.log = logging.getLogger("ipykernel")
        self.ident = _SESSION

    @property
    def comm_manager(self) -> Any:
        """Where comms are registered."""
        import comm

        return comm.get_comm_manager()

    @property
    def user_ns(self) -> Dict[str, Any]:
        """The notebook's variables."""
        namespace: Dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def execution_count(self) -> int:
        """The number of the running cell."""
        return int(self.shell.execution_count)

    @property
    def banner(self) -> str:
        """What a console would begin with."""
        return str(self.shell.banner)

    @property
    def language_info(self) -> Dict[str, Any]:
        """The language of the cells, as in a notebook's metadata."""
        version = sys.version_info
        return {
            "name": "python",
            "version": sys.version.split()[0],
            "mimetype": "text/x-python",
            "codemirror_mode": {"name": "ipython", "version": version[0]},
            "pygments_lexer": f"ipython{version[0]}",
            "nbconvert_exporter": "python",
            "file_extension": ".py",
        }

    @property
    def _parent_header(self) -> Dict[str, Any]:
        return self.get_parent()

    def get_parent(self, channel: object = None) -> Dict[str, Any]:
        """The request that asked for the running cell."""
        parent: Dict[str, Any] = self.shell.get_parent()
        return parent

    def set_parent(self, ident: object, parent: Dict[str, Any], channel: object = None) -> None:
        """From here on, what is shown belongs to this request."""
        self.shell.set_parent(parent)

    def send_response(self, stream: object, msg_or_type: Any, content: Any = None, *args: object, **kw: object) -> None:
        """As the session's."""
        self.session.send(stream, msg_or_type, content)

    async def do_one_iteration(self) -> None:
        """Nobody sends anything while a cell runs."""


def offer(shell: Any) -> None:
    """From here on, what the notebook imports finds a kernel around it."""

    def comms(module: Any) -> None:
        from .comms import install

        install(shell)

    def classes(module: Any) -> None:
        own = type(shell)
        shell.__class__ = type(own.__name__, (own, module.ZMQInteractiveShell), {"__module__": own.__module__})

    when_imported("comm", comms)
    when_imported("ipykernel.ipkernel", comms)  # puts its own in their place, which need its own kernel
    when_imported("ipykernel.zmqshell", classes)
    if "ipykernel" not in sys.modules:
        _show_modules(type(shell))


def _show_modules(shell_class: type) -> None:
    """Puts into `sys.modules` what is there in a kernel and is looked for (tqdm, for one), as good as not loaded.

    Where ipykernel is not installed, the one that holds the shell's class is there all the same.
    """
    package: Any = None
    for name in ("", ".zmqshell", ".ipkernel", ".kernelapp"):
        spec = importlib.util.find_spec("ipykernel" + name)
        if spec is None or spec.loader is None:
            break
        module: Any = _Unloaded(spec.name)
        module.__dict__.update(vars(importlib.util.module_from_spec(spec)))
        sys.modules[spec.name] = module
        if package is None:
            package = module
        else:
            setattr(package, name[1:], module)
    if package is None:
        stand_in: Any = types.ModuleType("ipykernel.zmqshell")
        stand_in.ZMQInteractiveShell = shell_class
        sys.modules[stand_in.__name__] = stand_in


class _Unloaded(types.ModuleType):
    """A module that is loaded when something is taken from it. Looking where it lies does not load it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)
        spec: Any = self.__dict__["__spec__"]
        self.__class__ = types.ModuleType  # type: ignore[assignment]  # first: its own modules take from it while it loads
        try:
            spec.loader.exec_module(self)
        except ImportError as error:
            self.__class__ = _Unloaded
            raise AttributeError(f"module {spec.name!r} cannot be loaded: {error}") from error
        return getattr(self, name)
