"""Bars are kept as they ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.record.overwriting import settled

BAR = "".join(f"\r{step / 30:3.0f}% | {step}/3000 [00:01<00:00, {9000 + step}it/s]" for step in range(3001))


@pytest.mark.parametrize(
    ("written", "stands"),
    [
        ("plain\ntext", "plain\ntext"),
        ("\rstep 1\rstep 2\rstep 3\n", "step 3\n"),
        ("100 %\r99 %\n", "99 %%\n"),
        ("begun\n10\r20\nnext", "begun\n20\nnext"),
        ("terminal\r\nlines\r\n", "terminal\r\nlines\r\n"),
        ("working /\b-\b\\\b|", "working |"),
        ("\b\bx", "x"),
        ("ab\rc", "cb\b"),
        ("1 %\r2 %\r", "2 %\r"),
        (f"epoch 1\n{BAR}\nepoch 2\n", "epoch 1\n100% | 3000/3000 [00:01<00:00, 12000it/s]\nepoch 2\n"),
    ],
)
def test_text_that_writes_over_itself_is_kept_as_it_stands_in_the_end(written: str, stands: str) -> None:
    assert settled(written) == stands


@given(st.text("ab\r\b\n", max_size=40), st.text("ab\r\b\n", max_size=40))
def test_what_follows_finds_its_place(so_far: str, more: str) -> None:
    assert settled(settled(so_far) + more) == settled(so_far + more)
    *lines, _ = settled(so_far).split("\n")
    assert len(lines) == so_far.count("\n")
    assert not {"\r", "\b"} & set("".join(line.removesuffix("\r") for line in lines))
