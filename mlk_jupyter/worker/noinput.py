"""`input()` and `getpass()` in a job: nobody can answer."""

from __future__ import annotations

import builtins
import getpass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Type

_WORDS = (
    "A job has no keyboard: input() and getpass() cannot ask anybody. Make the value a parameter of the job, "
    "or take it from an environment variable or a secret."
)


def refuse_input(error: Type[Exception]) -> None:
    """From now on both raise `error`, with what to do instead."""

    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise error(_WORDS)

    builtins.input = refuse
    getpass.getpass = refuse
