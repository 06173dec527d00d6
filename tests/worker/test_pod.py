"""One worker pod: its place, its ranks, and what it says when they end. Pods are processes here."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pythons import OLDEST, version_of

from mlk_jupyter.worker.member import LOST_PEER, WORDS_LIMIT, leave_words

from .ranks import Rank, alive, bundle, notebook, wait_until

WAIT = "import time\nprint('waits', flush=True)\nwhile True: time.sleep(0.05)"
PLACE = "import os\nprint(*(os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE')))"


class Pod(Rank):
    """A pod as Kubernetes starts it; `torch` says whether its image has torch."""

    def __init__(
        self,
        folder: Path,
        *cells: str,
        index: int = 0,
        workers: int = 1,
        ranks: int = 1,
        torch: bool = False,
        port: int = 29500,
        python: str = sys.executable,
        files: dict[str, str] | None = None,
        **more: str,
    ) -> None:
        folder = folder / f"pod-{index}"
        folder.mkdir()
        self.words_file = folder / "termination-log"
        self.words_file.touch()
        env = {
            "MLK_POD": "1",
            "MLK_LIFELINE": "",
            "MLK_WORKERS": str(workers),
            "MLK_RANKS_PER_WORKER": str(ranks),
            "JOB_COMPLETION_INDEX": str(index),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "MLK_FILES": str(folder / "files"),
            "MLK_LAST_WORDS": str(self.words_file),
            "MLK_GRACE_S": "60",
            **more,
        }
        if not torch:
            hidden = folder / "hidden"
            hidden.mkdir()
            (hidden / "torch.py").touch()  # a module, not the package: as good as none
            env["PYTHONPATH"] = str(hidden)
        super().__init__(bundle(folder / "bundle.pyz", notebook(*cells), files), env, python)

    @property
    def words(self) -> Any:
        """The termination message."""
        text = self.words_file.read_text()
        return json.loads(text) if text else None

    def ends(self) -> dict[int, int]:
        """Exit codes by rank, as the frames tell them."""
        return {frame["rank"]: frame["exit_code"] for frame in self.of("rank_finished")}

    def said(self) -> dict[int, str]:
        """All text by rank."""
        found: dict[int, str] = {}
        for frame in self.frames:
            if frame["kind"] in ("stream", "log"):
                found[frame["rank"]] = found.get(frame["rank"], "") + frame["text"]
        return found

    def wait_until_all_wait(self, ranks: int) -> None:
        """Until so many ranks have printed `waits`."""
        self.wait_for(lambda frame: sum("waits" in text for text in self.said().values()) == ranks)


def port() -> int:
    """A free one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def no_ranks_left(pod: Pod) -> bool:
    """Whether every rank's process ends."""
    pids = [frame["pid"] for frame in pod.of("rank_started")]
    return wait_until(lambda: not any(alive(pid) for pid in pids))


def test_one_rank_takes_the_pods_own_number_and_folder(tmp_path: Path) -> None:
    look = """
import os, helper
print(helper.WORD, os.getcwd())
print(sorted(name for name in os.environ if "WORDS" in name or "NONCE" in name))"""
    with Pod(tmp_path, PLACE, look, index=2, workers=3, files={"helper.py": "WORD = 'carried'"}, RANK="7") as pod:
        pod.wait()
    assert pod.code == 0 and pod.words is None
    assert pod.text().splitlines() == [] and pod.log().splitlines() == [
        "2 3 0 1",
        f"carried {tmp_path / 'pod-2' / 'files'}",
        "[]",
    ]
    assert pod.of("rank_started")[0]["worker"] == 2


@pytest.mark.parametrize(
    ("variables", "ranks", "threads"),
    [
        ({"MLK_CPU_MILLIS": "7500"}, 1, "7"),
        ({"MLK_CPU_MILLIS": "7500"}, 2, "3"),
        ({"MLK_CPU_MILLIS": "500"}, 1, "1"),
        ({"MLK_CPU_MILLIS": "0"}, 1, "1"),
        ({}, 2, "1"),
        ({"MLK_CPU_MILLIS": "7500", "OMP_NUM_THREADS": "5"}, 1, "5"),
    ],
    ids=["one rank", "shared", "less than a core", "nothing requested", "not told", "the image or a person said"],
)
def test_the_ranks_threads_fill_the_cores_that_the_pod_requests_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], ranks: int, threads: str
) -> None:
    look = "import os\nprint(os.environ['OMP_NUM_THREADS'], 'MLK_CPU_MILLIS' in os.environ)"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Pod(tmp_path, look, ranks=ranks, **variables) as pod:
        pod.wait()
    assert set("".join(pod.said().values()).split()) == {threads, "False"}


def test_the_first_worker_knows_itself_without_asking_for_the_name_that_others_ask_for(tmp_path: Path) -> None:
    host = os.uname().nodename
    look = "import os\nprint(os.environ['MASTER_ADDR'])"
    hosts = [f"{host}.a-job", "elsewhere-0.a-job"]
    expected = [host if known(host) else hosts[0], hosts[1]]
    for number, (address, found) in enumerate(zip(hosts, expected, strict=True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Pod(folder, look, workers=2, MASTER_ADDR=address) as pod:
            pod.wait()
        assert pod.text().splitlines() == [found]


def known(host: str) -> bool:
    """Whether this machine has an address for the name."""
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


@pytest.mark.parametrize("ranks", [1, 2])
def test_what_a_cell_installs_for_a_user_without_a_home_of_their_own_can_be_imported(
    tmp_path: Path, ranks: int
) -> None:
    install = """
import os, site
with open(os.path.join(site.getusersitepackages(), "installed.py"), "w") as file:
    file.write("WORD = 'found'")"""
    look = """
import importlib, sys
importlib.invalidate_caches()
import installed
paths = [sys.path.index(path) for path in site.getsitepackages() if path in sys.path]
print(installed.WORD, sys.path.index(site.getusersitepackages()) < min(paths, default=len(sys.path)))"""
    python = getattr(sys, "_base_executable", sys.executable)  # environments have no such folder
    home = tmp_path / "home"
    with Pod(tmp_path, install, look, ranks=ranks, python=python, HOME=str(home)) as pod:
        pod.wait()
    assert pod.code == 0 and pod.text().splitlines() == ["found True"]


def test_several_ranks_count_on_from_the_worker_before(tmp_path: Path) -> None:
    with Pod(tmp_path, PLACE, index=1, workers=2, ranks=2) as pod:
        pod.wait()
    assert pod.code == 0 and pod.said() == {2: "2 4 0 2\n", 3: "3 4 1 2\n"}
    assert {frame["worker"] for frame in pod.of("rank_started")} == {1}


def test_lines_of_ranks_that_write_at_once_stay_whole(tmp_path: Path) -> None:
    write = "for number in range(60):\n    print(str(number) * 5000)"
    with Pod(tmp_path, write, ranks=3) as pod:
        pod.wait()
    wanted = "".join(str(number) * 5000 + "\n" for number in range(60))
    assert pod.code == 0 and pod.said() == dict.fromkeys(range(3), wanted) and pod.foreign == b""


def test_the_first_failure_ends_all_ranks_and_is_the_pods_last_word(tmp_path: Path) -> None:
    fail = "import os, time\nif os.environ['RANK'] == '1':\n    raise KeyError('train')\n" + WAIT
    with Pod(tmp_path, "pass", fail, ranks=3) as pod:
        pod.wait()
    assert pod.code == 1 and pod.ends() == {0: 143, 1: 1, 2: 143}
    assert pod.words == {"rank": 1, "cell": 1, "number": 2, "ename": "KeyError", "evalue": "'train'", "death": None}
    assert no_ranks_left(pod)


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_pod_ends_with_the_code_of_the_rank_that_failed(tmp_path: Path, ranks: int) -> None:
    leave = f"import os, sys, time\nif os.environ['RANK'] == '{ranks - 1}':\n    sys.exit(3)\n" + WAIT
    with Pod(tmp_path, leave, ranks=ranks) as pod:
        pod.wait()
    assert pod.code == 3 and pod.words["rank"] == ranks - 1 and pod.words["ename"] == "SystemExit"


def test_a_rank_that_is_killed_ends_the_others(tmp_path: Path) -> None:
    die = "import os, signal\nif os.environ['RANK'] == '0':\n    os.kill(os.getpid(), signal.SIGKILL)\n" + WAIT
    with Pod(tmp_path, die, ranks=2) as pod:
        pod.wait()
    assert pod.code == 137 and pod.ends() == {0: 137, 1: 143}
    assert (pod.words["ename"], pod.words["death"]) == ("SIGKILL", "signal")


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_request_to_stop_reaches_every_rank_and_what_was_shown_is_kept(tmp_path: Path, ranks: int) -> None:
    cell = """
import time
try:
    print("waits", flush=True)
    while True: time.sleep(0.05)
finally:
    print("saved")"""
    with Pod(tmp_path, cell, ranks=ranks) as pod:
        pod.wait_until_all_wait(ranks)
        pod.process.send_signal(signal.SIGTERM)
        pod.wait()
    assert pod.code == 143 and pod.ends() == dict.fromkeys(range(ranks), 143)
    assert all("saved" in text for text in pod.said().values()) and len(pod.said()) == ranks
    assert pod.words is None and no_ranks_left(pod)


def test_a_notebook_that_does_not_stop_is_killed_while_its_keeper_can_still_say_so(tmp_path: Path) -> None:
    deaf = """
import time
print("waits", flush=True)
while True:
    try: time.sleep(60)
    except KeyboardInterrupt: pass"""
    with Pod(tmp_path, deaf, MLK_GRACE_S="4") as pod:
        pod.wait_until_all_wait(1)
        pod.process.send_signal(signal.SIGTERM)
        pod.wait()
    assert pod.code == 137 and "did not end when it was asked to" in pod.result["text"]
    assert pod.text() == "waits\n"


def test_ranks_do_not_outlive_the_process_that_started_them(tmp_path: Path) -> None:
    with Pod(tmp_path, WAIT, ranks=2) as pod:
        pod.wait_until_all_wait(2)
        pod.process.kill()
        assert no_ranks_left(pod)


@pytest.mark.parametrize(("workers", "code"), [(2, LOST_PEER), (1, 1)])
def test_a_broken_connection_to_another_worker_has_an_exit_code_of_its_own(
    tmp_path: Path, workers: int, code: int
) -> None:
    lose = "raise RuntimeError('[gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.7]:4321')"
    with Pod(tmp_path, lose, workers=workers) as pod:
        pod.wait()
    assert pod.code == code and pod.ends() == {0: code} and "closed by peer" in pod.words["evalue"]


@pytest.mark.parametrize("cell", ["raise RuntimeError('shapes differ')", "raise ConnectionResetError('reset by peer')"])
def test_any_other_failure_is_the_notebooks_own(tmp_path: Path, cell: str) -> None:
    with Pod(tmp_path, cell, workers=2) as pod:
        pod.wait()
    assert pod.code == 1


@pytest.mark.parametrize("text", ["x" * 100_000, "é\n" * 20_000, "\U0001f600" * 5000, ""])
def test_last_words_fit_and_the_first_are_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "words"
    leave_words(str(path), {"rank": 0, "ename": "E" * 5000, "evalue": text})
    leave_words(str(path), {"rank": 1, "ename": "Later", "evalue": ""})
    data = path.read_bytes()
    assert len(data) <= WORDS_LIMIT
    words = json.loads(data)
    assert words["rank"] == 0 and words["ename"] == "E" * 500 and text.startswith(words["evalue"].rstrip("…"))
    assert len(data) > WORDS_LIMIT - 64 or words["evalue"] == text


def test_a_pod_that_does_not_know_its_place_says_so(tmp_path: Path) -> None:
    with Pod(tmp_path, "pass", index=2, workers=2) as pod:
        pod.wait()
    assert pod.code == 2 and not pod.frames
    assert "worker 2 of 2" in pod.words["evalue"] and b"worker 2 of 2" in pod.foreign


def test_mlflow_knows_which_rank_it_is_though_all_pods_have_the_same_variables(tmp_path: Path) -> None:
    look = """
import os, json
print(json.loads(os.environ["MLFLOW_RUN_CONTEXT"])["mlk.job.rank"], os.environ.get("MLFLOW_RUN_ID"))"""
    context = json.dumps({"mlk.job.id": "a", "mlk.job.rank": "0"})
    with Pod(tmp_path, look, ranks=2, MLFLOW_RUN_CONTEXT=context, MLFLOW_RUN_ID="run-0") as pod:
        pod.wait()
    assert pod.said() == {0: "0 run-0\n", 1: "1 None\n"}


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_oldest_python_without_ipython_and_torch_is_enough(
    tmp_path: Path, ranks: int, bare_python: Callable[[str], str]
) -> None:
    python = bare_python(OLDEST)
    cell = "import sys\nprint('%d.%d' % sys.version_info[:2])"
    with Pod(tmp_path, cell, python=python, ranks=ranks, torch=True) as pod:
        pod.wait()
    assert pod.code == 0 and pod.said() == dict.fromkeys(range(ranks), f"{version_of(OLDEST)}\n")


# -- torchrun ---------------------------------------------------------------------------------------------------------

GROUP = """
import os, torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.tensor([float(dist.get_rank() + 1)])
dist.all_reduce(value)
print("sum", int(value), "of", dist.get_world_size(), flush=True)
"""


@pytest.mark.slow
def test_ranks_of_two_pods_meet_through_torchrun(tmp_path: Path) -> None:
    shared = port()
    cells = (GROUP, "dist.barrier(); dist.destroy_process_group()")
    with (
        Pod(tmp_path, *cells, index=0, workers=2, ranks=2, torch=True, port=shared) as first,
        Pod(tmp_path, *cells, index=1, workers=2, ranks=2, torch=True, port=shared) as second,
    ):
        first.wait()
        second.wait()
    assert (first.code, second.code) == (0, 0), first.describe() + second.describe()
    assert {**first.said(), **second.said()} == dict.fromkeys(range(4), "sum 10 of 4\n")


@pytest.mark.slow
def test_under_torchrun_a_failure_ends_its_pod_with_its_own_code_and_the_other_pod_with_that_of_a_lost_peer(
    tmp_path: Path,
) -> None:
    shared = port()
    fail = "import os, sys\nif os.environ['RANK'] == '3':\n    sys.exit(9)\nwhile True:\n    dist.all_reduce(value)"
    with (
        Pod(tmp_path, GROUP, fail, index=0, workers=2, ranks=2, torch=True, port=shared) as first,
        Pod(tmp_path, GROUP, fail, index=1, workers=2, ranks=2, torch=True, port=shared) as second,
    ):
        second.wait()
        first.wait()
    assert second.code == 9 and second.words["rank"] == 3, second.describe()
    assert first.code == LOST_PEER and re.search("peer|gloo", first.words["evalue"]), first.describe()
    assert no_ranks_left(first) and no_ranks_left(second)


@pytest.mark.slow
def test_under_torchrun_a_request_to_stop_ends_every_rank_as_stopped(tmp_path: Path) -> None:
    with Pod(tmp_path, GROUP, WAIT, ranks=2, torch=True, port=port()) as pod:
        pod.wait_until_all_wait(2)
        pod.process.send_signal(signal.SIGTERM)
        pod.wait()
    assert pod.code == 143 and pod.ends() == {0: 143, 1: 143}, pod.describe()
    assert all("sum 3 of 2" in text for text in pod.said().values()) and pod.words is None
