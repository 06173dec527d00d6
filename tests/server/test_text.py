"""Log text for the browser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.server.text import LINE_LIMIT, readable, whole_length


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a \x1b[1;31mred\x1b[0m b", "a \x1b[1;31mred\x1b[0m b"),
        ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "click"),
        ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x1b]52;c;cm0gLXJm\x07done", "done"),
        ("\x1b]0;a title that never ends\nnext", "\nnext"),
        ("\x1b[2J\x1b[10;10Hhome\x1b[?25l", "home"),
        ("\x1bP1$r0m\x1b\\text", "text"),
        ("\x9b31mred\x9d0;x\x07", "red"),
        ("bell\x07 nul\x00 back\x08\x7f", "bell nul back"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("x\n10%\r20%\r30%\n", "x\n30%\n"),
        ("10%\r20%", "\r20%"),
        ("one\n10%\r", "one\n10%"),
    ],
)
def test_only_colours_stay(written: str, shown: str) -> None:
    assert readable(written) == shown


def test_a_long_line_is_cut_and_says_so() -> None:
    shown = readable("x" * 10_000 + "\nnext")
    assert shown.startswith("x" * LINE_LIMIT + "… (1,808 more characters")
    assert shown.endswith("\nnext")


@given(st.text(alphabet=st.sampled_from("ab\x1b[]m;0\x07\x9b\\\r\n\x90P8?")))
def test_nothing_but_colours_survives_whatever_is_written(text: str) -> None:
    import re

    left = re.sub("\x1b\\[[0-9;:]*m", "", readable(text))
    assert not re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f]", left)


@given(st.text(), st.integers(0, 40))
def test_a_piece_never_ends_inside_a_character(text: str, cut: int) -> None:
    data = text.encode()[:cut]
    data[: whole_length(data)].decode()


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"abc", 3),
        (b"ab\xe2\x82", 2),
        (b"x\x1b", 1),
        (b"x\x1b[3", 1),
        (b"x\x1b[31m", 6),
        (b"x\x1b]8;;ht", 1),
        (b"x\r", 1),
    ],
)
def test_what_is_not_whole_waits(data: bytes, length: int) -> None:
    assert whole_length(data) == length


def test_waiting_is_bounded() -> None:
    assert whole_length(b"\x1b]8;;" + b"x" * 1000) == 1005
