"""IPython in a rank: the shell of a kernel without the kernel. Outputs go to the keeper as messages."""

from __future__ import annotations

import contextlib
import os
import sys
import types
import warnings
import zlib

import IPython
from IPython.core import interactiveshell, page
from IPython.core.error import StdinNotImplementedError
from traitlets import Any as AnyTrait
from traitlets import Type
from traitlets.config import Config

from . import startup
from .cells import Failure
from .kernel import offer, request
from .kernelmagics import KernelMagics
from .mime import clean
from .noinput import refuse_input
from .streams import flush_text
from .tracebacks import hide_ours, said, without_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NoReturn, Optional

    from .wire import Sender

    # IPython's own types are partial, and differ from version to version.
    CachingCompiler: Any
    DisplayHook: Any
    DisplayPublisher: Any
    InteractiveShell: Any
else:
    from IPython.core.compilerop import CachingCompiler
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell

_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "ash")  # that know `exec` with nothing but a redirection


class Publisher(DisplayPublisher):  # type: ignore[misc]
    """What `display()` speaks to."""

    sender = AnyTrait()

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        """Sends a display, or a new content for those that bear its display id."""
        self._validate_data(data, metadata or {})
        data, metadata = clean(data), clean(metadata or {})
        display_id = (transient or {}).get("display_id")
        flush_text()
        if update:
            self.sender.send("update_display", display_id=display_id, data=data, metadata=metadata)
        else:
            output = {"output_type": "display_data", "data": data, "metadata": metadata}
            self.sender.send("output", output=output, display_id=display_id)

    def clear_output(self, wait: bool = False) -> None:
        """Sends that the cell's outputs are to go."""
        flush_text()
        self.sender.send("clear_output", wait=bool(wait))


class Hook(DisplayHook):  # type: ignore[misc]
    """What the value of a cell's last expression goes to."""

    sender = AnyTrait()

    def start_displayhook(self) -> None:
        """Nothing is written before the value."""
        self.shell.is_value_shown = True

    def write_output_prompt(self) -> None:
        """The count travels with the output."""

    def write_format_data(self, format_dict: Dict[str, Any], md_dict: Optional[Dict[str, Any]] = None) -> None:
        """Sends the value in all its forms."""
        if not format_dict:
            return
        flush_text()
        output = {
            "output_type": "execute_result",
            "execution_count": self.prompt_count,
            "data": clean(format_dict),
            "metadata": clean(md_dict or {}),
        }
        self.sender.send("output", output=output, display_id=None)

    def finish_displayhook(self) -> None:
        """Nothing is written after the value."""
        self.shell.is_value_shown = False


class Compiler(CachingCompiler):  # type: ignore[misc]
    """Names the cells' code as a kernel does: IPython shows tracebacks of such names in the same way."""

    _folder = os.path.join("/tmp", f"ipykernel_{os.getpid()}")

    def get_code_name(self, raw_code: str, code: str, number: int) -> str:
        """A path that never exists; IPython shows it as `Cell In[number]`."""
        return os.path.join(self._folder, f"{zlib.crc32(raw_code.encode('utf-8', 'replace'))}.py")


# Named as the shell of a kernel: rich, plotly and others look for this name to know that they may show HTML.
class ZMQInteractiveShell(InteractiveShell):  # type: ignore[misc]
    """The shell of one rank. Keeps no history file."""

    __module__ = "ipykernel.zmqshell"  # plotly looks where the class comes from
    displayhook_class = Type(Hook)
    display_pub_class = Type(Publisher)
    compiler_class = Type(Compiler)
    sender = AnyTrait()
    autoindent = False
    last_traceback: Any = None
    last_error: Optional[BaseException] = None  # whose traceback was shown last
    is_value_shown = False  # while a cell's last value goes out
    failed_to_show = False  # an error came meanwhile: it is the cell's, as in a kernel
    failed_at_start = False
    _parent: Any = None  # the request for the running cell; none while startup files run
    _kernel: Any = None

    @property
    def kernel(self) -> Any:
        """What libraries ask for to know that they are in a notebook."""
        if self._kernel is None:
            from .kernel import Kernel

            self._kernel = Kernel(self)
        return self._kernel

    @property
    def parent_header(self) -> Dict[str, Any]:
        """The request that asked for the running cell."""
        return self._parent or {}

    @parent_header.setter
    def parent_header(self, value: Dict[str, Any]) -> None:
        self._parent = value

    def get_parent(self) -> Dict[str, Any]:
        """The same."""
        return self.parent_header

    def set_parent(self, parent: Dict[str, Any]) -> None:
        """From here on, what is shown belongs to this request."""
        self.parent_header = parent

    def init_environment(self) -> None:
        """Programs that cells start may colour their text and must not page it, as in a kernel."""
        os.environ.update(
            TERM="xterm-color", CLICOLOR="1", FORCE_COLOR="1", CLICOLOR_FORCE="1", PAGER="cat", GIT_PAGER="cat"
        )

    def init_prompts(self) -> None:
        """No `sys.ps1`: nobody types here, and libraries that find one refuse to train in several processes."""

    def init_hooks(self) -> None:
        """`name?` asks for a pager, which nobody could read: it shows nothing, as under nbconvert."""
        super().init_hooks()
        as_hook: Any = page.as_hook
        self.set_hook("show_in_pager", as_hook(lambda *args, **kwargs: None), 99)

    def init_magics(self) -> None:
        super().init_magics()
        self.register_magics(KernelMagics)

    def init_display_pub(self) -> None:
        super().init_display_pub()
        self.display_pub.sender = self.sender

    def init_displayhook(self) -> None:
        super().init_displayhook()
        self.displayhook.sender = self.sender

    def init_completer(self) -> None:
        """Nobody types here: what completes names is made when something asks for it (a quarter of the start)."""

    def set_completer_frame(self, frame: Any = None) -> None:
        if "_completer" in self.__dict__:
            super().set_completer_frame(frame)

    @property
    def Completer(self) -> Any:
        """What completes names."""
        if "_completer" not in self.__dict__:
            super().init_completer()
        return self.__dict__["_completer"]

    @Completer.setter
    def Completer(self, value: Any) -> None:
        self.__dict__["_completer"] = value

    def _tee(self, channel: str) -> Any:
        """IPython 9 keeps all text of all cells in memory, for a magic that saves sessions; we send it instead."""
        return contextlib.nullcontext()

    def _format_exception_for_storage(self, exception: Any, *args: Any, **kwargs: Any) -> Dict[str, Any]:
        """Nor errors, for the same magic: formatting one a second time fails where its own `__str__` does."""
        return {}

    def enable_gui(self, gui: Any = None) -> None:
        """There is no screen: windows are not integrated, figures are shown inline."""

    def ask_exit(self) -> NoReturn:
        """`exit` and `quit` end the job well."""
        raise SystemExit(0)

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        """A good exit is no error to be shown."""
        error = sys.exc_info()[1]
        if not isinstance(error, SystemExit) or error.code not in (None, 0):
            super().showtraceback(*args, **kwargs)

    def _get_exc_info(self, exc_tuple: Any = None) -> Any:
        """What is shown of an exception: no frame of ours."""
        etype, value, frames = super()._get_exc_info(exc_tuple)
        hide_ours(value)
        return etype, value, without_ours(frames)

    def _showtraceback(self, etype: Any, evalue: BaseException, stb: Any) -> None:
        flush_text()
        lines = [stb] if isinstance(stb, str) else [str(line) for line in stb]
        if not self.parent_header:
            self.failed_at_start = True
            print("\n".join(lines), file=sys.stderr)
            return
        self.last_traceback, self.last_error = lines, evalue
        self.failed_to_show |= self.is_value_shown
        output = {
            "output_type": "error",
            "ename": str(etype.__name__),
            "evalue": said(evalue),
            "traceback": lines,
        }
        self.sender.send("output", output=output, display_id=None)


class Cells:
    """Runs cells in IPython, as a kernel's loop does."""

    def __init__(self, shell: ZMQInteractiveShell) -> None:
        self._shell = shell
        self.version: str = IPython.__version__

    @property
    def count(self) -> int:
        """The number that the next cell gets."""
        return int(self._shell.execution_count)

    async def run(self, source: str, counts: bool = True) -> Optional[Failure]:
        """Runs a cell. Gives why it failed, or None. `counts`: whether it takes a number."""
        shell = self._shell
        if "comm" in sys.modules:
            from .comms import hear

            hear(shell.sender)
        shell.set_parent(request(self.count, source))
        shell.last_traceback = shell.last_error = None
        shell.is_value_shown = shell.failed_to_show = False
        problem = None
        try:
            transformed = shell.transform_cell(source)
        except Exception:
            transformed, problem = source, sys.exc_info()
        if shell.should_run_async(source, transformed_cell=transformed, preprocessing_exc_tuple=problem):
            result: Any = None
            try:
                result = await shell.run_cell_async(
                    source, store_history=counts, transformed_cell=transformed, preprocessing_exc_tuple=problem
                )
            finally:
                shell.events.trigger("post_execute")
                if result is not None:
                    shell.events.trigger("post_run_cell", result)
        else:
            result = shell.run_cell(source, store_history=counts)
        error = result.error_before_exec or result.error_in_exec
        if error is None and shell.failed_to_show:
            error = shell.last_error
        if error is None:
            return None
        if not isinstance(error, BaseException):
            error = RuntimeError(str(error))
        return Failure(error, shell.last_traceback or [f"{type(error).__name__}: {said(error)}"])


def make(sender: Sender, filename: Optional[str]) -> Cells:
    """The shell, ready for the first cell. `filename`: what `__file__` is, for a script."""
    module = types.ModuleType("__main__", "Automatically created module for the notebook's cells")

    def notice(text: str) -> None:
        sender.send("notice", text=text)

    app = startup.configured(notice)
    app.config.IPKernelApp.connection_file = f"kernel-{os.getpid()}.json"  # tqdm and others ask for this section
    config = Config(app.config)
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    shell = ZMQInteractiveShell.instance(
        config=config, sender=sender, profile_dir=app.profile_dir, user_module=module, user_ns=module.__dict__
    )
    offer(shell)
    if filename is not None:
        module.__file__ = filename
    refuse_input(StdinNotImplementedError)
    _end_input_of_commands()
    # IPython's advice for people at a prompt; `sys.exit` in a cell of a job ends the job.
    warnings.filterwarnings("ignore", message="To exit: use 'exit'", category=UserWarning)
    if filename is None:  # a script is run as `python` runs it
        startup.start(app, shell, notice)
    return Cells(shell)


def _end_input_of_commands() -> None:
    """A `!command` runs in a terminal of its own, at which nobody types: it finds the end of its input there, as what
    `subprocess` starts does, instead of waiting for an answer for ever."""
    if os.path.basename(os.environ.get("SHELL", "sh")) not in _SHELLS:
        return
    system: Any = vars(interactiveshell)["system"]
    setattr(interactiveshell, "system", lambda command: system("exec </dev/null; " + command))  # noqa: B010
