"""Typing into an IPython."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from IPython.core.completer import provisionalcompleter


@dataclass
class Ran:
    """What became of a cell."""

    value: Any
    error: BaseException | None
    out: str
    err: str


class Shell:
    """An IPython shell that a test types into."""

    def __init__(self, shell: Any) -> None:
        self.ip = shell

    @property
    def names(self) -> dict[str, Any]:
        return self.ip.user_ns  # type: ignore[no-any-return]

    def run(self, cell: str) -> Ran:
        """Runs a cell as a person would."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            result = self.ip.run_cell(cell, store_history=True)
        return Ran(result.result, result.error_in_exec or result.error_before_exec, out.getvalue(), err.getvalue())

    def tab(self, cell: str) -> list[str]:
        """What the Tab key offers where a cell has a `|`, else at its end."""
        before, _, after = cell.partition("|")
        with provisionalcompleter():
            return [found.text for found in self.ip.Completer.completions(before + after, len(before))]
