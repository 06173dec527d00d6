"""What `%load_ext mlk_jupyter` does: names and Tab keys. All else is imported when a magic is first used."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

from ..errors import MlkError

# Name, kind as IPython says it, where its function is, and what `%quickref` says of it.
_MAGICS = (
    ("mlk", "line_cell", "training", "Run this cell, or a file, as a job and follow it."),
    ("k8s_train", "line_cell", "training", "The same as %%mlk."),
    ("k8s_jobs", "line", "tables", "List the jobs."),
    ("k8s_logs", "line", "tables", "Show what one rank of a job wrote."),
    ("k8s_stop", "line", "tables", "Stop a job."),
    ("k8s_delete", "line", "tables", "Remove a job and its record."),
    ("k8s_open", "line", "tables", "Show where a job's executed notebook is."),
    ("k8s_gpus", "line", "tables", "List the GPUs of each place where jobs can run."),
    ("k8s_runs", "line", "tables", "List the MLflow runs of the jobs."),
    ("k8s_profile", "line", "profiling", "Save, list and delete sets of options."),
    ("k8s_keep", "line", "keeping", "Keep this kernel from being stopped as idle."),
)

_NAMES = frozenset(name for name, *_ in _MAGICS)
_FIRST_WORD = re.compile(r"\s*%%?(\w+)\s")
_MATCHER = "mlk_jupyter.magics"


def register(shell: Any) -> None:
    """Gives an IPython shell our magics. Doing it again changes nothing."""
    for name, kind, room, text in _MAGICS:
        shell.register_magic_function(_magic(shell, name, room, text), kind, name)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [one for one in matchers if getattr(one, "matcher_identifier", None) != _MATCHER]
    matchers.append(_matcher(shell))
    if getattr(shell, "kernel", None) is not None:
        # A job that is the value of a cell is shown live there; elsewhere it is a line.
        formatter = shell.display_formatter.ipython_display_formatter
        formatter.for_type_by_name("mlk_jupyter.client.handle", "Job", _show)


def _show(job: Any) -> None:
    from .display import show

    show(job)


def _magic(shell: Any, name: str, room: str, text: str) -> Callable[..., Any]:
    def magic(line: str, cell: str | None = None) -> Any:
        if {"-h", "--help"} & set(line.split()):
            print(getdoc())
            return None
        run = getattr(import_module(f".{room}", __package__), name)
        try:
            return run(shell, line) if cell is None else run(shell, line, cell)
        except MlkError as error:
            raise _in_few_words(error) from None

    def getdoc() -> str:
        from .parsing import PARSERS

        return PARSERS[name]().format_help()

    magic.__name__ = magic.__qualname__ = name
    magic.__doc__ = text
    magic.getdoc = getdoc  # type: ignore[attr-defined]  # IPython asks for this first when somebody types `%name?`
    return magic


def _in_few_words(error: MlkError) -> MlkError:
    """The same error, shown without the lines of ours that it came through: it is about what was typed."""
    # IPython's own way for an exception to say how it is shown.
    error.__dict__["_render_traceback_"] = lambda: [f"{error.title}: {error.detail}", error.hint]
    return error


def _matcher(shell: Any) -> Callable[[Any], dict[str, Any]]:
    """What the Tab key asks, on every line: in a line of ours, it alone answers."""

    def match(context: Any) -> dict[str, Any]:
        typed = context.text_until_cursor
        magic = _FIRST_WORD.match(typed)
        if magic is None or magic[1] not in _NAMES:
            return {"completions": []}
        from pathlib import Path

        from IPython.core.completer import SimpleCompletion

        from .completion import completions
        from .knowing import known

        lines = context.full_text.split("\n")
        cell = "\n".join(lines[context.cursor_line + 1 :])
        found = completions(magic[1], typed, context.token, known(), shell.user_ns, Path.cwd(), cell)
        return {
            "completions": [SimpleCompletion(text, type="magic") for text in found],
            "suppress": True,
            "ordered": True,
        }

    match.matcher_api_version = 2  # type: ignore[attr-defined]
    match.matcher_identifier = _MATCHER  # type: ignore[attr-defined]
    match.matcher_priority = 100  # type: ignore[attr-defined]  # asked first, so that it can keep the others silent
    return match
