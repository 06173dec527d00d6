"""The bundle: an executable zip, the same bytes for the same input."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import BadInput, MlkError
from ..model import JobSpec
from ..model.api import Finding
from ..model.texts import is_text
from .bytecode import byte_code as compiled_of
from .code import experiments, nodes, runs_files, sources, spawns_processes, texts, trees, uses
from .groups import groups_started
from .mistakes import mistakes
from .modules import find_modules
from .notebook import for_bundle, kernel_of
from .parameters import doubtful, inject
from .paths import (
    check_name,
    inside,
    is_file,
    leads_to_secret,
    named_files,
    of_entry,
    read_regular,
    readable,
    size_of,
    unfit,
)

LIMIT = 64 * 1024 * 1024  # bytes, on this machine
_PACKAGE = Path(__file__).resolve().parent.parent
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the first that a zip can tell
# An old Python must still understand this file, to say that it is too old.
_MAIN = b"""import _signal
import sys

# The first process of a container loses a signal that comes before its handler is there, unless it is blocked.
_signal.pthread_sigmask(_signal.SIG_BLOCK, [_signal.SIGTERM])

if sys.version_info < (3, 9):
    sys.exit("This Python is %d.%d; a job needs 3.9 or later. Choose another image." % sys.version_info[:2])

from mlk_jupyter.worker.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[0]))
"""
_SHOWN = 3  # names that are told one by one
# No bundle can be this many times smaller than what goes into it and still be worth trying.
_BEST_RATIO = 16


class BundleTooLarge(MlkError):
    """More code and files than the backend can carry."""

    code, title, status = "bundle_too_large", "The notebook's files do not fit", 413

    def __init__(self, size: int, limit: int, largest: list[tuple[str, int]]) -> None:
        names = ", ".join(f"{name} ({bytes_:,} bytes)" for name, bytes_ in largest)
        super().__init__(
            f"The bundle has {size:,} bytes; the limit is {limit:,}. Largest: {names}.",
            hint="Leave large files out of `files` and out of packages, and read them where they are.",
        )
        self.size, self.limit, self.largest = size, limit, largest


@dataclass(frozen=True)
class Bundle:
    """What a backend needs to run a job."""

    data: bytes = field(repr=False)
    """The zip: `python bundle.pyz` is one rank."""
    notebook: dict[str, Any] = field(repr=False)
    """The notebook in it (nbformat 4, outputs removed, parameters injected)."""
    directory: Path | None
    """The notebook's own folder on this machine, if it has one."""
    kernel: str | None = None
    """Name of the kernelspec the notebook asks for."""
    files: list[str] = field(default_factory=list)
    """Local modules and named files in it, relative to the notebook's folder."""
    notices: list[str] = field(default_factory=list)
    """Sentences for a person: what was left out, and why."""
    warnings: list[str] = field(default_factory=list)
    """Sentences about code that would run otherwise than it was meant."""
    script: bool = False
    """Whether it was made from a script."""
    findings: list[Finding] = field(default_factory=list)
    """What of its code cannot go well (see `mistakes`)."""
    uses_mlflow: bool = False
    """Whether the notebook, or a local module it imports, imports MLflow."""
    sets_experiment: list[str | None] = field(default_factory=list)
    """Names that the notebook gives to MLflow's `set_experiment`; None for one that is not written out."""

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the zip: the bundle's name."""
        return hashlib.sha256(self.data).hexdigest()


def build(
    notebook: dict[str, Any],
    spec: JobSpec,
    directory: Path | None,
    *,
    script: bool = False,
    limit_bytes: int = LIMIT,
    byte_code: bool = True,
    carries: bool = True,
    extra: Mapping[str, bytes] | None = None,
) -> Bundle:
    """One file with the worker, the notebook, its local modules and the named files. Reads files, so it may take long.

    Args:
        notebook:    valid nbformat 4.5, as `valid_notebook` gives it.
        spec:        its parameters are injected, its files carried along.
        directory:   where local modules and files are looked for; None when there is no such place.
        script:      whether the notebook was made from a script.
        limit_bytes: most bytes of the zip.
        byte_code:   whether the worker is carried compiled as well: ranks of this Python version start sooner.
        carries:     whether modules and files go along; without them the job needs the folder itself.
        extra:       more entries, beside the notebook in the zip (`values/…`: worker/shipped.py reads them there).

    Raises: BadInput for parameters, arguments or files that cannot be used; BundleTooLarge.
    """
    if spec.arguments and not script:
        raise BadInput(
            f"{spec.notebook} is a notebook, which has no command line to take arguments from.",
            hint="Set values of its cell tagged `parameters`, or run a script (.py).",
            fields={"arguments": "only a script takes arguments"},
        )
    prepared = inject(for_bundle(notebook), spec.parameters)
    parsed = trees(prepared)
    code = nodes(parsed)
    files: list[str] = []
    notices: list[str] = []
    local: list[Path] = []
    for at, name in enumerate(spec.files):
        with of_entry(at):
            check_name(name)
    if directory is not None:
        directory = Path(os.path.realpath(directory))
        if not is_text(str(directory)):
            raise BadInput(f"The name of {readable(str(directory))} is not UTF-8 text.", hint="Rename the folder.")
        modules = find_modules(parsed, directory, data=carries)
        named, left_out = named_files(spec.files, directory)
        own = PurePosixPath(spec.notebook).name
        if own.endswith(".ipynb") and own not in spec.files:  # it goes along as it runs, without its outputs
            named = [name for name in named if name != own]
        run = [name for name in runs_files(prepared) if _can_carry(directory, name)]
        local = [directory / name for name in modules.files if name.endswith(".py")]
        if carries:
            files = sorted({*modules.files, *named, *(os.path.normpath(name).replace(os.sep, "/") for name in run)})
            notices = [*modules.notices, *left_out, *_left_behind(code, directory, files)]
    elif spec.files:
        notices.append("Files are not carried along: the notebook has no folder on this machine.")
    if spawns_processes(code) and not script:  # a script is found again by its path
        notices.append(
            "The notebook starts processes by `spawn`, which cannot see functions defined in a notebook: "
            "define them in a module beside it, or use `fork`."
        )
    job: dict[str, Any] = {"name": spec.name, "notebook": spec.notebook, "files": files, "script": script}
    if spec.arguments:
        job["arguments"] = spec.arguments
    if extra:
        job["extra"] = sorted(extra)
    entries = {
        **{f"job/{name}": data for name, data in (extra or {}).items()},
        **_worker(byte_code=byte_code),
        "job/job.json": _json(job),
        "job/notebook.ipynb": _json(prepared),
        **_contents(files, directory, limit_bytes),
    }
    return Bundle(
        data=_zipped(entries, limit_bytes),
        notebook=prepared,
        directory=directory,
        kernel=kernel_of(notebook),
        script=script,
        files=files,
        notices=list(dict.fromkeys([*notices, *doubtful(notebook, spec.parameters)])),
        warnings=groups_started(code, sources(prepared), spec.world_size),
        findings=mistakes(prepared),
        uses_mlflow=uses(code, "mlflow") or any(_mentions_mlflow(path) for path in local),
        sets_experiment=experiments(code),
    )


def _worker(*, byte_code: bool) -> dict[str, bytes]:
    """What runs in the job, from this very installation; with byte code a rank starts without compiling it."""
    paths = [_PACKAGE / "__init__.py", _PACKAGE / "_version.py", *(_PACKAGE / "worker").rglob("*.py")]
    names = {f"mlk_jupyter/{path.relative_to(_PACKAGE).as_posix()}": path for path in paths if path.is_file()}
    sources = {name: path.read_bytes() for name, path in names.items()}
    entries = {"__main__.py": _MAIN, **sources}
    if byte_code:
        compiled = ((name, compiled_of(name, source)) for name, source in sources.items())
        entries.update((f"{name}c", code) for name, code in compiled if code is not None)
    return entries


def _contents(files: list[str], directory: Path | None, limit_bytes: int) -> dict[str, bytes]:
    """The files' bytes. Gives up before reading what can never fit."""
    if directory is None:
        return {}
    sizes = {name: size_of(directory / name) for name in files}
    if sum(sizes.values()) > limit_bytes * _BEST_RATIO:
        raise BundleTooLarge(sum(sizes.values()), limit_bytes, _largest(sizes))
    return {f"job/files/{name}": read_regular(directory / name, limit_bytes * _BEST_RATIO) for name in files}


def _zipped(entries: Mapping[str, bytes], limit_bytes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _MOMENT)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it was made
            info.external_attr = 0o100644 << 16
            archive.writestr(info, entries[name], compresslevel=6)
        sizes = {_shown(info.filename): info.compress_size for info in archive.infolist()}
    data = buffer.getvalue()
    if len(data) > limit_bytes:
        raise BundleTooLarge(len(data), limit_bytes, _largest(sizes))
    return data


def _shown(entry: str) -> str:
    """A zip's entry as a person knows it."""
    return entry.removeprefix("job/files/").removeprefix("job/")


def _largest(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:5]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, indent=1, sort_keys=True).encode()


def _left_behind(code: list[ast.AST], directory: Path, files: list[str]) -> list[str]:
    """A sentence about the files in its folder that a notebook names and that do not go along."""
    there = set(files)
    found = [name for name in texts(code) if _is_path(name) and unfit(name) is None and (directory / name).is_file()]
    names = [name for name in found if os.path.normpath(name) not in there and inside(directory / name, directory)]
    if not names:
        return []
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    shown = ", ".join(map(readable, names[:_SHOWN]))
    return [f"The notebook names {shown}{more} in its folder, which does not go along. Name what it reads in `files`."]


def _is_path(text: str) -> bool:
    return ("." in text or "/" in text) and not text.endswith((".py", ".ipynb"))


def _can_carry(directory: Path, name: str) -> bool:
    """Whether a file that the notebook runs with `%run` is one of its folder."""
    path = directory / name
    if unfit(name) is not None or "\0" in name:
        return False
    return inside(path, directory) and not leads_to_secret(path.resolve(), directory) and is_file(path)


def _mentions_mlflow(path: Path) -> bool:
    return b"mlflow" in read_regular(path, 1024 * 1024)
