from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.quantities import (
    cores,
    cores_in_words,
    find,
    form_of,
    parse,
    printed,
    size_bytes,
    size_in_words,
    whole,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("4", "4"),
        ("500m", "0.5"),
        ("0.1", "0.1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("+3", "3"),
        ("-1Ki", "-1024"),
        ("1k", "1000"),
        ("1M", "1000000"),
        ("1.5Gi", "1610612736"),
        ("12345n", "0.000012345"),
        ("7u", "0.000007"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("2e-3", "0.002"),
        ("1Ei", "1152921504606846976"),
        ("0.1n", "0.000000001"),
        ("-0.1n", "-0.000000001"),
    ],
)
def test_a_quantity_is_read_exactly(text: str, value: str) -> None:
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", " ", "Gi", "1gi", "1 Gi", "1Ki5", "0x10", "1,5", "1e", "nan", "inf", "1K", "--1", "1" * 200, "1e999"]
)
def test_what_is_no_quantity_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 500m"):
        parse(text)
    assert find(text) is None


@pytest.mark.parametrize("answer", [None, True, {}, [], b"1"])
def test_an_answer_of_the_wrong_type_is_not_known(answer: object) -> None:
    assert find(answer) is None


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (Decimal("0.5"), "decimal", "500m"),
        (Decimal("1.5"), "decimal", "1500m"),
        (Decimal(2500), "decimal", "2500"),
        (Decimal(1000), "decimal", "1k"),
        (Decimal(0), "binary", "0"),
        (Decimal(1536 * 1024**2), "binary", "1536Mi"),
        (Decimal(1024**3), "binary", "1Gi"),
        (Decimal(1023), "binary", "1023"),
        (Decimal("1024.5"), "binary", "1024500m"),
        (Decimal(-2048), "binary", "-2Ki"),
        (Decimal("0.0000000001"), "decimal", "1n"),
    ],
)
def test_a_quantity_is_printed_as_the_api_server_prints_it(value: Decimal, form: str, text: str) -> None:
    assert printed(value, "binary" if form == "binary" else "decimal") == text


@given(
    number=st.decimals(min_value=-(10**15), max_value=10**15, places=9),
    form=st.sampled_from(["decimal", "binary"]),
)
def test_what_is_printed_is_read_back_as_the_same_number(number: Decimal, form: str) -> None:
    assert parse(printed(number, "binary" if form == "binary" else "decimal")) == number


def test_a_tenth_added_ten_times_is_one() -> None:
    assert sum((parse("100m") for _ in range(10)), Decimal(0)) == 1


def test_units_become_cores_and_bytes() -> None:
    assert cores("250m") == 0.25
    assert size_bytes("16Gi") == 16 * 1024**3
    assert size_bytes("1500m") == 2, "half a byte cannot be had"


def test_extended_resources_count_in_whole_numbers() -> None:
    assert whole("1000m") == 1
    assert whole("500m") is None


def test_a_sum_is_printed_the_way_its_parts_were_written() -> None:
    assert form_of("16Gi") == "binary"
    assert form_of("16G") == form_of("4") == "decimal"


def test_figures_are_said_as_people_read_them() -> None:
    assert size_in_words(512) == "512 B"
    assert size_in_words(1536 * 1024**2) == "1.5 GiB"
    assert cores_in_words(Decimal(1)) == "1 core"
    assert cores_in_words(Decimal("0.500000000")) == "0.5 cores"
    assert cores_in_words(Decimal("1E+1")) == "10 cores"
