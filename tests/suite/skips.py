"""Why tests were skipped, said at the end; and which reasons count.

A skipped test proves nothing, and a suite that skips is green all the same. So only what no clone can bring along may
be missing; every other skip is a failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

ALLOWED = ("needs a real cluster", "needs a real GPU", "needs the right to mount", "needs Prometheus")
"""How the reasons begin for which a test may be skipped."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and not _reason(report).startswith(ALLOWED):
        report.outcome, report.longrepr = "failed", _refusal(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and not _reason(report).startswith(ALLOWED):
        report.outcome, report.longrepr = "failed", _refusal(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Generator[None]:
    yield
    for reason, count in Counter(map(_reason, terminalreporter.stats.get("skipped", ()))).most_common():
        terminalreporter.write_line(f"skipped: {count}, {reason}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    assert isinstance(report.longrepr, tuple)
    return report.longrepr[2].removeprefix("Skipped: ")


def _refusal(report: pytest.TestReport | pytest.CollectReport) -> str:
    return f"{_reason(report)}: this is no reason to skip a test. These are: {', '.join(ALLOWED)}."
