"""The commands of notebooks, `!` and `%`, where there is no IPython: the common ones, made Python before they run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
import tokenize

from .streams import flush_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

_LINE = re.compile(r"^(\s*)(?:([A-Za-z_][\w., ]*?)\s*=\s*)?([!%])(?!=)(.*)$", re.DOTALL)
_CELL = re.compile(r"^%%(\w+)[ \t]*([^\n]*)\n?(.*)$", re.DOTALL)
_VALUE = re.compile(r"\$\$|\$([A-Za-z_]\w*)|\{([^{}]+)\}")
_SILENT = ("matplotlib", "load_ext", "reload_ext", "autoreload", "config", "pylab", "precision", "xmode", "colors")
_SHELLS = {"bash": "bash", "sh": "sh", "script": "sh"}


class UsageError(Exception):
    """A command that is not known here."""


def to_python(source: str) -> str:
    """The cell with its commands as calls of `__mlk_command__`. Line numbers stay."""
    whole = _CELL.match(source.lstrip("\n"))
    if whole is not None:
        before = "\n" * (len(source) - len(source.lstrip("\n")))
        return f"{before}__mlk_command__('%%', {whole[1]!r}, {whole[2]!r}, {whole[3]!r})"
    if not any(_LINE.match(line) for line in source.split("\n")):
        return source
    done: List[str] = []
    waiting: List[str] = []
    for line in source.split("\n"):
        line = "\n".join([*waiting, line])
        waiting = []
        match = _LINE.match(line)
        if match is None or _inside("\n".join(done)):
            done.extend(line.split("\n"))
        elif line.endswith("\\"):
            waiting = line.split("\n")
        else:
            done.append(_call(match) + "\n" * line.count("\n"))
    return "\n".join([*done, *waiting])


def _call(match: "re.Match[str]") -> str:
    indent, target, sign, rest = match.groups()
    rest = rest.replace("\\\n", " ").strip()
    if sign == "!":
        kind, name, text = ("!!" if target else "!"), "", rest.lstrip("!")
    else:
        kind = "%"
        name, _, text = rest.partition(" ")
    call = f"__mlk_command__({kind!r}, {name!r}, {text.strip()!r})"
    return f"{indent}{target} = {call}" if target else f"{indent}{call}"


def _inside(before: str) -> bool:
    """Whether a line after this text continues a string or a bracket."""
    try:
        for _ in tokenize.generate_tokens(io.StringIO(before + "\n").readline):
            pass
    except tokenize.TokenError:
        return True
    except (SyntaxError, IndentationError):
        return False
    return False


class Commands:
    """Runs the commands of cells.

    Args: names: the notebook's names. run: runs Python text in the notebook. notice: says a sentence to a person.
    """

    def __init__(self, names: Dict[str, Any], run: Callable[[str], Any], notice: Callable[[str], None]) -> None:
        self._names, self._run, self._notice = names, run, notice
        self._noticed: List[str] = []

    def __call__(self, kind: str, name: str, text: str, body: Optional[str] = None) -> Any:
        """What the call that `to_python` wrote gives."""
        if kind in ("!", "!!"):
            return self._shell(self._expand(text), capture=kind == "!!")
        if name in _SILENT:
            if name not in self._noticed:
                self._noticed.append(name)
                self._notice(f"%{name} does nothing without IPython.")
            return None
        method = getattr(self, f"_{'cell' if kind == '%%' else 'line'}_{name}", None)
        if kind == "%%" and name in _SHELLS:
            return self._script(_SHELLS[name], body or "")
        if method is None:
            raise UsageError(f"{kind}{name} needs IPython, which the image does not have. Install `ipython` in it.")
        return method(text, body) if kind == "%%" else method(self._expand(text))

    def _expand(self, text: str) -> str:
        """`$name` and `{expression}` become values; what is none of ours stays, for the shell to read."""

        def value(match: "re.Match[str]") -> str:
            if match[0] == "$$":
                return "$"
            try:
                return str(eval(match[1] or match[2], self._names))
            except Exception:
                return match[0]

        return _VALUE.sub(value, text)

    def _shell(self, command: str, capture: bool = False) -> Any:
        flush_text()
        done = subprocess.run(
            command, shell=True, stdout=subprocess.PIPE if capture else None, stderr=None, universal_newlines=True
        )
        self._names["_exit_code"] = done.returncode
        return done.stdout.splitlines() if capture else None

    def _script(self, shell: str, body: str) -> None:
        flush_text()
        done = subprocess.run([shell], input=body, universal_newlines=True)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, shell)

    def _timed(self, source: str) -> Any:
        wall, spent = time.perf_counter(), time.process_time()
        try:
            return self._run(source)
        finally:
            spent, wall = time.process_time() - spent, time.perf_counter() - wall
            print(f"CPU times: total: {spent * 1000:.3g} ms\nWall time: {wall * 1000:.3g} ms")

    def _cell_time(self, text: str, body: str) -> Any:
        return self._timed(body if not text else f"{text}\n{body}")

    def _line_time(self, text: str) -> Any:
        return self._timed(text)

    def _cell_writefile(self, text: str, body: str) -> None:
        words = text.split()
        append = "-a" in words
        name = os.path.expanduser(words[-1])
        print(("Appending to " if append else "Overwriting " if os.path.exists(name) else "Writing ") + name)
        with open(name, "a" if append else "w", encoding="utf-8") as file:
            file.write(body)

    def _cell_capture(self, text: str, body: str) -> None:
        import contextlib

        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self._run(body)

    def _line_pip(self, text: str) -> None:
        import shlex

        self._shell(f"{shlex.quote(sys.executable)} -m pip {text}")

    def _line_env(self, text: str) -> Any:
        name, sign, value = text.partition("=" if "=" in text else " ")
        if not text:
            return dict(os.environ)
        if not sign:
            return os.environ.get(name)
        os.environ[name.strip()] = value.strip()
        print(f"env: {name.strip()}={value.strip()}")
        return None

    _line_set_env = _line_env

    def _line_cd(self, text: str) -> None:
        os.chdir(os.path.expanduser(text or "~"))
        print(os.getcwd())

    def _line_pwd(self, text: str) -> str:
        return os.getcwd()
