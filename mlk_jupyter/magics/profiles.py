"""Saved sets of options: `%k8s_profile save gpu4 --workers 4 --gpus 1`, then `%%mlk --profile gpu4`.

They lie in `profiles.json` of the data directory, as the words that were typed, so that they mean what typing them
would mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInput, MlkError
from ..record.places import data_dir
from . import parsing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NOT_KEPT = ("source", "profile", "push", "pull", "job", "dry_run", "name")


class ProfilesUnreadable(MlkError):
    """The file of profiles is not what we wrote."""

    code, title, status = "profiles_unreadable", "The saved profiles cannot be read", 500

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}.", hint="Correct the file, or remove it to start anew.")


def profiles() -> dict[str, list[str]]:
    """Every profile: its name, and its options word by word; by name.

    Raises: ProfilesUnreadable.
    """
    path = _path()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ProfilesUnreadable(path, str(error)) from error
    if not isinstance(kept, dict) or not all(
        isinstance(words, list) and all(isinstance(word, str) for word in words) for words in kept.values()
    ):
        raise ProfilesUnreadable(path, "it is no table of names and words")
    return dict(sorted(kept.items()))


def words_of(name: str) -> list[str]:
    """The options of one profile.

    Raises: BadInput with the closest name that exists; ProfilesUnreadable.
    """
    known = profiles()
    if name not in known:
        raise BadInput(
            f"There is no profile {name!r}.{parsing.closest(name, list(known))}",
            hint=f"Profiles: {', '.join(known)}." if known else "Save one: %k8s_profile save NAME --workers 4",
        )
    return known[name]


def save(name: str, words: list[str]) -> bool:
    """Keeps options under a name; says whether it replaced others.

    Raises: BadInput for a name or options that cannot be used; ProfilesUnreadable.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot name a profile.", hint="Use letters, digits, dots, dashes and underscores, 64 at most."
        )
    check(words)
    with _changed() as kept:
        known = name in kept
        kept[name] = words
    return known


def delete(name: str) -> None:
    """Forgets a profile.

    Raises: BadInput when there is none of that name; ProfilesUnreadable.
    """
    words_of(name)
    with _changed() as kept:
        kept.pop(name, None)


def check(words: list[str]) -> None:
    """Raises: BadInput for options that a job cannot have, or that make sense for one job only."""
    from ..library import spec_from
    from ..options import spec_fields

    parser = parsing.train("%%mlk")
    options = parser.read_words(words)
    for kept_out in _NOT_KEPT:
        if getattr(options, kept_out) not in (None, False):
            shown = f"--{kept_out.replace('_', '-')}" if kept_out != "source" else repr(options.source)
            raise BadInput(f"A profile cannot hold {shown}.", hint="Write it when you run a job.")
    if not words:
        raise BadInput("No options were given.", hint="Write for example: %k8s_profile save big --workers 4 --gpus 1")
    spec_from({"name": "profile", "notebook": "profile.ipynb", **spec_fields(options)})


def _path() -> Path:
    return data_dir() / "profiles.json"


@contextlib.contextmanager
def _changed() -> Iterator[dict[str, list[str]]]:
    """The profiles, to be changed; written whole at the end. Two kernels that save at once both keep theirs."""
    from ..record.folder import write_atomically
    from ..record.privacy import close

    path = _path()
    close(path.parent)
    lock = os.open(path.with_name(".profiles.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = profiles()
        yield kept
        write_atomically(path, json.dumps(kept, indent=1).encode())
    finally:
        os.close(lock)
