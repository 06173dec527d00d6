"""What was found of a cell or a function: what goes along into the job, and what does not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Definition:
    """A function or class of the kernel that goes along as source."""

    name: str
    """The global that it is bound to."""
    kind: Literal["function", "class", "statement"]
    source: str = field(repr=False)
    """Python that binds the name; decorators included."""


@dataclass(frozen=True)
class Missing:
    """A name that the code uses and that does not go along."""

    name: str
    kind: Literal["value", "undefined", "unshippable"]
    """value: it can be pushed; undefined: the kernel has no such name (the code may define it in a way that cannot be
    seen); unshippable: it cannot go along, whatever is asked."""
    why: str
    """A sentence without the name: what it is, or why it cannot go along."""
    hint: str
    """What to do: `--push NAME`, or another way out."""

    def __str__(self) -> str:
        return f"{self.name}: {self.why} {self.hint}".rstrip()


@dataclass(frozen=True)
class Needed:
    """What goes along, and what does not."""

    imports: list[str] = field(default_factory=list)
    """Import statements, once each."""
    definitions: list[Definition] = field(default_factory=list)
    """In an order in which they can be run."""
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    """Values of closures, which go along unasked."""
    missing: list[Missing] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    """The modules that the code imports, for `versions`."""
    notices: list[str] = field(default_factory=list)
    """Sentences for a person: what goes along and may not work."""

    @property
    def functions(self) -> list[str]:
        return [definition.name for definition in self.definitions if definition.kind == "function"]

    @property
    def classes(self) -> list[str]:
        return [definition.name for definition in self.definitions if definition.kind == "class"]
