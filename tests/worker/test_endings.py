"""However a rank ends, it says how, keeps what was shown, and leaves no process behind."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from .ranks import Rank, alive, bundle, kill, notebook, run, wait_until

# A child, and a grandchild that has left its session and its parent: what a careless `nohup … &` makes.
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen(["sleep", "1000"])
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon == 0:
        os.execvp("sleep", ["sleep", "1000"])
    os.write(write, str(daemon).encode())
    os._exit(0)
os.wait()
print("family", os.getpid(), child.pid, os.read(read, 20).decode(), flush=True)
"""
_FAMILY = r"family (\d+) (\d+) (\d+)\n"
SLEEP = "import time\nwhile True: time.sleep(0.05)"


def started(path: Path, *sources: str, **kwargs: object) -> Rank:
    return Rank(bundle(path / "bundle.pyz", notebook(*sources)), **kwargs)  # type: ignore[arg-type]


def family(rank: Rank) -> list[int]:
    """Process ids of the user process, its child and its daemon."""
    rank.wait_for(lambda frame: re.search(_FAMILY, rank.text()) is not None)
    found = re.search(_FAMILY, rank.text())
    assert found is not None
    return [int(word) for word in found.groups()]


def gone(pids: list[int]) -> bool:
    """Whether all of them end soon; those that do not are killed."""
    try:
        return wait_until(lambda: not any(alive(pid) for pid in pids))
    finally:
        for pid in pids:
            if alive(pid):
                kill(pid)


def test_a_request_to_stop_becomes_a_keyboard_interrupt_and_everything_is_kept(tmp_path: Path) -> None:
    with started(
        tmp_path,
        "print('kept')",
        "import time\ntry:\n    print('waits', flush=True)\n    while True: time.sleep(0.05)\n"
        "except KeyboardInterrupt:\n    print('saved')\n    raise",
        "print('never')",
    ) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.result["exit_code"] == 143 and rank.result["signal"] is None
    assert rank.text() == "kept\nwaits\nsaved\n" and not rank.of("error")
    assert rank.of("cell_finished")[-1]["status"] == "error"


def test_a_request_to_stop_reaches_a_cell_that_awaits(tmp_path: Path) -> None:
    with started(
        tmp_path,
        "import asyncio\ntry:\n    print('waits', flush=True)\n    await asyncio.sleep(1000)\n"
        "finally:\n    print('cleaned')",
    ) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.text() == "waits\ncleaned\n"


def test_a_signal_for_the_whole_group_reaches_the_notebook_once_and_its_children_not(tmp_path: Path) -> None:
    with started(
        tmp_path,
        "import subprocess, time\nchild = subprocess.Popen(['sleep', '1000'])\ncount = 0\nprint('waits', flush=True)\n"
        "while count < 2:\n"
        "    try:\n        time.sleep(1.5)\n        break\n"
        "    except KeyboardInterrupt:\n        count += 1\n"
        "print(count, child.poll())",
    ) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        os.killpg(rank.process.pid, signal.SIGTERM)
        rank.wait()
    assert rank.text() == "waits\n1 None\n" and rank.code == 0


@pytest.mark.parametrize("asked", [True, False], ids=["by the cluster", "by itself"])
def test_a_process_that_a_request_to_end_kills_says_who_asked_as_far_as_it_knows(tmp_path: Path, asked: bool) -> None:
    source = "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\nprint('waits', flush=True)\n"
    with started(tmp_path, source + ("time.sleep(1000)" if asked else "os.kill(os.getpid(), signal.SIGTERM)")) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        if asked:
            rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    said = rank.result["text"]
    assert said == "The process ended as it was asked to (SIGINT)." if asked else "the job's own code" in said, said


def test_code_that_swallows_the_request_goes_on_until_it_is_killed(tmp_path: Path) -> None:
    with started(
        tmp_path, "import time\nprint('waits', flush=True)\nwhile True:\n    try:\n        time.sleep(1)\n"
        "    except KeyboardInterrupt:\n        print('swallowed', flush=True)"
    ) as rank:  # fmt: skip
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait_for(lambda frame: frame.get("text") == "swallowed\n")
        assert rank.process.poll() is None
        rank.process.kill()
        rank.wait()
    assert rank.code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "killed from outside"), (signal.SIGSEGV, "segmentation fault"), (signal.SIGABRT, "aborted")],
)
def test_a_killed_process_says_which_signal_where_and_keeps_its_outputs(
    tmp_path: Path, number: signal.Signals, words: str
) -> None:
    rank = run(tmp_path, "print('kept')", f"print('last words'); import os; os.kill(os.getpid(), {int(number)})", "1")
    assert rank.code == 128 + number
    assert rank.result["signal"] == number.name and words in rank.result["text"]
    error = rank.of("error")[0]
    assert (error["cell"], error["number"], error["ename"]) == (1, 2, number.name) and words in error["evalue"]
    assert error["death"] == "signal"
    assert rank.text() == "kept\nlast words\n"
    assert rank.of("output")[-1]["output"]["ename"] == number.name and rank.of("output")[-1]["cell"] == 1
    assert (rank.of("cell_finished")[-1]["cell"], rank.of("cell_finished")[-1]["status"]) == (1, "error")


def test_a_crash_leaves_the_python_stack_in_the_notebook(tmp_path: Path) -> None:
    rank = run(tmp_path, "import ctypes\ndef crashes():\n    ctypes.string_at(0)\ncrashes()")
    assert rank.result["signal"] == "SIGSEGV" and "in crashes" in rank.text("stderr")


def test_a_process_that_ends_itself_past_python_is_named(tmp_path: Path) -> None:
    rank = run(tmp_path, "import os; os._exit(5)")
    assert rank.code == 5 and "exit code 5" in rank.of("error")[0]["evalue"] and rank.of("error")[0]["cell"] == 0
    assert rank.of("error")[0]["death"] == "exited"


def test_an_exception_that_bears_the_name_of_a_signal_is_an_exception(tmp_path: Path) -> None:
    rank = run(tmp_path, "class SIGKILL(Exception): pass\nraise SIGKILL('because memory ran out')")
    assert rank.of("error")[0]["ename"] == "SIGKILL" and rank.of("error")[0]["death"] is None


@pytest.mark.parametrize("ending", ["", "\n1/0", "\nos.kill(os.getpid(), 9)", "\nos._exit(0)"])
def test_nothing_is_left_behind_when_the_notebook_ends(tmp_path: Path, ending: str) -> None:
    with started(tmp_path, FAMILY + ending) as rank:
        rank.wait()
        assert gone(family(rank))


def test_nothing_is_left_behind_when_the_supervisor_dies(tmp_path: Path) -> None:
    with started(tmp_path, FAMILY + SLEEP) as rank:
        pids = family(rank)
        rank.cut_lifeline()
        rank.wait()
        assert gone(pids)


def test_nothing_is_left_behind_when_nobody_reads_the_frames_any_more(tmp_path: Path) -> None:
    with started(tmp_path, FAMILY + "while True: print('x' * 1000)") as rank:
        pids = family(rank)
        rank.process.stdout.close()  # type: ignore[union-attr]
        rank.process.wait(30)
        rank._open.clear()
        assert gone(pids)


def test_the_notebook_dies_with_its_keeper(tmp_path: Path) -> None:
    with started(tmp_path, FAMILY + SLEEP) as rank:
        user, child, daemon = family(rank)
        try:
            rank.process.kill()
            rank.process.wait()
            # Orphans go to the next subreaper, the supervisor, which this test is not.
            assert wait_until(lambda: not alive(user))
        finally:
            for pid in (user, child, daemon):
                kill(pid)


def test_a_process_that_ignores_sigterm_is_killed_as_the_notebook_ends(tmp_path: Path) -> None:
    rank = run(
        tmp_path,
        "import subprocess\nstubborn = 'trap \"\" TERM; echo ready; sleep 1000; sleep 1000'\n"
        "child = subprocess.Popen(['sh', '-c', stubborn], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid)",
    )
    assert gone([int(rank.text())]) and rank.code == 0


@pytest.mark.parametrize(("cell", "code"), [("1;", 0), ("1/0", 1)])
def test_a_crash_after_the_last_cell_does_not_change_how_the_notebook_ended(
    tmp_path: Path, cell: str, code: int
) -> None:
    rank = run(tmp_path, f"import atexit, os\natexit.register(os.kill, os.getpid(), {int(signal.SIGSEGV)})\n{cell}")
    assert rank.code == code and rank.result["exit_code"] == code and rank.result["signal"] is None
    assert "SIGSEGV" in rank.of("notice")[0]["text"]


def test_a_process_that_ends_itself_with_cells_left_has_not_done_its_work(tmp_path: Path) -> None:
    rank = run(tmp_path, "import os; os._exit(0)", "print('never')")
    assert rank.code == 1 and rank.of("error")[0]["cell"] == 0
    assert "exit code 0 while 1 of 2 cells had not begun" in rank.of("error")[0]["evalue"]
    assert rank.of("error")[0]["death"] == "exited"


def test_a_process_that_ends_itself_in_its_last_cell_ends_well(tmp_path: Path) -> None:
    rank = run(tmp_path, "import os", "os._exit(0)")
    assert rank.code == 0 and not rank.of("error") and "ended itself" in rank.of("notice")[0]["text"]


def test_a_request_to_stop_that_a_cell_swallowed_ends_the_notebook_before_the_next(tmp_path: Path) -> None:
    swallows = "print('waits', flush=True)\ntry:\n    import time; time.sleep(60)\nexcept KeyboardInterrupt:\n    pass"
    with started(tmp_path, swallows, "print('went on')") as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.text() == "waits\n"


def test_a_forked_child_that_leaves_its_cell_does_not_run_the_rest(tmp_path: Path) -> None:
    rank = run(tmp_path, "import os\nchild = os.fork()\nif child:\n    os.waitpid(child, 0)", "print('once')")
    assert rank.code == 0 and rank.text() == "once\n" and len(rank.of("cell_started")) == 2


def test_no_handler_of_ours_is_there_for_children_to_inherit(tmp_path: Path) -> None:
    """What a child inherits is thrown away where a signal comes before it has come out of `os.fork`."""
    rank = run(
        tmp_path,
        "import signal\nfor each in sorted(signal.valid_signals()):\n"
        "    if callable(signal.getsignal(each)):\n        print(each.name, signal.getsignal(each).__qualname__)\n"
        "print(signal.set_wakeup_fd(-1), signal.pthread_sigmask(signal.SIG_BLOCK, ()))",
    )
    assert rank.code == 0 and rank.text() == "SIGINT default_int_handler\n-1 set()\n", rank.text()


TERMINATED = (
    "import multiprocessing, os, subprocess, sys, time\n"
    "load = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(2 * os.cpu_count())]\n"
    "for _ in range(300):\n    child = multiprocessing.Process(target=time.sleep, args=(100,))\n"
    "    child.start()\n    child.terminate()\n    child.join(20)\n    assert child.exitcode == -15\n"
    "for each in load:\n    each.kill()\n    each.wait()\nprint('all')"
)
POOLS = "import multiprocessing\nfor _ in range(1000):\n    with multiprocessing.Pool(2):\n        pass\nprint('all')"
JOBLIB = (
    "from joblib import Parallel, delayed\nfor _ in range(50):\n"
    "    assert Parallel(2, backend='multiprocessing')(delayed(abs)(-n) for n in range(4)) == [0, 1, 2, 3]\n"
    "print('all')"
)
LOADER = (
    "import torch\nfrom torch.utils.data import DataLoader\nfor _ in range(50):\n"
    "    batches = iter(DataLoader(torch.arange(8), batch_size=2, num_workers=2))\n"
    "    assert next(batches).tolist() == [0, 1]\n    del batches  # its workers are ended early\nprint('all')"
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "source", [TERMINATED, POOLS, JOBLIB, LOADER], ids=["told at once, under load", "pools", "joblib", "data loader"]
)
def test_children_by_fork_end_when_they_are_told(tmp_path: Path, source: str) -> None:
    with started(tmp_path, source) as rank:
        rank.wait(500)
    assert rank.code == 0 and rank.text() == "all\n", rank.describe()


@pytest.mark.parametrize(
    "waits",
    ["time.sleep(1000)", "select.select([], [], [])", "os.read(os.pipe()[0], 1)", "subprocess.run(['sleep', '1000'])"],
)
@pytest.mark.parametrize("script", [None, "train.py"], ids=["notebook", "script"])
def test_a_request_to_stop_reaches_code_that_waits_in_the_kernel(
    tmp_path: Path, waits: str, script: str | None
) -> None:
    source = (
        "import os, select, subprocess, time\nprint('waits', flush=True)\n"
        f"try:\n    {waits}\nexcept KeyboardInterrupt:\n    print('saved')\n    raise"
    )
    with Rank(bundle(tmp_path / "bundle.pyz", notebook(source), script=script)) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.text() == "waits\nsaved\n" and not rank.of("error")


@pytest.mark.parametrize("handler", ["signal.signal(signal.SIGTERM, save)", "libc.signal(signal.SIGTERM, c_save)"])
def test_code_with_a_handler_of_its_own_is_asked_by_sigterm(tmp_path: Path, handler: str) -> None:
    source = (
        "import ctypes, signal, time\nlibc = ctypes.CDLL(None)\nsaved = []\n"
        "def save(number, frame=None):\n    saved.append(signal.Signals(number).name)\n"
        "c_save = ctypes.CFUNCTYPE(None, ctypes.c_int)(save)\n"
        f"{handler}\nprint('waits', flush=True)\nwhile not saved:\n    time.sleep(0.01)\nprint(saved)"
    )
    with started(tmp_path, source, "print('never')") as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and rank.text() == "waits\n['SIGTERM']\n"


def test_a_stopped_notebook_does_not_wait_for_processes_that_it_started(tmp_path: Path) -> None:
    source = (
        "import multiprocessing, time\nchild = multiprocessing.Process(target=time.sleep, args=(1000,))\n"
        "child.start()\nprint('waits', flush=True)\nchild.join()"
    )
    with started(tmp_path, source) as rank:
        rank.wait_for(lambda frame: frame.get("text") == "waits\n")
        rank.process.send_signal(signal.SIGTERM)
        rank.wait()
    assert rank.code == 143 and not rank.of("notice")
