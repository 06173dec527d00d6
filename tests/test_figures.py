from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlk_jupyter import figures

# The front end says the same: src/components/__tests__/format.test.ts reads these cases, too.
CASES = json.loads(Path(__file__).with_name("figures.json").read_text())


@pytest.mark.parametrize(("kind", "value", "words"), [(kind, *case) for kind, cases in CASES.items() for case in cases])
def test_a_figure_reads_the_same_on_every_face(kind: str, value: float | None, words: str) -> None:
    assert getattr(figures, kind)(value) == words


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_said_in_words(value: float) -> None:
    assert figures.number(value) == "not a number"
