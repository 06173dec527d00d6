"""`mlk idle`: kernels in words, keeping one, a policy checked."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from idleservers import FIRST, SECOND, kernel, lease, write

from mlk_jupyter.cli import main
from mlk_jupyter.idle.audit import Audit
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.recording import Recording
from mlk_jupyter.idle.signals import Sample, Signal
from mlk_jupyter.idle.state import host
from mlk_jupyter.model.kernels import IdleTotals, Stopped

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_policy(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MLK_IDLE_"):
            monkeypatch.delenv(name)


def asked(data_dir: Path, kernel_id: str = FIRST) -> list[dict[str, Any]]:
    folder = data_dir / "idle" / "kernels" / kernel_id
    return [json.loads(path.read_text()) for path in folder.glob("keep-*.json")]


def test_kernels_are_shown_in_words_with_what_becomes_of_them_and_since_when_that_is_known(
    data_dir: Path, capsys: Captured
) -> None:
    now = time.time()
    write(
        data_dir,
        kernel(SECOND, None, words="active", kind=None, state="active"),
        kernel(
            quiet_since=now - 2530,
            stops_at=now + 1090,
            lease=lease(3630),
            cpu_pct=0.4,
            gpus=1,
            cost_per_hour=2.5,
        ),
    )
    assert main(["idle"]) == 0
    out, err = capsys.readouterr()
    head, first, second = out.splitlines()
    assert head.split("  ")[0] == "KERNEL"
    assert first.split()[:2] == ["0a1b2c3d", "work/train.ipynb"]
    assert "idle, holds 1 GPU unused, 42 min 10 s  18 min 10 s" in first
    assert "1 h" in first and "0 %" in first and "2.50 USD" in first
    assert second.split() == ["0a1b2cff", "active", "?", "?", "?"]
    assert "as of 12 s ago" in err and "Kernels that do nothing are stopped here." in err


def test_in_shadow_it_says_that_nothing_is_stopped_and_what_would_have_been_saved(
    data_dir: Path, capsys: Captured
) -> None:
    totals = IdleTotals(wasted_per_hour=2.5, wasted_gpus=1, saved=40.0, saved_gpu_s=36_000, stops=4, saved_limit_s=1)
    write(data_dir, kernel(stops_at=time.time() + 65, would_stop=True), policy=Policy(), totals=totals)
    assert main(["idle"]) == 0
    out, err = capsys.readouterr()
    assert "would in 1 min 5 s" in out
    assert "only written down what would have been (MLK_IDLE_MODE=shadow)" in err
    assert "Wasted now: 1 GPU held unused and 2.50 USD an hour." in err
    assert "Would have been saved this month: 40.00 USD and 10 GPU hours, by 4 stops." in err


def test_what_was_stopped_lately_is_told(data_dir: Path, capsys: Captured) -> None:
    gone = Stopped(
        id=FIRST, name="python3", path="a.ipynb", at=time.time() - 7200, kind="idle", words="was idle for 4 h"
    )
    write(data_dir, stopped=[gone])
    assert main(["idle"]) == 0
    assert "a.ipynb was stopped 2 h ago: was idle for 4 h." in capsys.readouterr().err


def test_the_end_of_a_server_is_told(data_dir: Path, capsys: Captured) -> None:
    ended = "2026-09-21 12:00 UTC: no kernel ran"
    write(data_dir, server_stops_at=time.time() + 600.5, server_words="no kernel runs", server_ended=ended)
    assert main(["idle"]) == 0
    err = capsys.readouterr().err
    assert "The server itself stops in 10 min: no kernel runs." in err
    assert f"The server before it ended itself, {ended}." in err


def test_servers_that_are_gone_or_cannot_be_read_are_left_out(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel(), created=1.0)
    (data_dir / "idle" / "servers" / f"{host()}-12.json").write_text("{")
    assert main(["idle"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and "No server of yours" in err


def test_as_json_it_is_what_the_servers_wrote(data_dir: Path, capsys: Captured) -> None:
    server = write(data_dir, kernel())
    assert main(["idle", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["servers"]
    assert found == server.model_dump(mode="json", exclude={"explained"})


@pytest.mark.parametrize(
    "typed", [FIRST, FIRST[:8], "work/train.ipynb", "train.ipynb", "train", "/srv/home/work/train.ipynb"]
)
def test_a_kernel_is_named_by_its_id_or_its_notebook(data_dir: Path, capsys: Captured, typed: str) -> None:
    write(data_dir, kernel(), kernel(SECOND, "work/other.ipynb"))
    assert main(["idle", "explain", typed]) == 0
    out = capsys.readouterr().out
    assert f"Kernel:   {FIRST}" in out and "It has done nothing for 42 min." in out
    assert "several tenants share the GPU" in out
    assert ["MLK_IDLE_TTL", "4", "h", "notebook"] in [line.split() for line in out.splitlines()]


def test_explained_as_json_it_is_what_the_server_says(data_dir: Path, capsys: Captured) -> None:
    server = write(data_dir, kernel())
    assert main(["idle", "explain", "train", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == server.explained[FIRST].model_dump(mode="json")


def test_a_name_that_fits_several_kernels_is_not_guessed(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel(), kernel(SECOND, "other/train.ipynb"))
    for typed in ("train", "0a1b2c"):
        assert main(["idle", "keep", typed, "2h"]) == 2
        err = capsys.readouterr().err
        assert FIRST in err and SECOND in err and "as no other begins with" in err
    assert asked(data_dir) == asked(data_dir, SECOND) == []


def test_a_kernel_that_nobody_watches_is_not_known(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel())
    assert main(["idle", "keep", "else.ipynb", "2h"]) == 2
    assert "Nothing is known of a kernel 'else.ipynb'. 1 kernel is watched" in capsys.readouterr().err


def test_keeping_writes_the_wish_and_says_for_how_long(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel())
    assert main(["idle", "keep", "train", "2h", "--reason", "the lab sends data"]) == 0
    (wish,) = asked(data_dir)
    assert wish["until"] == pytest.approx(time.time() + 7200, abs=60)
    assert (wish["reason"], wish["pid"]) == ("the lab sends data", None)
    assert capsys.readouterr().err == "work/train.ipynb (0a1b2c3d) is kept for 2 h.\n"


@pytest.mark.parametrize(
    ("policy", "held", "seconds", "why"),
    [
        (Policy(lease_max_s=3600), None, 3600, "is kept for 1 h: 1 h at a time is the most here (MLK_IDLE_LEASE_MAX)"),
        (Policy(lease_total_s=1800), None, 1800, "30 min are left of all that this kernel can be kept"),
        (Policy(), lease(60, total_left_s=600), 600, "10 min are left of all that this kernel can be kept"),
        (Policy(lease_max_s=0, lease_total_s=0), None, 7200, "is kept for 2 h."),
    ],
)
def test_what_the_policy_cuts_is_said(
    data_dir: Path, capsys: Captured, policy: Policy, held: Any, seconds: float, why: str
) -> None:
    write(data_dir, kernel(lease=held), policy=policy)
    assert main(["idle", "keep", "train", "2h"]) == 0
    (wish,) = asked(data_dir)
    assert wish["until"] == pytest.approx(time.time() + seconds, abs=60)
    assert why in capsys.readouterr().err


def test_where_nothing_is_left_nothing_is_written(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel(lease=lease(0, total_left_s=0.0)))
    assert main(["idle", "keep", "train", "2h"]) == 2
    assert "cannot be kept: 0 s are left" in capsys.readouterr().err and asked(data_dir) == []


@pytest.mark.parametrize("typed", [["soon"], ["-2h"], ["0"], ["nan"], [], ["2h", "--release"]])
def test_what_is_no_length_of_time_keeps_nothing(data_dir: Path, capsys: Captured, typed: list[str]) -> None:
    write(data_dir, kernel())
    try:
        code = main(["idle", "keep", "train", *typed])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2 and capsys.readouterr().err and asked(data_dir) == []


def test_letting_go_ends_the_wish(data_dir: Path, capsys: Captured) -> None:
    write(data_dir, kernel())
    main(["idle", "keep", "train", "2h"])
    assert main(["idle", "keep", "train", "--release"]) == 0
    assert asked(data_dir) == [] and "is not kept any more" in capsys.readouterr().err
    assert main(["idle", "keep", "train", "--release"]) == 0
    assert "was not kept" in capsys.readouterr().err


def test_a_policy_is_shown_with_the_source_of_each_value(data_dir: Path, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "gpu.env"
    file.write_text("# GPUs\nexport MLK_IDLE_GPU_TTL=\"30m\"  # short\nMLK_IDLE_MODE='enforce'\nOTHER=1\n")
    assert main(["idle", "policy", "check", str(file)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["MLK_IDLE_GPU_TTL", "30", "min", "MLK_IDLE_GPU_TTL"] in rows
    assert ["MLK_IDLE_MODE", "enforce", "MLK_IDLE_MODE"] in rows and ["MLK_IDLE_TTL", "4", "h", "default"] in rows
    assert main(["idle", "policy", "check", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mistakes"] == [] and found["values"]["MLK_IDLE_GPU_TTL"] == 1800
    assert found["sources"]["MLK_IDLE_GPU_TTL"] == "MLK_IDLE_GPU_TTL"


def test_each_mistake_of_a_policy_is_named(monkeypatch: pytest.MonkeyPatch, data_dir: Path, capsys: Captured) -> None:
    monkeypatch.setenv("MLK_IDLE_TLT", "2h")
    monkeypatch.setenv("MLK_IDLE_GPU_TTL", "soon")
    assert main(["idle", "policy", "check"]) == 1
    err = capsys.readouterr().err
    assert "Did you mean MLK_IDLE_TTL?" in err and "MLK_IDLE_GPU_TTL is 'soon'" in err
    assert main(["idle", "policy", "check", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["mistakes"]) == 2 and "values" not in found


@pytest.mark.parametrize(("line", "why"), [("MLK_IDLE_TTL", "line 2"), ("MLK_IDLE_TTL='2h", "closing quotation")])
def test_a_line_that_is_none_is_named(data_dir: Path, tmp_path: Path, capsys: Captured, line: str, why: str) -> None:
    file = tmp_path / "bad.env"
    file.write_text(f"MLK_IDLE_MODE=off\n{line}\n")
    assert main(["idle", "policy", "check", str(file)]) == 2
    assert why in capsys.readouterr().err
    assert main(["idle", "policy", "check", str(tmp_path / "none.env")]) == 2


def test_what_is_typed_wrongly_within_is_told_by_the_command_within(data_dir: Path, capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["idle", "explain", "x", "--jsn"])
    assert "mlk idle explain: --jsn is no option. Did you mean --json?" in capsys.readouterr().err


def recorded_by(data_dir: Path) -> None:
    """The signals of a kernel that held a GPU for six hours and did nothing."""
    recording, audit = Recording(), Audit(data_dir / "idle")
    for at in range(0, 6 * 3600, 15):
        sample = Sample(
            at=float(at),
            execution=Signal("idle", float(at)),
            message=Signal(),
            pending=Signal(0),
            presence=Signal(),
            output=Signal(),
            input=Signal(False),
            cpu=Signal(0.0),
            io=Signal(0.0),
            stopped=Signal(False),
            gpus=Signal(1),
            gpu_busy=Signal(0.0),
            gpu_memory=Signal(0),
            jobs=Signal(()),
            waits_for=Signal(),
        )
        line = recording.sample(FIRST, sample, at=1_790_000_000.0 + at, path="a.ipynb", cost_per_hour=3.0)
        if line:
            audit.write(line)
    gone = recording.gone(FIRST, at=1_790_000_000.0 + 6 * 3600)
    assert gone is not None
    audit.write(gone)


def test_another_policy_is_replayed_on_what_was_recorded(data_dir: Path, tmp_path: Path, capsys: Captured) -> None:
    recorded_by(data_dir)
    file = tmp_path / "gpu.env"
    file.write_text("MLK_IDLE_GPU_TTL=30m\n")
    saved = {}
    for typed in (["MLK_IDLE_GPU_TTL=2h"], [str(file)], [str(file), "MLK_IDLE_GPU_TTL=0"]):
        words = [word for one in typed for word in ("--policy", one)]
        assert main(["idle", "replay", *words, "--json"]) == 0
        saved[typed[-1]] = json.loads(capsys.readouterr().out)["saved_gpu_s"] / 3600
    assert saved["MLK_IDLE_GPU_TTL=2h"] == pytest.approx(4, abs=0.1)
    assert saved[str(file)] == pytest.approx(5.5, abs=0.1)
    assert saved["MLK_IDLE_GPU_TTL=0"] == 0
    assert main(["idle", "replay", str(data_dir / "idle"), "--policy", str(file)]) == 0
    assert "a.ipynb" in capsys.readouterr().out


def test_what_cannot_be_replayed_is_told(data_dir: Path, tmp_path: Path, capsys: Captured) -> None:
    assert main(["idle", "replay", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl: No such file or directory." in capsys.readouterr().err
    assert main(["idle", "replay", "--policy", "MLK_IDLE_TTL=soon"]) == 2
    assert "MLK_IDLE_TTL is 'soon'" in capsys.readouterr().err
    (data_dir / "idle").mkdir()
    assert main(["idle", "replay"]) == 0
    assert "nothing to replay" in capsys.readouterr().out
