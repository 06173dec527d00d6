"""What failed is run once more, alone: what then passes is flaky, what fails twice has failed.

A race of one test must not hold up everybody, and must not be hidden: each is listed at the end as `flaky:`, with the
traceback of its failure. `--again` asks for it, as `make test` does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Generator, Iterable
from typing import Any

import pytest

MOST = 30
"""With more failures than this something is broken; running each alone would only delay the news."""

FOR_GOOD = ("again", "a second run would not tell more")
"""A user property of failures that no second run can take back."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("suite")
    group.addoption("--again", action="store_true", help="run what failed once more, each test in a process of its own")
    group.addoption("--alone", action="store_true", help="this is a second run: it is not repeated")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.again and not config.option.alone and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Again(config), "again")


class Again:
    """Gathers what failed and judges it at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: dict[str, list[pytest.TestReport]] = {}
        self._flaky: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.setdefault(report.nodeid, []).append(report)

    @pytest.hookimpl(wrapper=True, trylast=True)  # when fixtures and workers have ended, before anything is summed up
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        yield
        if session.exitstatus != pytest.ExitCode.TESTS_FAILED or session.shouldstop or session.shouldfail:
            return
        chances = {test: found for test, found in self._failed.items() if FOR_GOOD not in _properties(found)}
        terminal: Any = self._config.pluginmanager.getplugin("terminalreporter")
        terminal.ensure_newline()
        if len(chances) > MOST:
            terminal.write_line(f"{len(chances)} tests failed: none is run again, as with up to {MOST}.")
            return
        for test, reports in chances.items():
            passed, said = self._alone(test)
            terminal.write_line(f"once more, alone: {test}: {'passed' if passed else 'failed again'}")
            if passed:
                self._flaky.append(test)
                _move(terminal.stats, reports)
            else:
                reports[-1].sections.append(("Captured in the second run, alone", said))
        if not terminal.stats.get("failed") and not terminal.stats.get("error"):
            session.exitstatus = pytest.ExitCode.OK

    def _alone(self, test: str) -> tuple[bool, str]:
        """Whether one test passes in a fresh process, and what that wrote."""
        command = [sys.executable, "-m", "pytest", test, "--alone", "-p", "no:cacheprovider"]
        command += ["-n0"] if self._config.pluginmanager.hasplugin("dsession") else []
        done = subprocess.run(
            command,
            cwd=self._config.rootpath,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        return done.returncode == 0 and bool(re.search(r"\b1 passed\b.*\n?\Z", done.stdout)), done.stdout

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None]:
        for report in terminalreporter.stats.get("flaky", ()):
            terminalreporter.write_sep("_", f"flaky: {report.nodeid}")
            report.toterminal(terminalreporter._tw)
            for title, text in report.sections:
                terminalreporter.write_sep("-", title)
                terminalreporter.write_line(text.rstrip())
        yield
        for test in self._flaky:
            terminalreporter.write_line(f"flaky: {test}", yellow=True)


def _properties(reports: Iterable[pytest.TestReport]) -> list[tuple[str, object]]:
    return [each for report in reports for each in report.user_properties]


def _move(stats: dict[str, list[Any]], reports: list[pytest.TestReport]) -> None:
    """A test counts once, as flaky: not as what it was in the first run, and not as passed besides."""
    for category in ("failed", "error", "passed"):
        stats[category] = [each for each in stats.get(category, []) if each.nodeid != reports[0].nodeid]
    stats.setdefault("flaky", []).append(reports[0])
