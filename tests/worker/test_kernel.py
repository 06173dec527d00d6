"""What a notebook finds that looks for a kernel around it: the object, comms, widgets, a person's own start files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlk_jupyter.record.replay import Replay

from .ranks import Rank, notebook, run

STATE = "application/vnd.jupyter.widget-state+json"


def replayed(rank: Rank, *sources: str) -> dict[str, Any]:
    replay = Replay(notebook(*sources))
    for frame in rank.frames:
        replay.apply(frame)
    return replay.notebook()


def models(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    held = document["metadata"]["widgets"][STATE]["state"].values()
    return [model["state"] for model in held if model["model_name"] == name]


def test_libraries_find_a_kernel_and_none_is_imported(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import sys\nshell = get_ipython()\n"
        "print(hasattr(shell, 'kernel'), 'IPKernelApp' in shell.config, 'ipykernel' in sys.modules)\n"
        "print(shell.kernel.get_parent()['content']['code'][:10], shell.parent_header is shell.get_parent())\n"
        "print('zmq' in sys.modules, 'jupyter_client' in sys.modules, 'comm' in sys.modules)",
        "first = shell.get_parent()['msg_id']",
        "print(shell.get_parent()['msg_id'] != first)\n"
        "import ipykernel, ipykernel.zmqshell\n"
        "print(isinstance(shell, ipykernel.zmqshell.ZMQInteractiveShell), bool(ipykernel.__version__))",
    )
    assert rank.text(cell=0) == "True True True\nimport sys True\nFalse False False\n"
    assert rank.text(cell=2) == "True\nTrue True\n"


def test_libraries_that_look_for_a_kernels_modules_choose_the_notebook(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import tqdm.auto, tqdm.notebook\nprint(issubclass(tqdm.auto.tqdm, tqdm.notebook.tqdm))",
        "shell = get_ipython()\n"  # as plotly does
        "print(type(shell).__name__, type(shell).__module__)",
        "import sys\nprint('ipykernel.zmqshell' in sys.modules)\n"
        "from ipykernel.kernelapp import IPKernelApp\nprint(IPKernelApp.initialized())\n"
        "import ipykernel\nprint(isinstance(shell, ipykernel.zmqshell.ZMQInteractiveShell))",
    )
    assert rank.code == 0, rank.of("error")
    assert rank.text(cell=0) == "True\n"
    assert rank.text(cell=1) == "ZMQInteractiveShell ipykernel.zmqshell\n"
    assert rank.text(cell=2) == "True\nFalse\nTrue\n"


def test_a_table_of_many_columns_is_shown_as_in_a_notebook(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import pandas as pd\nprint(pd.get_option('display.max_columns'))\npd.DataFrame([range(26)])",
    )
    shown = rank.of("output")[0]["output"]["data"]
    assert rank.text() == "20\n" and "..." in shown["text/html"]


@pytest.mark.parametrize(
    ("value", "fails"),
    [
        ("Shown(text='ok')", False),
        ("Shown(text=None)", True),
        ("Shown(text='ok', html=None)", True),
        ("display(Shown(text=None), Shown(text='ok', html=None))", False),
        ("Shown(text=None);", False),
    ],
)
def test_a_last_value_that_cannot_be_shown_fails_its_cell(tmp_path: Path, value: str, fails: bool) -> None:
    shown = (
        "class Shown:\n"
        "    def __init__(self, text, html='<b>ok</b>'): self.text, self.html = text, html\n"
        "    def __repr__(self): return self.text or {}['no text']\n"
        "    def _repr_html_(self): return self.html or {}['no html']\n"
    )
    rank = run(tmp_path, shown, value, "print('next')")
    assert (rank.text() == "") is fails and rank.code == int(fails)
    assert [error["ename"] for error in rank.of("error")] == ["KeyError"] * fails
    shows_error = any(frame["output"]["output_type"] == "error" for frame in rank.of("output"))
    assert shows_error is ("None" in value and not value.endswith(";"))


def test_what_is_sent_past_the_displays_is_shown_and_updated(tmp_path: Path) -> None:
    sources = [
        "def show(kind, text):\n"
        "    content = {'data': {'text/plain': text}, 'metadata': {}, 'transient': {'display_id': 'one'}}\n"
        "    kernel = get_ipython().kernel\n"
        "    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent())\n"
        "show('display_data', 'first')",
        "show('update_display_data', 'second')",
    ]
    cells = replayed(run(tmp_path, *sources), *sources)["cells"]
    assert [output["data"] for output in cells[0]["outputs"]] == [{"text/plain": "second"}] and not cells[1]["outputs"]


def test_the_state_of_widgets_is_in_the_notebook(tmp_path: Path) -> None:
    sources = [
        "import ipywidgets as widgets\n"
        "slider = widgets.IntSlider(value=3)\n"
        "for value in range(50):\n    slider.value = value\n"
        "picture = widgets.Image(value=b'png')\nslider",
    ]
    rank = run(tmp_path, *sources)
    document = replayed(rank, *sources)
    [slider], [picture] = models(document, "IntSliderModel"), models(document, "ImageModel")
    assert slider["value"] == 49 and len(rank.of("widget")) < 20
    shown = document["cells"][0]["outputs"][0]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    held = document["metadata"]["widgets"][STATE]
    assert held["state"][shown]["state"] is slider and (held["version_major"], held["version_minor"]) == (2, 0)
    [buffers] = [model["buffers"] for model in held["state"].values() if "buffers" in model]
    assert buffers == [{"path": ["value"], "encoding": "base64", "data": "cG5n"}] and "value" not in picture


def test_the_model_of_a_widget_is_known_before_its_view_is_shown(tmp_path: Path) -> None:
    rank = run(tmp_path, "import ipywidgets as widgets\ndisplay(widgets.IntSlider())")
    kinds = [frame["kind"] for frame in rank.frames]
    assert kinds.index("widget") < kinds.index("output")


@pytest.mark.parametrize("number", [0, 1])
def test_an_output_widget_captures_in_every_rank(tmp_path: Path, number: int) -> None:
    sources = [
        "import os, subprocess, sys, ipywidgets as widgets\nbox = widgets.Output()\n"
        "with box:\n    print('inside')\n    subprocess.run(['echo', 'child'])\n    display('shown')\nprint('outside')",
        "print([output.get('text') or output['data'] for output in box.outputs], file=sys.stderr)\n"
        "with box:\n    box.clear_output(wait=True)\n    print('x' * 300_000)\n    print('error', file=sys.stderr)",
        "assert [len(output['text']) for output in box.outputs] == [300_001, 6]",
    ]
    rank = run(tmp_path, *sources, env={"RANK": str(number), "WORLD_SIZE": "2"})
    assert rank.code == 0, rank.of("error")
    if number:
        assert not rank.of("widget") and "inside\nchild\noutside\n" in rank.log("stdout")
        return
    document = replayed(rank, *sources)
    assert [output.get("text") for output in document["cells"][0]["outputs"]] == ["outside\n"]
    assert "['inside\\nchild\\n', {'text/plain': \"'shown'\"}]" in rank.text("stderr", cell=1)
    assert "inside\nchild\n" in rank.log("stdout")
    [box] = models(document, "OutputModel")
    assert [output["name"] for output in box["outputs"]] == ["stdout", "stderr"]


def test_a_finished_bar_is_at_its_end(tmp_path: Path) -> None:
    sources = ["from tqdm.notebook import tqdm\nfor _ in tqdm(range(1000)):\n    pass"]
    rank = run(tmp_path, *sources)
    document = replayed(rank, *sources)
    [bar] = models(document, "FloatProgressModel")
    assert (bar["value"], bar["max"], bar["bar_style"]) == (1000.0, 1000.0, "success")
    assert any("100%" in html["value"] for html in models(document, "HTMLModel"))


def profile(folder: Path, **files: str) -> dict[str, str]:
    """An IPython folder with these files in its profile; gives the environment that names it."""
    home = folder / "ipython" / "profile_default"
    (home / "startup").mkdir(parents=True)
    for name, text in files.items():
        (home / name.replace("__", "/")).with_suffix(".py").write_text(text)
    return {"IPYTHONDIR": str(home.parent)}


def test_startup_files_and_configuration_count_as_in_jupyter(tmp_path: Path) -> None:
    env = profile(
        tmp_path,
        startup__00_mine="greeting = 'set at the start'\nprint('said at the start')",
        ipython_config="c.InteractiveShellApp.exec_lines = ['from math import tau']",
        ipython_kernel_config="c.InteractiveShell.ast_node_interactivity = 'all'\n"
        "c.IPKernelApp.extensions = ['autoreload']",
    )
    rank = run(tmp_path, "print(greeting, round(tau))\n'one'\n'two'", "%autoreload 2", "%who", env=env)
    assert rank.code == 0, rank.of("error")
    assert rank.text(cell=0) == "set at the start 6\n" and len(rank.of("output")) == 2
    assert "said at the start" in rank.log() and "greeting" not in rank.text(cell=2)
    assert [frame["count"] for frame in rank.of("cell_started")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("startup__00_mine", "undefined_name", "NameError"),
        ("startup__00_mine", "raise SystemExit(3)", "end of the process"),
        ("ipython_config", "c.InteractiveShellApp.extensions = ['there_is_none']", "there_is_none"),
        ("ipython_config", "1/0", "ZeroDivisionError"),
        ("ipython_config", "c.InteractiveShellApp.extensions = 5", "extensions"),
    ],
)
def test_a_start_file_that_fails_is_told_and_ends_nothing(tmp_path: Path, name: str, text: str, said: str) -> None:
    rank = run(tmp_path, "print('ran')", env=profile(tmp_path, **{name: text}))
    assert rank.code == 0 and rank.text() == "ran\n" and not rank.of("error")
    assert said in rank.log()


def test_a_home_that_cannot_be_written_to_keeps_no_cell_from_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rank = run(tmp_path, "print('ran')", env={"IPYTHONDIR": str(tmp_path / "file" / "ipython"), "HOME": "/proc/none"})
    assert rank.code == 0 and rank.text() == "ran\n", rank.of("error")
