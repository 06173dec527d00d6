"""Tables that travel: pandas' frames and series come out as they went in, with pyarrow and without."""

from __future__ import annotations

import pandas as pd
import pytest

from mlk_jupyter.worker import tables
from mlk_jupyter.worker.values import ValueProblem

from .samplevalues import FRAMES, there_and_back


@pytest.mark.parametrize("arrow", [True, False], ids=["with pyarrow", "without"])
@pytest.mark.parametrize("name", FRAMES)
def test_frames_come_out_as_they_went_in(name: str, arrow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not arrow:
        monkeypatch.setattr(tables, "arrow", lambda frame: None)
    frame = FRAMES[name]
    back = there_and_back(frame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_index_type="exact", check_column_type="exact")
    assert back.attrs == frame.attrs
    for label in range(frame.shape[1]):
        series = frame.iloc[:, label]
        pd.testing.assert_series_equal(there_and_back([series])[0], series, check_exact=True)


def test_periods_and_intervals_come_out_whole_or_are_refused() -> None:
    for column in (pd.period_range("2026-01", periods=2, freq="M"), pd.interval_range(0, 2)):
        frame = pd.DataFrame({"a": column, 0: 1})
        try:
            back = there_and_back(frame)
        except ValueProblem:
            continue
        pd.testing.assert_frame_equal(back, frame)
