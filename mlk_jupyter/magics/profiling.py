"""`%k8s_profile`: saves, lists and deletes sets of options."""

from __future__ import annotations

import shlex
from typing import Any

from ..errors import BadInput
from . import parsing, profiles
from .table import Table


def k8s_profile(shell: Any, line: str) -> Table | None:
    """`%k8s_profile save NAME OPTIONS`, `%k8s_profile list`, `%k8s_profile delete NAME`."""
    words = parsing.words_of(line)
    asked = parsing.profile().read_words(words[:2])
    if asked.action == "list":
        if words[1:]:
            raise BadInput(f"%k8s_profile list: {words[1]!r} is one word too many.", hint="It lists all of them.")
        return listed(profiles.profiles())
    if asked.name is None:
        raise BadInput(
            f"%k8s_profile {asked.action}: the name of the profile is missing.",
            hint=f"Write for example: %k8s_profile {asked.action} big",
        )
    if asked.action == "delete":
        if words[2:]:
            raise BadInput(f"%k8s_profile delete: {words[2]!r} is one word too many.", hint="Delete one at a time.")
        profiles.delete(asked.name)
        print(f"Deleted the profile {asked.name}.")
        return None
    replaced = profiles.save(asked.name, words[2:])
    print(f"{'Replaced' if replaced else 'Saved'} the profile {asked.name}. Use it: %%mlk --profile {asked.name}")
    return None


def listed(kept: dict[str, list[str]]) -> Table:
    """The profiles as a table."""
    return Table(
        ("Profile", "Options"),
        [(name, shlex.join(words)) for name, words in kept.items()],
        empty="No profiles yet. Save one: %k8s_profile save big --workers 4 --gpus 1",
    )
