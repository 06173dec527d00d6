"""What `mlk` understands. Imports the standard library only, so that `mlk --help` answers at once."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, NoReturn, TypeAlias, cast

from .._version import __version__
from ..options import add_cluster_options, add_spec, add_where

# argparse's words, and ours.
_WORDS = (
    (r"^argument ([^:]+): ", r"\1: "),
    (r"invalid int value: ('.*')", r"\1 is no whole number"),
    (r"^the following arguments are required: (.*)", r"\1 is missing"),
    (r"expected (one argument|at least one argument)", "a value is missing"),
)
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_KERNEL = "id of the kernel, the beginning of it, or its notebook's path or name; of several, a terminal asks which"
_JOB = "id of the job, the beginning of it, or the job's name; of several, a terminal asks which"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """What is wrong, and where all that can be typed is said. It may hold the name of somebody else's file."""
        said = "".join(char if char.isprintable() else " " for char in message)
        for theirs, ours in _WORDS:
            said = re.sub(theirs, ours, said)
        self.exit(2, f"{self.prog}: {said}\n`{self.prog} --help` shows what can be typed.\n")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """argparse lists every choice and its quotes; the closest says more."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        near = difflib.get_close_matches(str(value), choices, 1)
        meant = f"Did you mean {near[0]}?" if near else f"There are {', '.join(choices)}."
        raise argparse.ArgumentError(action, f"{value!r} is none. {meant}")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but an option that is none is told by the command that it was typed for."""
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            parser = self._chosen(options)
            typed = next((word for word in rest if word.startswith("-")), rest[0])
            near = difflib.get_close_matches(typed.partition("=")[0], list(parser._option_string_actions), 1)
            what = "no option" if typed.startswith("-") else "one word too many"
            parser.error(f"{typed} is {what}." + (f" Did you mean {near[0]}?" if near else ""))
        return options

    def _chosen(self, options: argparse.Namespace) -> argparse.ArgumentParser:
        """The parser of the command that was typed, and of the one within it."""
        for action in self._actions:
            name = getattr(options, action.dest, None) if isinstance(action, argparse._SubParsersAction) else None
            if name is not None:
                return cast("_Parser", cast("_Commands", action).choices[name])._chosen(options)
        return self


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; `options.command` names the one chosen."""
    parser: argparse.ArgumentParser = _Parser(
        prog="mlk", description="Run a notebook or script as a distributed job, watch it, and keep what it made."
    )
    parser.add_argument("--version", action="version", version=f"mlk {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    run = _command(commands, "run", "run a notebook or script as a job and follow it")
    _add_spec(run)
    run.add_argument("--detach", action="store_true", help="submit, print the job's id, and leave it running")
    _add_json(run, "print one JSON object as the last line of stdout when the job is over")
    add_where(run)
    add_cluster_options(run)
    _add_render(_command(commands, "render", "print what a job would create in a cluster, as YAML for kubectl apply"))
    jobs = _command(commands, "jobs", "list all jobs, newest first")
    _add_json(jobs, "print one JSON object {jobs: […]} of all jobs instead of a table")
    jobs.add_argument("--all", action="store_true", help="list all of them, not the newest 20 only")
    add_where(jobs)
    show = _with_job(_command(commands, "show", "show everything known of one job"))
    _add_json(show, "print the whole status as one JSON object")
    logs = _with_job(_command(commands, "logs", "print what one rank of a job wrote"))
    logs.add_argument("--rank", type=int, default=0, metavar="N", help="which process of the job (default: 0)")
    logs.add_argument("--follow", action="store_true", help="go on printing until the job is over")
    _with_job(_command(commands, "stop", "stop a job; its notebook so far is kept"))
    _with_job(_command(commands, "delete", "remove a job and its record, stopping it first if it runs"))
    _with_job(_command(commands, "open", "print the path of the executed notebook; of a running job, of it so far"))
    orphans = _command(commands, "orphans", "list what jobs left in a cluster that are gone themselves")
    orphans.add_argument("--remove", action="store_true", help="remove them")
    add_where(orphans)
    gpus = _command(
        commands, "gpus", "list the GPUs of each place where jobs can run, who holds them, and what they do"
    )
    _add_json(gpus, "print one JSON object {places, mine, advice, …} instead of tables")
    add_where(gpus)
    _add_idle(_command(commands, "idle", "list the kernels of your servers: what each does, costs, and when it stops"))
    return parser


def _add_idle(idle: argparse.ArgumentParser) -> None:
    _add_json(idle, "print one JSON object {servers: […]} instead of a table")
    within = idle.add_subparsers(dest="action", metavar="COMMAND")
    explain = _command(within, "explain", "say why a kernel is in its state: signals, limits and where they come from")
    explain.add_argument("kernel", metavar="KERNEL", help=_KERNEL)
    _add_json(explain, "print one JSON object instead")
    keep = _command(within, "keep", "keep a kernel for a while, or let go of it")
    keep.add_argument("kernel", metavar="KERNEL", help=_KERNEL)
    keep.add_argument("time", nargs="?", metavar="TIME", help="for example 90 (seconds), 30m or 2h")
    keep.add_argument("--reason", default="", metavar="TEXT", help="what is said beside the kernel")
    keep.add_argument("--release", action="store_true", help="end what a person asked for")
    policy = _command(within, "policy", "check the policy that the environment, or a file, describes")
    policy.add_argument("check", choices=["check"], metavar="check", help="prints it, or each mistake (exit code 1)")
    policy.add_argument("file", nargs="?", metavar="FILE", help="of KEY=VALUE lines (default: the environment)")
    _add_json(policy, "print one JSON object {mistakes, values, sources}")
    replay = _command(within, "replay", "say what another policy would have stopped and saved, by what was recorded")
    replay.add_argument(
        "audit", nargs="*", metavar="AUDIT", help="audit files, or folders of them (default: those of this machine)"
    )
    replay.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="K=V",
        help="a variable of the policy, or a file of them (repeatable; default: the environment)",
    )
    _add_json(replay, "print one JSON object instead")


def _command(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def _with_job(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("job", metavar="JOB", help=_JOB)
    add_where(parser)
    return parser


def _add_json(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--json", action="store_true", help=text)


def _add_render(parser: argparse.ArgumentParser) -> None:
    _add_spec(parser, "a notebook (.ipynb) or a Python script (.py); or `rbac`: the rights that a user needs")
    parser.add_argument(
        "--user",
        metavar="USER",
        help="with rbac: who gets the rights (see `kubectl auth whoami`); also makes a service account of that name",
    )
    parser.add_argument("--nodes", action="store_true", help="with rbac: also the right to list nodes, cluster-wide")
    parser.add_argument(
        "--gpu-holders", action="store_true", help="with rbac: also to see who holds GPUs, in all namespaces"
    )
    parser.add_argument("-o", "--output", choices=["yaml"], default="yaml", metavar="FORMAT", help="yaml")
    add_where(parser)
    add_cluster_options(parser)


def _add_spec(parser: argparse.ArgumentParser, text: str = "a notebook (.ipynb) or a Python script (.py)") -> None:
    parser.add_argument("source", metavar="NOTEBOOK", help=text)
    add_spec(parser)
