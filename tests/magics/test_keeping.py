"""`%k8s_keep` in a kernel that a server watches, or does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from idleservers import FIRST, kernel, lease, write
from shells import Shell

import mlk_jupyter
from mlk_jupyter.idle.policy import Policy


@pytest.fixture
def inside(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell that is the kernel `FIRST`."""
    monkeypatch.setenv("MLK_KERNEL_ID", FIRST)
    return shell


def wishes(data_dir: Path) -> list[dict[str, Any]]:
    folder = data_dir / "idle" / "kernels" / FIRST
    return [json.loads(path.read_text()) for path in folder.glob("keep-*.json")]


def test_it_keeps_the_kernel_says_for_how_long_and_lets_go(inside: Shell, data_dir: Path) -> None:
    write(data_dir, kernel())
    assert inside.run("%k8s_keep 2h waits for the lab's data").out == "This kernel is kept for 2 h.\n"
    (wish,) = wishes(data_dir)
    assert wish["until"] == pytest.approx(time.time() + 7200, abs=60)
    assert (wish["reason"], wish["pid"]) == ("waits for the lab's data", None)
    said = inside.run("%k8s_keep").out
    assert said.startswith("This kernel is kept for ") and "(waits for the lab's data)" in said
    assert inside.run("%k8s_keep off").out == "This kernel is not kept any more.\n" and wishes(data_dir) == []
    assert inside.run("%k8s_keep off").out == "This kernel was not kept.\n"


def test_without_a_wish_it_says_when_the_kernel_stops(inside: Shell, data_dir: Path) -> None:
    write(data_dir, kernel(stops_at=time.time() + 3600.5))
    assert inside.run("%k8s_keep").out == "This kernel is not kept, and stops in 1 h if it does nothing.\n"


@pytest.mark.parametrize(
    ("policy", "held", "said"),
    [
        (
            Policy(mode="enforce", lease_max_s=3600),
            None,
            "kept for 1 h: 1 h at a time is the most here (MLK_IDLE_LEASE_MAX).",
        ),
        (
            Policy(mode="enforce"),
            lease(60, 600),
            "kept for 10 min: 10 min are left of all that this kernel can be kept",
        ),
        (Policy(mode="shadow"), None, "kept for 2 h.\nNothing is stopped here (MLK_IDLE_MODE=shadow)"),
    ],
)
def test_what_the_server_makes_of_it_is_said(
    inside: Shell, data_dir: Path, policy: Policy, held: Any, said: str
) -> None:
    write(data_dir, kernel(lease=held), policy=policy)
    assert said in inside.run("%k8s_keep 2h").out


def test_where_nothing_is_left_it_is_refused(inside: Shell, data_dir: Path) -> None:
    write(data_dir, kernel(lease=lease(0, 0.0)))
    ran = inside.run("%k8s_keep 2h")
    assert ran.error is not None and "cannot be kept: 0 s are left" in ran.out + ran.err and wishes(data_dir) == []


def test_a_kernel_that_nobody_watches_is_told_so(inside: Shell, data_dir: Path) -> None:
    said = inside.run("%k8s_keep 2h").out
    assert "kept for 2 h" in said and "No server with mlk-jupyter watches this kernel" in said
    assert len(wishes(data_dir)) == 1  # a server may be about to


def test_a_block_goes_on_keeping_it(inside: Shell, data_dir: Path) -> None:
    write(data_dir, kernel())
    with mlk_jupyter.keep("training"):
        assert inside.run("%k8s_keep").out == "This kernel is kept while a block runs (training).\n"
        assert inside.run("%k8s_keep off").out == "A block still keeps this kernel (training).\n"


def test_a_block_of_a_process_that_was_killed_keeps_nothing(inside: Shell, data_dir: Path) -> None:
    write(data_dir, kernel())
    folder = data_dir / "idle" / "kernels" / FIRST
    folder.mkdir(parents=True)
    said = {"asked": 1.0, "until": None, "reason": "training", "pid": 2**22 + 1, "created": 1.0}
    (folder / "keep-1-a.json").write_text(json.dumps(said))
    assert inside.run("%k8s_keep").out == "This kernel is not kept.\n"
    assert inside.run("%k8s_keep off").out == "This kernel was not kept.\n"


def test_outside_of_a_kernel_there_is_nothing_to_keep(
    shell: Shell, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLK_KERNEL_ID", raising=False)
    assert "This is no kernel of a Jupyter server" in shell.run("%k8s_keep 2h").out
    assert not (data_dir / "idle").exists()


@pytest.mark.parametrize("typed", ["soon", "0", "-3h", "nan", "1e9"])
def test_what_is_no_length_of_time_keeps_nothing(inside: Shell, data_dir: Path, typed: str) -> None:
    ran = inside.run(f"%k8s_keep {typed}")
    assert ran.error is not None and "Traceback" not in ran.out + ran.err and wishes(data_dir) == []
