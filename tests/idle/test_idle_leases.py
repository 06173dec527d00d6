"""A lease holds as long as was asked for and is allowed, whatever the clock does and however often it is asked for."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mlk_jupyter.idle.folders import Folders, Wish
from mlk_jupyter.idle.leases import LONGEST_S, LeaseRefused, Leases
from mlk_jupyter.idle.policy import Policy
from mlk_jupyter.idle.table import beginning

HOUR = 3600.0
POLICY = Policy(lease_max_s=2 * HOUR, lease_total_s=5 * HOUR)
WALL = 1_800_000_000.0


def left_s(leases: Leases, *wishes: Wish, now: float, wall: float | None = None, policy: Policy = POLICY) -> float:
    lease = leases.step(wishes, policy, now=now, wall=WALL + now if wall is None else wall)
    return 0.0 if lease is None else lease.left_s


def test_it_ends_when_it_was_to() -> None:
    leases, wish = Leases(), Wish("panel", WALL, WALL + 600)
    assert [left_s(leases, wish, now=now) for now in (0.0, 300.0, 600.0, 900.0)] == [600.0, 300.0, 0.0, 0.0]
    assert leases.used_s == 600.0


def test_of_several_the_longest_holds() -> None:
    leases = Leases()
    wishes = [Wish("panel", WALL, WALL + 600), Wish("42-a", WALL, WALL + 900, "training")]
    lease = leases.step(wishes, POLICY, now=0.0, wall=WALL)
    assert lease is not None and (lease.left_s, lease.reason) == (900.0, "training")


def test_one_that_is_too_long_is_cut_to_what_is_allowed() -> None:
    assert left_s(Leases(), Wish("a", WALL, WALL + 1e9), now=0.0) == 2 * HOUR
    assert left_s(Leases(), Wish("a", WALL, None), now=0.0) == 2 * HOUR
    assert left_s(Leases(), Wish("a", WALL + 1e9, WALL + 2e9), now=0.0) == 2 * HOUR


def test_without_a_limit_it_ends_at_some_time_all_the_same() -> None:
    free = Policy(lease_max_s=0.0, lease_total_s=0.0)
    assert left_s(Leases(), Wish("a", WALL, None), now=0.0, policy=free) == LONGEST_S


def test_a_thousand_wishes_last_no_longer_than_all_leases_together_may() -> None:
    leases, kept_s, step_s = Leases(), 0.0, 60.0
    for number in range(1000):
        now = number * step_s
        wish = Wish("panel", WALL + now, WALL + now + 2 * HOUR)
        kept_s += step_s if left_s(leases, wish, now=now) > 0 else 0.0
    assert kept_s == 5 * HOUR
    assert leases.total_left_s(POLICY) == 0.0


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_neither_ends_nor_lengthens_it(jump_s: float) -> None:
    leases, wish = Leases(), Wish("panel", WALL, WALL + 600)
    assert left_s(leases, wish, now=0.0) == 600.0
    assert left_s(leases, wish, now=60.0, wall=WALL + 60 + jump_s) == 540.0


@pytest.mark.parametrize("seconds", [-1.0, 0.0, math.nan, math.inf, 2 * HOUR + 1, 1e300])
def test_what_may_not_be_is_refused_with_the_figure(seconds: float) -> None:
    with pytest.raises(LeaseRefused) as refused:
        Leases().check(seconds, POLICY)
    assert refused.value.hint and (not math.isfinite(seconds) or seconds <= 0 or "2 h" in refused.value.detail)


def test_what_is_left_of_all_leases_is_told_to_who_asks_for_more() -> None:
    leases = Leases(used_s=4.5 * HOUR)
    leases.check(1800.0, POLICY)
    with pytest.raises(LeaseRefused, match="30 min are left"):
        leases.check(1801.0, POLICY)


def test_a_server_that_begins_again_goes_on_counting_and_resurrects_nothing() -> None:
    leases, wish = Leases(), Wish("panel", WALL, WALL + 600)
    left_s(leases, wish, now=0.0)
    left_s(leases, wish, now=100.0)
    record = json.loads(json.dumps(leases.as_record(WALL + 100)))
    for later_s, used_s, more_s in ((50.0, 150.0, 450.0), (5000.0, 600.0, 0.0)):
        again = Leases.of_record(record, WALL + 100 + later_s)
        assert again.used_s == pytest.approx(used_s)
        assert left_s(again, wish, now=0.0, wall=WALL + 100 + later_s) == pytest.approx(more_s)


@pytest.mark.parametrize("record", [{}, {"used_s": "x"}, {"used_s": math.nan, "at": 1.0, "until": 1.0}, {"at": None}])
def test_a_record_that_makes_no_sense_counts_from_nothing(record: dict[str, object]) -> None:
    assert Leases.of_record(record, WALL).used_s == 0.0


class TestFolders:
    def write(self, folder: Path, name: str, content: object) -> None:
        (folder / "k").mkdir(parents=True, exist_ok=True)
        (folder / "k" / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def wishes(self, folder: Path) -> list[Wish]:
        left = Folders(folder).read(["k"]).get("k")
        return [] if left is None else list(left.wishes)

    def test_what_is_no_wish_is_passed_over(self, tmp_path: Path) -> None:
        good = {"asked": 1.0, "until": 2.0, "reason": "r", "pid": None, "created": None}
        wrong: list[object] = [
            "", "{", "[]", "null", {**good, "asked": None}, {**good, "until": "soon"}, {**good, "until": 1e999},
            {**good, "pid": -1}, {**good, "pid": True}, {**good, "pid": 1e9}, {**good, "until": None},
            "[" * 5000, {**good, "asked": math.nan},
        ]  # fmt: skip
        for number, content in enumerate(wrong):
            self.write(tmp_path, f"keep-w{number}.json", content)
        self.write(tmp_path, "keep-good.json", good)
        self.write(tmp_path, "other.json", good)
        os.mkfifo(tmp_path / "k" / "keep-fifo.json")
        (tmp_path / "k" / "keep-link.json").symlink_to(tmp_path / "k" / "keep-good.json")
        assert self.wishes(tmp_path) == [Wish("good", 1.0, 2.0, "r")]

    def test_one_whose_process_is_gone_holds_no_longer(self, tmp_path: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        created = psutil.Process(process.pid).create_time()
        self.write(tmp_path, "keep-1-a.json", {"asked": 1.0, "until": None, "pid": process.pid, "created": created})
        self.write(tmp_path, "keep-1-b.json", {"asked": 1.0, "until": None, "pid": process.pid, "created": 5.0})
        self.write(tmp_path, "wait-1.json", {"job": "j", "pid": process.pid, "created": created})
        folders = Folders(tmp_path)
        assert [wish.holder for wish in folders.read(["k"])["k"].wishes] == ["1-a"]
        assert folders.read(["k"])["k"].waits_for == "j"
        process.communicate()
        assert folders.read(["k"])["k"].wishes == () and folders.read(["k"])["k"].waits_for is None

    @pytest.mark.parametrize("created_s", [0.0, 3.0, -86400.0])
    def test_a_clock_that_was_set_ends_no_lease_of_a_child(self, created_s: float, tmp_path: Path) -> None:
        created, began = psutil.Process().create_time() + created_s, beginning(os.getpid())
        said = {"asked": 1.0, "until": None, "pid": os.getpid(), "created": created, "began": began}
        self.write(tmp_path, "keep-1-a.json", said)
        self.write(tmp_path, "keep-1-b.json", {**said, "began": (began or 0) + 1})
        assert [wish.holder for wish in self.wishes(tmp_path)] == ["1-a"]

    def test_a_kernels_own_process_is_there_whatever_the_clock_says(self, tmp_path: Path) -> None:
        self.write(tmp_path, "keep-1-a.json", {"asked": 1.0, "until": None, "pid": os.getpid(), "created": 5.0})
        assert Folders(tmp_path).read(["k"])["k"].wishes == ()
        assert len(Folders(tmp_path).read(["k"], {os.getpid()})["k"].wishes) == 1

    def test_a_file_that_is_written_anew_is_read_anew(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path)
        for until in (2.0, 3.0):
            (tmp_path / "k" / "keep-a.json").unlink(missing_ok=True)
            self.write(tmp_path, "keep-a.json", {"asked": 1.0, "until": until, "reason": "x" * int(until)})
            assert folders.read(["k"])["k"].wishes[0].until == until

    def test_a_wish_is_found_among_any_number_of_jobs(self, tmp_path: Path) -> None:
        for number in range(1001):
            self.write(tmp_path, f"job-{number}.json", {"job": str(number), "at": 1.0})
        self.write(tmp_path, "keep-good.json", {"asked": 1.0, "until": 2.0, "pid": None})
        assert [wish.holder for wish in self.wishes(tmp_path)] == ["good"]

    def test_no_folder_holds_nothing(self, tmp_path: Path) -> None:
        folders = Folders(tmp_path / "nothing")
        assert folders.read(["k"]) == {}
        folders.remove("k")
        folders.remove("../k")


def test_a_little_more_than_is_allowed_is_told_apart_from_it() -> None:
    with pytest.raises(LeaseRefused, match=r"86401 s, a little more than 1 d, were asked for; .*1 d"):
        Leases().check(86_401.0, Policy(lease_max_s=86_400.0))
