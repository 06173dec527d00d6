"""What a rank does with cells: order, tags, files, values, refusals. Everything through a real `python bundle.pyz`."""

from __future__ import annotations

import re
import signal
import sys
import venv
from pathlib import Path

import pytest

from .ranks import PACKAGE, Rank, bundle, notebook, run


def texts(rank: Rank) -> list[tuple[str, str]]:
    """Stream texts and displays in their order, neighbours of one kind joined."""
    items: list[tuple[str, str]] = []
    for frame in rank.frames:
        if frame["kind"] == "stream":
            item = (frame["name"], frame["text"])
        elif frame["kind"] == "output":
            item = ("output", frame["output"]["data"]["text/plain"])
        else:
            continue
        if items and items[-1][0] == item[0] != "output":
            item = (item[0], items.pop()[1] + item[1])
        items.append(item)
    return items


def test_prints_displays_and_children_keep_their_order(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import os, subprocess, sys, ctypes\n"
        "for n in range(3):\n"
        "    print('print', n)\n"
        "    display(n)\n"
        "    subprocess.run(['echo', f'child {n}'])\n"
        "    print('err', n, file=sys.stderr)\n"
        "    os.write(1, b'fd %d\\n' % n)\n",
    )
    expected: list[tuple[str, str]] = []
    for n in range(3):
        if n:
            expected[-1] = ("stdout", f"fd {n - 1}\nprint {n}\n")
        else:
            expected.append(("stdout", "print 0\n"))
        expected += [("output", str(n)), ("stdout", f"child {n}\n"), ("stderr", f"err {n}\n"), ("stdout", f"fd {n}\n")]
    assert texts(rank) == expected


def test_what_c_code_still_holds_is_shown_as_its_cell_ends(tmp_path: Path) -> None:
    rank = run(tmp_path, "import ctypes; ctypes.CDLL(None).puts(b'from C');", "print('next')")
    assert (rank.text(cell=0), rank.text(cell=1)) == ("from C\n", "next\n")


def test_a_rank_is_a_notebook_and_has_no_prompt(tmp_path: Path) -> None:
    rank = run(tmp_path, "import sys\nprint(hasattr(sys, 'ps1'), type(get_ipython()).__name__)")
    assert rank.text() == "False ZMQInteractiveShell\n"


def test_descriptor_2_belongs_to_the_cell_that_wrote_to_it(tmp_path: Path) -> None:
    rank = run(tmp_path, *[f"import os; os.write(2, b'{n}');" for n in range(30)])
    assert [rank.text("stderr", cell=n) for n in range(30)] == [str(n) for n in range(30)]


def test_frames_tell_of_every_cell_once(tmp_path: Path) -> None:
    rank = run(tmp_path, "1", ("2", ["skip-execution"]), "  ", ("1/0", ["raises-exception"]), "3")
    assert rank.of("rank_started")[0]["cells"] == 3
    assert [(f["cell"], f["number"], f["count"]) for f in rank.of("cell_started")] == [(0, 1, 1), (3, 2, 2), (4, 3, 3)]
    assert [(f["cell"], f["status"]) for f in rank.of("cell_finished")] == [
        (0, "ok"), (1, "skipped"), (3, "expected_error"), (4, "ok"),
    ]  # fmt: skip
    assert rank.code == 0 and rank.result["exit_code"] == 0 and not rank.of("error")


def test_a_failing_cell_ends_the_rank_with_its_traceback(tmp_path: Path) -> None:
    rank = run(tmp_path, "1", "def f():\n    raise KeyError('train')\nf()", "print('never')")
    error = rank.of("error")[0]
    assert (error["cell"], error["number"], error["ename"], error["evalue"]) == (1, 2, "KeyError", "'train'")
    assert any("in " in line for line in error["traceback"])
    assert rank.of("output")[-1]["output"]["output_type"] == "error"
    assert rank.code == 1 and rank.result["exit_code"] == 1 and "never" not in rank.text()


@pytest.mark.parametrize(
    ("call", "code"),
    [("sys.exit()", 0), ("sys.exit(0)", 0), ("sys.exit(3)", 3), ("sys.exit('words')", 1), ("exit()", 0), ("quit", 0)],
)
def test_an_exit_in_a_cell_ends_the_job_with_its_code(tmp_path: Path, call: str, code: int) -> None:
    rank = run(tmp_path, "import sys", call, "print('never')")
    assert rank.code == code and "never" not in rank.text()
    assert bool(rank.of("error")) == bool(code)
    assert rank.of("cell_finished")[-1]["status"] == ("error" if code else "ok")
    assert [frame["output"]["ename"] for frame in rank.of("output")] == ["SystemExit"] * bool(code)


@pytest.mark.parametrize("call", ["input()", "import getpass; getpass.getpass()"])
def test_input_is_refused_in_words(tmp_path: Path, call: str) -> None:
    rank = run(tmp_path, call)
    error = rank.of("error")[0]
    assert error["ename"] == "StdinNotImplementedError" and "no keyboard" in error["evalue"]


def test_one_event_loop_runs_for_the_whole_notebook(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import asyncio\nloop = asyncio.get_running_loop()\ntask = asyncio.create_task(asyncio.sleep(0.01, 'value'))",
        "await task",
        "asyncio.get_running_loop() is loop",
    )
    assert [frame["output"]["data"]["text/plain"] for frame in rank.of("output")] == ["'value'", "True"]


def test_another_rank_than_the_first_sends_its_text_as_log_and_no_outputs(tmp_path: Path) -> None:
    env = {"RANK": "1", "WORLD_SIZE": "2"}
    rank = run(tmp_path, "print('text'); display(1)\n2", "1/0", env=env)
    assert "text\n" in rank.log("stdout")
    kinds = {frame["kind"] for frame in rank.frames}
    assert not kinds & {"stream", "output", "update_display", "clear_output"}
    assert rank.of("error")[0]["ename"] == "ZeroDivisionError"
    assert {frame["rank"] for frame in rank.frames} == {1}


def test_user_code_finds_its_place_and_nothing_of_ours(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import os\nnames = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT']\n"
        "print([os.environ[name] for name in names], 'MLK_NONCE' in os.environ, 'MLK_LIFELINE' in os.environ)\n"
        "print(len(os.listdir('/proc/self/fd')))\n"
        "import subprocess; print(len(subprocess.check_output(['ls', '/proc/self/fd']).split()))",
        env={"PET_NODE_RANK": "0", "PET_NNODES": "2"},
    )
    lines = rank.text().splitlines()
    assert lines[0] == "['0', '2', '0', '1', '127.0.0.1', '29500'] False False"
    assert int(lines[2]) == 4  # 0, 1, 2 and the one that `ls` reads with


def test_the_bundles_modules_come_first_and_ours_is_there_without_being_installed(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import helpers.tools, mlk_jupyter\nprint(helpers.tools.VALUE, mlk_jupyter.rank(), mlk_jupyter.world_size())",
        "mlk_jupyter.progress(0.5, 'half'); mlk_jupyter.log_metric('loss', 0.25, step=3)\n"
        "mlk_jupyter.log_metric('odd', float('nan')); mlk_jupyter.objective_metric('odd')",
        "from mlk_jupyter.worker.api import result; result({'accuracy': 0.9})",
        files={"helpers/__init__.py": "", "helpers/tools.py": "VALUE = 7\n"},
    )
    assert rank.text() == "7 0 1\n"
    assert [(f["fraction"], f["text"]) for f in rank.of("progress")] == [(0.5, "half")]
    assert [(f["name"], f["value"], f["step"]) for f in rank.of("metric")] == [("loss", 0.25, 3), ("odd", None, None)]
    assert rank.of("objective")[0]["name"] == "odd"
    assert rank.of("result")[0]["value"] == {"accuracy": 0.9}


def test_a_share_that_is_none_is_a_warning_and_the_job_goes_on(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import mlk_jupyter\nfor share in (1.2, -1, float('nan')):\n    mlk_jupyter.progress(share)\nprint('on')",
    )
    assert rank.code == 0 and [frame["fraction"] for frame in rank.of("progress")][-1:] == [None]
    said = "".join(frame["text"] for frame in rank.of("stream"))
    assert "takes a share from 0 to 1, not 1.2: divide by the total" in said and "on\n" in said


def test_files_are_unpacked_where_the_launcher_says_and_a_fresh_folder_goes_away(tmp_path: Path) -> None:
    show = "import data_of_test, os; print(os.path.dirname(data_of_test.__file__))"
    files = {"data_of_test.py": "", f"folder/{'a' * 255}": "the longest name"}
    rank = run(tmp_path, show, files=files, env={"MLK_FILES": str(tmp_path / "files")})
    assert rank.text().strip() == str(tmp_path / "files")
    rank = run(tmp_path, show, files=files)
    assert rank.text().strip() and not Path(rank.text().strip()).exists()


def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    rank = run(tmp_path, "1", files={"../evil.py": "x = 1\n"}, env={"MLK_FILES": str(tmp_path / "files")})
    assert rank.code == 1 and not (tmp_path / "evil.py").exists()
    assert "outside of its folder" in rank.of("error")[0]["evalue"]


def test_a_script_finds_its_name_and_its_folder(tmp_path: Path) -> None:
    document = notebook("import sys\nprint(sys.argv, __file__, __name__)")
    with Rank(bundle(tmp_path / "bundle.pyz", document, script="train.py")) as rank:
        rank.wait()
    assert rank.text() == f"['train.py'] {tmp_path / 'train.py'} __main__\n"


def test_classes_of_the_notebook_can_be_pickled_and_forked(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import pickle, multiprocessing, dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int\n"
        "def double(point):\n    print('in the child')\n    return Point(point.x * 2)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    print(pool.map(double, [Point(1), Point(2)]))",
        "pickle.loads(pickle.dumps(Point(3)))",
    )
    assert "[Point(x=2), Point(x=4)]" in rank.text() and rank.text().count("in the child") == 2
    assert rank.of("output")[-1]["output"]["data"]["text/plain"] == "Point(x=3)"


def test_a_file_left_open_is_written_as_the_rank_ends(tmp_path: Path) -> None:
    run(tmp_path, "open_file = open('left.txt', 'w'); open_file.write('all of it');")
    assert (tmp_path / "left.txt").read_text() == "all of it"


def test_exit_handlers_and_threads_finish_and_what_they_print_is_log(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import atexit, threading, time\natexit.register(print, 'at exit')\n"
        "def late():\n    time.sleep(0.3); print('late')\nthreading.Thread(target=late).start();",
    )
    assert rank.log("stdout") == "late\nat exit\n" and rank.code == 0


def test_a_value_that_is_no_json_is_shown_as_it_can_be(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "data = {'application/json': {'n': float('nan'), 's': {1}}, 'image/png': b'png', 'text/plain': 't'}\n"
        "display(data, raw=True)",
    )
    data = rank.of("output")[0]["output"]["data"]
    assert data == {"application/json": {"n": None, "s": [1]}, "image/png": "cG5n", "text/plain": "t"}


def test_text_in_pieces_of_characters_is_whole(tmp_path: Path) -> None:
    rank = run(
        tmp_path, "import os, time\nfor byte in 'ä✓'.encode():\n    os.write(1, bytes([byte])); time.sleep(0.02)"
    )
    assert rank.text() == "ä✓"


def test_a_descriptor_that_points_elsewhere_does_not_stop_the_messages(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import os\nkept = os.dup(1); file = os.open('caught.txt', os.O_CREAT | os.O_WRONLY); os.dup2(file, 1);",
        "print('into the file'); display(5)",
        "os.dup2(kept, 1); print('back')",
    )
    assert (tmp_path / "caught.txt").read_text() == "into the file\n"
    assert rank.text() == "back\n" and len(rank.of("output")) == 1 and rank.code == 0


def test_variables_that_contradict_themselves_end_the_rank_with_a_sentence(tmp_path: Path) -> None:
    rank = run(tmp_path, "1", env={"RANK": "3", "WORLD_SIZE": "2"})
    assert rank.code == 2 and b"do not say which rank" in rank.foreign and not rank.frames


def test_what_completes_names_is_there_where_something_asks_for_it(tmp_path: Path) -> None:
    rank = run(tmp_path, "print(type(get_ipython().Completer).__name__)")
    assert rank.text() == "IPCompleter\n"


def test_an_exception_that_cannot_say_what_it_is_still_names_itself(tmp_path: Path) -> None:
    rank = run(tmp_path, "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd")
    assert rank.of("error")[0]["ename"] == "Odd" and "str() failed" in rank.of("error")[0]["evalue"]
    assert [frame["output"]["ename"] for frame in rank.of("output")] == ["Odd"]


@pytest.mark.parametrize("what", ["sys.stdout = sys.stderr = None", "sys.stdout.close(); sys.stdout = sys.stderr"])
def test_values_are_shown_where_the_notebook_took_its_streams_away(tmp_path: Path, what: str) -> None:
    rank = run(tmp_path, f"import sys\n{what}", "40 + 2", "display('shown')")
    assert rank.code == 0 and texts(rank) == [("output", "42"), ("output", "'shown'")]


def test_a_command_that_asks_finds_the_end_of_its_input(tmp_path: Path) -> None:
    rank = run(tmp_path, "!read answer || echo nobody answers\n", "found = !cat\nfound")
    assert rank.code == 0 and texts(rank) == [("stdout", "nobody answers\r\n"), ("output", "[]")]


def test_a_script_may_run_a_loop_of_its_own_and_its_spawned_children_find_its_functions(tmp_path: Path) -> None:
    source = (
        "import asyncio, multiprocessing\n\ndef square(x):\n    return x * x\n\n"
        "async def main():\n    await asyncio.sleep(0)\n    return 'ran'\n\n"
        "if __name__ == '__main__':\n    print(asyncio.run(main()))\n"
        "    for how in ('spawn', 'forkserver'):\n"
        "        with multiprocessing.get_context(how).Pool(2) as pool:\n            print(pool.map(square, [3]))\n"
    )
    (tmp_path / "train.py").write_text(source)
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source), script="train.py")) as rank:
        rank.wait()
    assert rank.code == 0 and rank.text() == "ran\n[9]\n[9]\n", rank.text()


def test_a_script_of_cells_may_await_as_cells_do(tmp_path: Path) -> None:
    document = notebook("import asyncio", "await asyncio.sleep(0)\nprint('awaited')")
    with Rank(bundle(tmp_path / "bundle.pyz", document, script="train.py")) as rank:
        rank.wait()
    assert rank.code == 0 and rank.text() == "awaited\n"


def test_a_script_that_runs_a_loop_hears_a_request_to_stop(tmp_path: Path) -> None:
    source = (
        "import asyncio\nasync def main():\n    try:\n        print('waits', flush=True)\n"
        "        await asyncio.sleep(1000)\n    finally:\n        print('cleaned')\n"
        "asyncio.run(main())"
    )
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source), script="train.py")) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.text() == "waits\ncleaned\n" and not rank.of("error")


CHILD = "import mlk_jupyter as m; m.progress(0.5, 'half'); m.log_metric('loss', 0.25, step=2); m.result([m.rank()])"
_PROCESS = (
    "import multiprocessing\nchild = multiprocessing.get_context({!r}).Process(target=exec, args=(CHILD,))\n"
    "child.start()\nchild.join()\nassert child.exitcode == 0"
)
CHILDREN = {
    "subprocess": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', CHILD], check=True, stdout=-1)",
    **{how: _PROCESS.format(how) for how in ("fork", "spawn", "forkserver")},
}
HERE = {"PYTHONPATH": str(PACKAGE.parent)}  # as if it were installed


@pytest.mark.parametrize("bare", [False, True], ids=["installed", "from the bundle"])
@pytest.mark.parametrize("how", CHILDREN)
def test_what_children_of_a_rank_tell_reaches_the_job(tmp_path: Path, how: str, bare: bool) -> None:
    python, env = sys.executable, HERE
    if bare:
        venv.create(tmp_path / "bare", symlinks=True)
        python, env = str(tmp_path / "bare/bin/python"), {}
    archive = bundle(tmp_path / "bundle.pyz", notebook(f"CHILD = {CHILD!r}\n{CHILDREN[how]}"))
    with Rank(archive, env=env, python=python) as rank:
        rank.wait()
    assert rank.code == 0, rank.describe()
    (metric,), (result,), progress = rank.of("metric"), rank.of("result"), rank.of("progress")
    assert (metric["name"], metric["value"], metric["step"]) == ("loss", 0.25, 2) and result["value"] == [0]
    assert progress[-1]["fraction"] == 0.5


def test_a_process_that_cannot_reach_the_job_says_so_once(tmp_path: Path) -> None:
    source = (
        "import os, subprocess, sys\nchild = 'import mlk_jupyter as m; m.progress(0.5); m.log_metric(\"loss\", 1)'\n"
        "done = subprocess.run([sys.executable, '-c', child], env={**os.environ, 'MLK_PIPE': '/dev/null:x'}, "
        "capture_output=True, text=True)\nprint(done.returncode, done.stderr.count('cannot reach the job'))"
    )
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source)), env=HERE) as rank:
        rank.wait()
    assert rank.text() == "0 1\n" and not rank.of("metric")


def test_an_injected_cell_has_no_number_and_no_frame_of_ours_is_shown(tmp_path: Path) -> None:
    injected = ("lr = 2", ["injected-parameters"])
    rank = run(tmp_path, "lr = 1", injected, "import mlk_jupyter", "mlk_jupyter.result({1, 2})")
    begun = [(frame["cell"], frame["number"], frame["count"]) for frame in rank.of("cell_started")]
    assert begun == [(0, 1, 1), (1, None, None), (2, 2, 2), (3, 3, 3)]
    assert rank.of("rank_started")[0]["cells"] == 3
    (error,) = rank.of("error")
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert error["number"] == 3 and "Cell In[3], line 1" in text and "mlk_jupyter/worker" not in text


def test_a_syntax_error_names_no_file_that_never_was(tmp_path: Path) -> None:
    (error,) = run(tmp_path, "x = (").of("error")
    assert error["evalue"] == "incomplete input (line 1)"
