"""Frames of invented jobs."""

from __future__ import annotations

from typing import Any

from mlk_jupyter.worker.frames import Frame


class Teller:
    """Makes the frames of one rank: seq counts up, time goes on by a second with each frame."""

    def __init__(self, rank: int = 0, at: float = 1_000.0) -> None:
        self.rank = rank
        self.at = at
        self.frames: list[Frame] = []

    def tell(self, kind: str, **fields: Any) -> Frame:
        frame = {"kind": kind, "rank": self.rank, "seq": len(self.frames), "time": self.at, **fields}
        self.at += 1.0
        self.frames.append(frame)
        return frame

    def start(self, cells: int = 3, world_size: int = 1) -> None:
        self.tell(
            "rank_started", world_size=world_size, worker=self.rank, pid=100 + self.rank, host="here", cells=cells
        )

    def begin(self, cell: int) -> None:
        self.tell("cell_started", cell=cell, number=cell + 1, count=cell + 1)

    def finish(self, cell: int, status: str = "ok") -> None:
        self.tell("cell_finished", cell=cell, status=status, seconds=0.5)

    def show(self, cell: int, text: str, display_id: str | None = None) -> None:
        output = {"output_type": "display_data", "data": {"text/plain": text}, "metadata": {}}
        self.tell("output", cell=cell, output=output, display_id=display_id)

    def fail(self, cell: int | None, ename: str = "KeyError", evalue: str = "'train'") -> None:
        number = None if cell is None else cell + 1
        traceback = ["Traceback (most recent call last)", f"{ename}: {evalue}"]
        self.tell("error", cell=cell, number=number, ename=ename, evalue=evalue, traceback=traceback)


def whole_story() -> list[Frame]:
    """A notebook of three cells that uses every kind of frame and ends well."""
    rank = Teller()
    rank.start()
    rank.begin(0)
    rank.tell("stream", cell=0, name="stdout", text="one ")
    rank.tell("stream", cell=0, name="stdout", text="two\n")
    rank.tell("stream", cell=0, name="stderr", text="careful\n")
    rank.tell("notice", text="MLflow is away.")
    rank.finish(0)
    rank.begin(1)
    rank.show(1, "0 %", display_id="bar")
    rank.tell("update_display", display_id="bar", data={"text/plain": "50 %"}, metadata={})
    rank.tell("progress", fraction=0.5, text="half")
    for step in range(20):
        rank.tell("metric", name="loss", value=1.0 / (step + 1), step=step)
    rank.tell("run", run_id="r1", experiment_id="1", experiment="digits", run_name="fox", tracking_uri="sqlite:///x")
    rank.finish(1)
    rank.begin(2)
    rank.tell("output", cell=2, output=_result(3), display_id=None)
    rank.tell("clear_output", cell=2, wait=True)
    rank.tell("stream", cell=2, name="stdout", text="done\n")
    rank.tell("result", value={"accuracy": 0.97})
    rank.finish(2)
    rank.tell("run_finished", run_id="r1", status="FINISHED")
    rank.tell("rank_finished", exit_code=0, signal=None, text=None)
    return rank.frames


def _result(count: int) -> dict[str, Any]:
    data = {"text/plain": "42", "application/json": {"a": [1, 2]}}
    return {"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {}}
