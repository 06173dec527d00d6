"""Floods: everything is in the log, the notebook says what was cut, memory stays small."""

from __future__ import annotations

from pathlib import Path

import pytest

from .ranks import Rank, bundle, notebook, run


@pytest.mark.slow
def test_a_hundred_megabytes_are_all_there_and_the_notebook_keeps_sixteen(tmp_path: Path) -> None:
    source = "line = 'x' * 99\nfor _ in range(100):\n    print('\\n'.join([line] * 10_000))"
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source, "print('after')"))) as rank:
        rank.wait_for(lambda frame: frame["kind"] == "log")
        rank.wait()
        shown, placeholder, rest = rank.text(cell=0).partition("\n[Cut here: this output passed 16 MiB.")
        logged = rank.log("stdout")
    assert placeholder and "log of rank 0" in rest
    assert len(shown) <= 16 << 20 and len(shown) + len(logged) == 100_000_000
    assert rank.text(cell=1) == "after\n" and rank.code == 0


def test_a_flood_leaves_both_processes_small(tmp_path: Path) -> None:
    peak = "print([line for line in open('/proc/self/status') if 'VmHWM' in line][0].split()[1])"
    document = notebook("for _ in range(100):\n    print('x' * 1_000_000)", peak, "import time; time.sleep(1000)")
    with Rank(bundle(tmp_path / "bundle.pyz", document)) as rank:
        rank.wait_for(lambda frame: frame["kind"] == "cell_started" and frame["cell"] == 2)
        status = Path(f"/proc/{rank.process.pid}/status").read_text().splitlines()
        keeper = next(line for line in status if "VmHWM" in line)
    assert int(keeper.split()[1]) < 60 * 1024  # KiB
    assert int(rank.text(cell=1)) < 80 * 1024


def test_nine_thousand_lines_come_in_few_frames(tmp_path: Path) -> None:
    rank = run(tmp_path, "for n in range(9000):\n    print('line', n)")
    assert rank.text() == "".join(f"line {n}\n" for n in range(9000))
    assert len(rank.of("stream")) < 600


def test_a_figure_past_the_limit_is_in_a_file(tmp_path: Path) -> None:
    source = "import base64\ndisplay({'image/png': b'\\x89PNG' + bytes(2_000_000), 'text/plain': '<Figure>'}, raw=True)"
    env = {"MLK_OUTPUTS": str(tmp_path / "outputs"), "MLK_OUTPUT_LIMITS": f"{1 << 20} {1 << 24}"}
    output = run(tmp_path, source, env=env).of("output")[0]["output"]
    text = output["data"]["text/plain"]
    assert output["data"]["text/html"].endswith('<a href="outputs/cell-0-output-1.png">cell-0-output-1.png</a>')
    assert "&lt;Figure&gt;" in output["data"]["text/html"]
    assert output["metadata"] == {"mlk": {"file": "cell-0-output-1.png"}} and "--output-limit" in text
    path = tmp_path / "outputs" / "cell-0-output-1.png"
    assert str(path) in text and "<Figure>" in text
    assert path.read_bytes() == b"\x89PNG" + bytes(2_000_000)


def test_a_figure_of_some_megabytes_is_in_the_notebook(tmp_path: Path) -> None:
    source = "import os\ndisplay({'image/png': os.urandom(8_000_000), 'text/plain': '<Figure>'}, raw=True)"
    rank = run(tmp_path, source)
    shown = rank.of("output")[0]["output"]["data"]
    assert len(shown["image/png"]) > 10_000_000 and shown["text/plain"] == "<Figure>"


def test_a_progress_bar_that_clears_is_thinned_and_its_last_state_shown(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "from IPython.display import clear_output\n"
        "for n in range(150):\n    clear_output(wait=True)\n    print(n, 'x' * 1_000_000)",
    )
    last = max(at for at, frame in enumerate(rank.frames) if frame["kind"] == "clear_output")
    shown = "".join(frame["text"] for frame in rank.frames[last:] if frame["kind"] == "stream")
    assert shown == "149 " + "x" * 1_000_000 + "\n"
    assert sum(len(frame["text"]) for frame in rank.of("stream")) < 75_000_000
    assert "every 10 seconds" in rank.of("notice")[0]["text"]


def test_a_flood_of_progress_keeps_the_last_one(tmp_path: Path) -> None:
    rank = run(tmp_path, "from mlk_jupyter.worker.api import progress\nfor n in range(5001):\n    progress(n / 5000)")
    assert rank.of("progress")[-1]["fraction"] == 1 and len(rank.of("progress")) < 500
