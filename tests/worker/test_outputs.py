"""Limits of what goes into the notebook, without a process."""

from __future__ import annotations

from typing import Any

from mlk_jupyter.worker.outputs import HOLD_S, Outputs

LIMIT, JOB = 1000, 5000


class Job:
    """Outputs with small limits, a clock that stands still, and what came out."""

    def __init__(self, path: str | None = None) -> None:
        self.now = 0.0
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.outputs = Outputs(
            lambda kind, **fields: self.sent.append((kind, fields)),
            lambda cell, data: path,
            output_limit=LIMIT,
            job_limit=JOB,
            clock=lambda: self.now,
        )
        self.outputs.begin(0)

    def text_of(self, kind: str) -> str:
        return "".join(fields["text"] for sent, fields in self.sent if sent == kind)

    def shown(self) -> list[str]:
        return [fields["output"]["data"]["text/plain"] for kind, fields in self.sent if kind == "output"]


def shows(text: str, **more: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/plain": text, **more}, "metadata": {}}


def test_text_past_the_limit_goes_to_the_log_and_the_notebook_says_so() -> None:
    job = Job()
    for number in range(100):
        job.outputs.text("stdout", f"line {number:3} of many\n")
    kept, _, placeholder = job.text_of("stream").partition("\n[Cut here")
    assert "0.9766 KiB" in placeholder and "log of rank 0" in placeholder
    assert 900 < len(kept) <= LIMIT and kept.endswith("of many\n")
    assert (kept + job.text_of("log")).count("of many") == 100


def test_the_two_streams_are_counted_apart_and_a_display_begins_a_new_output() -> None:
    job = Job()
    job.outputs.text("stdout", "a" * 900)
    job.outputs.text("stderr", "b" * 900)
    job.outputs.output(shows("c"))
    job.outputs.text("stdout", "d" * 900)
    assert "Cut here" not in job.text_of("stream")


def test_an_output_past_the_limit_is_replaced_by_the_path_of_its_file() -> None:
    job = Job(path="/there/cell-0.html")
    job.outputs.output(shows("small form", **{"text/html": "h" * 2000}))
    assert "/there/cell-0.html" in job.shown()[0] and "small form" in job.shown()[0]


def test_an_output_past_the_limit_says_how_to_keep_it_where_there_is_no_folder() -> None:
    job = Job()
    job.outputs.output(shows("x" * 2000))
    assert "savefig" in job.shown()[0]


def test_past_the_jobs_limit_one_placeholder_a_cell_and_everything_in_the_log() -> None:
    job = Job()
    for cell in range(8):
        job.outputs.begin(cell)
        job.outputs.text("stdout", "#" * 900 + "\n")
        job.outputs.output(shows(f"display {cell}"))
    assert job.text_of("stream").count("[Not shown") == 3
    assert job.text_of("stream").count("#") + job.text_of("log").count("#") == 8 * 900


def test_cleared_outputs_do_not_count_for_the_jobs_limit() -> None:
    job = Job()
    for number in range(8):
        job.outputs.clear(wait=True)
        job.outputs.text("stdout", f"{number}" * 900)
    assert "[" not in job.text_of("stream")


def test_outputs_that_replace_each_other_are_sent_less_often_past_the_limit_and_the_last_one_is() -> None:
    job = Job()
    for number in range(100):
        job.outputs.clear(wait=True)
        job.outputs.output(shows(f"{number} " + "x" * 800))
    before = len(job.shown())
    assert before < 20 and "shown every 10 seconds" in job.text_of("notice")
    job.now += HOLD_S
    job.outputs.tick()
    assert len(job.shown()) == before + 1 and job.shown()[-1].startswith("99 ")
    job.outputs.clear(wait=True)
    job.outputs.output(shows("the end"))
    job.outputs.end()
    assert job.shown()[-1] == "the end"


def test_updates_of_a_display_are_sent_less_often_past_the_limit_and_the_last_one_is() -> None:
    job = Job()
    job.outputs.output(shows("0"), "bar")
    for number in range(100):
        job.outputs.update("bar", {"text/plain": f"{number} " + "x" * 800}, {})
    job.outputs.end()
    updates = [fields["data"]["text/plain"] for kind, fields in job.sent if kind == "update_display"]
    assert len(updates) < 20 and updates[-1].startswith("99 ")


def test_text_that_was_held_back_and_replaced_is_in_the_log() -> None:
    job = Job()
    for number in range(20):
        job.outputs.clear(wait=True)
        job.outputs.text("stdout", f"<{number}>" + "x" * 800)
    job.outputs.end()
    everything = job.text_of("stream") + job.text_of("log")
    assert all(f"<{number}>" in everything for number in range(20))


def test_a_long_traceback_is_shortened_and_never_dropped() -> None:
    job = Job()
    for _ in range(6):
        job.outputs.text("stdout", "x" * 900)
        job.outputs.output(shows("y"))
    job.outputs.output({"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["line"] * 5000})
    error = job.sent[-1][1]["output"]
    assert error["ename"] == "E" and len(error["traceback"]) < 50


def test_text_outside_of_cells_is_log() -> None:
    job = Job()
    job.outputs.close()
    job.outputs.text("stdout", "late")
    assert job.sent == [("log", {"name": "stdout", "text": "late"})]
