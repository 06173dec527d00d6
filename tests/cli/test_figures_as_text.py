from __future__ import annotations

import pytest

from mlk_jupyter import text
from mlk_jupyter.model import JobSummary, Metric, Phase, Progress


@pytest.mark.parametrize(("seconds", "shown"), [(5, "5 s"), (200, "3 min"), (7300, "2 h"), (400_000, "4 d")])
def test_an_age_is_told_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert text.age(seconds) == shown


@pytest.mark.parametrize(
    ("fraction", "shown"), [(None, "----"), (0.0, "----"), (0.5, "##--"), (1.0, "####"), (7.0, "####"), (-1.0, "----")]
)
def test_a_bar_keeps_its_width_whatever_the_fraction(fraction: float | None, shown: str) -> None:
    assert text.bar(fraction, 4, ascii_only=True) == shown


def test_an_unknown_share_is_blank_and_never_zero() -> None:
    assert text.percent(None).strip() == ""
    assert text.percent(0.0).strip() == "0%"


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress(), ""),
        (Progress(cells_total=9), "0 of 9 cells"),
        (Progress(cells_total=9, cells_done=2, cell=3), "cell 3 of 9"),
    ],
)
def test_the_place_in_the_notebook_is_told_only_when_known(progress: Progress, shown: str) -> None:
    assert text.cells(progress) == shown


def test_metrics_keep_their_places_and_a_value_that_is_no_number_says_so() -> None:
    latest = [Metric(name="loss", value=0.123456, at=2.0), Metric(name="accuracy", value=None, at=1.0)]
    assert text.metrics(latest) == "loss 0.1235  accuracy not a number"


@pytest.mark.parametrize(
    ("line", "width", "shown"), [("short", 10, "short"), ("0123456789", 5, "0123…"), ("日本語です", 6, "日本…")]
)
def test_a_clipped_line_fits_its_columns_also_with_wide_characters(line: str, width: int, shown: str) -> None:
    assert text.clip(line, width) == shown


def test_words_of_a_job_cannot_move_the_cursor() -> None:
    assert text.plain("loss\x1b[2J\r\n0.1") == "loss [2J  0.1"


@pytest.mark.parametrize(
    ("workers", "gpus", "world", "shown"),
    [
        (1, 0, 1, "1 worker"),
        (4, 0, 4, "4 workers"),
        (2, 0, 8, "2 workers, 8 processes"),
        (4, 2, 8, "4 × 2 GPUs"),
        (1, 2, 2, "2 GPUs"),
    ],
)
def test_the_size_of_a_job_is_told_in_its_own_terms(workers: int, gpus: int, world: int, shown: str) -> None:
    job = JobSummary(
        id="a",
        name="a",
        notebook="a.ipynb",
        backend="local",
        phase=Phase.QUEUED,
        workers=workers,
        gpus=gpus,
        world_size=world,
        created_at=0,
    )
    assert text.shape(job) == shown


def test_a_table_aligns_its_columns_and_leaves_no_blanks_at_the_end() -> None:
    assert text.table([("A", "BB"), ("long", "x")]) == ["A     BB", "long  x"]
