"""What the magics show, as text and as HTML: it reads well, and nothing that a job says becomes markup."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.magics import progress
from mlk_jupyter.magics.progress import ProgressLine
from mlk_jupyter.magics.table import Table
from mlk_jupyter.magics.tables import gpus_table, jobs_table, runs_table
from mlk_jupyter.model import JobSummary, Metric, Phase, Progress, Reason, RunRef, RunState
from mlk_jupyter.model.api import BackendInfo, WatchState

HOSTILE = "<script>alert(1)</script>\x1b[2J\nnext"


def job(**fields: object) -> JobSummary:
    known = {"id": "digits-1", "name": "digits", "notebook": "n.ipynb", "backend": "local", "phase": "Running"}
    return JobSummary.model_validate({**known, "created_at": 1000.0, **fields})


def test_jobs_are_rows_with_what_a_person_asks_first() -> None:
    found = [
        job(progress=Progress(fraction=0.5), metrics=[Metric(name="loss", value=0.25, at=1.0)], workers=4, gpus=2),
        job(id="bert-2", phase="Queued", reason=Reason(code="gpus", text="Waits for 8 GPUs.")),
        job(id="bad-3", phase="Failed", error="KeyError: 'train'"),
    ]
    assert repr(jobs_table(found, 3, 1000.0 + 7200)).splitlines() == [
        "JOB       PHASE    DONE  SIZE        AGE",
        "digits-1  Running  50%   4 × 2 GPUs  2 h  loss 0.25",
        "bert-2    Queued         1 worker    2 h  Waits for 8 GPUs.",
        "bad-3     Failed         1 worker    2 h  KeyError: 'train'",
    ]


def test_a_table_says_how_many_it_leaves_out() -> None:
    shown = jobs_table([job()], 21, 1000.0)
    assert shown.note == "20 older ones are not shown; --limit 0 shows all."
    assert shown.note in repr(shown) and shown.note in shown._repr_html_()


def test_what_a_job_says_is_text_in_html_and_moves_no_cursor() -> None:
    shown = jobs_table([job(id="x-1", error=HOSTILE, phase="Failed")], 1, 1000.0)
    assert "<script>" not in shown._repr_html_() and "&lt;script&gt;" in shown._repr_html_()
    assert "\x1b" not in repr(shown) and len(repr(shown).splitlines()) == 2


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_any_words_make_one_line_a_row(rows: list[tuple[str, str]]) -> None:
    shown = Table(("A", "B"), rows, empty="none")
    assert len(repr(shown).split("\n")) == len(rows) + 1
    assert shown._repr_html_().count("<tr>") == len(rows) + 1


def test_runs_are_named_or_it_is_said_why_there_is_none() -> None:
    recorded = RunRef(state=RunState.RECORDED, run_id="abc", run_name="happy-fox", experiment="digits")
    away = RunRef(state=RunState.UNAVAILABLE, text="MLflow does not answer.")
    rows = runs_table([job(run=recorded), job(id="x-2", run=away)], 2).rows
    assert rows[0][1:3] == ("happy-fox", "digits") and rows[1][1:3] == ("MLflow does not answer.", "")


def test_unknown_numbers_of_gpus_are_not_zero() -> None:
    local = BackendInfo(name="local", title="This machine", why="", gpus=2, gpus_free=0, gpu_names=["A100"])
    away = BackendInfo(
        name="kubernetes", title="c", why="", watch=WatchState.RECONNECTING, watch_why="It does not answer."
    )
    assert gpus_table([local, away]).rows == [
        ("this machine", "2", "0", "A100", ""),
        ("kubernetes", "not known", "not known", "", "It does not answer."),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"progress": Progress(fraction=0.25, cells_total=4, cell=2, text="epoch 1", eta_s=90.0)},
            "Running  digits  10 s  ████░░░░░░░░░░░░ 25%  cell 2 of 4  epoch 1  about 1 min 30 s to go",
        ),
        (
            {"phase": "Queued", "reason": Reason(code="q", text="2nd in research.")},
            "Queued  digits  10 s  2nd in research.",
        ),
        ({"phase": "Succeeded", "finished_at": 1004.0}, "Succeeded  digits  4 s"),
        ({"name": HOSTILE}, "Running  <script>alert(1)</script> [2J next  10 s"),
    ],
)
def test_a_job_is_one_line(fields: dict[str, object], words: str) -> None:
    assert progress.line(job(**fields), 1010.0) == words


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_line_is_drawn_again_in_its_place() -> None:
    stream = _Terminal()
    shown = ProgressLine(stream)
    for phase in (Phase.QUEUED, Phase.RUNNING):
        shown.show(job(phase=phase))
    shown.close()
    assert stream.getvalue().count("\r\x1b[K") == 2 and stream.getvalue().count("\n") == 1


def test_elsewhere_a_line_is_written_for_each_step_and_not_for_each_figure() -> None:
    stream = io.StringIO()
    shown = ProgressLine(stream)
    for fraction in (0.1, 0.2, 0.3):
        shown.show(job(progress=Progress(fraction=fraction, cell=1)))
    shown.show(job(progress=Progress(fraction=0.4, cell=2)))
    shown.show(job(phase=Phase.SUCCEEDED, finished_at=1004.0))
    assert len(stream.getvalue().splitlines()) == 3
