"""Code that starts a process group of its own. In a job the ranks are the group: each would start one more. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

_STRATEGY = re.compile(r"(ddp|fsdp)_(notebook|spawn|fork)(_.*)?")  # Lightning's
_COMMAND = re.compile(
    r"^\s*!\s*(?:\S*python\S*\s+-m\s+)?(torchrun|accelerate launch|deepspeed|torch\.distributed\.(?:run|launch))\b",
    re.M,
)
_LONGEST = 80  # characters of a call that is shown


def groups_started(code: Iterable[ast.AST], sources: Iterable[str], ranks: int) -> list[str]:
    """A sentence for each way in which the code would train once in each of several ranks, with what to write instead.

    Args:
        code:    the nodes of all cells.
        sources: the cells as they are written, with their commands.
        ranks:   how many the job has; one rank may start a group.
    """
    if ranks < 2:
        return []
    found = [
        f"Each of the {ranks} ranks would start a group of its own with {what}, and train {ranks} times: "
        f"the job's ranks are the group. Write {instead}, or run the job with one worker."
        for what, instead in [*_in_code(code), *_in_commands(sources)]
    ]
    return list(dict.fromkeys(found))


def _in_code(code: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    for node in code:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _STRATEGY.fullmatch(node.value)
            if match:
                yield f'`strategy="{node.value}"`', f'`strategy="{match[1]}{match[3] or ""}"`'
        elif isinstance(node, ast.Call):
            yield from _in_call(node)


def _in_call(call: ast.Call) -> Iterator[tuple[str, str]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)
    function = _argument(call, 0, "function" if name == "notebook_launcher" else "fn")
    if function is None or isinstance(function, ast.Constant):
        return
    processes = _argument(call, 2, "num_processes" if name == "notebook_launcher" else "nprocs")
    if processes is None or (isinstance(processes, ast.Constant) and processes.value in (0, 1)):
        return  # NumPy's `spawn` has none
    if name == "notebook_launcher":
        yield "`notebook_launcher`", f"`{_called(function, _argument(call, 1, 'args'))}`"
    elif name == "spawn":
        # Its function is given the process's number first.
        yield "`spawn`", f"`{_called(function, _argument(call, 1, 'args'), 'mlk_jupyter.rank()')}`"


def _in_commands(sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    for source in sources:
        for match in _COMMAND.finditer(source):
            yield f"`!{match[1]}`", "the script's own call in a cell, or make the script the job (`mlk run SCRIPT.py`)"


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if len(call.args) > place:
        return call.args[place]
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _called(function: ast.expr, arguments: ast.expr | None, *first: str) -> str:
    if arguments is None:
        given = list(first)
    elif isinstance(arguments, (ast.Tuple, ast.List)):
        given = [*first, *map(ast.unparse, arguments.elts)]
    else:
        given = [*first, f"*{ast.unparse(arguments)}"]
    written = f"{ast.unparse(function)}({', '.join(given)})"
    return written if len(written) <= _LONGEST else f"{ast.unparse(function)[:_LONGEST]}(…)"
