"""Which Python runs a job: that of its kernel as Jupyter would start it, that of a script's folder, or one by name.

A job never runs in another Python than that: where it cannot be told, the job is refused with the way out.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from ...bundle import Bundle
from ...model import JobSpec
from ...model.api import Finding, Level
from ...threads import in_thread
from .environment import inherited
from .kernelspecs import KernelSpec, KernelSpecs, names_of, spec_of
from .launcher import NoPython, asked_version, python_of

NATIVE = "python3"
"""What Jupyter calls the kernel of its own Python (jupyter_client's NATIVE_KERNEL_NAME)."""
OLDEST = (3, 9)
_WAY_OUT = "Choose another kernel for the notebook, or name one: `--kernel NAME`, or a Python: `--python PATH`."
_ENVIRONMENTS = (".venv", "venv")
_OF_PROJECT = ("pyproject.toml", "setup.py", ".git")
_FIELD = re.compile(r"\{([A-Za-z0-9_]+)\}")


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs the ranks, and what a person should know about the choice."""

    path: str
    options: list[str] = field(default_factory=list)
    """Python's own, as the kernelspec has them."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables that the kernelspec and its launcher set."""
    findings: list[Finding] = field(default_factory=list)

    def is_no_newer(self) -> bool:
        """Whether it is no newer than this Python; False also where that is not known. Blocking."""
        try:
            return (
                self.path == sys.executable or asked_version(self.path, inherited(os.environ)) <= sys.version_info[:2]
            )
        except NoPython:
            return False


async def interpreter(spec: JobSpec, bundle: Bundle, kernels: Callable[[], KernelSpecs]) -> Interpreter:
    """The Python of a job: the one that was named, else the kernel's, else (of a script) its folder's or this one.

    Args: kernels: gives the manager of kernelspecs; may block.
    """
    base = inherited(os.environ)
    if spec.python is not None:
        return await in_thread(_named, spec.python, bundle.directory, base)
    kernel = spec.kernel or bundle.kernel
    if spec.kernel is None and bundle.script and kernel in (None, NATIVE):
        return await in_thread(_of_script, bundle.directory)
    if kernel is None:
        return Interpreter(sys.executable)
    return await _of_kernel(kernel, spec, kernels, base)


async def _of_kernel(
    kernel: str, spec: JobSpec, kernels: Callable[[], KernelSpecs], base: Mapping[str, str]
) -> Interpreter:
    from jupyter_client.kernelspec import NoSuchKernel

    whose = f"The kernel {kernel!r}" if spec.kernel else f"The notebook's kernel {kernel!r}"
    try:
        specs = await in_thread(kernels)
    except Exception as error:  # a class of somebody else's, which may raise anything
        text = f"Kernels are looked up as Jupyter's configuration says, which fails: {type(error).__name__}: {error}."
        return _refuse(
            "no_kernelspecs", text, "Correct `kernel_spec_manager_class`, or name a Python: `--python PATH`."
        )
    if type(specs).__module__.startswith("jupyter_server.gateway"):
        text = f"{whose} runs behind a gateway, not on this machine."
        return _refuse("kernel_elsewhere", text, "Name a Python of this machine: `--python PATH`.")
    try:
        found = await spec_of(specs, kernel)
    except NoSuchKernel:
        if kernel == NATIVE and spec.kernel is None:  # it is whichever Python runs Jupyter
            return Interpreter(sys.executable)
        names = await names_of(specs)
        there = f" Installed here: {', '.join(names)}." if names else ""
        return _refuse("no_kernel", f"{whose} is not installed here.", f"{_WAY_OUT}{there}")
    except (OSError, ValueError) as error:
        return _refuse("no_kernel", f"{whose} cannot be read ({error}).", _WAY_OUT)
    return await in_thread(_of_spec, kernel, found, base)


def _of_spec(kernel: str, spec: KernelSpec, base: Mapping[str, str]) -> Interpreter:
    """The Python that a kernelspec starts. Blocking."""
    whose = f"The kernel {spec.display_name or kernel!r}"
    if spec.language and spec.language.lower() != "python":
        return _refuse(
            "not_python",
            f"{whose} runs {spec.language}; only Python notebooks can be jobs.",
            "Choose a Python kernel for the notebook.",
        )
    elsewhere = _elsewhere(spec.metadata or {})
    if elsewhere:
        return _refuse("kernel_elsewhere", f"{whose} is started by {elsewhere}, not as a process of here.", _WAY_OUT)
    # As jupyter_client does it (provisioner_base.py): what is not known stays as it is written.
    own = {name: Template(str(value)).safe_substitute(base) for name, value in (spec.env or {}).items()}
    env = {**base, **own}
    places = {"prefix": sys.prefix, "resource_dir": spec.resource_dir}
    argv = [_FIELD.sub(lambda match: places.get(match[1], match[0]), word) for word in spec.argv]
    try:
        python = python_of(argv, env)
    except NoPython as problem:
        text = f"{whose} is started by {' '.join(argv[:4])}{' …' if len(argv) > 4 else ''}, {problem}."
        return _refuse("no_interpreter", text, _WAY_OUT)
    return Interpreter(python.path, python.options, {**own, **python.env})


def _elsewhere(metadata: Mapping[str, object]) -> str | None:
    """Who starts a kernel that is no process of this machine: a provisioner, or Enterprise Gateway."""
    for key, name, local in (
        ("kernel_provisioner", "provisioner_name", "local-provisioner"),
        ("process_proxy", "class_name", "enterprise_gateway.services.processproxies.processproxy.LocalProcessProxy"),
    ):
        stanza = metadata.get(key)
        found = stanza.get(name) if isinstance(stanza, Mapping) else None
        if found and found != local:
            return str(found)
    return None


def _named(python: str, directory: Path | None, base: Mapping[str, str]) -> Interpreter:
    """A Python, or the folder of an environment, that a person named. Blocking."""
    beside = (directory or Path.cwd()) / os.path.expanduser(python)  # noqa: PTH111 - which raises for a user who is none
    if os.path.isdir(beside):  # noqa: PTH112 - which raises for a name that is too long
        path = str(beside / "bin" / "python")
    else:
        path = str(beside) if os.sep in python else shutil.which(python, path=base.get("PATH")) or python
    hint = "Name a Python, for example `--python .venv/bin/python`, or the folder of an environment."
    try:
        version = asked_version(path, base)
    except NoPython as problem:
        return _refuse("no_interpreter", f"The job is to run with {python}, {problem}.", hint, "python")
    if version < OLDEST:
        text = f"{python} is Python {version[0]}.{version[1]}; a job needs 3.9 or later."
        return _refuse("old_python", text, hint, "python")
    return Interpreter(path)


def _of_script(directory: Path | None) -> Interpreter:
    """The Python of the environment that lies beside a script, or in the folder of its project; else this one."""
    path, why = sys.executable, "the Python of mlk-jupyter"
    for folder in [directory, *directory.parents] if directory is not None else []:
        found = [folder / name for name in _ENVIRONMENTS if (folder / name / "pyvenv.cfg").is_file()]
        if found:
            path, why = str(found[0] / "bin" / "python"), "the environment of its folder"
            break
        if any((folder / name).exists() for name in _OF_PROJECT):
            break
    text = f"The script runs with {path}, {why}."
    hint = "Choose another with `--python PATH`."
    if not os.access(path, os.X_OK):
        return _refuse("no_interpreter", f"{text[:-1]}, which cannot be run.", f"Make it anew. {hint}", "python")
    return Interpreter(path, findings=[Finding(level=Level.NOTE, code="script_python", text=text, hint=hint)])


def _refuse(code: str, text: str, hint: str, field: str | None = "kernel") -> Interpreter:
    finding = Finding(level=Level.ERROR, code=code, text=text, hint=hint, field=field)
    return Interpreter(sys.executable, findings=[finding])
