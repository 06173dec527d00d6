"""What `--dry-run` shows: what would be submitted, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from .. import text

if TYPE_CHECKING:
    from .sending import JobRequest, Ready

_FILES_SHOWN = 20
_LEVELS = {"error": "Refused", "warning": "Warning", "note": "Note"}


class Preview:
    """A job that was not submitted."""

    def __init__(self, asked: JobRequest, ready: Ready, yaml: str | None) -> None:
        self.preflight = ready.preflight
        self.yaml = yaml
        """The objects in the cluster; None on this machine, where there are none."""
        self.spec = asked.spec
        self._facts = [(label, text.plain(value)) for label, value in _facts(asked, ready) if value]

    def __repr__(self) -> str:
        width = max(len(label) for label, _ in self._facts) + 2
        lines = [f"{label + ':':{width}}{value}" for label, value in self._facts]
        return "\n".join([self._verdict, *lines, *(["", self.yaml.rstrip()] if self.yaml else [])])

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        rows = "".join(
            f"<tr><th {left}>{escape(label)}</th><td {left}>{escape(value)}</td></tr>" for label, value in self._facts
        )
        yaml = f"<details><summary>YAML</summary><pre>{escape(self.yaml)}</pre></details>" if self.yaml else ""
        return f"<p>{escape(self._verdict)}</p><table>{rows}</table>{yaml}"

    @property
    def _verdict(self) -> str:
        if not self.preflight.ok:
            return "This would be refused. Nothing was created."
        starts = {True: " It would start now.", False: " It would wait.", None: ""}[self.preflight.starts_now]
        return f"This can be submitted.{starts} Nothing was created."


def _facts(asked: JobRequest, ready: Ready) -> list[tuple[str, str]]:
    found = asked.needed
    shipped = [
        ("Imports", "; ".join(found.imports) if found else ""),
        ("Functions", ", ".join(found.functions) if found else ""),
        ("Classes", ", ".join(found.classes) if found else ""),
        ("Variables", ", ".join(asked.pushed)),
        ("Brings back", ", ".join(asked.pull)),
    ]
    findings = [
        (_LEVELS[one.level.value], " ".join(part for part in (one.text, one.hint) if part))
        for one in ready.preflight.findings
    ]
    return [
        ("Job", asked.spec.name),
        ("Where", text.place(ready.backend.name)),
        *((use.label, use.text) for use in ready.preflight.uses),
        *shipped,
        ("Files", _some(ready.preflight.files)),
        ("Size", f"{len(ready.bundle.data):,} bytes"),
        *(("Warning", notice) for notice in asked.notices),
        *((level, words) for level, words in findings if words not in asked.notices),
    ]


def _some(files: Sequence[str]) -> str:
    more = f", and {len(files) - _FILES_SHOWN:,} more" if len(files) > _FILES_SHOWN else ""
    return ", ".join(files[:_FILES_SHOWN]) + more
