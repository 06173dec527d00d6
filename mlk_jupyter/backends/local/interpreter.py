"""Which Python runs a notebook: the one its kernel would have run in."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ...model.api import Finding, Level


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs the ranks, and what a person should know about the choice."""

    path: str
    env: dict[str, str] = field(default_factory=dict)
    """Variables that the kernelspec sets."""
    findings: list[Finding] = field(default_factory=list)


def interpreter(kernel: str | None) -> Interpreter:
    """The Python of a kernelspec (None: the notebook names no kernel, this process' own Python).

    Blocking: reads kernelspecs from disk.
    """
    if kernel is None:
        return Interpreter(sys.executable)
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        return _fall_back(f"The notebook's kernel {kernel!r} is not installed here")
    except (OSError, ValueError) as error:
        return _fall_back(f"The notebook's kernel {kernel!r} cannot be read ({error})")
    if spec.language and spec.language.lower() != "python":
        return _refuse(
            "not_python",
            f"The notebook's kernel {spec.display_name!r} runs {spec.language}; only Python notebooks can be jobs.",
            "Choose a Python kernel for the notebook.",
        )
    python = _python_of(spec.argv)
    if python is None:
        words = f"The notebook's kernel {spec.display_name!r} is started by {spec.argv[:1]}, which is no Python"
        return _fall_back(words)
    if not os.access(python, os.X_OK):
        return _refuse(
            "no_interpreter",
            f"The notebook's kernel {spec.display_name!r} names {python}, which cannot be run.",
            f"Install that environment again, or remove the kernel with `jupyter kernelspec remove {kernel}`.",
        )
    return Interpreter(python, dict(spec.env))


def _python_of(argv: list[str]) -> str | None:
    """The interpreter in a kernel's command, as an absolute path; None when the command starts something else."""
    if not argv:
        return None
    program = Path(argv[0])
    if program.name in ("python", "python3", f"python3.{sys.version_info[1]}") and not program.is_absolute():
        return sys.executable  # as Jupyter itself does for a bare name
    if program.name.startswith("python"):
        return str(program) if program.is_absolute() else shutil.which(argv[0])
    beside = program.with_name("python")  # e.g. xpython of the same environment
    return str(beside) if program.is_absolute() and os.access(beside, os.X_OK) else None


def _fall_back(words: str) -> Interpreter:
    finding = Finding(
        level=Level.WARNING,
        code="other_interpreter",
        text=f"{words}; the job would run with {sys.executable}.",
        hint="Choose an installed kernel for the notebook if it needs other packages.",
    )
    return Interpreter(sys.executable, findings=[finding])


def _refuse(code: str, text: str, hint: str) -> Interpreter:
    return Interpreter(sys.executable, findings=[Finding(level=Level.ERROR, code=code, text=text, hint=hint)])
