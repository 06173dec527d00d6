"""The process that owns one job: starts its ranks, writes down what they say, ends them. One thread, one loop.

Started detached from whoever submits (`detach.py`), as `python -m mlk_jupyter.backends.local.supervisor FOLDER`. It
outlives the browser, the server and the kernel; when it dies itself, the lifeline takes its ranks along.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...gpus import Inventory, inventory
from ...model import JobStatus, Phase, RankState, RankStatus, Reason, Step
from ...record.failure import Failure, cause_of, first_of
from ...record.files import read_regular
from ...record.folder import JobFolder, write_atomically
from ...record.ledger import Ledger
from ...record.notebook import as_file, replay_of
from ...record.ownership import Ownership, Taken
from ...record.replay import Replay
from ...record.verdict import Ending, RankEnd, failed, killed
from ...record.writer import FolderWriter
from ...worker.deaths import name_of
from . import launch as launching
from . import machine, process, verdict
from .environment import Place, environment, inherited, places
from .launch import Launch
from .ports import ReservedPort
from .queue import GpuQueue, Ticket, gpus_in_words
from .ranks import Rank, Ranks, command
from .recording import Recording

FAILURE_GRACE_S = 4.0  # from SIGTERM to SIGKILL when another rank has failed
_TICK_S = 0.25
_QUEUE_TICK_S = 1.0


class Supervisor:
    """One job from Queued to its end."""

    def __init__(self, folder: JobFolder, status: JobStatus, launch: Launch, replay: Replay) -> None:
        self._folder = folder
        self._spec = status.spec
        self._launch = launch
        self._replay = replay
        self._writer = FolderWriter(folder, replay, launch.nonce)
        self._ledger = Ledger(folder, status.model_copy(update={"owner": process.identity()}))
        self._data_dir = folder.path.parent.parent
        self._ranks = Ranks()
        self._mlflow = Recording(folder, status.spec, launch)
        self._ending: Ending | None = None
        self._kill_at: float | None = None
        self._in_grace = False  # the ranks have the whole grace period to end
        self._recording = True
        self._started: float | None = None  # monotonic
        self._news = False  # something was said or has ended that the status does not know
        self._memory_kills = process.killed_for_memory()
        self._signalled: str | None = None

    def run(self) -> Phase:
        """Runs the job to its end. Returns the phase it ended in."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, process.STOP):
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # ignored signals ring no bell
        try:
            self._ledger.hold_room()
            self._ledger.save(lasting=False)
            with self._gpus() as gpus:
                if gpus is not None:
                    self._run_ranks(gpus)
        except OSError as error:
            self._end(verdict.record_failed(error, str(self._folder.path)), FAILURE_GRACE_S)
        finally:
            left = self._ranks.kill()
            self._ranks.close()
        return self._finish(left)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signalled = name_of(number)

    # Waiting

    @contextlib.contextmanager
    def _gpus(self) -> Iterator[list[str] | None]:
        """The UUIDs this job was granted, given back at the end; None when it ended while it waited."""
        wants = self._spec.workers * self._spec.gpus
        if wants == 0:
            yield []
            return
        queue = GpuQueue(self._data_dir)
        try:
            yield self._wait(queue, wants, inventory())
        finally:
            with contextlib.suppress(OSError):  # a ticket left over counts for nothing once we are gone
                queue.release(self._folder.id)

    def _wait(self, queue: GpuQueue, wants: int, there: Inventory) -> list[str] | None:
        uuids = [gpu.uuid for gpu in there.gpus]
        if wants > len(uuids):
            text = f"It needs {gpus_in_words(wants)}; this machine has {len(uuids)} for jobs. {there.why or ''}".strip()
            self._end(Ending(Phase.FAILED, Reason(code="not_enough_gpus", text=text, hint=there.hint)), 0)
            return None
        ticket = Ticket(self._folder.id, self._ledger.status.created_at, wants, process.identity())
        while self._look_outside():
            grant = queue.ask(ticket, uuids)
            if grant.uuids:
                return grant.uuids
            reason = Reason(
                code="waiting_for_gpus", text=grant.why or "", hint="It starts by itself when they are free."
            )
            self._ledger.update(reason=reason)
            self._ledger.save_when_due()
            for _ in self._ranks.listen(_QUEUE_TICK_S):
                pass
        return None

    # Running

    def _run_ranks(self, gpus: list[str]) -> None:
        if not self._look_outside():
            return
        starting = Reason(code="starting", text=f"{self._ranks_in_words()} being started.")
        self._ledger.enter(Phase.STARTING, starting)
        for name in ("files", "outputs", "checkpoints"):
            (self._folder.path / name).mkdir(exist_ok=True)
        if self._mlflow.needs_preparing:
            text = "The store for MLflow runs is being created; this happens once."
            self._ledger.enter(Phase.STARTING, Reason(code="preparing_mlflow", text=text))
            trouble = self._mlflow.prepare(self._look_outside)
            if trouble:
                self._ledger.notice(trouble)
            if self._ending is not None:
                return
            self._ledger.enter(Phase.STARTING, starting)
        self._started = time.monotonic()
        with ReservedPort(self._data_dir) as port:
            self._start(places(self._spec, port.number, gpus))
            self._folder.sync()  # while Python starts in the ranks: nobody waits for the disk
            while not self._ranks.over:
                self._step()

    def _start(self, where: list[Place]) -> None:
        base = {**inherited(os.environ), **self._launch.env}
        cores = machine.cores()

        def environment_of(place: Place) -> dict[str, str]:
            own = environment(
                self._spec,
                place,
                base=base,
                job=self._folder.path,
                nonce=self._launch.nonce,
                lifeline=self._ranks.lifeline,
                cores=cores,
            )
            return {**own, **self._mlflow.environment(place.rank)}

        try:
            self._ranks.start(
                where,
                command(self._launch.python, self._launch.options, self._folder.bundle),
                self._launch.directory,
                environment_of,
            )
        except OSError as error:
            self._end(verdict.could_not_start(error, self._launch.python, self._launch.directory), FAILURE_GRACE_S)

    def _step(self) -> None:
        """One turn of the loop: listen, look for a reason to end, write down."""
        running = self._ranks.running
        for rank, data in self._ranks.listen(_TICK_S):
            self._record(rank, data)
            self._news = True
        self._news |= self._ranks.running != running
        self._look_outside()
        if self._ending is None and self._failures():
            self._end(self._failed(), FAILURE_GRACE_S)
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill()
        if self._recording and self._news and self._ledger.due:
            self._news = False
            self._attempt(self._write_down)

    def _record(self, rank: int, data: bytes) -> None:
        self._attempt(lambda: self._writer.feed(rank, data))  # also after a failure: the replay gets it all the same

    def _attempt(self, write: Callable[[], None]) -> None:
        """Something that writes to the folder; once it fails, nothing more is written until the end."""
        try:
            write()
        except OSError as error:
            self._recording = False
            self._end(verdict.record_failed(error, str(self._folder.path)), FAILURE_GRACE_S)

    def _write_down(self) -> None:
        self._observe()
        if self._ending is None:
            self._note_running()
        self._ledger.save_when_due()

    def _note_running(self) -> None:
        """The job runs once a rank has said a word; however short it was, its timeline says so."""
        started = sum(1 for rank in self._replay.ranks() if rank.pid is not None)
        if not started:
            return
        running = self._running_in_words(started)
        if self._ledger.status.phase is Phase.STARTING:
            self._ledger.update(started_at=self._replay.started_at)
            self._ledger.enter(Phase.RUNNING, running, at=self._replay.started_at)
        else:
            self._ledger.update(reason=running)

    def _look_outside(self) -> bool:
        """Whether nobody asked for the end: no signal, no stop request, no limit passed."""
        if self._ending is not None:
            return False
        limit = self._spec.time_limit_s
        if self._signalled == process.STOP.name:
            self._end(verdict.stopped(None))
        elif self._signalled:
            self._end(verdict.supervisor_signalled(self._signalled))
        elif self._folder.stop_requested:
            self._end(verdict.stopped(_who_asked(self._folder)))
        elif not os.path.lexists(self._folder.path):  # deleted: one that waits would never notice
            gone = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._end(verdict.record_failed(gone, str(self._folder.path)), 0)
        elif limit is not None and self._started is not None and time.monotonic() - self._started > limit:
            self._end(verdict.over_time(limit))
        return self._ending is None

    # Ending

    def _end(self, ending: Ending, limit_s: float | None = None) -> None:
        """Begins the end; the first reason stays. `limit_s`: until ranks are killed; None: the job's grace period."""
        if self._ending is not None:
            return
        self._ending, self._in_grace = ending, limit_s is None
        self._kill_at = time.monotonic() + (self._spec.grace_period_s if limit_s is None else limit_s)
        failing = {failure.rank for failure in self._replay.failures()}
        self._ranks.terminate(spare=failing if ending.phase is Phase.FAILED else set())
        if self._recording and self._ranks.every:
            self._attempt(self._note_running)
            self._attempt(lambda: self._ledger.enter(Phase.STOPPING, ending.reason))

    def _kill(self) -> None:
        """The time to end by itself is over; where a whole grace period was, the reason says so."""
        late = [f"rank {rank.number}" for rank in self._ranks.every if rank.ended_at is None]
        self._ranks.kill()
        if self._ending is not None and late and self._in_grace:
            self._in_grace = False
            reason = killed(self._ending.reason, late, self._spec.grace_period_s)
            self._ending = Ending(self._ending.phase, reason)

    def _failures(self) -> bool:
        return self._replay.error() is not None or any(rank.failed for rank in self._ranks.every)

    def _failed(self) -> Ending:
        """Words for the failure that came first, by all that is known now."""
        ends = [
            RankEnd(rank.number, rank.ended_at or 0.0, rank.exit_code, rank.signal)
            for rank in self._ranks.every
            if rank.failed
        ]
        failures = self._replay.failures()
        told = {failure.rank for failure in failures}
        every: list[Failure | RankEnd] = [*failures, *(end for end in ends if end.rank not in told)]
        first = first_of(every)
        assert first is not None
        if isinstance(first, Failure):
            first = cause_of(first, self._replay.left)
        status = next((rank for rank in self._rank_statuses() if rank.rank == first.rank), None)
        kills = process.killed_for_memory()
        return failed(
            first,
            signal_name=status.signal if status else None,
            exit_code=status.exit_code if status else None,
            out_of_memory=kills is not None and self._memory_kills is not None and kills > self._memory_kills,
        )

    def _finish(self, left: list[int]) -> Phase:
        """Writes the notebook, says that the job is over, and then settles its MLflow run, which may take seconds."""
        seconds = time.monotonic() - (self._started or time.monotonic())
        ending = self._ending
        if ending is None and not self._failures():
            ending = verdict.succeeded(self._spec.world_size, seconds)
        elif ending is None or ending.failure is not None:
            ending = self._failed()  # once more: ranks that were ended had said something, perhaps
        if left:
            self._ledger.notice(f"Processes {left} could not be killed; the machine waits for a device or disk.")
        self._ledger.give_room()
        if self._recording:
            with contextlib.suppress(OSError):  # the ending's own words follow
                self._writer.close()
                self._folder.sync()
        try:
            write_atomically(self._folder.executed, as_file(self._replay.notebook()))
        except OSError as error:
            self._ledger.notice(f"The executed notebook could not be written: {error.strerror or error}.")
        self._observe()
        if self._ending is None:
            with contextlib.suppress(OSError):  # as above
                self._note_running()
        error_line = ending.reason.text if ending.phase is Phase.FAILED else None
        run = self._mlflow.unsettled(self._replay.run())
        self._ledger.update(finished_at=time.time(), error=error_line, failure=ending.failure, run=run)
        self._ledger.enter(ending.phase, ending.reason)
        run = self._mlflow.settle(self._ledger.status)
        if run != self._ledger.status.run:
            self._ledger.update(run=run)
            with contextlib.suppress(OSError):  # said already: that it is over, and why
                self._ledger.save()
        return ending.phase

    # What is seen

    def _observe(self) -> None:
        status = self._ledger.status
        for text in self._replay.notices:
            self._ledger.notice(text)
        self._ledger.update(
            progress=self._replay.progress(),
            metrics=self._replay.metrics(most=8),
            run=self._replay.run() or status.run,
            ranks=self._rank_statuses(),
        )

    def _rank_statuses(self) -> list[RankStatus]:
        heard = {rank.rank: rank for rank in self._replay.ranks()}
        return [self._rank_status(rank, heard.get(rank.number)) for rank in self._ranks.every]

    def _rank_status(self, rank: Rank, heard: RankStatus | None) -> RankStatus:
        """What the rank said of itself, and where it said nothing, what is seen from outside."""
        exit_code = heard.exit_code if heard else None
        signal_name = heard.signal if heard else None
        if rank.ended_at is not None and exit_code is None and signal_name is None:
            exit_code, signal_name = rank.exit_code, rank.signal
        state = heard.state if heard else RankState.WAITING
        if rank.ended_at is not None:
            well = not exit_code and signal_name is None
            state = RankState.SUCCEEDED if well else RankState.STOPPED if rank.told_to_end else RankState.FAILED
        return RankStatus(
            rank=rank.number,
            worker=rank.place.worker,
            state=state,
            where=heard.where if heard and heard.where else platform.node(),
            pid=heard.pid if heard and heard.pid else rank.popen.pid,
            exit_code=exit_code,
            signal=signal_name,
            sample=self._writer.sample(rank.number),
            last_line=self._writer.last_line(rank.number),
        )

    def _running_in_words(self, started: int) -> Reason:
        total = self._spec.world_size
        if started < total:
            return Reason(code=Step.RUNNING.value, text=f"{started} of {total} processes have started.")
        return Reason(code=Step.RUNNING.value, text=f"{self._ranks_in_words()} running.")

    def _ranks_in_words(self) -> str:
        total = self._spec.world_size
        return "1 process is" if total == 1 else f"{total} processes are"


def _who_asked(folder: JobFolder) -> str | None:
    try:
        by = json.loads(read_regular(folder.stop_request)).get("by")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return by if isinstance(by, str) else None


def main() -> int:
    """Runs the job of the folder on the command line. Returns 0 when this process was the one to run it."""
    folder = JobFolder(Path(sys.argv[1]))
    try:
        with Ownership(folder, patience_s=2.0):  # a viewer holds it for a moment only
            return _run(folder)
    except Taken:
        return 0  # submitted twice in the same moment: the other supervisor runs it


def _run(folder: JobFolder) -> int:
    status, launch, replay = folder.read_status(), launching.read(folder), replay_of(folder)
    if status is None or status.phase.final or status.owner is not None:
        return 0  # unreadable: shown as such; otherwise it has run
    if launch is None or replay is None:
        ledger = Ledger(folder, status)
        text = "The job's folder is damaged: what to run cannot be read."
        ledger.update(finished_at=time.time(), error=text)
        ledger.enter(Phase.FAILED, Reason(code="folder_damaged", text=text, hint="Submit it again."))
        return 1
    try:
        Supervisor(folder, status, launch, replay).run()
    except Exception as error:
        # A bug of ours. Its ranks have ended with it; the person must not wait for them for ever.
        text = f"The process that runs the job failed: {type(error).__name__}: {error}"
        ledger = Ledger(folder, folder.read_status() or status)
        ledger.update(finished_at=time.time(), error=text)
        hint = f"Please report it with the end of {folder.path / 'supervisor.log'}."
        ledger.enter(Phase.FAILED, Reason(code="supervisor_failed", text=text, hint=hint))
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
