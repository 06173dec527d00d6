"""Whose a process is: tag, session, parents, memory; never a job's, another kernel's or this server's."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin_kernel import Tables

from mlk_jupyter.idle.belonging import Name, belonging
from mlk_jupyter.idle.growth import Counters, grown
from mlk_jupyter.idle.table import Facts

SERVER = 2
JOB = Facts(own=True, tag=None, job=True)


def tagged(kernel: str) -> Facts:
    return Facts(own=True, tag=kernel, job=False)


class Machine(Tables):
    """A server with the kernels a (10) and b (20)."""

    def __init__(self) -> None:
        super().__init__()
        self.put(1, 0)
        self.put(SERVER, 1)
        for pid, kernel in ((10, "a"), (20, "b")):
            self.put(pid, SERVER)
            self.known[pid] = tagged(kernel)

    def of(self, kernel: str = "a", before: Mapping[Name, str] | None = None) -> set[int]:
        found = belonging(self.table, {"a": 10, "b": 20}, self.facts, before or {}, SERVER)
        pids = found[kernel]
        assert pids[0] == {"a": 10, "b": 20}[kernel] and len(pids) == len(set(pids))
        return set(pids)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_all_that_descends_from_a_kernel_is_its_own(machine: Machine) -> None:
    machine.put(11, 10)
    machine.put(12, 11)
    machine.put(5, 12)  # a lower number: numbers wrap around
    assert machine.of() == {5, 10, 11, 12} and machine.of("b") == {20}


def test_an_orphan_in_its_session_is(machine: Machine) -> None:
    machine.put(11, 1, session=10)
    assert machine.of() == {10, 11}


def test_an_orphan_with_its_tag_is_and_so_are_its_children(machine: Machine) -> None:
    machine.put(11, 1)
    machine.known[11] = tagged("a")
    machine.put(12, 11)
    assert machine.of() == {10, 11, 12}


def test_an_orphan_without_its_tag_is_known_from_before_and_a_later_one_of_its_number_is_not(machine: Machine) -> None:
    machine.put(11, 1, began=7.0)
    assert machine.of(before={(11, 7.0): "a"}) == {10, 11}
    assert machine.of(before={(11, 6.0): "a"}) == {10}


def test_a_job_and_its_ranks_are_nobodys_wherever_they_hang(machine: Machine) -> None:
    machine.put(11, 10)
    machine.known[11] = JOB
    machine.put(12, 11)
    assert machine.of(before={(11, 11.0): "a"}) == {10}


def test_another_kernel_that_it_started_is_not_its_own(machine: Machine) -> None:
    machine.put(11, 10)
    machine.known[11] = tagged("of another server")
    machine.put(12, 11)
    assert machine.of() == {10}


def test_what_this_server_starts_beside_kernels_is_nobodys(machine: Machine) -> None:
    machine.put(30, SERVER)
    machine.put(31, 30)
    assert machine.of() == {10} and machine.of("b") == {20}


def test_a_server_that_was_started_in_a_kernel_tells_its_kernels_apart(machine: Machine) -> None:
    for pid in (10, 20):  # no tag of their own: that of the kernel in whose terminal the server was started
        machine.known[pid] = tagged("outer")
    machine.put(11, 10)
    machine.known[11] = tagged("outer")
    machine.put(30, SERVER)
    machine.known[30] = tagged("outer")
    assert machine.of() == {10, 11} and machine.of("b") == {20}


def test_parents_in_a_circle_end(machine: Machine) -> None:
    machine.put(40, 41)
    machine.put(41, 40)
    assert machine.of() == {10}


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["", "a", "b", "job", "x"])), max_size=30))
def test_no_process_is_of_two_kernels_and_none_is_a_jobs(processes: list[tuple[int, str]]) -> None:
    machine = Machine()
    for number, (parent, kind) in enumerate(processes):
        pid = 100 + number
        machine.put(pid, (10, 20, SERVER, 1)[parent] if parent < 4 else 100 + parent - 4)
        if kind:
            machine.known[pid] = JOB if kind == "job" else tagged(kind)
    a, b = machine.of("a"), machine.of("b")
    assert not a & b and SERVER not in a | b
    assert not [pid for pid in a | b if machine.facts(machine.table[pid]).job]
    assert not [pid for pid in a if machine.facts(machine.table[pid]).tag not in (None, "a")]
    assert not [pid for pid in b if machine.facts(machine.table[pid]).tag not in (None, "b")]


@given(st.data())
def test_all_that_a_tree_uses_counts_once_whoever_ends_meanwhile(data: st.DataObject) -> None:
    """A machine whose processes compute, fork and end, each reaped by its parent, looked at now and then."""
    table = Tables()
    table.put(10)
    used, told, parents = 0.0, 0.0, {10: 1}
    before = _counters(table, [10])
    for pid in range(11, 40):
        step = data.draw(st.sampled_from(["work", "fork", "end", "look"]))
        alive = sorted(parents)
        one = data.draw(st.sampled_from(alive))
        row = table.table[one]
        if step == "work":
            table.table[one], used = row._replace(own_s=row.own_s + 1), used + 1
        elif step == "fork":
            table.put(pid, one)
            parents[pid] = one
        elif step == "end" and one != 10 and one not in parents.values():
            heir = table.table[parents.pop(one)]
            table.table[heir.pid] = heir._replace(reaped_s=heir.reaped_s + row.own_s + row.reaped_s)
            del table.table[one]
        elif step == "look":
            now = _counters(table, sorted(parents))
            told, before = told + grown(before, now), now
    assert told + grown(before, _counters(table, sorted(parents))) == pytest.approx(used)


def _counters(table: Tables, pids: list[int]) -> Counters:
    rows = table.rows()
    return Counters(rows, pids, lambda pid: rows[pid].own_s, lambda pid: rows[pid].reaped_s)
