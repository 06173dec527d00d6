"""A cell that does nothing after it has waited, and those that do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from mlk_jupyter.idle import last_call

CALLS = """
class Job:
    def __init__(self, *a, **k): pass
    def wait(self, *a, **k): return looked(self)
    result = wait
def looked(job):
    seen.append(ends_its_cell())
    return {"losses": [1], "then": job}
def train(*a, **k): return Job()
def remote(*a, **k): return Job().wait()
def magic(line, cell=None): remote()
"""


@pytest.fixture
def shell() -> Iterator[Any]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(colors="nocolor", config=Config(HistoryManager={"enabled": False}))
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def seen(shell: Any) -> list[bool]:
    """What was found at each wait of the cells that run; `job`, `train` and `remote` are as ours."""
    found: list[bool] = []
    ours: dict[str, Any] = {"__name__": "mlk_jupyter.test", "seen": found, "ends_its_cell": last_call.ends_its_cell}
    exec(CALLS, ours)
    shell.push({"job": ours["Job"](), "train": ours["train"], "remote": ours["remote"], "seen": found})
    shell.register_magic_function(ours["magic"], "line_cell", "mlk")
    return found


def ran(shell: Any, cell: str) -> None:
    assert shell.run_cell(cell).success


@pytest.mark.parametrize(
    "cell",
    [
        "job.wait()",
        "x = 1\njob.result()",
        "x = job.result()",
        "y: object = job.result(timeout=60)",
        "losses = job.result()['losses']",
        "x = 1\n\njob.result(\n    timeout=None,\n)",
        "job = train(len, 3, workers=2)\njob.wait()",
        "train(len, 3).result()",
        "remote(3)",
        "%%mlk --workers 2\nfor x in range(3):\n    print(x)",
        "x = 1\n%mlk train.ipynb",
        "job.wait()  # and that is all",
    ],
)
def test_a_cell_that_ends_with_the_wait_only_waits(shell: Any, seen: list[bool], cell: str) -> None:
    ran(shell, cell)
    assert seen == [True]


@pytest.mark.parametrize(
    "cell",
    [
        "job.wait()\nx = 1",
        "job.wait(); x = 1",
        "x = 1; job.wait()",
        "for x in (1,):\n    train(x).result()",
        "[train(x).result() for x in (1,)]",
        "while not seen:\n    job.wait()",
        "def follow():\n    return train(1).result()\nfollow()",
        "print(job.result())",
        "train(len, job.result()).wait",
        "if True:\n    job.wait()",
        "try:\n    job.wait()\nfinally:\n    x = 1",
        "with open('/dev/null') as f:\n    job.wait()",
        "x = job.result()['losses'] + [1]",
        "x = (lambda: job.result())()",
        "list(map(lambda x: job.result(), [1]))",
        "%time job.wait()",
        "%mlk train.ipynb\nx = 1",
        "sorted([1], key=lambda x: job.result() and 0)",
        "eval('job.wait()')",
        "exec('job.wait()')",
    ],
)
def test_a_cell_that_goes_on_after_the_wait_does_not_only_wait(shell: Any, seen: list[bool], cell: str) -> None:
    ran(shell, cell)
    assert seen and not any(seen)


def test_outside_of_ipython_nothing_can_be_told() -> None:
    InteractiveShell.clear_instance()
    assert not last_call.ends_its_cell()
