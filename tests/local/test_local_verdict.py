"""How an end is put into words."""

from __future__ import annotations

import errno

import pytest

from mlk_jupyter.backends.local import verdict
from mlk_jupyter.model import Phase, RankFailure
from mlk_jupyter.record.failure import Failure, Left, cause_of, first_of
from mlk_jupyter.record.verdict import RankEnd, failed
from mlk_jupyter.worker.deaths import Death


def failure(
    rank: int,
    at: float,
    ename: str = "ValueError",
    evalue: str = "bad",
    number: int | None = 2,
    death: Death | None = None,
) -> Failure:
    return Failure(rank=rank, at=at, ename=ename, evalue=evalue, traceback=[], cell=number, number=number, death=death)


def words(first: Failure | RankEnd, **known: object) -> tuple[str, str]:
    ending = failed(first, **{"signal_name": None, "exit_code": None, "out_of_memory": False, **known})  # type: ignore[arg-type]
    assert ending.phase is Phase.FAILED and ending.reason.hint
    return ending.reason.code, ending.reason.text


def test_what_failed_first_wins() -> None:
    assert first_of([failure(0, 12.0), failure(3, 10.0)]) == failure(3, 10.0)


def test_a_rank_that_was_killed_wins_over_the_broken_connections_to_it() -> None:
    killed = RankEnd(1, 10.4, None, "SIGKILL")
    assert first_of([failure(0, 10.0, "RuntimeError", "Connection closed by peer"), killed]) == killed
    for ename, death in (("SIGKILL", Death.SIGNAL), ("SystemExit", Death.EXITED), ("SystemExit", None), ("", None)):
        told = failure(2, 10.4, ename, "The process was killed", death=death)
        assert first_of([failure(0, 10.0), told]) == told


def test_a_rank_that_was_killed_long_after_the_first_exception_is_its_consequence() -> None:
    assert first_of([failure(0, 10.0), RankEnd(1, 14.0, None, "SIGKILL")]) == failure(0, 10.0)


@pytest.mark.parametrize(
    ("ename", "left", "said"),
    [
        (
            "RuntimeError",
            Left(1, 10.5, 4, 2),
            "Rank 1, cell 2: It left by `sys.exit(0)` while rank 0 still waited for it",
        ),
        ("DistBackendError", Left(1, 9.0, None, None), "Rank 1: It had run all of its cells while rank 0 still waited"),
        ("RuntimeError", Left(1, 14.0, 4, 2), "Rank 0, cell 2: RuntimeError: Connection closed by peer"),
        ("RuntimeError", Left(0, 9.0, 4, 2), "Rank 0, cell 2: RuntimeError: Connection closed by peer"),
        ("S3Error", Left(1, 9.0, None, None), "Rank 0, cell 2: S3Error: Connection closed by peer"),
    ],
    ids=["by an exit", "done", "later", "the same rank", "another connection"],
)
def test_a_rank_that_left_is_named_for_the_connections_that_it_broke(ename: str, left: Left, said: str) -> None:
    first = failure(0, 10.0, ename, "Connection closed by peer")
    assert said in words(cause_of(first, [left]))[1]


@pytest.mark.parametrize(
    "told",
    [
        failure(0, 9.5, "KeyboardInterrupt", ""),
        failure(0, 12.2, "SIGTERM", "The process was asked to end (SIGTERM).", death=Death.SIGNAL),
        RankEnd(0, 12.2, None, "SIGTERM"),
        RankEnd(0, 12.2, 143, None),
    ],
    ids=["interrupted, by a clock that is behind", "asked to end", "ended by SIGTERM", "exit code of SIGTERM"],
)
def test_a_rank_that_was_told_to_end_never_hides_the_error_that_began_it(told: Failure | RankEnd) -> None:
    began = failure(1, 12.0, "ValueError", "bad")
    assert first_of([told, began]) == began
    assert first_of([told]) == told, "alone it is what there is to say"


def test_a_process_that_was_asked_to_end_before_all_others_took_them_along() -> None:
    ended = RankEnd(1, 9.9, None, "SIGTERM")
    assert first_of([failure(0, 10.0, "RuntimeError", "Connection closed by peer"), ended]) == ended


def test_the_failure_that_ended_a_job_is_told_with_its_exception_and_its_place() -> None:
    ending = failed(failure(1, 0.0, "KeyError", "'train'"), signal_name=None, exit_code=1, out_of_memory=False)
    assert ending.failure == RankFailure(rank=1, ename="KeyError", evalue="'train'", cell=2, number=2)
    died = failed(RankEnd(2, 0.0, None, "SIGKILL"), signal_name="SIGKILL", exit_code=None, out_of_memory=False)
    assert died.failure == RankFailure(rank=2), "no exception, no cell: unknown"


def test_without_a_failure_nothing_came_first() -> None:
    assert first_of([]) is None


@pytest.mark.parametrize(
    ("first", "known", "code", "text"),
    [
        (failure(1, 0.0, "KeyError", "'train'"), {}, "cell_failed", "Rank 1, cell 2: KeyError: 'train'"),
        (failure(0, 0.0, "E", "one\ntwo", None), {}, "cell_failed", "Rank 0: E: one"),
        (failure(0, 0.0, "KeyboardInterrupt", ""), {}, "cell_failed", "Rank 0, cell 2: KeyboardInterrupt"),
        (RankEnd(2, 0.0, 3, None), {"exit_code": 3}, "rank_failed", "Rank 2 ended with exit code 3."),
        (
            RankEnd(2, 0.0, None, "SIGABRT"),
            {"signal_name": "SIGABRT"},
            "aborted",
            "Rank 2 was aborted by native code (SIGABRT).",
        ),
        (RankEnd(2, 0.0, 137, None), {"exit_code": 137}, "killed", "Rank 2 was killed (SIGKILL)."),
        (RankEnd(2, 0.0, None, "SIGUSR2"), {"signal_name": "SIGUSR2"}, "killed", "Rank 2 was ended by SIGUSR2."),
        (
            RankEnd(0, 0.0, None, "SIGKILL"),
            {"signal_name": "SIGKILL", "out_of_memory": True},
            "out_of_memory",
            "Rank 0 was killed because the machine ran out of memory.",
        ),
        (
            failure(1, 0.0, "SIGSEGV", "It crashed.", death=Death.SIGNAL),
            {},
            "segmentation_fault",
            "Rank 1, cell 2: It crashed.",
        ),
        (
            failure(1, 0.0, "SIGKILL", "No memory.", death=Death.MEMORY),
            {},
            "out_of_memory",
            "Rank 1, cell 2: No memory.",
        ),
        (failure(1, 0.0, "SystemExit", "It left.", death=Death.EXITED), {}, "rank_failed", "Rank 1, cell 2: It left."),
        (failure(1, 0.0, "SystemExit", "3"), {}, "cell_failed", "Rank 1, cell 2: SystemExit: 3"),
        (failure(1, 0.0, "SIGKILL", "a class"), {}, "cell_failed", "Rank 1, cell 2: SIGKILL: a class"),
        (failure(1, 0.0, "E", "\x1b[31mred\x1b[0m"), {}, "cell_failed", "Rank 1, cell 2: E:  [31mred [0m"),
    ],
)
def test_a_failure_names_its_rank_its_cell_and_its_cause(
    first: Failure | RankEnd, known: dict[str, object], code: str, text: str
) -> None:
    assert words(first, **known) == (code, text)


def test_a_cause_without_end_is_cut() -> None:
    assert len(words(failure(0, 0.0, "E", "x" * 10_000))[1]) == 500


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.ENOSPC, "disk_full", "disk is full"),
        (errno.EDQUOT, "disk_full", "quota is used up"),
        (errno.EROFS, "folder_unwritable", "Read-only"),
        (errno.EACCES, "folder_unwritable", "Permission denied"),
    ],
)
def test_a_record_that_cannot_be_written_says_why(number: int, code: str, said: str) -> None:
    import os

    ending = verdict.record_failed(OSError(number, os.strerror(number)), "/data/jobs/one")
    assert ending.phase is Phase.FAILED and ending.reason.code == code
    assert said in ending.reason.text and "/data/jobs/one" in ending.reason.text
