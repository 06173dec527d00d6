"""A short table that reads well as text and as HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .. import text


class Table:
    """Rows under a head, and a sentence below; what a magic gives, so that a terminal and a notebook both show it.

    Args:
        head:  names of the columns.
        rows:  one text a column.
        empty: what is said instead of a table without rows.
        note:  a sentence below the table.
    """

    def __init__(self, head: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str, note: str = "") -> None:
        self.head = tuple(head)
        self.rows = [tuple(text.plain(cell) for cell in row) for row in rows]
        self.empty = empty
        self.note = note

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return self.empty
        lines = text.table([tuple(name.upper() for name in self.head), *self.rows])
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def _repr_html_(self) -> str:
        if not self.rows:
            return f"<p>{escape(self.empty)}</p>"
        head = "".join(f'<th style="text-align:left">{escape(name)}</th>' for name in self.head)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def _cell(words: str) -> str:
    return f'<td style="text-align:left">{escape(words)}</td>'
