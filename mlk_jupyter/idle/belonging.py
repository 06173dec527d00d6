"""Which process belongs to which kernel: by its tag, its session, its parents, or because it did before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from .table import Facts, Row

Name: TypeAlias = tuple[int, float]
"""Number and beginning of a process."""


def belonging(
    rows: Mapping[int, Row],
    roots: Mapping[str, int],
    facts: Callable[[Row], Facts],
    before: Mapping[Name, str],
    here: int,
) -> dict[str, list[int]]:
    """The processes of each kernel, its own first.

    A daemon that left tree and session bears the kernel's tag; one that shed the tag as well is known from before. No
    part of a kernel are the jobs that it started, and another kernel with all that belongs to that.

    Args:
        roots: each kernel's own process.
        before: whose each process was when it was last seen.
        here: this server, which belongs to none; nor does what it starts beside kernels.
    """
    owners: dict[int, str | None] = {pid: kernel for kernel, pid in roots.items()}
    owners[here] = None
    found: dict[str, list[int]] = {kernel: [pid] for kernel, pid in roots.items()}
    sessions = {pid: kernel for kernel, pid in roots.items() if rows[pid].session == pid}
    # A tag that a kernel's own process has from elsewhere (a server in a kernel's terminal) tells nothing about others.
    foreign = {facts(rows[pid]).tag for pid in roots.values()} - set(roots)
    for pid in rows:
        way = []
        at = pid
        while at not in owners:
            row = rows.get(at)
            known, owner = (True, None) if row is None else _own(row, roots, sessions, facts(row), foreign, before)
            if known:
                owners[at] = owner
                break
            way.append(at)
            owners[at] = None  # a circle of parents, which a torn reading may show, ends here
            assert row is not None
            at = row.parent
        for below in way:
            owners[below] = owners[at]
    for pid, owner in owners.items():
        if owner is not None and pid != roots[owner] and pid in rows:
            found[owner].append(pid)
    return found


def _own(
    row: Row,
    roots: Mapping[str, int],
    sessions: Mapping[int, str],
    facts: Facts,
    foreign: set[str | None],
    before: Mapping[Name, str],
) -> tuple[bool, str | None]:
    """Whether a process tells by itself whose it is, and whose: None, nobody's that is asked about."""
    if facts.job:
        return True, None
    if facts.tag is not None and facts.tag not in foreign:
        return True, facts.tag if facts.tag in roots else None
    if row.session in sessions:
        return True, sessions[row.session]
    owner = before.get((row.pid, row.began))
    if owner in roots:
        return True, owner
    return False, None
