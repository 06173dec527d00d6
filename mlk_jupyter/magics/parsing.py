"""What may be typed after each magic, and what is said when it cannot be read. Imports the standard library only."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

from ..errors import BadInput
from ..options import add_cluster_options, add_spec, add_where

LOG_LINES = 200
_EXAMPLES = """examples:
  %%MAGIC --workers 2 --gpus 1 --push data --pull model,history
  %%MAGIC --image pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime --time-limit 2h --detach
  %MAGIC train.ipynb --param lr=0.1 --profile big

Interrupt the kernel to stop waiting; the job goes on. %k8s_jobs lists the jobs,
mlk_jupyter.job("NAME") finds one again, also after a restart of the kernel."""
_JOB = "id of the job, the beginning of it, or the job's name"


class Parser(argparse.ArgumentParser):
    """A parser that never prints or exits: what cannot be read is raised, with the closest thing that can."""

    def __init__(self, magic: str, text: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=magic,
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
            allow_abbrev=False,
            exit_on_error=False,
        )

    def read(self, line: str) -> argparse.Namespace:
        """The options in a line.

        Raises: BadInput that names what cannot be read and the closest that can.
        """
        return self.read_words(words_of(line))

    def read_words(self, words: Sequence[str]) -> argparse.Namespace:
        """The options in words that a shell would give.

        Raises: BadInput as `read` does.
        """
        try:
            options, rest = self.parse_known_args(list(words))
        except argparse.ArgumentError as error:
            named = f"{error.argument_name}: " if error.argument_name else ""
            raise BadInput(f"{named}{_sentence(error.message)}", hint=self._where_all_is_said) from error
        if rest:
            raise self._too_much(rest)
        return options

    def error(self, message: str) -> NoReturn:
        """What argparse says when an argument is missing."""
        raise BadInput(f"{self.prog}: {_sentence(message)}", hint=self._where_all_is_said)

    def options(self) -> dict[str, argparse.Action]:
        """What each option's name stands for."""
        return dict(self._option_string_actions)

    def arguments(self) -> list[argparse.Action]:
        """What stands without an option's name, in order."""
        return [action for action in self._actions if not action.option_strings]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"{value!r} is none of {', '.join(choices)}.{closest(value, choices)}")

    def _too_much(self, rest: Sequence[str]) -> BadInput:
        typed = next((word for word in rest if word.startswith("-")), None)
        if typed is None:
            return BadInput(
                f"{self.prog}: {rest[0]!r} is one word too many.",
                hint="Quote a value that has blanks, and separate names by commas without blanks.",
            )
        name = typed.partition("=")[0]
        near = closest(name, list(self._option_string_actions))
        return BadInput(f"{name} is no option of {self.prog}.{near}", hint=self._where_all_is_said)

    @property
    def _where_all_is_said(self) -> str:
        return f"`{self.prog}?` shows what can be written."


def words_of(line: str) -> list[str]:
    """A line word by word, as a shell reads it.

    Raises: BadInput for a quote that is never closed.
    """
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadInput(f"{line.strip()}: {str(error).lower()}.", hint="Close the quotes.") from error


def closest(typed: str, known: Sequence[str]) -> str:
    """` Did you mean …?`, or nothing when nothing is close."""
    near = difflib.get_close_matches(typed, known, 1)
    return f" Did you mean {near[0]}?" if near else ""


def names_of(typed: Sequence[str] | None, option: str) -> list[str]:
    """Names of variables, separated by commas, each once.

    Raises: BadInput for what is no name.
    """
    names = [name.strip() for one in typed or [] for name in one.split(",") if name.strip()]
    for name in names:
        if not name.isidentifier():
            raise BadInput(f"{option} {name}: this is no name of a variable.", hint=f"Write for example {option} x,y.")
    return list(dict.fromkeys(names))


@lru_cache
def train(magic: str) -> Parser:
    """The parser of `%%mlk` and `%mlk`, or as which else the magic was called, with its percent signs."""
    if magic.startswith("%%"):
        text = "Run this cell as a job, and follow it here."
    else:
        text = "Run a notebook or script as a job, and follow it here."
    parser = Parser(magic, text, _EXAMPLES.replace("MAGIC", magic.lstrip("%")))
    parser.usage = f"{magic.replace('%', '%%')} [OPTION ...]" + ("" if magic.startswith("%%") else " FILE")
    parser.add_argument(
        "source", nargs="?", metavar="FILE", help="with one %%: a notebook (.ipynb) or a Python script (.py)"
    )
    add = parser.add_argument
    add("--push", action="append", metavar="X,Y", help="variables that the cell gets from here (repeatable)")
    add(
        "--pull",
        action="append",
        metavar="X,Y",
        help="variables that come back here when the job ends (repeatable)",
    )
    add(
        "--pickle",
        action="store_true",
        help="let values that are no plain data, array or table travel as cloudpickle, signed with a key of the job",
    )
    add("--wait", action="store_false", dest="detach", default=False, help="follow the job to its end (the default)")
    add("--detach", action="store_true", default=False, help="give the job at once, and let it run")
    add("--dry-run", action="store_true", help="show what would be submitted, and create nothing")
    add("--job", metavar="NAME", help="variable that gets the job; without it, `_` has it")
    add("--profile", metavar="NAME", help="options that %%k8s_profile saved; what is typed here wins")
    add_spec(parser)
    add_where(parser)
    add_cluster_options(parser)
    return parser


@lru_cache
def jobs() -> Parser:
    """The parser of `%k8s_jobs`."""
    parser = Parser("%k8s_jobs", "List the jobs, newest first.")
    parser.add_argument("--limit", type=_count, default=20, metavar="N", help="how many to list (default: 20; 0: all)")
    add_where(parser)
    return parser


@lru_cache
def logs() -> Parser:
    """The parser of `%k8s_logs`."""
    parser = _with_job("%k8s_logs", "Show what one rank of a job wrote.")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the job is over")
    parser.add_argument("--rank", type=_count, default=0, metavar="N", help="which process of the job (default: 0)")
    parser.add_argument(
        "--lines",
        type=_count,
        default=LOG_LINES,
        metavar="N",
        help=f"how many of the last lines to show (default: {LOG_LINES}; 0: all)",
    )
    return parser


@lru_cache
def stop() -> Parser:
    """The parser of `%k8s_stop`."""
    return _with_job("%k8s_stop", "Stop a job; its notebook so far is kept.", "of several, the only one that goes on")


@lru_cache
def delete() -> Parser:
    """The parser of `%k8s_delete`."""
    return _with_job(
        "%k8s_delete", "Remove a job and its record, stopping it first if it runs.", "of several, none: give the id"
    )


@lru_cache
def open_() -> Parser:
    """The parser of `%k8s_open`."""
    parser = _with_job("%k8s_open", "Show where the executed notebook is; of a running job, what there is so far.")
    parser.add_argument("--to", metavar="PATH", help="put a copy there, where Jupyter can open it")
    return parser


@lru_cache
def gpus() -> Parser:
    """The parser of `%k8s_gpus`."""
    parser = Parser("%k8s_gpus", "List the GPUs of each place where jobs can run.")
    add_where(parser)
    return parser


@lru_cache
def runs() -> Parser:
    """The parser of `%k8s_runs`."""
    parser = Parser("%k8s_runs", "List the MLflow runs of the jobs, newest first.")
    parser.add_argument("--limit", type=_count, default=20, metavar="N", help="how many to list (default: 20; 0: all)")
    add_where(parser)
    return parser


@lru_cache
def profile() -> Parser:
    """The parser of `%k8s_profile`, but for the options that `save` keeps."""
    parser = Parser("%k8s_profile", "Keep options of %%mlk under a name: save NAME OPTIONS, list, delete NAME.")
    parser.add_argument("action", nargs="?", default="list", choices=["save", "list", "delete"], metavar="ACTION")
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of the profile")
    return parser


@lru_cache
def keep() -> Parser:
    """The parser of `%k8s_keep`."""
    parser = Parser("%k8s_keep", "Keep this kernel from being stopped as idle: TIME and why, off, or nothing to ask.")
    parser.add_argument("time", nargs="?", metavar="TIME", help="for example 30m or 2h; off: no longer")
    parser.add_argument("reason", nargs="*", metavar="REASON", help="what is said beside the kernel")
    return parser


PARSERS: dict[str, Callable[[], Parser]] = {
    "mlk": lambda: train("%%mlk"),
    "k8s_train": lambda: train("%%k8s_train"),
    "k8s_jobs": jobs,
    "k8s_logs": logs,
    "k8s_stop": stop,
    "k8s_delete": delete,
    "k8s_open": open_,
    "k8s_gpus": gpus,
    "k8s_runs": runs,
    "k8s_profile": profile,
    "k8s_keep": keep,
}


def _with_job(magic: str, text: str, several: str = "of several, the newest") -> Parser:
    parser = Parser(magic, text)
    parser.add_argument("job", metavar="JOB", help=f"{_JOB} ({several})")
    add_where(parser)
    return parser


def _count(typed: str) -> int:
    number = int(typed)
    if number < 0:
        raise ValueError("a count is not negative")
    return number


_count.__name__ = "count"  # argparse says: invalid count value


def _sentence(message: str) -> str:
    return message if message.endswith((".", "?")) else f"{message}."
