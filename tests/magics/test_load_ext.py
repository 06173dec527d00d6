"""`%load_ext mlk_jupyter` costs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    "pydantic",
    "aiohttp",
    "mlflow",
    "httpx",
    "nbformat",
    "tornado",
    "jupyter_server",
    "yaml",
    "pandas",
    "numpy",
}


def fresh(code: str) -> list[str]:
    """What a fresh interpreter prints last, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


LOADED = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.history_manager.enabled = False
before = set(sys.modules)
shell.run_line_magic("load_ext", "mlk_jupyter")
{then}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_loading_the_extension_imports_names_and_nothing_heavy() -> None:
    loaded = set(fresh(LOADED.format(then="")))
    assert "mlk_jupyter.magics.registration" in loaded
    assert not loaded & HEAVY
    assert not {
        name for name in loaded if name.startswith(("mlk_jupyter.model", "mlk_jupyter.backends", "mlk_jupyter.client"))
    }


def test_help_and_names_of_options_need_the_standard_library_only() -> None:
    assert not set(fresh(LOADED.format(then='shell.run_cell("%%k8s_train?")'))) & HEAVY
