"""What a cell needs of the kernel it was written in, found from its code. Nothing is run or imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .cells import History, tree_of
from .found import Definition, Missing, Needed
from .search import Search, Space

__all__ = ["Definition", "Missing", "Needed", "needed"]


def needed(
    code: str,
    namespace: Mapping[str, Any],
    history: Sequence[str] = (),
    *,
    pushed: Iterable[str] = (),
    directory: Path | None = None,
) -> Needed:
    """What a cell needs.

    Args:
        code:      the cell as it was typed, without the `%%k8s_train` line; other magics and `!` lines may be in it.
        namespace: the kernel's names (`get_ipython().user_ns`).
        history:   the cells that ran, oldest first (IPython's `In`).
        pushed:    names whose values go along because the person asked: they are not looked at.
        directory: the folder whose modules go along with the bundle; None means the working folder.

    Raises: SyntaxError when the code is not Python, with its place in it.
    """
    space = Space(namespace, History(history))
    space.history.read()
    search = Search(directory or Path.cwd(), set(pushed))
    search.code(tree_of(code), space)
    return search.found()
