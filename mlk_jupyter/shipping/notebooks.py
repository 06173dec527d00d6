"""The notebooks of jobs that are a cell or a function: ordinary ones, which can be read and run as they stand.

Cells: the imports and the values that go along; the functions and classes; the person's own code, unchanged; what
comes back. Those with nothing in them are left out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..worker import values
from .found import Missing, Needed
from .search import LOAD
from .versions import versions

NotebookDict = dict[str, Any]

_SHIPPED = "from mlk_jupyter.worker import shipped as _shipped"
_LITERAL = 60  # characters of an argument that is written into the call


@dataclass(frozen=True)
class Parcel:
    """What a job is made of: `library.source_of(parcel.notebook, …)`, `library.prepare(…, extra=parcel.extra)`."""

    notebook: NotebookDict = field(repr=False)
    """nbformat 4.5."""
    extra: dict[str, bytes] = field(repr=False)
    """Entries of the bundle: the values that go along, the job's key, what the kernel has."""
    code_cell: int
    """Index of the cell that holds the person's own code."""
    missing: list[Missing] = field(default_factory=list)
    """What the code uses and does not go along."""
    notices: list[str] = field(default_factory=list)


def notebook_of_cell(
    code: str,
    needed: Needed,
    pushed: Mapping[str, Any],
    pull: Sequence[str] = (),
    *,
    pickle: bool = False,
    key: bytes | None = None,
) -> Parcel:
    """The job of a cell: what it needs, the values, the cell unchanged, and what comes back.

    Args:
        pushed: the values to send along, by name.
        pull:   names whose values come back (`value` frames) when the cell is done.
        pickle: whether values may be pickled; then `key` (32 random bytes of this job) goes along and signs them.

    Raises: ValueProblem for a value that cannot travel, or too many bytes of them.
    """
    names = "".join(f"{name!r}, " for name in pull).removesuffix(", ")
    back = f"_shipped.send({names})" if pull else ""
    return parcel(code, needed, pushed, back, pickle=pickle, key=key)


def parcel(code: str, needed: Needed, sent: Mapping[str, Any], back: str, *, pickle: bool, key: bytes | None) -> Parcel:
    """A job of these parts. Args: sent: values by label; those whose label is a name are bound to it."""
    everything = {**needed.values, **sent}
    loads = [f"{name} = {LOAD}({name!r})" for name in everything if name.isidentifier()]
    future = [line for line in needed.imports if line.startswith("from __future__")]
    others = [line for line in needed.imports if line not in future]
    uses_shipped = bool(everything or back)
    setup = "\n".join([*others, *([_SHIPPED] if uses_shipped else []), *([""] if loads else []), *loads])
    definitions = "\n\n\n".join(definition.source for definition in needed.definitions)
    parts = [
        ("mlk-needed", "\n".join([*future, *([setup] if setup else [])])),
        ("mlk-definitions", "\n".join([*future, definitions]) if definitions else ""),
        ("mlk-code", code),
        ("mlk-back", back),
    ]
    kept = [(tag, source) for tag, source in parts if source.strip()]
    cells = [_cell(at, tag, source) for at, (tag, source) in enumerate(kept)]
    at = next((at for at, (tag, _) in enumerate(kept) if tag == "mlk-code"), 0)
    return Parcel(
        notebook={"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
        extra=_extra(everything, needed.modules, pickle=pickle, key=key),
        code_cell=at,
        missing=needed.missing,
        notices=needed.notices,
    )


def call_of(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A call as Python text, and the values in it that have to be sent along, by label."""
    sent: dict[str, Any] = {}

    def argument(label: str, value: Any) -> str:
        text = repr(value) if _is_literal(value) else ""
        if text and len(text) <= _LITERAL:
            return text
        sent[label] = value
        return f"{LOAD}({label!r})"

    given = [argument(f"argument {at}", value) for at, value in enumerate(args, 1)]
    named = {key: argument(f"argument {key}", value) for key, value in kwargs.items()}
    plain = [f"{key}={text}" for key, text in named.items() if _is_keyword(key)]
    odd = ", ".join(f"{key!r}: {text}" for key, text in named.items() if not _is_keyword(key))
    return f"{name}({', '.join([*given, *plain, *([f'**{{{odd}}}'] if odd else [])])})", sent


def _extra(
    everything: Mapping[str, Any], modules: Iterable[str], *, pickle: bool, key: bytes | None
) -> dict[str, bytes]:
    """The entries of the bundle. Raises: ValueProblem."""
    left = values.PUSH_LIMIT
    index: dict[str, str] = {}
    entries: dict[str, bytes] = {}
    for name, value in everything.items():
        encoded = values.encode(value, pickle=pickle, key=key, name=name, limit_bytes=left)
        left -= len(encoded.data)
        index[name] = encoded.encoding
        entries[f"values/{name}.{encoded.encoding}"] = encoded.data
    entries["values/index.json"] = _json(index)
    entries["values/versions.json"] = _json(versions(modules))
    if pickle and key is not None:
        entries["values/key"] = key
    return entries


def _cell(at: int, tag: str, source: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{at}\n{source}".encode("utf-8", "replace")).hexdigest()
    return {
        "cell_type": "code",
        "id": digest[:12],
        "metadata": {"tags": [tag]},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode("ascii")


def _is_literal(value: Any) -> bool:
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int) or (type(value) is str and value.isprintable())


def _is_keyword(name: str) -> bool:
    import keyword

    return name.isidentifier() and not keyword.iskeyword(name)
