"""The command of a kernelspec -> the Python that it starts. What stands before that Python is asked, not guessed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

_KERNELS = frozenset(
    {"ipykernel", "ipykernel_launcher", "ipykernel.kernelapp", "IPython.kernel", "colab_kernel_launcher"}
)
_IN_SHELL = re.compile(rf"-m\s+(?:{'|'.join(map(re.escape, sorted(_KERNELS, reverse=True)))})\b[^;&|]*")
_PYTHON = re.compile(r"(python|pypy)[\d.]*[a-z]?")
_BESIDE = ("xpython", "xpython-raw", "ipython", "ipython3")  # programs that run in the Python of their own folder
_LIMIT_S = 60.0  # `conda run` takes seconds
_REMEMBERED_S = 300.0
# A launcher may write before its Python does, so the answer is the last line.
_ASK = 'import json, os, sys; print("\\n" + json.dumps([sys.executable, sys.version_info[:2], dict(os.environ)]))'
_OF_SHELLS = frozenset({"_", "PWD", "OLDPWD", "SHLVL"})


class NoPython(Exception):
    """Why a command leads to no Python, as the end of a sentence."""


@dataclass(frozen=True)
class Python:
    """A Python, how it is called, and what its launcher sets in the environment."""

    path: str
    options: list[str] = field(default_factory=list)
    """Its own, for example `-Xfrozen_modules=off`."""
    env: dict[str, str] = field(default_factory=dict)


def python_of(argv: Sequence[str], env: Mapping[str, str]) -> Python:
    """The Python that runs the cells of a kernel.

    Blocking: where a launcher stands before it (`/usr/bin/env X=1`, `conda run -n NAME`, nb_conda_kernels' runner, a
    shell that activates an environment), that launcher is started with a Python that says where it is.

    Args:   argv: as in the kernelspec, its `{…}` filled in but for the connection file.
            env:  what the kernel would be started with.
    Raises: NoPython.
    """
    at = next((at for at in reversed(range(len(argv))) if _starts_kernel(argv, at)), None)
    if at is None:
        return _unusual(argv, env)
    before = list(argv[:at])
    pythons = [at for at, word in enumerate(before) if _PYTHON.fullmatch(PurePath(word).name)]
    options = before[pythons[-1] + 1 :] if pythons else []
    if pythons == [0]:
        return Python(_found(before[0], env), options)
    path, changed = _asked([*before, "-c", _ASK], env)
    return Python(path, options, changed)


def asked_version(path: str, env: Mapping[str, str]) -> tuple[int, int]:
    """Major and minor version of what may be a Python. Blocking. Raises: NoPython."""
    return _answer((path, "-c", _ASK), env)[1]


def _starts_kernel(argv: Sequence[str], at: int) -> bool:
    module = argv[at] == "-m" and len(argv) > at + 1 and argv[at + 1] in _KERNELS
    return module or PurePath(argv[at]).name == "ipykernel_launcher.py"


def _unusual(argv: Sequence[str], env: Mapping[str, str]) -> Python:
    """A command that starts the kernel in another way than by `-m ipykernel_launcher`."""
    for at, word in enumerate(argv):
        if at and _IN_SHELL.search(word):  # bash -c "activate … && exec python -m ipykernel_launcher -f …"
            asking = _IN_SHELL.sub(lambda _: f"-c {shlex.quote(_ASK)} ", word, count=1)
            return Python(*_of_env(_asked([*argv[:at], asking, *argv[at + 1 :]], env)))
    program = PurePath(argv[0]) if argv else PurePath()
    if program.name in _BESIDE and program.is_absolute():
        return Python(_found(str(program.with_name("python")), env))
    raise NoPython("which is not known to be IPython's kernel")


def _of_env(asked: tuple[str, dict[str, str]]) -> tuple[str, list[str], dict[str, str]]:
    return asked[0], [], asked[1]


def _found(program: str, env: Mapping[str, str]) -> str:
    """An interpreter as an absolute path; Jupyter means its own by a bare `python`."""
    if program in ("python", "python3", f"python3.{sys.version_info[1]}"):
        return sys.executable
    path = program if Path(program).is_absolute() else shutil.which(program, path=env.get("PATH"))
    if path is None:
        raise NoPython("which is not in PATH")
    if not Path(path).is_file() or not os.access(path, os.X_OK):
        raise NoPython("which cannot be run")
    return path


def _asked(command: Sequence[str], env: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The path of the Python that a launcher starts, and the variables that it gives it."""
    path, _, found = _answer(tuple(command), env)
    return path, {name: value for name, value in found.items() if env.get(name) != value and name not in _OF_SHELLS}


_Answer = tuple[str, tuple[int, int], dict[str, str]]
_answers: dict[tuple[tuple[str, ...], frozenset[tuple[str, str]]], tuple[float, _Answer]] = {}


def _answer(command: tuple[str, ...], env: Mapping[str, str]) -> _Answer:
    """What the Python says that a command starts, kept for some minutes."""
    known = _answers.get((command, frozenset(env.items())))
    if known is None or time.monotonic() - known[0] > _REMEMBERED_S:
        known = time.monotonic(), _ask(command, env)
        _answers.clear()  # one is asked again and again, while a form is filled in
        _answers[command, frozenset(env.items())] = known
    return known[1]


def _ask(command: Sequence[str], env: Mapping[str, str]) -> _Answer:
    try:
        process = subprocess.Popen(
            command,
            cwd="/",
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NoPython(f"which cannot be started ({getattr(error, 'strerror', None) or error})") from error
    try:
        out, err = process.communicate(timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise NoPython(f"which started no Python within {_LIMIT_S:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    with contextlib.suppress(ValueError, IndexError):
        path, version, found = json.loads(out.decode("utf-8", "surrogateescape").rstrip().splitlines()[-1])
        if path:
            return path, (version[0], version[1]), found
    words = err.decode("utf-8", "replace").strip().splitlines() or [f"exit code {process.returncode}"]
    raise NoPython(f"which started no Python here: {words[-1][:300]}")
