"""A skip is a failure unless it needs what no clone can bring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

RunSuite = Callable[..., pytest.RunResult]


def test_real_clusters_and_gpus_may_be_missing_and_each_reason_is_said_once(run_suite: RunSuite) -> None:
    result = run_suite(
        "import pytest\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        "def test_cluster(n): pytest.skip('needs a real cluster')\n"
        "@pytest.mark.skipif(True, reason='needs a real GPU')\n"
        "def test_gpu(): pass\n"
        "def test_good(): pass\n"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["skipped: 3, needs a real cluster", "skipped: 1, needs a real GPU", "*1 passed*"])


@pytest.mark.parametrize("parallel", [(), ("-n1",)], ids=["serial", "parallel"])
@pytest.mark.parametrize(
    "source",
    [
        "def test_it(): pytest.skip('no data here')",
        "@pytest.mark.skipif(True, reason='no data here')\ndef test_it(): pass",
        "@pytest.fixture\ndef data(): pytest.skip('no data here')\ndef test_it(data): pass",
        "pytest.skip('no data here', allow_module_level=True)",
    ],
    ids=["test", "mark", "fixture", "module"],
)
def test_every_other_reason_fails(run_suite: RunSuite, source: str, parallel: tuple[str]) -> None:
    result = run_suite(f"import pytest\n{source}\n", *parallel)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*no data here: this is no reason to skip a test*"])
    assert result.parseoutcomes().get("skipped", 0) == 0


def test_an_expected_failure_is_no_skip(run_suite: RunSuite) -> None:
    result = run_suite("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n")
    assert result.ret == 0 and result.parseoutcomes() == {"xfailed": 1}
