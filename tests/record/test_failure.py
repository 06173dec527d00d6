"""What an `error` frame says of the end of a rank, whoever wrote it and when."""

from __future__ import annotations

from typing import Any

import pytest

from mlk_jupyter.record.failure import failure_of, first_of
from mlk_jupyter.worker.deaths import Death

BEFORE = {
    "memory": {"ename": "SIGKILL", "evalue": "The process was killed because memory ran out (SIGKILL). Ask for more."},
    "signal": {"ename": "SIGSEGV", "evalue": "The process crashed in native code (segmentation fault) (SIGSEGV)."},
    "exited": {"ename": "SystemExit", "evalue": "The process ended itself with exit code 3."},
}


@pytest.mark.parametrize("death", list(Death))
def test_how_a_rank_died_is_read_by_its_name(death: Death) -> None:
    assert failure_of({"ename": "E", "evalue": "any words", "death": death.value}, 0).death is death


@pytest.mark.parametrize(("death", "words"), BEFORE.items())
def test_a_record_of_before_deaths_had_names_is_read(death: str, words: dict[str, str]) -> None:
    failure = failure_of(words, 0)
    assert failure.death is Death(death) and failure.died


@pytest.mark.parametrize("words", [*BEFORE.values(), {"ename": "KeyError"}, {"ename": "SystemExit", "evalue": "3"}])
@pytest.mark.parametrize("death", [None, "melted", 3, {}])
def test_only_a_known_name_is_a_death_where_the_frame_has_one(words: dict[str, str], death: Any) -> None:
    assert failure_of({**words, "death": death}, 0).death is None


@pytest.mark.parametrize("code", ["15", "143"])
def test_a_rank_whose_own_handler_left_when_it_was_told_to_end_is_not_the_first_to_fail(code: str) -> None:
    failed = failure_of({"time": 10.0, "ename": "ValueError", "evalue": "loss is not finite"}, 0)
    told = failure_of({"time": 10.2, "ename": "SystemExit", "evalue": code}, 1)
    assert first_of([failed, told]) is failed


def test_a_rank_that_left_with_a_code_of_its_own_may_have_taken_the_others_along() -> None:
    lost = failure_of({"time": 10.0, "ename": "RuntimeError", "evalue": "Connection closed by peer"}, 0)
    left = failure_of({"time": 10.2, "ename": "SystemExit", "evalue": "3"}, 1)
    assert first_of([lost, left]) is left
