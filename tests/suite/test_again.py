"""What fails once is flaky, what fails twice has failed, and pytest's own closing line counts both."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunSuite = Callable[..., pytest.RunResult]

ONCE = """
from pathlib import Path
import pytest

def first_time(name):
    mark = Path(name)
    if mark.exists():
        return False
    mark.touch()
    return True
"""

PARALLEL = pytest.mark.parametrize("parallel", [(), ("-n2",)], ids=["serial", "parallel"])


def last(result: pytest.RunResult) -> str:
    return result.outlines[-1].strip("= ")


@PARALLEL
def test_what_passes_alone_is_listed_as_flaky_and_the_run_is_green(run_suite: RunSuite, parallel: tuple[str]) -> None:
    source = ONCE + "def test_good(): pass\ndef test_race(): assert not first_time('race'), 'lost the race'"
    result = run_suite(source, "--again", *parallel)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*flaky: test_it.py::test_race*", "*lost the race*", "flaky: test_it.py::test_race"])
    assert last(result).startswith("1 passed, 1 flaky in ")


@PARALLEL
def test_what_fails_twice_has_failed_and_both_runs_are_shown(run_suite: RunSuite, parallel: tuple[str]) -> None:
    source = ONCE + "def test_bad(): assert False, 'the first' if first_time('bad') else 'the second'\n"
    result = run_suite(source, "--again", *parallel)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*AssertionError: the first*", "*second run, alone*", "*AssertionError: the second*"])
    result.stdout.no_fnmatch_line("flaky:*")
    assert last(result).startswith("1 failed in ")


@pytest.mark.parametrize("phase", ["set-up", "end"])
def test_errors_of_set_up_and_of_the_end_are_failures(run_suite: RunSuite, phase: str) -> None:
    fixture = """
@pytest.fixture
def thing(request):
    yield
    assert not first_time(request.node.name)

@pytest.fixture
def other(request):
    assert not first_time(request.node.name)

@pytest.fixture
def broken():
    yield
    assert False
"""
    name = "other" if phase == "set-up" else "thing"
    result = run_suite(f"{ONCE}{fixture}def test_race({name}): pass\ndef test_bad(broken): pass", "--again")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["flaky: test_it.py::test_race"])
    assert last(result).startswith("1 passed, 1 error, 1 flaky in ")


def test_a_worker_that_crashes_fails_its_test(run_suite: RunSuite) -> None:
    crash = "def test_{0}():\n    if {1}:\n        import os; os._exit(3)\n"
    source = ONCE + crash.format("race", "first_time('race')") + crash.format("bad", "True")
    result = run_suite(source, "--again", "-n2")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*crashed while running*", "flaky: test_it.py::test_race"])
    assert last(result).startswith("1 failed, 1 flaky in ")


def test_a_parameter_with_odd_signs_is_found_again(run_suite: RunSuite) -> None:
    source = ONCE + (
        "@pytest.mark.parametrize('text', ['a::b [c] / \\n é', 'plain'])\n"
        "def test_race(text): assert (text == 'plain') or not first_time('race')"
    )
    result = run_suite(source, "--again")
    assert result.ret == 0 and last(result).startswith("1 passed, 1 flaky in ")


def test_a_skip_does_not_pass_what_failed_before(run_suite: RunSuite) -> None:
    source = ONCE + ("def test_race():\n    assert not first_time('race')\n    pytest.skip('needs a real GPU')\n")
    assert run_suite(source, "--again").ret == 1


def test_with_very_many_failures_nothing_is_run_again(run_suite: RunSuite) -> None:
    source = ONCE + "@pytest.mark.parametrize('n', range(31))\ndef test_bad(n): assert not first_time(str(n))"
    result = run_suite(source, "--again")
    assert result.ret == 1 and last(result).startswith("31 failed in ")
    result.stdout.fnmatch_lines(["31 tests failed: none is run again*"])


def test_nothing_is_run_again_unasked_nor_after_the_first_failure_that_ends_the_run(run_suite: RunSuite) -> None:
    source = ONCE + "def test_race(): assert not first_time('race')"
    assert last(run_suite(source)).startswith("1 failed in ")
    source = ONCE + "def test_race(): assert not first_time('other')\ndef test_good(): pass"
    assert last(run_suite(source, "--again", "-x")).startswith("1 failed in ")


def test_a_run_without_tests_and_one_that_cannot_be_collected_keep_their_exit_codes(run_suite: RunSuite) -> None:
    assert run_suite("", "--again").ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run_suite("import there_is_no_such_module", "--again").ret == pytest.ExitCode.INTERRUPTED
