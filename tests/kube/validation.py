"""The rules of the real server for the kinds that we use, in its words."""

from __future__ import annotations

from .kinds import Kind
from .problems import Problem, details_of
from .store import Object


def refusal(kind: Kind, name: str, errors: list[str]) -> Problem:
    """422 with every error."""
    listed = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    causes = [{"message": each.split(": ", 1)[-1], "field": each.split(": ", 1)[0]} for each in errors]
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}
    return Problem(
        422, f'{kind.full_kind} "{name}" is invalid: {listed}', details={k: v for k, v in details.items() if v}
    )


def of_new(kind: Kind, new: Object) -> list[str]:
    """What is wrong with an object."""
    return []


def of_change(kind: Kind, new: Object, old: Object) -> list[str]:
    """What may not change."""
    return []


__all__ = ["details_of", "of_change", "of_new", "refusal"]
