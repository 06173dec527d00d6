"""Sequence numbers are counted once, in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.record.sequences import SequenceSet


@given(st.lists(st.integers(0, 40)))
def test_it_is_a_set(numbers: list[int]) -> None:
    seen, model = SequenceSet(), set[int]()
    for number in numbers:
        assert seen.add(number) is (number not in model)
        model.add(number)


@given(st.lists(st.integers(0, 40)), st.integers(0, 40), st.lists(st.integers(0, 60)))
def test_counting_up_to_a_number_counts_all_before_it(before: list[int], upto: int, after: list[int]) -> None:
    seen = SequenceSet()
    for number in before:
        seen.add(number)
    seen.add_up_to(upto)
    model = {*before, *range(upto + 1)}
    for number in after:
        assert seen.add(number) is (number not in model)
        model.add(number)
