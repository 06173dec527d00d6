"""What `import mlk_jupyter` costs."""

from __future__ import annotations

import subprocess
import sys

from .measure import Row, in_turn, row, seconds

_HEAVY = ("pydantic", "kubernetes", "mlflow")


def rows(runs: int) -> list[Row]:
    def importing(modules: str) -> float:
        return seconds([sys.executable, "-c", f"import {modules}"]) * 1000

    median = in_turn(
        runs * 3,
        python=lambda: importing("sys"),
        python_mlk=lambda: importing("sys, mlk_jupyter"),
        ipython=lambda: importing("IPython"),
        ipython_mlk=lambda: importing("IPython, mlk_jupyter"),
        help=lambda: seconds([sys.executable, "-c", "import sys; sys.argv[1:] = ['--help']; " + _MAIN]) * 1000,
    )
    probe = f"import sys, mlk_jupyter; print(sum(name in sys.modules for name in {_HEAVY!r}))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout
    return [
        row("import mlk_jupyter over bare Python", median["python_mlk"] - median["python"], "ms", most=60),
        row("import mlk_jupyter over IPython", median["ipython_mlk"] - median["ipython"], "ms", most=60),
        row("pydantic, kubernetes, mlflow loaded by it", float(loaded), "modules", most=0),
        row("mlk --help over bare Python", median["help"] - median["python"], "ms"),
    ]


_MAIN = """
from mlk_jupyter.cli import main
try:
    main()
except SystemExit:
    pass
"""
_MAIN = f"exec({_MAIN!r})"
