"""A mistake in what was asked is told in our words, for its own field."""

from __future__ import annotations

from typing import Any

import pytest

from mlk_jupyter.errors import BadInput
from mlk_jupyter.model import JobSpec
from mlk_jupyter.model.api import Submission
from mlk_jupyter.model.problems import validated

THEIRS = ("Input", "should", "String", "valid ", "pattern", "[key]")
ASKED = {"name": "a", "notebook": "a.ipynb"}


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"workers": 0}, "workers", "at least 1"),
        ({"workers": 2000}, "workers", "at most 1024"),
        ({"workers": "many"}, "workers", "a whole number, for example 1"),
        ({"workers": None}, "workers", "a whole number, for example 1"),
        ({"workers": 1.5}, "workers", "a whole number, for example 1"),
        ({"name": ""}, "name", "it is empty"),
        ({"name": "x" * 101}, "name", "at most 100 characters"),
        ({"mlflow": "perhaps"}, "mlflow", "true or false"),
        ({"files": [1]}, "files.0", "text"),
        ({"files": "data.csv"}, "files", "a list"),
        ({"env": ["A"]}, "env", "names with values"),
        ({"env": {"A": 1}}, "env.A", "text"),
        ({"cluster": {"spot": "x"}}, "cluster.spot", "one of 'allowed' or 'required'"),
        ({"cluster": {"volumes": [{"path": 3}]}}, "cluster.volumes.0.path", "text"),
        ({"cluster": {"image": "two words"}}, "cluster.image", "it holds characters that cannot stand there"),
        ({"wokers": 2}, "wokers", "not known. Did you mean 'workers'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_for_its_own_field(asked: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(BadInput) as refused:
        validated(JobSpec, {**ASKED, **asked})
    assert refused.value.fields == {field: words}


def test_a_sentence_counts_entries_from_one_and_leaves_out_what_is_wrapped_around_a_spec() -> None:
    asked = {"spec": {**ASKED, "files": ["a.csv", 2], "gpus": -1}, "request_id": "12345678"}
    with pytest.raises(BadInput) as refused:
        validated(Submission, asked)
    assert refused.value.detail == "gpus: at least 0. files, entry 2: text."
    assert set(refused.value.fields) == {"gpus", "files.1"}


def test_no_word_of_the_validator_is_shown() -> None:
    """Whatever is put in the place of whatever field."""
    oddities: list[Any] = [
        None,
        -1,
        1e300,
        2.5,
        "",
        "a b",
        "x" * 5000,
        [],
        [None],
        [{}],
        {},
        {"a": None},
        {"": ""},
        True,
    ]
    fields = [(name,) for name in JobSpec.model_fields]
    fields += [("cluster", name) for name in JobSpec.model_fields["cluster"].annotation.model_fields]  # type: ignore[union-attr]
    refusals = 0
    for path in fields:
        for value in oddities:
            asked = {**ASKED, path[0]: value} if len(path) == 1 else {**ASKED, path[0]: {path[1]: value}}
            try:
                validated(JobSpec, asked)
            except BadInput as refused:
                refusals += 1
                told = " ".join([refused.detail, *refused.fields.values()])
                assert not any(word in told for word in ("Input", "should", "String", "valid ", "pattern", "[key]")), (
                    told
                )
                assert all(field.startswith(".".join(path)) for field in refused.fields), told
    assert refusals > 100
