from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from mlk_jupyter.cli.screen import Lines, Screen, Terminal, screen_for
from mlk_jupyter.model import JobSummary, Metric, Phase, Progress, Reason


def job(
    phase: Phase = Phase.RUNNING,
    reason: str | None = None,
    loss: float | None = None,
    code: str = "because",
    **progress: object,
) -> JobSummary:
    return JobSummary(
        id="a-1",
        name="digits",
        notebook="digits.ipynb",
        backend="local",
        phase=phase,
        reason=Reason(code=code, text=reason) if reason else None,
        progress=Progress.model_validate(progress),
        metrics=[Metric(name="loss", value=loss, at=1.0)] if loss is not None else [],
        created_at=1000.0,
        finished_at=1075.0,
    )


def test_plain_lines_tell_each_step_once() -> None:
    out = io.StringIO()
    lines = Lines(out)
    for _ in range(3):
        lines.show(job(cells_total=4, cells_done=1, cell=2, fraction=0.25), "train()")
    lines.show(job(Phase.STOPPING, "Cell 2 raised KeyError.", cells_total=4, cells_done=2, fraction=0.5), None)
    first, second = out.getvalue().splitlines()
    assert first.split() == ["1", "min", "15", "s", "Running", "[###---------]", "cell", "2", "of", "4", "train()"]
    assert "Stopping" in second and second.endswith("Cell 2 raised KeyError.")


@pytest.mark.parametrize("screen", [Lines, lambda out: Terminal(out, colour=False)], ids=["lines", "terminal"])
def test_the_clock_never_goes_back_when_the_cluster_s_own_is_heard_of(screen: Callable[[io.StringIO], Screen]) -> None:
    out = io.StringIO()
    shown = screen(out)
    shown.show(job(cell=1), None)
    later = job(cell=2).model_copy(update={"created_at": 1030.0})
    shown.show(later, None)
    assert out.getvalue().count("1 min 15 s") == 2 and "45 s" not in out.getvalue()


def test_words_and_figures_that_change_with_every_step_do_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("mlk_jupyter.cli.screen.time.monotonic", lambda: now)
    out = io.StringIO()
    lines = Lines(out)
    for step in range(100):
        now += 0.1
        lines.show(job(cells_total=1, cell=1, text=f"step {step}", loss=1 / (step + 1)), None)
    assert 2 <= len(out.getvalue().splitlines()) <= 3  # ten seconds have passed


def test_a_terminal_is_drawn_again_at_the_same_place() -> None:
    out = io.StringIO()
    screen = Terminal(out, colour=False)
    screen.show(job(cells_total=4, cell=2, fraction=0.25, loss=0.5), "train()")
    drawn = out.getvalue()
    screen.show(job(cells_total=4, cell=3, fraction=0.5, loss=0.4), "test()")
    assert out.getvalue()[len(drawn) :].startswith(f"\x1b[{drawn.count(chr(10))}F\x1b[J")
    assert "cell 3 of 4  test()" in out.getvalue() and "loss 0.4" in out.getvalue()


def test_a_sentence_stays_above_what_is_drawn_next() -> None:
    out = io.StringIO()
    screen = Terminal(out, colour=False)
    screen.show(job(), None)
    screen.say("Stopping the job.")
    said = out.getvalue()
    screen.show(job(), None)
    assert said.endswith("Stopping the job.\n") and not out.getvalue()[len(said) :].startswith("\x1b[")


def test_the_last_state_of_a_job_is_not_drawn_over() -> None:
    out = io.StringIO()
    screen = Terminal(out, colour=False)
    screen.show(job(Phase.SUCCEEDED), None)
    screen.stay()
    last = out.getvalue()
    screen.say("All 2 ranks finished.")
    assert out.getvalue() == f"{last}All 2 ranks finished.\n"


def test_the_phase_is_a_word_with_and_without_colour() -> None:
    plain, coloured = io.StringIO(), io.StringIO()
    Terminal(plain, colour=False).show(job(Phase.FAILED), None)
    Terminal(coloured, colour=True).show(job(Phase.FAILED), None)
    assert plain.getvalue().startswith("Failed  digits  1 min 15 s")
    assert coloured.getvalue().startswith("\x1b[31mFailed\x1b[0m  digits  1 min 15 s")


def test_a_waiting_job_says_what_it_waits_for() -> None:
    out = io.StringIO()
    Terminal(out, colour=False).show(job(Phase.QUEUED, "2 GPUs asked for, 1 free."), None)
    assert "2 GPUs asked for, 1 free." in out.getvalue()


@pytest.mark.parametrize(("code", "said"), [("node_silent", True), ("running", False), ("reading_logs", False)])
def test_a_running_job_says_what_is_amiss_and_nothing_else(code: str, said: bool) -> None:
    lines, terminal = io.StringIO(), io.StringIO()
    Lines(lines).show(job(reason="The node node1 has not answered for 45 s.", code=code), None)
    Terminal(terminal, colour=False).show(job(reason="The node node1 has not answered for 45 s.", code=code), None)
    for out in (lines, terminal):
        assert ("has not answered for 45 s" in out.getvalue()) is said


def test_a_reason_whose_figures_change_is_no_new_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlk_jupyter.cli.screen.time.monotonic", lambda: 100.0)
    out = io.StringIO()
    lines = Lines(out)
    for length in ("45 s", "1 min", "1 min 5 s", "1 h 2 min"):
        lines.show(job(reason=f"The node node1 has not answered for {length}.", code="node_silent"), None)
    lines.show(job(reason="The node node2 has not answered for 5 s.", code="node_silent"), None)
    assert len(out.getvalue().splitlines()) == 2


def test_a_job_name_cannot_send_commands_to_the_terminal() -> None:
    out = io.StringIO()
    Lines(out).show(job(Phase.QUEUED, "\x1b]0;owned\x07"), None)
    assert "\x1b" not in out.getvalue() and "\x07" not in out.getvalue()


def test_a_stream_that_is_no_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(screen_for(io.StringIO()), Lines)
