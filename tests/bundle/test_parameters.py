"""Parameters are found, checked and injected as papermill does."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.bundle import UnknownParameter, parameters_of
from mlk_jupyter.bundle.parameters import inject
from mlk_jupyter.errors import BadInput

CELL = """\
# what to train
lr = 0.1  # learning rate
epochs: int = 3
name = "a # b"      # who
sizes = (64, 32)
table = {"a": [1, None]}  # noqa
start = now()
a = b = True
late: float
x, y = 1, 2
"""


@pytest.fixture
def notebook(make_notebook: Any) -> dict[str, Any]:
    return make_notebook("import os", (CELL, ["parameters"]), "print(lr)")


def test_every_assignment_of_the_tagged_cell_is_a_parameter(notebook: dict[str, Any]) -> None:
    found = {parameter.name: parameter for parameter in parameters_of(notebook)}
    assert list(found) == ["lr", "epochs", "name", "sizes", "table", "start", "a", "b"]
    assert (found["lr"].default, found["lr"].help, found["lr"].source) == (0.1, "learning rate", "0.1")
    assert (found["epochs"].default, found["epochs"].help) == (3, None)
    assert (found["name"].default, found["name"].help) == ("a # b", "who")
    assert found["sizes"].default == [64, 32] and found["sizes"].source == "(64, 32)"
    assert found["table"].default == {"a": [1, None]} and found["table"].help is None
    assert (found["start"].literal, found["start"].default, found["start"].source) == (False, None, "now()")


@pytest.mark.parametrize(
    ("source", "default", "literal"),
    [
        ("-1e-3", -0.001, True),
        ("None", None, True),
        ("1_000", 1000, True),
        ("'a' 'b'", "ab", True),
        ("{1: 'a'}", None, False),
        ("{1, 2}", None, False),
        ("b'x'", None, False),
        ("1 + 2", None, False),
        ("3j", None, False),
        ("float('nan')", None, False),
        ("'\\ud800'", None, False),
    ],
)
def test_a_default_is_known_when_json_can_carry_it(
    make_notebook: Any, source: str, default: object, literal: bool
) -> None:
    parameter = parameters_of(make_notebook((f"x = {source}", ["parameters"])))[0]
    assert (parameter.default, parameter.literal, parameter.source) == (default, literal, source)


def test_magics_in_the_cell_do_not_hide_its_parameters(make_notebook: Any) -> None:
    notebook = make_notebook(("%matplotlib inline\n!ls\nlr = 0.1  # rate\nout = %time 1", ["parameters"]))
    found = [(parameter.name, parameter.help) for parameter in parameters_of(notebook)]
    assert found == [("lr", "rate"), ("out", None)]


def test_a_name_that_is_assigned_twice_has_its_last_value(make_notebook: Any) -> None:
    found = parameters_of(make_notebook(("x = 1\ny = 2\nx = 3", ["parameters"])))
    assert [(parameter.name, parameter.default) for parameter in found] == [("y", 2), ("x", 3)]


def test_a_notebook_without_the_tag_has_no_parameters(make_notebook: Any) -> None:
    assert parameters_of(make_notebook("lr = 0.1")) == []


def test_values_go_into_a_cell_behind_the_parameters(notebook: dict[str, Any]) -> None:
    injected = inject(notebook, {"lr": 0.5, "name": "it's"})
    assert len(notebook["cells"]) == 3  # the notebook itself stays
    cell = injected["cells"][2]
    assert cell["metadata"]["tags"] == ["injected-parameters"]
    assert cell["source"] == '# Parameters\nlr = 0.5\nname = "it\'s"'
    assert len({cell["id"] for cell in injected["cells"]}) == 4


def test_a_cell_that_was_injected_before_is_replaced(notebook: dict[str, Any]) -> None:
    again = inject(inject(notebook, {"lr": 0.5}), {"epochs": 9})
    assert [cell["source"] for cell in again["cells"][2:]] == ["# Parameters\nepochs = 9", "print(lr)"]
    assert len(inject(again, {})["cells"]) == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"lrr": 1}, "Did you mean 'lr'?"),
        ({"lr": object()}, "a object, not a literal"),
        ({"lr": {1: 2}}, "a key of a dict is not text"),
        ({"lr": [{2, 3}]}, "a set, not a literal"),
        ({"lr": "\ud800"}, "lone surrogate"),
        ({"lr": 10**5000}, "4,000 digits"),
        ({"import": 1}, "no parameter 'import'"),
    ],
)
def test_what_cannot_be_used_is_refused(notebook: dict[str, Any], values: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refused:
        inject(notebook, values)
    assert words in refused.value.detail and refused.value.hint


def test_a_wrong_name_is_answered_with_the_known_ones(notebook: dict[str, Any]) -> None:
    with pytest.raises(UnknownParameter) as refused:
        inject(notebook, {"batch": 1})
    assert refused.value.hint == "It has: lr, epochs, name, sizes, table, start, a, b."


def test_values_without_a_tagged_cell_are_refused_with_how_to_tag_one(make_notebook: Any) -> None:
    with pytest.raises(BadInput) as refused:
        inject(make_notebook("lr = 1"), {"lr": 2})
    assert "Cell Tags" in refused.value.hint


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_value_comes_out_of_the_injected_cell_as_it_went_in(value: Any) -> None:
    cell = {"cell_type": "code", "id": "p", "metadata": {"tags": ["parameters"]}, "source": "x = None"}
    namespace: dict[str, Any] = {}
    exec(inject({"cells": [cell], "metadata": {}}, {"x": value})["cells"][1]["source"], namespace)
    assert same(namespace["x"], value)


def same(one: Any, other: Any) -> bool:
    """Equal and of the same types; NaN is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return json.dumps(one) == json.dumps(other)  # tells 0.0 from -0.0
