"""A cell, or a file, on its way to the backend: what would be submitted, and submitting it."""

from __future__ import annotations

import dataclasses
import difflib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from .. import library
from ..backends.base import Backend
from ..bundle import Bundle
from ..client import Detached, Job
from ..client.background import run
from ..client.places import Where, places
from ..client.submit import hand_over
from ..errors import BadInput
from ..model import JobSpec
from ..model.api import Preflight
from ..shipping import Needed, needed, notebook_of_cell
from ..shipping.cells import commands_in, tree_of
from ..shipping.names import names_of
from ..worker.values import KEY_BYTES, ValueProblem

_UNSEEN = {"exec", "globals", "locals", "vars", "setattr"}  # ways to bind names that cannot be seen


@dataclass(frozen=True)
class JobRequest:
    """A job as it was asked for, before any backend saw it."""

    source: library.Source
    spec: JobSpec
    extra: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Entries of the bundle: the values that go along."""
    needed: Needed | None = None
    """Of a cell: what else goes along."""
    pushed: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ready:
    """A job that could be submitted: its bundle, and what the backend thinks of it."""

    backend: Backend
    bundle: Bundle
    preflight: Preflight


def asked_of_file(path: str, fields: Mapping[str, Any]) -> JobRequest:
    """The job of a notebook or script.

    Args:   fields: of the spec, without the notebook.
    Raises: BadInput.
    """
    source = run(library.read_source(path))
    return JobRequest(source, library.spec_from({"name": source.stem, **fields, "notebook": source.path}))


def asked_of_cell(
    code: str,
    fields: Mapping[str, Any],
    names: Mapping[str, Any],
    history: Sequence[str],
    *,
    push: Sequence[str],
    pull: Sequence[str],
    pickle: bool,
) -> JobRequest:
    """The job of a cell, with all that it needs of the kernel.

    Args:
        code:    the cell without the line of the magic.
        fields:  of the spec, without the notebook.
        names:   the kernel's.
        history: the cells that ran, oldest first.
        push:    names whose values go along.
        pull:    names whose values come back.
        pickle:  whether they may be pickled.

    Raises: BadInput that names what cannot go along, and how it could.
    """
    path = notebook_path(names)
    spec = library.spec_from({"name": path.stem[:100].strip() or "cell", **fields, "notebook": str(path)})
    if not code.strip():
        raise BadInput("The cell is empty.", hint="Write below the line of the magic what is to run.")
    pushed = {name: _value_of(name, names) for name in push}
    folder = Path.cwd()
    try:
        found = needed(code, names, history, pushed=push, directory=folder)
    except SyntaxError as error:
        raise _no_python(error) from error
    absent = [missing for missing in found.missing if missing.kind != "undefined"]
    if absent:
        raise BadInput(
            " ".join(f"{missing.name}: {missing.why}" for missing in absent),
            hint=" ".join(dict.fromkeys(missing.hint for missing in absent)),
        )
    _check_pull(pull, code, {*pushed, *(one.name for one in found.definitions)})
    try:
        parcel = notebook_of_cell(
            code, found, pushed, pull, pickle=pickle, key=secrets.token_bytes(KEY_BYTES) if pickle else None
        )
    except ValueProblem as problem:
        raise BadInput(f"{problem.name}: {problem.why}", hint=problem.hint) from problem
    source = run(library.source_of(parcel.notebook, f"{path.stem}.ipynb", folder))
    undefined = [f"{one.name}: {one.why}" for one in found.missing if one.kind == "undefined"]
    notices = tuple(dict.fromkeys([*undefined, *parcel.notices]))
    return JobRequest(source, spec, parcel.extra, found, tuple(push), tuple(pull), notices)


def notebook_path(names: Mapping[str, Any]) -> PurePosixPath:
    """The notebook that the kernel belongs to, as far as its client said so; else `cell.ipynb`."""
    told = names.get("__vsc_ipynb_file__") or names.get("__session__") or os.environ.get("JPY_SESSION_NAME")
    path = PurePosixPath(str(told or "").replace("\\", "/"))
    return path if path.suffix == ".ipynb" else PurePosixPath("cell.ipynb")


def checked(asked: JobRequest, where: Where) -> Ready:
    """What the backend thinks of a job. Creates nothing."""
    return run(_checked(asked, where))


def rendered(asked: JobRequest, ready: Ready) -> str | None:
    """The objects that it would be in a cluster, as YAML; None on this machine."""
    return run(ready.backend.render(asked.spec, ready.bundle))


def submitted(asked: JobRequest, ready: Ready, where: Where) -> Job:
    """Submits it. An interrupt comes too late to prevent it.

    Raises: Refused when the preflight found an error; Detached when interrupted.
    """
    try:
        return Job(run(hand_over(ready.backend, asked.spec, ready.bundle)), where)
    except KeyboardInterrupt:
        text = f"{asked.spec.name} was being submitted, and may run. %k8s_jobs shows whether it does."
        raise Detached(text, None) from None


async def _checked(asked: JobRequest, where: Where) -> Ready:
    backend = await (await places().backends(where)).at(None)
    bundle = await library.prepare(asked.source, asked.spec, backend.carriage, asked.extra or None)
    if asked.notices:
        bundle = dataclasses.replace(bundle, notices=[*bundle.notices, *asked.notices])
    return Ready(backend, bundle, await backend.preflight(asked.spec, bundle))


def _no_python(error: SyntaxError) -> BadInput:
    # The first line of the notebook's cell is the magic's.
    where = f"line {error.lineno + 1}" if error.lineno else "the cell"
    code = f": {error.text.strip()}" if error.text and error.text.strip() else "."
    return BadInput(
        f"{where[0].upper()}{where[1:]} is no Python ({error.msg}){code}", hint="Correct it, and run it again."
    )


def _value_of(name: str, names: Mapping[str, Any]) -> Any:
    if name in names:
        return names[name]
    near = difflib.get_close_matches(name, [known for known in names if not known.startswith("_")], 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    raise BadInput(f"--push {name}: there is no such variable.{meant}", hint="Run the cell that makes it first.")


def _check_pull(pull: Sequence[str], code: str, given: set[str]) -> None:
    """Raises: BadInput for a name that the cell cannot have when it is done."""
    tree = tree_of(code)
    every = [names_of(one) for one in (tree, *commands_in(tree))]
    if any(one.stars or _UNSEEN & one.now.keys() for one in every):
        return  # it may bind any name
    made = given.union(*(one.bound for one in every))
    for name in pull:
        if name not in made:
            near = difflib.get_close_matches(name, sorted(made), 1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise BadInput(f"--pull {name}: the cell makes no such variable.{meant}", hint="Name one that it assigns.")
