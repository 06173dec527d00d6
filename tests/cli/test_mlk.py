"""`mlk` as a person uses it: real processes, real jobs on this machine."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

import pytest

from mlk_jupyter.cli import main
from mlk_jupyter.cli.run import places
from mlk_jupyter.model import JobSpec, JobStatus, Phase, RunRef, RunState
from mlk_jupyter.record.folder import JobFolder

MLK = str(Path(sys.executable).parent / "mlk")
LIMIT_S = 60.0
ENDLESS = "import time\nprint('here', flush=True)\nwhile True:\n    time.sleep(0.05)\n"
Mlk = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose jobs live in a folder of the test; what still runs at its end is deleted."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLK_", "MLFLOW_"))}
    env = {**kept, "MLK_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm", "COLUMNS": "100"}
    yield env
    listed = subprocess.run([MLK, "jobs", "--json"], env=env, capture_output=True, text=True, timeout=LIMIT_S)
    for job in json.loads(listed.stdout)["jobs"]:
        subprocess.run([MLK, "delete", job["id"]], env=env, capture_output=True, timeout=LIMIT_S)


@pytest.fixture
def mlk(tmp_path: Path, env: dict[str, str]) -> Mlk:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [MLK, *arguments]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT_S)

    return call


def script(folder: Path, code: str) -> str:
    (folder / "work.py").write_text(code)
    return "work.py"


def result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_job_that_succeeds_ends_with_its_result_as_one_json_object(tmp_path: Path, mlk: Mlk) -> None:
    code = "# %%\nimport mlk_jupyter\nmlk_jupyter.log_metric('loss', 0.25)\n# %%\nprint('done')\n"
    done = mlk("run", script(tmp_path, code), "--workers", "2", "--no-mlflow", "--json")
    assert done.returncode == 0, done.stderr
    found = result(done)
    assert set(found) == {"id", "name", "phase", "reason", "folder", "notebook", "run_id", "metrics"}
    assert (found["name"], found["phase"], found["run_id"]) == ("work", "Succeeded", None)
    assert found["metrics"] == {"loss": 0.25}
    assert "done" in Path(found["notebook"]).read_text()
    assert len(done.stdout.splitlines()) == 1 and "Succeeded" in done.stderr


def test_a_run_that_the_notebook_never_opened_keeps_nobody_waiting(
    tmp_path: Path, env: dict[str, str], mlk: Mlk
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a tracking server that never answers
        env["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = mlk("run", script(tmp_path, "print('done')"))
        assert done.returncode == 0, done.stderr
        assert "MLflow run:   being written; `mlk show work-" in done.stdout
        shown = json.loads(mlk("show", "work", "--json").stdout)
        assert (shown["phase"], shown["run"]["state"]) == ("Succeeded", "pending")


def test_a_run_that_the_notebook_opened_is_named_while_it_is_being_completed(tmp_path: Path) -> None:
    run = RunRef(state=RunState.PENDING, run_id="12ab", run_name="work", experiment="digits")
    spec = JobSpec(name="work", notebook="work.py")
    job = JobStatus.of(spec, id="work-1", backend="local", phase=Phase.SUCCEEDED, created_at=1.0, run=run)
    assert "MLflow run:   work in digits" in places(job, JobFolder(tmp_path))


def test_a_job_that_fails_says_which_cell_and_why_without_a_traceback_of_ours(tmp_path: Path, mlk: Mlk) -> None:
    done = mlk("run", script(tmp_path, "raise KeyError('train')"), "--no-mlflow")
    assert done.returncode == 1
    assert "KeyError: 'train'" in done.stderr and "Traceback" not in done.stderr
    assert "executed.ipynb" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.ipynb"], "no file"),
        (["work.py", "--param", "unknown=1"], "unknown"),
        (["work.py", "--gpus", "60"], "GPU"),
        (["work.py", "--workers", "many"], "is no whole number"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_created(
    tmp_path: Path, mlk: Mlk, arguments: list[str], words: str
) -> None:
    script(tmp_path, "print(1)")
    done = mlk("run", *arguments)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr and done.stdout == ""
    assert json.loads(mlk("jobs", "--json").stdout) == {"jobs": []}


def test_a_detached_job_is_found_shown_read_stopped_and_deleted(tmp_path: Path, env: dict[str, str], mlk: Mlk) -> None:
    env["JUPYTERHUB_USER"] = "ada"  # in a terminal of hers
    job_id = mlk("run", script(tmp_path, ENDLESS), "--detach", "--no-mlflow", "--name", "night").stdout.strip()
    until(lambda: "here" in mlk("logs", "night").stdout)
    assert job_id in mlk("jobs").stdout
    shown = mlk("show", job_id).stdout
    assert "Running" in shown and "By:         ada" in shown
    so_far = Path(mlk("open", job_id).stdout.strip())
    assert "here" in so_far.read_text()
    assert mlk("stop", "night").returncode == 0
    followed = mlk("logs", job_id, "--follow")  # ends by itself once the job is over
    assert "here" in followed.stdout
    assert json.loads(mlk("show", job_id, "--json").stdout)["phase"] == "Stopped"
    assert Path(mlk("open", job_id).stdout.strip()).name == "executed.ipynb"
    assert mlk("delete", job_id).returncode == 0
    missing = mlk("show", job_id)
    assert missing.returncode == 2 and "no job" in missing.stderr


def test_a_rank_that_does_not_exist_is_refused(tmp_path: Path, mlk: Mlk) -> None:
    mlk("run", script(tmp_path, "print(1)"), "--no-mlflow")
    done = mlk("logs", "work", "--rank", "1")
    assert done.returncode == 2 and "no rank 1" in done.stderr


def test_without_a_terminal_an_interrupt_leaves_the_job_running_and_says_so(
    tmp_path: Path, env: dict[str, str], mlk: Mlk
) -> None:
    command = [MLK, "run", script(tmp_path, ENDLESS), "--no-mlflow", "--json"]
    with subprocess.Popen(
        command, env=env, cwd=tmp_path, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, text=True
    ) as followed:
        until(lambda: "Running" in mlk("jobs").stdout)
        followed.send_signal(signal.SIGINT)
        stdout, stderr = followed.communicate(timeout=LIMIT_S)
    assert followed.returncode == 130 and "goes on running" in stderr
    assert json.loads(stdout.splitlines()[-1])["phase"] == "Running"
    assert "Running" in mlk("jobs").stdout


class Terminal:
    """`mlk run` on a terminal, with a person at it."""

    def __init__(self, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(command[0], command, env)
        self.seen = ""
        self._status: int | None = None

    def wait_for(self, words: str) -> None:
        until(lambda: words in self._read())

    def type(self, keys: str) -> None:
        self.seen = ""
        os.write(self._fd, keys.encode())

    def exit_code(self) -> int:
        def ended() -> bool:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = status
            return bool(pid)

        until(ended)
        assert self._status is not None
        return os.waitstatus_to_exitcode(self._status)

    def close(self) -> None:
        os.close(self._fd)
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def _read(self) -> str:
        while select.select([self._fd], [], [], 0)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            self.seen += data.decode(errors="replace")
        return self.seen


@pytest.fixture
def terminal(tmp_path: Path, env: dict[str, str]) -> Iterator[Terminal]:
    opened = Terminal([MLK, "run", script(tmp_path, ENDLESS), "--no-mlflow"], env, tmp_path)
    opened.wait_for("cell 1 of 1")
    yield opened
    opened.close()


def test_ctrl_c_asks_and_stops_the_job_when_told_so(terminal: Terminal, mlk: Mlk) -> None:
    terminal.type("\x03")
    terminal.wait_for("Stop the job?")
    terminal.type("s\n")
    assert terminal.exit_code() == 1
    assert "Stopped" in terminal.seen and "Stopped" in mlk("jobs").stdout


@pytest.mark.parametrize("answer", ["\n", "\x03"], ids=["Enter", "a second Ctrl-C"])
def test_ctrl_c_leaves_the_job_running_on(terminal: Terminal, mlk: Mlk, answer: str) -> None:
    terminal.type("\x03")
    terminal.wait_for("Stop the job?")
    terminal.type(answer)
    assert terminal.exit_code() == 130
    assert "goes on running" in terminal.seen and "Running" in mlk("jobs").stdout


def test_a_reader_that_leaves_the_pipe_is_no_failure(tmp_path: Path, env: dict[str, str], mlk: Mlk) -> None:
    mlk("run", script(tmp_path, "for n in range(200_000): print(n)"), "--no-mlflow")
    with subprocess.Popen([MLK, "logs", "work"], env=env, stdout=PIPE, stderr=PIPE) as reading:
        assert reading.stdout is not None and reading.stderr is not None
        reading.stdout.readline()
        reading.stdout.close()
        words = reading.stderr.read()
        assert reading.wait(LIMIT_S) == 0 and words == b""


def test_help_answers_without_loading_the_models() -> None:
    code = "import sys, mlk_jupyter.cli as cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print([name for name in ('pydantic', 'httpx', 'asyncio', 'nbformat') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so; fails after a minute."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.05)


def namesakes(folder: Path, mlk: Mlk, count: int = 2) -> list[str]:
    """Jobs of one name, each with a parameter of its own; gives their ids, oldest first."""
    code = '# %% tags=["parameters"]\nlr = 0.1\n'
    script(folder, code)
    return [
        mlk("run", "work.py", "--no-mlflow", "--detach", "--name", "pi", "--param", f"lr={number}").stdout.strip()
        for number in range(count)
    ]


def test_a_name_of_several_jobs_is_not_guessed_and_the_list_tells_them_apart(tmp_path: Path, mlk: Mlk) -> None:
    first, second = namesakes(tmp_path, mlk)
    for command in ("delete", "show", "logs", "open"):
        done = mlk(command, "pi")
        assert done.returncode == 2 and done.stdout == ""
        assert first in done.stderr and second in done.stderr and "lr=1" in done.stderr
    listed = mlk("jobs").stdout.splitlines()
    assert "SET" in listed[0] and "lr=1" in listed[1] and "lr=0" in listed[2]
    assert mlk("delete", first).returncode == 0
    assert mlk("show", "pi").returncode == 0


def test_on_a_terminal_it_is_asked_which_job_of_a_name_is_meant(tmp_path: Path, env: dict[str, str], mlk: Mlk) -> None:
    first, second = namesakes(tmp_path, mlk)
    for typed, code, gone in ((b"\n", 2, []), (b"9\n", 2, []), (b"2\n", 0, [first])):
        terminal, end = pty.openpty()
        with subprocess.Popen([MLK, "delete", "pi"], env=env, stdin=end, stdout=PIPE, stderr=end) as process:
            os.close(end)
            said = b""
            while b"Which one?" not in said:
                said += os.read(terminal, 1000)
            assert first.encode() in said and second.encode() in said
            os.write(terminal, typed)
            assert process.wait(LIMIT_S) == code
        os.close(terminal)
        assert {job["id"] for job in json.loads(mlk("jobs", "--json").stdout)["jobs"]} == {first, second} - set(gone)


def test_the_list_shows_the_newest_and_says_how_many_more_there_are(env: dict[str, str], mlk: Mlk) -> None:
    folder = Path(env["MLK_DATA_DIR"]) / "jobs"
    for number in range(25):
        (folder / f"old-{number:02}").mkdir(parents=True)
    done = mlk("jobs")
    assert len(done.stdout.splitlines()) == 21 and "5 older ones are not shown" in done.stderr
    every = mlk("jobs", "--all")
    assert len(every.stdout.splitlines()) == 26 and every.stderr == ""
    assert len(json.loads(mlk("jobs", "--json").stdout)["jobs"]) == 25


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["run"], "mlk run: NOTEBOOK is missing"),
        (["run", "a.ipynb", "--wrokers", "2"], "mlk run: --wrokers is no option. Did you mean --workers?"),
        (["run", "a.ipynb", "--workers", "many"], "mlk run: --workers: 'many' is no whole number"),
        (["run", "a.ipynb", "--workers"], "mlk run: --workers: a value is missing"),
        (["rnu", "a.ipynb"], "mlk: COMMAND: 'rnu' is none. Did you mean run?"),
        (["run", "a.ipynb", "--spot", "x"], "mlk run: --spot: 'x' is none. There are allowed, required."),
        (["show", "a", "b"], "mlk show: b is one word too many."),
        ([], "mlk: COMMAND is missing"),
    ],
)
def test_what_is_typed_wrongly_is_told_in_two_lines(
    typed: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and lines[0] == said
    assert len(lines) == 2 and lines[1].endswith("--help` shows what can be typed.")


def test_no_value_of_an_environment_variable_is_printed(tmp_path: Path, mlk: Mlk) -> None:
    done = mlk("run", script(tmp_path, "print(1)\n"), "--env", "TOKEN=hush", "--no-mlflow", "--json")
    job = result(done)["id"]
    shown = mlk("show", job, "--json")
    assert json.loads(shown.stdout)["spec"]["env"] == {"TOKEN": ""}
    assert "hush" not in "".join([done.stdout, done.stderr, shown.stdout, mlk("show", job).stdout, mlk("jobs").stdout])
