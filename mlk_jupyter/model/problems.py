"""What is wrong with data from a person: each field with its own sentence, none of them the validator's. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..errors import BadInput

_Model = TypeVar("_Model", bound=BaseModel)
_WHOLE = "a whole number, for example 1"
# By pydantic's types of problems (https://docs.pydantic.dev/latest/errors/validation_errors/), with what it knows of
# the limits. Two that stand for one mistake of a person have one sentence.
_WORDS = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": "a smaller number",
    "int_from_float": _WHOLE,
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "string_type": "text",
    "string_unicode": "text in UTF-8",
    "string_too_long": "at most {max_length:,} characters",
    "string_pattern_mismatch": "it holds characters that cannot stand there",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "names with values",
    "model_type": "names with values",
    "model_attributes_type": "names with values",
    "too_long": "at most {max_length:,} entries",
    "too_short": "at least {min_length:,} entries",
    "enum": "one of {expected}",
    "literal_error": "one of {expected}",
}
# What a request wraps around a spec, and a person never sees.
_AROUND = "spec"


def validated(model: type[_Model], data: object) -> _Model:
    """Data from a person as a model.

    Raises: BadInput with every field that is wrong, and why.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise explained(error, model) from error


def explained(error: ValidationError, model: type[BaseModel]) -> BadInput:
    """What pydantic found, in words that name the field."""
    hints: list[str] = []
    sentences: list[str] = []
    fields: dict[str, str] = {}
    for problem in error.errors(include_url=False):
        path = _path(problem["loc"])
        field, joined = ".".join(path), ":"
        words = _words(problem)
        if problem["type"] == "missing":
            words, joined = "missing", " is"
        elif problem["type"] == "extra_forbidden":
            near = difflib.get_close_matches(path[-1] if path else "", _field_names(model), 1)
            words, joined = "not known" + (f". Did you mean {near[0]!r}?" if near else ""), " is"
            hints.append(f"Fields: {', '.join(sorted(model.model_fields))}.")
        if fields.setdefault(field, words) == words:
            sentences.append(f"{_shown(field)}{joined} {words}" + ("" if words.endswith("?") else "."))
    return BadInput(
        " ".join(dict.fromkeys(sentences)),
        hint=" ".join(dict.fromkeys(hints)) or "Correct the fields named above.",
        fields=fields,
    )


def _path(loc: tuple[int | str, ...]) -> list[str]:
    """The names that a person knows. `[key]` is pydantic's; what cannot be shown is left out."""
    path = [str(part) for part in loc if str(part) != "[key]" and len(str(part)) <= 317 and str(part).isprintable()]
    return path[1:] if path[:1] == [_AROUND] and len(path) > 1 else path


def _shown(field: str) -> str:
    """A field as a sentence names it: entries of a list are counted from 1."""
    if not field:
        return "The request"
    return re.sub(r"\.(\d+)(?=\.|$)", lambda match: f", entry {int(match[1]) + 1}", field)


def _words(problem: Mapping[str, Any]) -> str:
    known, limits = problem["type"], problem.get("ctx") or {}
    if known == "string_too_short":
        least = limits["min_length"]
        return "it is empty" if least == 1 else f"at least {least:,} characters"
    if known in _WORDS:
        return _WORDS[known].format(**limits)
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")


def _field_names(model: type[BaseModel]) -> list[str]:
    """Fields of a model and of the models in it."""
    names = list(model.model_fields)
    for info in model.model_fields.values():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += _field_names(info.annotation)
    return names
