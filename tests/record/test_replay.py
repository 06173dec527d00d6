"""Frames become the notebook that Jupyter would have made, whatever else is in the stream."""

from __future__ import annotations

import json
import random
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import Teller, whole_story

from mlk_jupyter.model import RankState
from mlk_jupyter.record.notebook import as_file
from mlk_jupyter.record.replay import Replay

KINDS = [
    "rank_started", "cell_started", "stream", "output", "update_display", "clear_output", "cell_finished", "progress",
    "metric", "run", "run_finished", "result", "sample", "error", "notice", "log", "rank_left", "rank_finished",
    "nonsense",
]  # fmt: skip


@pytest.fixture
def notebook(make_notebook: Any) -> dict[str, Any]:
    return make_notebook("a", "b", "c")


def replayed(notebook: dict[str, Any], *frames: object) -> Replay:
    replay = Replay(notebook, job_id="mlk-x-1", name="x", parameters={"lr": 0.1})
    for frame in frames:
        replay.apply(frame)
    return replay


def outputs(replay: Replay, cell: int) -> list[dict[str, Any]]:
    return replay.notebook()["cells"][cell]["outputs"]


def summary(replay: Replay) -> tuple[Any, ...]:
    return (
        as_file(replay.notebook()), replay.progress(), replay.metrics(), replay.error(), replay.run(),
        replay.ranks(), replay.notices, replay.result, replay.running_cell,
    )  # fmt: skip


def test_a_whole_story_gives_a_valid_notebook_and_all_that_goes_with_it(notebook: dict[str, Any]) -> None:
    replay = replayed(notebook, *whole_story())
    executed = replay.notebook()
    nbformat.validate(executed)
    assert outputs(replay, 0) == [
        {"output_type": "stream", "name": "stdout", "text": "one two\n"},
        {"output_type": "stream", "name": "stderr", "text": "careful\n"},
    ]
    assert outputs(replay, 1)[0]["data"] == {"text/plain": "50 %"}
    assert outputs(replay, 2) == [{"output_type": "stream", "name": "stdout", "text": "done\n"}]
    assert [cell["execution_count"] for cell in executed["cells"]] == [1, 2, 3]
    assert executed["metadata"]["mlk"]["job"] == {"id": "mlk-x-1", "name": "x", "parameters": {"lr": 0.1}}
    times = executed["cells"][0]["metadata"]
    assert times["mlk"] == {"started": 1001.0, "finished": 1006.0, "seconds": 0.5, "status": "ok"}
    assert times["execution"]["iopub.execute_input"] == "1970-01-01T00:16:41Z"
    assert replay.progress().fraction == 1.0 and replay.progress().cells_done == 3
    assert [(metric.name, metric.value) for metric in replay.metrics()] == [("loss", 0.05)]
    assert replay.result == {"accuracy": 0.97} and replay.notices == ["MLflow is away."]
    run = replay.run()
    assert run is not None and run.run_id == "r1" and replay.run_status == "FINISHED"
    assert replay.error() is None
    assert replay.ranks()[0].state is RankState.SUCCEEDED


@given(st.randoms(use_true_random=False))
def test_frames_that_come_again_change_nothing(order: random.Random) -> None:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [_code(n) for n in range(3)]}
    story = whole_story()
    stream = list(story)
    for frame in order.choices(story, k=50):  # a duplicate may come at any time after the first of its kind
        first = stream.index(frame)
        stream.insert(order.randint(first + 1, len(stream)), frame)
    assert summary(replayed(notebook, *stream)) == summary(replayed(notebook, *story))


def _code(number: int) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"c{number}",
        "metadata": {},
        "source": "x",
        "outputs": [],
        "execution_count": None,
    }


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
outputs_like = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "display_data", "execute_result", "error"]) | anything},
    optional={
        "data": st.dictionaries(st.sampled_from(["text/plain", "application/json", "image/png"]) | st.text(), anything)
        | anything,
        "metadata": anything,
        "execution_count": st.integers() | anything,
        "ename": anything,
        "traceback": anything,
    },
)
frames_like = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS), "rank": st.integers(0, 2) | anything, "seq": st.integers(0, 50) | anything},
    optional={
        "time": st.floats() | anything,
        "cell": st.integers(-1, 4) | anything,
        "number": anything,
        "count": anything,
        "name": st.sampled_from(["stdout", "stderr"]) | anything,
        "text": st.text(st.characters(exclude_categories=[])) | anything,
        "output": outputs_like | anything,
        "display_id": st.sampled_from(["a", "b"]) | anything,
        "data": anything,
        "metadata": anything,
        "wait": anything,
        "status": st.sampled_from(["ok", "error", "skipped"]) | anything,
        "seconds": anything,
        "fraction": st.floats() | anything,
        "value": anything,
        "step": anything,
        "cells": anything,
        "exit_code": anything,
        "signal": anything,
        "ename": anything,
        "death": anything,
        "traceback": anything,
        "run_id": anything,
    },
)


@given(st.lists(frames_like | anything, max_size=30))
def test_whatever_comes_the_notebook_stays_valid(frames: list[Any]) -> None:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [_code(n) for n in range(3)]}
    replay = replayed(notebook, *frames)
    nbformat.validate(json.loads(as_file(replay.notebook())))
    for status in (replay.progress(), *replay.metrics(), *replay.ranks()):
        assert type(status).model_validate_json(status.model_dump_json()) == status  # it survives status.json
    error = replay.error()
    assert error is None or error.ename or error.evalue


def test_text_that_writes_over_itself_is_kept_as_jupyterlab_shows_it(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.begin(0)
    rank.tell("stream", cell=0, name="stderr", text="10 %\r")
    rank.tell("stream", cell=0, name="stderr", text="20 %\rdone\n")
    assert outputs(replayed(notebook, *rank.frames), 0)[0]["text"] == "done\n"


def test_an_update_reaches_every_output_of_its_display_id_in_all_cells(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.show(0, "old", display_id="d")
    rank.show(1, "old", display_id="d")
    rank.tell("update_display", display_id="d", data={"text/plain": "new"}, metadata={})
    replay = replayed(notebook, *rank.frames)
    assert [outputs(replay, cell)[0]["data"]["text/plain"] for cell in (0, 1)] == ["new", "new"]


def test_showing_an_id_again_updates_what_was_shown_before(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.show(0, "old", display_id="d")
    rank.show(1, "new", display_id="d")
    assert outputs(replayed(notebook, *rank.frames), 0)[0]["data"] == {"text/plain": "new"}


def test_clearing_with_wait_keeps_the_outputs_until_the_next_one(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.show(0, "old")
    rank.tell("clear_output", cell=0, wait=True)
    replay = replayed(notebook, *rank.frames)
    assert len(outputs(replay, 0)) == 1
    rank.show(0, "new")
    replay.apply(rank.frames[-1])
    assert [output["data"]["text/plain"] for output in outputs(replay, 0)] == ["new"]


def test_clearing_at_once_empties_the_cell_and_its_ids_are_gone(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.show(0, "old", display_id="d")
    rank.tell("clear_output", cell=0, wait=False)
    rank.tell("update_display", display_id="d", data={"text/plain": "late"}, metadata={})
    assert outputs(replayed(notebook, *rank.frames), 0) == []


def test_the_first_failure_by_time_wins_whatever_the_order_of_arrival(notebook: dict[str, Any]) -> None:
    later, first = Teller(0, at=60.0), Teller(2, at=50.0)
    later.fail(1, "ConnectionError", "peer is gone")
    first.fail(1)
    error = replayed(notebook, *later.frames, *first.frames).error()
    assert error is not None and (error.rank, error.number, error.ename, error.evalue) == (2, 2, "KeyError", "'train'")


def test_a_rank_that_died_in_the_same_moment_is_the_cause_of_the_others_exceptions(notebook: dict[str, Any]) -> None:
    exception, death = Teller(0, at=50.0), Teller(1, at=50.5)
    exception.fail(1, "ConnectionError", "peer is gone")
    death.tell("rank_finished", exit_code=None, signal="SIGKILL", text="It was killed (SIGKILL).")
    error = replayed(notebook, *exception.frames, *death.frames).error()
    assert error is not None and (error.rank, error.evalue) == (1, "It was killed (SIGKILL).")


def test_another_ranks_failure_stands_in_the_notebook_behind_the_outputs_of_rank_0(notebook: dict[str, Any]) -> None:
    zero, other = Teller(0), Teller(1)
    zero.begin(1)
    zero.tell("stream", cell=1, name="stdout", text="working\n")
    other.begin(1)
    other.fail(1)
    replay = replayed(notebook, *zero.frames, *other.frames)
    stream, error = outputs(replay, 1)
    assert stream["text"] == "working\n"
    assert error["output_type"] == "error" and error["ename"] == "KeyError"
    assert error["traceback"][0] == "Rank 1 failed first: KeyError: 'train'"
    nbformat.validate(replay.notebook())


def test_the_error_that_began_it_stands_before_what_rank_0_raised_when_it_was_told_to_end(
    notebook: dict[str, Any],
) -> None:
    zero, one = Teller(0), Teller(1)
    zero.begin(0)
    one.begin(0)
    one.fail(0)
    output = {"output_type": "error", "ename": "KeyboardInterrupt", "evalue": "", "traceback": ["t"]}
    zero.tell("output", cell=0, output=output, display_id=None)
    zero.finish(0, "error")
    zero.tell("error", cell=0, number=1, ename="KeyboardInterrupt", evalue="", traceback=["t"])
    replay = replayed(notebook, *one.frames, *zero.frames)
    assert [shown["ename"] for shown in outputs(replay, 0)] == ["KeyError", "KeyboardInterrupt"]


def test_a_failure_of_rank_0_that_its_outputs_show_is_not_shown_twice(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.begin(0)
    output = {"output_type": "error", "ename": "KeyError", "evalue": "'train'", "traceback": ["t"]}
    rank.tell("output", cell=0, output=output, display_id=None)
    rank.finish(0, "error")
    rank.fail(0)
    assert len(outputs(replayed(notebook, *rank.frames), 0)) == 1


def test_a_killed_rank_0_leaves_its_outputs_and_a_word_in_the_cell_it_ran(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.begin(1)
    rank.tell("stream", cell=1, name="stdout", text="so far\n")
    rank.tell("rank_finished", exit_code=None, signal="SIGKILL", text="It was killed: out of memory.")
    replay = replayed(notebook, *rank.frames)
    assert outputs(replay, 1)[0]["text"] == "so far\n"
    assert "out of memory" in outputs(replay, 1)[1]["evalue"]
    assert replay.running_cell is None and replay.ranks()[0].state is RankState.FAILED


def test_a_rank_that_was_asked_to_end_has_not_failed(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.tell("rank_finished", exit_code=143, signal=None, text=None)
    replay = replayed(notebook, *rank.frames)
    assert replay.error() is None and replay.ranks()[0].state is RankState.STOPPED


def test_text_of_other_ranks_is_no_output(notebook: dict[str, Any]) -> None:
    rank = Teller(1)
    rank.begin(0)
    rank.tell("stream", cell=0, name="stdout", text="hello")
    rank.show(0, "x")
    replay = replayed(notebook, *rank.frames)
    assert outputs(replay, 0) == [] and replay.running_cell is None


def test_progress_counts_cells_until_the_notebook_speaks(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.start()
    rank.begin(0)
    rank.finish(0)
    rank.begin(1)
    replay = replayed(notebook, *rank.frames)
    progress = replay.progress()
    assert (progress.cells_done, progress.cells_total, progress.cell) == (1, 3, 2)
    assert progress.fraction == pytest.approx(1 / 3) and progress.eta_s is None
    assert replay.running_cell == 1


def test_a_cell_that_failed_or_was_skipped_is_not_done(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.start(cells=2)
    rank.begin(0)
    rank.finish(0)
    rank.finish(1, "skipped")
    rank.begin(2)
    rank.finish(2, "error")
    progress = replayed(notebook, *rank.frames).progress()
    assert (progress.cells_done, progress.cells_total, progress.fraction) == (1, 2, 0.5)


def test_a_rank_that_ends_early_but_well_is_complete(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.begin(0)
    rank.tell("progress", fraction=0.2, text=None)
    rank.tell("rank_finished", exit_code=0, signal=None, text=None)
    assert replayed(notebook, *rank.frames).progress().fraction == 1.0


def test_the_time_to_go_follows_the_pace_of_the_notebooks_own_progress(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.begin(0)
    for fraction in (0.1, 0.2, 0.3):  # a tenth each second
        rank.tell("progress", fraction=fraction, text=f"epoch {fraction}")
    progress = replayed(notebook, *rank.frames).progress()
    assert progress.fraction == 0.3 and progress.text == "epoch 0.3"
    assert progress.eta_s == pytest.approx(7.0)


def test_the_pace_is_measured_anew_when_progress_begins_again(notebook: dict[str, Any]) -> None:
    rank = Teller()
    for fraction in (0.1, 0.9, 0.0, 0.5):
        rank.tell("progress", fraction=fraction, text=None)
    assert replayed(notebook, *rank.frames).progress().eta_s == pytest.approx(1.0)


def test_progress_never_goes_back(notebook: dict[str, Any]) -> None:
    rank = Teller()
    rank.start()
    rank.begin(0)
    rank.finish(0)
    rank.begin(1)
    for fraction in (0.1, 0.6, 0.0, 0.3, 0.9):
        rank.tell("progress", fraction=fraction, text=None)
    shown = [replayed(notebook, *rank.frames[: count + 1]).progress().fraction or 0.0 for count in range(9)]
    assert shown == sorted(shown) and shown[3] == pytest.approx(1 / 3) and shown[-1] == 0.9


def test_the_first_metric_of_a_row_stays_the_same_while_others_are_logged(notebook: dict[str, Any]) -> None:
    rank, first = Teller(), set()
    replay = replayed(notebook)
    for step in range(5):
        for name in ("lr", "loss", "accuracy", "system/cpu", "epoch"):
            replay.apply(rank.tell("metric", name=name, value=float(step), step=step))
            if step or name == "loss":
                first.add(replay.metrics(most=8)[0].name)
    assert first == {"loss"}
    assert [metric.name for metric in replay.metrics()] == ["loss", "accuracy", "lr", "epoch"]
    assert [metric.name for metric in replay.metrics(most=2)] == ["loss", "accuracy"]
    replay.apply(rank.tell("objective", name="accuracy"))
    assert replay.metrics()[0].name == "accuracy"


@pytest.mark.parametrize("value", [None, float("nan"), "nan", True])
def test_a_metric_that_is_not_finite_is_shown_as_unknown_not_as_its_last_good_value(
    notebook: dict[str, Any], value: object
) -> None:
    rank = Teller()
    rank.tell("metric", name="loss", value=0.5, step=1)
    rank.tell("metric", name="loss", value=value, step=2)
    replay = replayed(notebook, *rank.frames)
    assert [(metric.value, metric.step) for metric in replay.metrics()] == [(None, 2)]


def test_a_metric_that_all_ranks_log_is_the_lowest_ranks(notebook: dict[str, Any]) -> None:
    zero, one = Teller(0), Teller(1)
    zero.tell("metric", name="loss", value=0.5, step=1)
    one.tell("metric", name="loss", value=0.7, step=1)
    for frames in ([*zero.frames, *one.frames], [*one.frames, *zero.frames]):
        assert [metric.value for metric in replayed(notebook, *frames).metrics()] == [0.5]


def test_a_notebook_without_ids_or_of_an_older_minor_gets_what_4_5_needs() -> None:
    old = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": [{"cell_type": "code", "source": "x"}] * 2}
    executed = Replay(old).notebook()
    nbformat.validate(executed)
    assert executed["nbformat_minor"] == 5


def test_looking_at_the_notebook_does_not_change_what_comes_after(notebook: dict[str, Any]) -> None:
    story, looked = whole_story(), Replay(notebook)
    for frame in story:
        looked.apply(frame)
        looked.notebook()
    unlooked = Replay(notebook)
    for frame in story:
        unlooked.apply(frame)
    assert looked.notebook() == unlooked.notebook()


def test_an_injected_cell_is_not_counted() -> None:
    cells = [code_cell("lr = 1"), code_cell("lr = 2", "injected-parameters"), code_cell(""), code_cell("1 / 0")]
    replay = Replay({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    assert replay.progress().cells_total == 2
    for seq, (kind, more) in enumerate(
        [
            ("cell_started", {"cell": 0, "number": 1, "count": 1}),
            ("cell_finished", {"cell": 0, "status": "ok", "seconds": 0.1}),
            ("cell_started", {"cell": 1, "number": None, "count": None}),
            ("cell_finished", {"cell": 1, "status": "ok", "seconds": 0.1}),
            ("cell_started", {"cell": 3, "number": 2, "count": 2}),
        ]
    ):
        replay.apply({"kind": kind, "rank": 0, "seq": seq, "time": 1.0, **more})
    progress = replay.progress()
    assert (progress.cells_done, progress.cells_total, progress.cell) == (1, 2, 2)
    assert [cell["execution_count"] for cell in replay.notebook()["cells"]] == [1, None, None, 2]


def code_cell(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": source, "outputs": []}
