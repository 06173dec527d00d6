"""What a saved notebook says of a job, and the charts in it: text and HTML from a view, nothing else."""

from __future__ import annotations

import base64
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlk_jupyter.follow.tail import log_lines
from mlk_jupyter.magics import chart, summary
from mlk_jupyter.magics.view import View
from mlk_jupyter.model import (
    GpuSample,
    JobSpec,
    JobStatus,
    Metric,
    Phase,
    Progress,
    RankState,
    RankStatus,
    Reason,
    RunRef,
    RunState,
    Sample,
)

HOSTILE = "<script>alert('x')</script>\"'&<img src=x onerror=alert(1)>"


def job(**fields: Any) -> JobStatus:
    spec = JobSpec(name="digits", notebook="digits.ipynb")
    known = {"id": "digits-0a1b", "name": "digits", "notebook": "digits.ipynb", "backend": "local", "spec": spec}
    return JobStatus(**{**known, "phase": Phase.RUNNING, "created_at": 1000.0, **fields})


def seen(**fields: Any) -> View:
    return View(job(**fields), at=1042.0)


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_running_job_tells_how_far_it_is_and_how_long_it_will_take() -> None:
    told = summary.as_text(
        seen(progress=Progress(cells_done=2, cells_total=9, cell=3, fraction=0.42, text="epoch 2", eta_s=80.0))
    )
    assert "digits: Running for 42 s" in told
    assert "42%, cell 3 of 9, epoch 2, about 1 min 20 s to go" in told


def test_a_job_that_is_over_has_no_time_to_go_and_keeps_its_own_length() -> None:
    over = seen(phase=Phase.SUCCEEDED, finished_at=1007.0, progress=Progress(fraction=1.0, eta_s=3.0))
    assert "✓ digits: Succeeded in 7 s" in summary.as_text(over)
    assert "to go" not in summary.as_text(over)


def test_a_waiting_job_says_why_and_what_can_be_done() -> None:
    reason = Reason(code="no_gpu", text="No node has 8 free GPUs.", hint="Ask for fewer.")
    for told in summary.bundle(seen(phase=Phase.QUEUED, reason=reason)).values():
        assert "No node has 8 free GPUs. Ask for fewer." in told


def test_what_is_not_known_is_not_told_as_zero() -> None:
    told = summary.as_text(seen())
    assert "0%" not in told and "None" not in told and "CPU" not in told


def test_workers_are_counted_by_state_with_what_they_use_together() -> None:
    gpu = GpuSample(index=0, busy=0.5, memory_bytes=10_000_000_000)
    sample = Sample(at=1041.0, cpu_cores=1.25, memory_bytes=1_500_000_000, gpus=[gpu])
    ranks = [
        RankStatus(rank=0, worker=0, state=RankState.RUNNING, sample=sample),
        RankStatus(rank=1, worker=1, state=RankState.RUNNING, sample=sample),
        RankStatus(rank=2, worker=2, why="Its image is being pulled."),
    ]
    told = summary.as_text(seen(workers=3, gpus=1, world_size=3, ranks=ranks))
    assert "3 × 1 GPU: 1 waiting, 2 running; CPU 2.5 cores, memory 2.8 GiB, GPU 50% with 18.6 GiB" in told
    assert "rank 2: Its image is being pulled." in told


def test_of_many_ranks_in_trouble_the_first_few_are_named_and_the_others_counted() -> None:
    ranks = [RankStatus(rank=n, worker=n, state=RankState.FAILED, exit_code=1) for n in range(64)]
    told = summary.as_text(seen(phase=Phase.FAILED, ranks=ranks))
    assert "rank 3: exit code 1" in told and "rank 4:" not in told and "and 60 more ranks" in told


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (RunRef(state=RunState.RECORDED, run_name="apt-ox", experiment="digits"), "MLflow run apt-ox in digits"),
        (RunRef(state=RunState.PENDING), "The MLflow run is being recorded"),
        (RunRef(state=RunState.UNAVAILABLE, text="The tracking server is away."), "The tracking server is away."),
    ],
)
def test_the_run_is_named_or_why_there_is_none(run: RunRef, words: str) -> None:
    assert words in summary.as_text(seen(run=run))


def test_both_forms_tell_how_to_find_the_job_again() -> None:
    bundle = summary.bundle(seen(), "Detached.")
    assert bundle["text/plain"].startswith("Detached.\n")
    assert 'mlk_jupyter.job("digits-0a1b")' in bundle["text/plain"]
    assert 'mlk_jupyter.job("digits-0a1b")' in Elements(bundle["text/html"]).words


def test_html_has_no_script_style_sheet_handler_or_address_of_anything_elsewhere() -> None:
    shown = View(
        job(metrics=[Metric(name="loss", value=0.5, at=1.0)]),
        at=1042.0,
        log=("a line",),
        curves={"loss": [(0.0, 1.0), (1.0, 0.5)]},
        gpus=[(0.0, 0.1), (1.0, 0.9)],
    )
    page = Elements(summary.as_html(shown))
    allowed = {"div", "p", "strong", "em", "br", "small", "table", "tr", "th", "td", "img", "details", "summary", "pre"}
    assert {tag for tag, _ in page.found} <= allowed
    for _, attributes in page.found:
        assert not any(name.startswith("on") or name in ("style", "class", "href") for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")
    assert {attributes["alt"] for tag, attributes in page.found if tag == "img"} == {"loss, 2 values", "GPU use"}


def test_everything_somebody_else_wrote_is_escaped_wherever_it_stands() -> None:
    hostile = job(
        name=HOSTILE,
        phase=Phase.FAILED,
        error=HOSTILE,
        reason=Reason(code="x", text=HOSTILE, hint=HOSTILE),
        progress=Progress(text=HOSTILE),
        metrics=[Metric(name=HOSTILE, value=1.0, at=1.0)],
        ranks=[RankStatus(rank=0, worker=0, where=HOSTILE, why=HOSTILE, state=RankState.FAILED)],
        run=RunRef(state=RunState.RECORDED, run_name=HOSTILE, experiment=HOSTILE),
        notices=[HOSTILE],
    )
    shown = View(hostile, 1.0, log=(HOSTILE,), curves={HOSTILE: [(0, 1), (1, 2)]}, trouble=HOSTILE)
    page = Elements(summary.as_html(shown, HOSTILE))
    assert not [tag for tag, attributes in page.found if tag == "script" or "onerror" in attributes]
    assert page.words.count("<script>") >= 10


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (b"one\ntwo\n", ("one", "two")),
        (b"10%\r50%\r100%\ndone", ("100%", "done")),
        (b"\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07", ("red link",)),
        (b"\n\n  \nlast\n\n", ("last",)),
        (b"\xff\xfe broken", ("\ufffd\ufffd broken",)),
        (b"a\x00b\x08c", ("a b c",)),
        (b"", ()),
    ],
    ids=["lines", "carriage returns", "escapes", "blank lines", "no UTF-8", "controls", "nothing"],
)
def test_log_lines_are_what_a_terminal_would_show(written: bytes, lines: tuple[str, ...]) -> None:
    assert log_lines(written, 8) == lines


def test_a_log_that_begins_in_the_middle_of_a_line_leaves_that_line_out() -> None:
    assert log_lines(b"f a line\nwhole\n", 8, cut=True) == ("whole",)
    assert log_lines(b"one endless line", 8, cut=True) == ("one endless line",)


def test_a_very_long_line_is_cut() -> None:
    (line,) = log_lines(b"x" * 100_000, 8)
    assert line.endswith("…") and len(line) < 1000


values = st.none() | st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(st.floats(allow_nan=True, allow_infinity=True), values), max_size=600))
def test_a_chart_of_any_points_is_small_whole_svg_with_every_place_inside(points: list[Any]) -> None:
    drawing = chart.svg(points, "loss")
    root = ET.fromstring(drawing)
    assert len(drawing) < 20_000
    for path in root.iter("{http://www.w3.org/2000/svg}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.attrib["d"])]
        assert "nan" not in path.attrib["d"] and "inf" not in path.attrib["d"]
        assert all(math.isfinite(number) and 0 <= number <= chart.WIDTH for number in numbers)


def test_a_gap_in_a_curve_is_a_gap_in_its_chart() -> None:
    whole = chart.svg([(0, 1.0), (1, 2.0), (2, 1.0), (3, 2.0)], "loss")
    broken = chart.svg([(0, 1.0), (1, 2.0), (2, None), (3, 2.0), (4, 1.0)], "loss")
    assert broken.count('<path d="M') == whole.count('<path d="M') + 1


def test_a_chart_keeps_a_single_spike_among_thousands_of_points() -> None:
    flat = [(float(at), 0.0) for at in range(5000)]
    spiked = [*flat[:2500], (2500.0, 1.0), *flat[2501:]]
    assert f" {chart.HEIGHT - 3:.1f}" in chart.svg(flat, "x", bounds=(0.0, 1.0))
    assert "L" in chart.svg(spiked, "x") and re.search(r"[ML][\d.]+ 3\.0", chart.svg(spiked, "x", bounds=(0.0, 1.0)))


def test_an_image_holds_the_drawing_itself() -> None:
    drawing = chart.svg([(0, 1.0), (1, 2.0)], "loss")
    (_, attributes), *_ = Elements(chart.image(drawing, "loss")).found
    kind, _, data = (attributes["src"] or "").partition(",")
    assert kind == "data:image/svg+xml;base64" and base64.b64decode(data).decode() == drawing
