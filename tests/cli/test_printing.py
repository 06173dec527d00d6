"""Nothing that `mlk` prints steers the terminal of whoever reads it, whoever chose the words."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import yaml

from mlk_jupyter import cli, text
from mlk_jupyter.backends.kubernetes.manifests.yaml_dump import documents
from mlk_jupyter.cli.screen import Lines, Terminal
from mlk_jupyter.model import JobSpec, JobStatus, Phase, Reason
from mlk_jupyter.record.folder import JobFolder

# A title, a link, the controls of eight bits, text that reads backwards, a tag, a line end of its own, half a character
HOSTILE = "a\x1b]0;PWNED\x07\x9b2Jb\u202ec\u2066d\U000e0041e\u2028f\r\ng\ud800h"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]")


@pytest.fixture
def job(data_dir: Path) -> str:
    """A job with hostile words wherever it may have any."""
    words = HOSTILE.replace("\ud800", "")
    spec = JobSpec(name="a\u202eb", notebook="a.ipynb", parameters={"p": words})
    status = JobStatus(
        id="a-1", name=words, notebook=words, backend="local", phase=Phase.FAILED, created_at=1.0, spec=spec,
        reason=Reason(code="x", text=words, hint=words), notices=[words], error=words,
    )  # fmt: skip
    folder = JobFolder(data_dir / "jobs" / status.id)
    folder.path.mkdir(parents=True)
    folder.write_status(status, lasting=False)
    return status.id


@pytest.mark.parametrize(
    "command", [["jobs"], ["jobs", "--json"], ["show", "a"], ["show", "a", "--json"], ["open", "a"]]
)
def test_what_a_job_says_of_itself(job: str, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(command) == (2 if command[0] == "open" else 0)
    said = capsys.readouterr()
    assert not STEERS.search(said.out + said.err)
    if "--json" in command:
        found = json.loads(said.out)
        assert (found["jobs"][0] if "jobs" in found else found)["error"] == HOSTILE.replace("\ud800", "")


@pytest.mark.parametrize(
    "command", [["run", f"{HOSTILE}.ipynb"], ["show", HOSTILE], ["run", "a.ipynb", f"--{HOSTILE}"], [HOSTILE]]
)
def test_what_somebody_typed_or_let_the_shell_fill_in(
    data_dir: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert cli.main(command) == 2
    except SystemExit as misused:
        assert misused.code == 2
    said = capsys.readouterr()
    assert "PWNED" in said.err and not STEERS.search(said.err)
    said.err.encode()


def test_what_a_followed_job_has_to_say() -> None:
    for screen in (Lines(out := io.StringIO()), Terminal(out, colour=False)):
        screen.say(HOSTILE)
    assert out.getvalue() == f"{text.plain(HOSTILE)}\n" * 2 and not STEERS.search(out.getvalue())


def test_yaml_says_the_same_without_such_characters() -> None:
    said = HOSTILE.replace("\ud800", "")
    written = documents([{"kind": said, "list": [said, "ä"]}])
    assert not STEERS.search(written) and "ä" in written
    assert yaml.safe_load(written) == {"kind": said, "list": [said, "ä"]}


def test_everything_is_printed_in_one_place() -> None:
    sources = {path.name: path.read_text() for path in Path(cli.__file__).parent.glob("*.py")}
    assert [name for name, source in sources.items() if re.search(r"\bprint\(", source)] == ["printing.py"]
