"""A job as plain HTML and as text, for a saved notebook: read by people who have no kernel, scripts or style sheets.

The HTML is made of elements that nbviewer, GitHub and an untrusted notebook in JupyterLab keep; what they take away
(styles, images) is never the only place where something is said.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .. import text
from ..figures import number
from ..follow.tail import Point
from ..model import Phase
from . import chart, view
from .view import View

MARKS = {Phase.SUCCEEDED: "✓", Phase.FAILED: "✗", Phase.STOPPED: "■"}
_CHARTS = 3
_RANKS = 4
_LINES = 12


def bundle(shown: View, words: str = "") -> dict[str, str]:
    """The summary by its media types. `words`: a sentence that is said first."""
    return {"text/html": as_html(shown, words), "text/plain": as_text(shown, words)}


def as_text(shown: View, words: str = "") -> str:
    """The summary as text."""
    job = shown.job
    lines = [headline(shown), *facts(shown)]
    if job.metrics:
        lines.append(text.metrics(job.metrics, limit=8))
    if shown.log:
        lines += ["Last lines of the log:", *(f"  {line}" for line in shown.log[-_LINES:])]
    lines.append(way_back(shown))
    return "\n".join([*([words] if words else []), *(text.plain(line).rstrip() for line in lines)])


def as_html(shown: View, words: str = "") -> str:
    """The summary as HTML. Everything that a job or person named is escaped."""
    first, *rest = facts(shown) or [""]
    parts = [f"<p><em>{escape(words)}</em></p>"] if words else []
    parts.append(f"<p><strong>{escape(headline(shown))}</strong>{'<br>' if first else ''}{escape(first)}</p>")
    parts += [f"<p>{'<br>'.join(escape(line) for line in rest)}</p>"] if rest else []
    parts.append(metrics(shown))
    if shown.log:
        lines = escape("\n".join(shown.log[-_LINES:]))
        parts.append(f"<details open><summary>Last lines of the log</summary><pre>{lines}</pre></details>")
    parts.append(f"<p><small>{escape(way_back(shown))}</small></p>")
    return f"<div>{''.join(parts)}</div>"


def headline(shown: View) -> str:
    """Name, phase and time: `✓ digits: Succeeded in 0:42`."""
    job = shown.job
    mark = MARKS.get(job.phase, "▶" if job.phase is Phase.RUNNING else "○")
    when = "in" if job.phase is Phase.SUCCEEDED else "after" if job.phase.final else "for"
    return f"{mark} {job.name}: {job.phase.value} {when} {view.elapsed(shown)}"


def facts(shown: View) -> list[str]:
    """What there is to say besides figures and log, a sentence or list each."""
    job = shown.job
    said = [
        view.reason(job),
        job.error if job.error and job.error not in view.reason(job) else "",
        view.progress(job),
        f"{view.workers(job)}; {text.place(job.backend)}",
        *ranks(shown),
        view.run(job),
        shown.trouble,
        *job.notices,
    ]
    return [line for line in said if line]


def ranks(shown: View) -> list[str]:
    """What single ranks have to say, the first few."""
    said = [words for words in map(view.trouble_of, shown.job.ranks) if words]
    more = len(said) - _RANKS
    return [*said[:_RANKS], f"and {more} more ranks"] if more > 0 else said


@dataclass(frozen=True)
class Figure:
    """One figure that changes while a job runs."""

    name: str
    value: str
    note: str
    drawing: str
    """Its curve, as HTML; empty where there is none yet."""


def charts(shown: View) -> list[Figure]:
    """The latest metrics and the use of GPUs; the first few with their curves, as images: an untrusted page keeps
    these."""
    figures = []
    charted = 0
    for metric in sorted(shown.job.metrics, key=lambda metric: metric.name):
        points = shown.curves.get(metric.name, ())
        drawn = ""
        if len(points) > 1 and charted < _CHARTS:
            charted += 1
            drawn = _drawn(points, f"{metric.name}, {len(points)} values")
        step = "" if metric.step is None else f"step {metric.step}"
        figures.append(Figure(metric.name, number(metric.value), step, drawn))
    if shown.gpus:
        known = [y for _, y in shown.gpus if y is not None]
        mean = f"mean {sum(known) / len(known):.0%}" if known else ""
        latest = shown.gpus[-1][1]
        drawn = _drawn(shown.gpus, "GPU use", colour=chart.GREEN, bounds=(0.0, 1.0))
        figures.append(Figure("GPU use", "unknown" if latest is None else f"{latest:.0%}", mean, drawn))
    return figures


def metrics(shown: View) -> str:
    """The figures as a table that an untrusted page keeps."""
    rows = "".join(map(_row, charts(shown)))
    return f"<table>{rows}</table>" if rows else ""


def way_back(shown: View) -> str:
    """How to find the job again, from any kernel; of a job that goes on also when this was true."""
    seen = "" if shown.job.phase.final else f"As of {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(shown.at))}. "
    return f'{seen}{shown.job.id}: find it again with mlk_jupyter.job("{shown.job.id}")'


def _row(figure: Figure) -> str:
    words = f'<th scope="row">{escape(figure.name)}</th><td>{escape(figure.value)}</td><td>{escape(figure.note)}</td>'
    return f"<tr>{words}<td>{figure.drawing}</td></tr>"


def _drawn(
    points: Sequence[Point],
    label: str,
    *,
    colour: str = chart.BLUE,
    bounds: tuple[float, float] | None = None,
) -> str:
    label = escape(label)
    drawing = chart.svg(points, label, colour=colour, bounds=bounds)
    return chart.image(drawing, label)
