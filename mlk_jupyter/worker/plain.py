"""Cells without IPython: plain Python, values of last expressions, displays, the common commands, `await`."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import sys
import traceback
import types

from .cells import Failure
from .magics import Commands, to_python
from .mime import clean, forms_of
from .noinput import refuse_input
from .streams import flush_text
from .tracebacks import hide_ours, said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .wire import Sender

_sender: Optional[Sender] = None
_ids = 0


class StdinNotImplementedError(NotImplementedError):
    """Raised by `input()`: nobody can answer."""


def publish(
    data: Dict[str, Any],
    metadata: Optional[Dict[str, Any]] = None,
    display_id: Optional[str] = None,
    update: bool = False,
) -> None:
    """Shows something in the notebook, or replaces what bears the display id."""
    if _sender is None:
        return
    flush_text()
    data, metadata = clean(data), clean(metadata or {})
    if update:
        _sender.send("update_display", display_id=display_id, data=data, metadata=metadata)
    else:
        output = {"output_type": "display_data", "data": data, "metadata": metadata}
        _sender.send("output", output=output, display_id=display_id)


class Handle:
    """A display that can be replaced."""

    def __init__(self, display_id: str) -> None:
        self.display_id = display_id

    def display(self, value: Any) -> None:
        display(value, display_id=self.display_id)

    def update(self, value: Any) -> None:
        update_display(value, display_id=self.display_id)


def display(*values: Any, display_id: Any = None, raw: bool = False, **kwargs: Any) -> Optional[Handle]:
    """Shows values, each in the richest form it offers. With a display id it gives a handle to replace them."""
    global _ids
    if display_id is True:
        _ids += 1
        display_id = f"mlk-{os.getpid()}-{_ids}"
    for value in values:
        own = None if isinstance(value, type) else getattr(value, "_ipython_display_", None)
        if callable(own):
            own()
            continue
        data, metadata = (value, {}) if raw else forms_of(value)
        publish(data, metadata, display_id)
    return None if display_id is None else Handle(display_id)


def update_display(value: Any, *, display_id: str, **kwargs: Any) -> None:
    """Replaces what was shown under the display id."""
    data, metadata = forms_of(value)
    publish(data, metadata, display_id, update=True)


def clear_output(wait: bool = False) -> None:
    """Removes the cell's outputs, at once or when the next one comes."""
    if _sender is not None:
        flush_text()
        _sender.send("clear_output", wait=bool(wait))


class PlainShell:
    """Runs cells in a module of its own named `__main__`."""

    version: Optional[str] = None

    def __init__(self, sender: Sender, filename: Optional[str]) -> None:
        global _sender
        _sender = self._sender = sender
        self.count = 1
        module = types.ModuleType("__main__")
        self._names = module.__dict__
        if filename is not None:
            module.__file__ = filename
        self._inputs: List[str] = [""]
        self._values: Dict[int, Any] = {}
        self._names.update(
            In=self._inputs,
            Out=self._values,
            display=display,
            update_display=update_display,
            clear_output=clear_output,
            __mlk_command__=Commands(self._names, self._run_now, lambda text: sender.send("notice", text=text)),
        )
        sys.modules["__main__"] = module
        refuse_input(StdinNotImplementedError)

    async def run(self, source: str, counts: bool = True) -> Optional[Failure]:
        """Runs a cell. Gives why it failed, or None. `counts`: whether it takes a number."""
        count, self.count = self.count, self.count + counts
        if counts:
            self._inputs.append(source)
        try:
            value = await self._run(source, f"Cell In[{count}]")
            self._show(value, count)
            if "matplotlib.pyplot" in sys.modules and "mlk_jupyter.worker.figures" in sys.modules:
                sys.modules["mlk_jupyter.worker.figures"].show()
        except SystemExit as error:
            return Failure(error, [])
        except BaseException as error:
            return self._failure(error)
        return None

    async def _run(self, source: str, filename: str) -> Any:
        value: Any = None
        for code in self._compile(source, filename):
            value = eval(code, self._names)
            if code.co_flags & inspect.CO_COROUTINE:
                value = await value
        return value

    def _run_now(self, source: str) -> Any:
        value: Any = None
        for code in self._compile(source, f"Cell In[{self.count - 1}]"):
            if code.co_flags & inspect.CO_COROUTINE:
                raise SyntaxError("`await` under this command needs IPython")
            value = eval(code, self._names)
        return value

    def _compile(self, source: str, filename: str) -> List[types.CodeType]:
        """The statements, and the last expression by itself so that its value can be shown."""
        text = to_python(source)
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        tree = ast.parse(text, filename)
        last: Optional[ast.Expression] = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        codes = [compile(tree, filename, "exec", flags, dont_inherit=True)] if tree.body else []
        if last is not None:
            codes.append(compile(last, filename, "eval", flags, dont_inherit=True))
        return codes

    def _show(self, value: Any, count: int) -> None:
        if value is None:
            return
        own = None if isinstance(value, type) else getattr(value, "_ipython_display_", None)
        if callable(own):
            own()
        else:
            data, metadata = forms_of(value)
            output = {
                "output_type": "execute_result",
                "execution_count": count,
                "data": clean(data),
                "metadata": clean(metadata),
            }
            flush_text()
            self._sender.send("output", output=output, display_id=None)
        self._values[count] = value
        self._names.update({"___": self._names.get("__"), "__": self._names.get("_"), "_": value, f"_{count}": value})

    def _failure(self, error: BaseException) -> Failure:
        hide_ours(error)
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        output = {
            "output_type": "error",
            "ename": type(error).__name__,
            "evalue": said(error),
            "traceback": [line.rstrip("\n") for line in lines],
        }
        self._sender.send("output", output=output, display_id=None)
        return Failure(error, output["traceback"])  # type: ignore[arg-type]
