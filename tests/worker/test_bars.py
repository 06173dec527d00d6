"""Progress bars that are widgets stand in the log, as far as they came."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlk_jupyter.worker.bars import Bars
from mlk_jupyter.worker.widgets import Captured

from .ranks import run


@pytest.mark.parametrize("number", [0, 1])
def test_a_bar_that_is_a_widget_is_in_the_log_of_every_rank(tmp_path: Path, number: int) -> None:
    rank = run(
        tmp_path,
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(5), desc='train'):\n    pass",
        "import ipywidgets as widgets\nbar = widgets.IntProgress(max=4, description='plain')\nbar.value = 3\nbar",
        "bar.value = 4\nprint('behind')",
        env={"RANK": str(number), "WORLD_SIZE": "2"},
    )
    lines = rank.log("stderr").splitlines()
    assert [line.partition(" [")[0] for line in lines] == ["train: 100% 5/5", "plain 3/4", "plain 4/4"]


def test_what_an_output_widget_shows_is_in_the_log_once(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import ipywidgets as widgets\nfrom IPython.display import HTML\nbox = widgets.Output()\nbox",
        "for at in range(3):\n    with box:\n        box.clear_output(wait=True)\n"
        "        display({'text/plain': f'at {at}'}, raw=True)",
        "pass",
    )
    assert rank.log("stderr") == "at 2\n"


def test_what_no_bar_could_show_ends_nothing() -> None:
    bars = Bars()
    bars.changed("a", {"_model_name": "IntProgressModel", "value": 10**400, "max": 1})
    bars.changed("b", {"_model_name": "HBoxModel", "children": [1, None, "IPY_MODEL_a"]})
    assert bars.lines() == []
    captured = Captured(1000)
    captured.output({"output_type": "display_data", "data": None}, None)
    assert captured.news() == []
