"""Frames -> the executed notebook, progress, metrics, ranks and the reason of a failure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..model import Metric, Progress, RankState, RankStatus, RunRef, RunState
from ..model.api import MetricPoint
from .curve import LONGEST_NAME, MOST_CURVES
from .failure import Failure, Left, failure_of, first_of
from .fields import count_of, is_plain, metadata_of, number_of, text_of, whole_of
from .importance import by_importance
from .layout import cell_metadata, prepared
from .newest import NewestValues
from .outputs import COST_LIMIT, CellOutputs, Displays, Room, cost_of, data_of, error_output, output_of
from .pace import Pace
from .sequences import SequenceSet
from .widgets import Widgets

MOST_RANKS = 1024 * 64  # as a spec allows
MORE_NOTICES = "There are more notices than are shown."
_MOST_NOTICES = 100
_LONGEST_NOTICE = 2_000  # characters
_LONGEST_TEXT = 1_000  # characters of other texts that stand in a job's status
_RESULT_COST = 4 * 1024 * 1024  # as `cost_of` counts; a rank sends 64 KiB at most
_EXIT_OF_SIGTERM = 143
_RAN = ("ok", "error", "expected_error")
_DONE = ("ok", "expected_error")  # a skipped cell is none of those that will run


@dataclass
class _Cell:
    """One code cell's life."""

    outputs: CellOutputs
    number: int | None
    count: int | None = None
    started: float | None = None
    finished: float | None = None
    seconds: float | None = None
    status: str | None = None


@dataclass
class _Rank:
    worker: int = 0
    state: RankState = RankState.WAITING
    where: str | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    cell: int | None = None
    number: int | None = None


def _numbers(notebook: Mapping[str, Any]) -> Iterator[tuple[int, int | None]]:
    """Index of each code cell, and its number, from 1: of those that a person wrote and that run."""
    number = 0
    for index, cell in enumerate(notebook["cells"]):
        if cell.get("cell_type") == "code":
            tags, source = cell["metadata"].get("tags"), cell.get("source") or ""
            without = isinstance(tags, list) and ("injected-parameters" in tags or "skip-execution" in tags)
            counts = not without and any(map(str.strip, map(str, source)))
            number += counts
            yield index, number if counts else None


class Replay:
    """What the frames of a job add up to. Give it every frame of every rank as it comes.

    Takes anything: a frame that makes no sense changes nothing, one that came before (same rank and seq) is ignored.
    What it holds is bounded, whatever comes; a notice says what is left out.

    Args:
        notebook:   the notebook of the bundle (nbformat 4); it is copied.
        job_id, name, parameters: what goes into the executed notebook's metadata, under `mlk.job`.
        world_size: ranks that the job has; what comes of others is ignored.
        outputs_limit: bytes of outputs that the job may have in all.
    """

    def __init__(
        self,
        notebook: Mapping[str, Any],
        *,
        job_id: str | None = None,
        name: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        world_size: int = MOST_RANKS,
        outputs_limit: int = 0,
    ) -> None:
        self._notebook = prepared(notebook)
        self.world_size = world_size
        self._job = {"id": job_id, "name": name, "parameters": dict(parameters or {})}
        text = "The outputs are too large for the notebook: it shows them as far as they fit."
        room = Room(lambda: self.note(text), max(COST_LIMIT, 2 * outputs_limit))
        self._displays = Displays(room)
        self._widgets = Widgets(room)
        self._cells = {
            index: _Cell(CellOutputs(self._displays, room), number) for index, number in _numbers(self._notebook)
        }
        self._total: int | None = None
        self._latest_cell: int | None = None
        self._running: int | None = None
        self._said = Pace()
        self._said_text: str | None = None
        self._shown_fraction: float | None = None  # the one that was said, but never less than was shown before
        self._newest = NewestValues()
        self._objective: str | None = None
        self._ranks: dict[int, _Rank] = {}
        self._seen: dict[int, SequenceSet] = {}
        self._failures: dict[int, Failure] = {}
        self.left: list[Left] = []
        """Ranks whose code is done and well, in the order in which they said so."""
        self._run: RunRef | None = None
        self.run_status: str | None = None
        """MLflow's status of the run that ended in its rank (FINISHED, FAILED, KILLED); None while it is open."""
        self.started_at: float | None = None
        """When the first rank began, in seconds since the epoch; None while none has."""
        self.notices: list[str] = []
        """Sentences from the ranks for a person, each once."""
        self.result: Any = None
        """The last value of a `result` frame of rank 0."""
        self._handlers: dict[str, Callable[[Mapping[str, Any], int, float], None]] = {
            "rank_started": self._rank_started,
            "cell_started": self._cell_started,
            "stream": self._stream,
            "output": self._output,
            "update_display": self._update_display,
            "clear_output": self._clear_output,
            "widget": self._widget,
            "cell_finished": self._cell_finished,
            "progress": self._progress,
            "metric": self._metric,
            "objective": self._objective_named,
            "run": self._run_opened,
            "run_finished": self._run_finished,
            "result": self._result,
            "error": self._error,
            "notice": self._notice,
            "rank_left": self._rank_left,
            "rank_finished": self._rank_finished,
        }

    def apply(self, frame: object) -> bool:
        """One more frame; constant time, amortised. Gives whether it was new and of a known kind. Never raises."""
        if not isinstance(frame, Mapping):
            return False
        rank, seq, kind = count_of(frame, "rank"), count_of(frame, "seq"), frame.get("kind")
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is None or rank is None or seq is None or rank >= self.world_size:
            return False
        if not self._seen.setdefault(rank, SequenceSet()).add(seq):
            return False
        handler(frame, rank, number_of(frame, "time") or 0.0)
        return True

    def note(self, text: str) -> None:
        """Adds a sentence for a person, once."""
        text = text if len(text) <= _LONGEST_NOTICE else f"{text[:_LONGEST_NOTICE]}…"
        if text not in self.notices and len(self.notices) < _MOST_NOTICES:
            last = len(self.notices) == _MOST_NOTICES - 1
            self.notices.append(MORE_NOTICES if last else text)

    # What it adds up to

    @property
    def running_cell(self) -> int | None:
        """Index in the notebook's cells of the cell that rank 0 runs; None between cells."""
        return self._running

    def notebook(self) -> dict[str, Any]:
        """The notebook with what it showed so far, valid nbformat 4.5. Not to be changed in place."""
        extra = self._unseen_failure()
        cells = []
        for index, cell in enumerate(self._notebook["cells"]):
            state = self._cells.get(index)
            if state is not None:
                cell = {**cell, "execution_count": state.count, "outputs": state.outputs.as_outputs()}
                cell["metadata"] = cell_metadata(
                    cell["metadata"],
                    started=state.started,
                    finished=state.finished,
                    seconds=state.seconds,
                    status=state.status,
                )
                if extra is not None and extra[0] == index:
                    # It began it: before what rank 0 raised when it was told to end.
                    errors = [at for at, one in enumerate(cell["outputs"]) if one["output_type"] == "error"]
                    cell["outputs"].insert(errors[0] if errors else len(cell["outputs"]), extra[1])
            cells.append(cell)
        metadata = {**self._notebook["metadata"], "mlk": {"job": self._job}}
        widgets = self._widgets.metadata()
        if widgets:
            metadata["widgets"] = widgets
        return {**self._notebook, "cells": cells, "metadata": metadata}

    def progress(self) -> Progress:
        """How far rank 0 is."""
        done = sum(1 for cell in self._cells.values() if cell.status in _DONE and cell.number is not None)
        known = sum(1 for cell in self._cells.values() if cell.number is not None)
        total = max(self._total if self._total is not None else known, done)
        ended_well = 0 in self._ranks and self._ranks[0].state is RankState.SUCCEEDED  # `sys.exit(0)` is an end too
        complete = ended_well or 0 < total <= done
        by_cells = done / total if total else None
        fraction = 1.0 if complete else self._shown_fraction if self._shown_fraction is not None else by_cells
        running = self._cells.get(self._running) if self._running is not None else None
        return Progress(
            cells_done=done,
            cells_total=total,
            cell=running.number if running else None,
            fraction=fraction,
            text=self._said_text,
            eta_s=None if complete else self._said.eta_s(),
        )

    def metrics(self, most: int | None = None) -> list[Metric]:
        """The latest value of each metric, at most `most`: the one that the notebook named, then those that matter most
        by their names, each in the place it had from its first value on. System metrics are left out."""
        newest = self._newest.points()
        shown = [(name, newest[name]) for name in by_importance(newest, self._objective)[:most]]
        return [Metric(name=name, value=point.value, step=point.step, at=point.at) for name, point in shown]

    def failures(self) -> list[Failure]:
        """The failure of each rank that failed, by the time of its frame."""
        return sorted(self._failures.values(), key=lambda failure: (failure.at, failure.rank))

    def error(self) -> Failure | None:
        """The failure that came first, of any rank."""
        return first_of(self._failures.values())

    def run(self) -> RunRef | None:
        """The MLflow run that rank 0 opened, or None while there is none."""
        return self._run

    def ranks(self) -> list[RankStatus]:
        """Every rank that was heard of, by number."""
        return [
            RankStatus(
                rank=number,
                worker=rank.worker,
                state=rank.state,
                where=rank.where,
                pid=rank.pid,
                exit_code=rank.exit_code,
                signal=rank.signal,
            )
            for number, rank in sorted(self._ranks.items())
        ]

    # Frames, one method a kind

    def _rank_started(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        self.started_at = min(at, self.started_at or at)
        state = self._rank(rank)
        state.worker = count_of(frame, "worker") or 0
        state.where = text_of(frame, "host", _LONGEST_TEXT)
        state.pid = count_of(frame, "pid")
        if state.state is RankState.WAITING:
            state.state = RankState.RUNNING
        if rank == 0:
            self._total = count_of(frame, "cells")

    def _cell_started(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        index = count_of(frame, "cell")
        cell = self._cells.get(index) if index is not None else None
        if cell is None:
            return
        state = self._rank(rank)
        state.cell, state.number = index, count_of(frame, "number") or cell.number
        if rank != 0:
            return
        self._running = self._latest_cell = index
        cell.number = state.number
        cell.count = count_of(frame, "count")
        cell.started = at
        cell.finished = cell.seconds = cell.status = None

    def _stream(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        cell, text = self._shown_in(frame, rank), text_of(frame, "text")
        if cell is not None and text is not None:
            cell.outputs.stream("stderr" if frame.get("name") == "stderr" else "stdout", text)

    def _output(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        cell, output = self._shown_in(frame, rank), output_of(frame.get("output"))
        if cell is None or output is None:
            return
        if output["output_type"] == "execute_result" and output["execution_count"] is not None:
            cell.count = output["execution_count"]
        cell.outputs.show(output, text_of(frame, "display_id"))

    def _update_display(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        display_id = text_of(frame, "display_id")
        if rank == 0 and display_id is not None:
            self._displays.update(display_id, data_of(frame.get("data")), metadata_of(frame.get("metadata")))

    def _clear_output(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        cell = self._shown_in(frame, rank)
        if cell is not None:
            cell.outputs.clear(wait=frame.get("wait") is True)

    def _widget(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        if rank == 0:
            self._widgets.apply(frame)

    def _cell_finished(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        index, status = count_of(frame, "cell"), text_of(frame, "status")
        cell = self._cells.get(index) if index is not None else None
        if cell is None or status not in (*_RAN, "skipped"):
            return
        state = self._rank(rank)
        if state.cell == index and status != "error":  # a failed cell stays known: the `error` frame may not name it
            state.cell = state.number = None
        if rank != 0:
            return
        if self._running == index:
            self._running = None
        cell.status = status
        if status in _RAN:
            cell.finished, cell.seconds = at, number_of(frame, "seconds")

    def _progress(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        if rank != 0:
            return
        fraction = number_of(frame, "fraction")
        if fraction is not None:
            fraction = min(1.0, max(0.0, fraction))
            self._shown_fraction = max(fraction, self.progress().fraction or 0.0)
            self._said.add(fraction, at)
        self._said_text = text_of(frame, "text", _LONGEST_TEXT)

    def _metric(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        name = text_of(frame, "name")
        point = MetricPoint(step=whole_of(frame, "step"), at=at, value=number_of(frame, "value"))
        if name is not None and not self._newest.add(name, rank, point, text_of(frame, "run_id", _LONGEST_TEXT)):
            most = f"at most {MOST_CURVES:,} metrics, with names of at most {LONGEST_NAME} characters"
            self.note(f"Some metrics are not shown: a job shows {most}.")

    def _objective_named(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        if rank == 0:
            self._objective = text_of(frame, "name", LONGEST_NAME)

    def _run_opened(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        run_id = text_of(frame, "run_id", _LONGEST_TEXT)
        if run_id is None or self._run is not None:  # the first run is the job's; nested ones are its children
            return
        self._run = RunRef(
            state=RunState.RECORDED,
            tracking_uri=text_of(frame, "tracking_uri", _LONGEST_TEXT),
            experiment=text_of(frame, "experiment", _LONGEST_TEXT),
            experiment_id=text_of(frame, "experiment_id", _LONGEST_TEXT),
            run_id=run_id,
            run_name=text_of(frame, "run_name", _LONGEST_TEXT),
        )

    def _run_finished(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        if self._run is not None and text_of(frame, "run_id", _LONGEST_TEXT) == self._run.run_id:
            self.run_status = text_of(frame, "status", _LONGEST_TEXT)

    def _result(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        value = frame.get("value")
        if rank == 0 and is_plain(value) and cost_of(value) <= _RESULT_COST:
            self.result = value

    def _error(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        state = self._rank(rank)
        index = count_of(frame, "cell")
        if index not in self._cells:
            index = state.cell
        number = count_of(frame, "number")
        if number is None and index is not None:
            number = state.number if index == state.cell else self._cells[index].number
        known = self._failures.get(rank)
        if known is not None and known.ename and known.at <= at:
            return
        self._failures[rank] = replace(failure_of(frame, rank), at=at, cell=index, number=number)

    def _notice(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        text = text_of(frame, "text")
        if text:
            self.note(text)

    def _rank_left(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        if all(left.rank != rank for left in self.left):
            self.left.append(Left(rank, at, count_of(frame, "cell"), count_of(frame, "number")))

    def _rank_finished(self, frame: Mapping[str, Any], rank: int, at: float) -> None:
        state = self._rank(rank)
        state.exit_code, state.signal = whole_of(frame, "exit_code"), text_of(frame, "signal", _LONGEST_TEXT)
        failed = bool(state.exit_code) or state.signal is not None
        stopped = state.exit_code == _EXIT_OF_SIGTERM or state.signal == "SIGTERM"
        state.state = RankState.STOPPED if stopped else RankState.FAILED if failed else RankState.SUCCEEDED
        if rank == 0:
            self._running = None
        if failed and not stopped and rank not in self._failures:
            how = f"was ended by {state.signal}" if state.signal else f"ended with exit code {state.exit_code}"
            text = text_of(frame, "text", _LONGEST_TEXT) or f"The process {how}."
            cell = state.cell
            self._failures[rank] = Failure(rank, at, "", text, [], cell, state.number)

    # Helpers

    def _rank(self, rank: int) -> _Rank:
        return self._ranks.setdefault(rank, _Rank())

    def _shown_in(self, frame: Mapping[str, Any], rank: int) -> _Cell | None:
        """The cell that an output of rank 0 belongs to: the one it names, else the latest that ran."""
        if rank != 0:
            return None
        index = count_of(frame, "cell")
        if index not in self._cells:
            index = self._latest_cell
        return None if index is None else self._cells[index]

    def _unseen_failure(self) -> tuple[int, dict[str, Any]] | None:
        """The first failure as an output, and its cell, if no output of rank 0 shows it already."""
        failure = self.error()
        if failure is None or not self._cells:
            return None
        index = failure.cell
        if index is None:
            index = self._latest_cell if self._latest_cell is not None else next(iter(self._cells))
        if failure.rank == 0 and self._cells[index].outputs.has_error():
            return None
        head = f"Rank {failure.rank} failed first: {': '.join(filter(None, (failure.ename, failure.evalue)))}"
        evalue = f"[rank {failure.rank}] {failure.evalue}"
        return index, error_output(failure.ename or "RankFailed", evalue, [head, *failure.traceback])
