"""Expositions that are torn, foreign, or tell nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.errors import MlkError
from mlk_jupyter.gpus.exposition import LIMIT_CHARACTERS, BadExposition, uses

LINE = 'DCGM_FI_DEV_FB_USED{{gpu="{0}"{1}}} {2}\n'
MIB = 1024**2


def test_a_line_that_is_torn_costs_no_other() -> None:
    text = (
        LINE.format(0, ',UUID="GPU-a"', 5)
        + 'DCGM_FI_DEV_FB_USED{gpu="1",UUID="GP\n'
        + LINE.format(2, ',UUID="GPU-c"', 7)
    )
    assert {one.uuid: one.memory_bytes.value for one in uses(text, at=0.0) if one.memory_bytes} == {
        "GPU-a": 5 * MIB,
        "GPU-c": 7 * MIB,
    }


def test_what_is_no_exposition_is_said_to_be_none() -> None:
    with pytest.raises(BadExposition, match="text format"):
        uses("DCGM_FI_DEV_FB_USED{ log in", at=0.0)
    with pytest.raises(BadExposition, match="larger"):
        uses("x" * (LIMIT_CHARACTERS + 1), at=0.0)


def test_gpus_without_name_and_host_are_told_apart_by_where_the_exporter_runs() -> None:
    text = LINE.format(0, "", 1)
    assert {one.uuid for node in ("a", "b") for one in uses(text, at=0.0, node=node)} == {"a#0", "b#0"}


@pytest.mark.parametrize("blank", [2147483632, 2147483647, 9223372036854775792, 140737488355328, -1, "NaN", "+Inf"])
def test_what_stands_for_no_value_is_none(blank: object) -> None:
    assert not any(one.memory_bytes for one in uses(LINE.format(0, ',UUID="GPU-a"', blank), at=0.0))


names = st.sampled_from(["DCGM_FI_DEV_FB_USED", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "dcgm_gpu_utilization", "x"])
lines = st.tuples(names, st.text(max_size=30), st.text(max_size=8)).map(lambda one: f"{one[0]}{{{one[1]}}} {one[2]}")


@given(st.lists(lines | st.text(max_size=40), max_size=12))
def test_no_text_does_more_than_be_refused(text: list[str]) -> None:
    try:
        found = uses("\n".join(text), at=0.0)
    except MlkError:
        return
    for use in found:
        assert use.busy is None or 0 <= use.busy.value <= 1
        assert use.memory_bytes is None or use.memory_bytes.value >= 0
