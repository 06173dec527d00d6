"""What is written down of kernels, also when the disk takes its time."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from mlk_jupyter.idle import savings
from mlk_jupyter.idle.audit import Audit, read
from mlk_jupyter.idle.book import Book
from mlk_jupyter.idle.policy import Policy

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_disk_that_does_not_answer_holds_nobody_up_and_has_one_writer_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, writers, write = threading.Event(), set(), Audit.write

    def waiting(self: Audit, record: dict[str, object]) -> None:
        writers.add(threading.get_ident())
        answers.wait()
        write(self, record)

    monkeypatch.setattr(Audit, "write", waiting)
    book = Book(tmp_path)
    try:
        for number in range(3):
            book.note({"at": float(number), "event": "warned", "number": number})
            await book.flush(0.01)
        assert len(writers) == 1
        for number in range(3, 20_000):
            book.note({"at": float(number), "event": "warned", "number": number})
        await book.flush(0.01)
        assert book.lost == 20_000 - 1 - 10_000
    finally:
        answers.set()
    await book.flush(60)
    numbers = [record["number"] for record in read(tmp_path)]
    assert numbers == [0, *range(10_000, 20_000)]


async def test_what_is_noted_while_the_past_is_read_is_written_after_it_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, read_savings = threading.Event(), savings.read_savings

    def waiting(folder: Path, now: float) -> savings.Savings:
        answers.wait(30)
        return read_savings(folder, now)

    monkeypatch.setattr(savings, "read_savings", waiting)
    at = time.time() - 60.0
    stopped = {"event": "stopped", "path": "a.ipynb", "gpus": 1, "cost_per_hour": 1.0, "currency": "USD"}
    Audit(tmp_path).write({**stopped, "at": at - 60.0, "kernel": "a"})
    book = Book(tmp_path)
    try:
        assert book.open() and not book.open()
        book.note({**stopped, "at": at, "kernel": "b", "path": "b.ipynb"})
        await book.flush()
        assert [record["kernel"] for record in read(tmp_path)] == ["a"]
        assert book.totals(Policy(mode="enforce"), {}, []).saved is None
    finally:
        answers.set()
    await book.close()
    assert [record["kernel"] for record in read(tmp_path)] == ["a", "b"]
    assert book.totals(Policy(mode="enforce"), {}, []).stops >= 1


async def test_all_who_ask_for_it_find_their_records_written(tmp_path: Path) -> None:
    book = Book(tmp_path)

    async def notes(number: int) -> None:
        book.note({"at": 1.0, "event": "warned", "number": number})
        await book.flush()
        assert number in [record["number"] for record in read(tmp_path)]

    await asyncio.gather(*(notes(number) for number in range(20)))


async def test_whoever_stops_waiting_loses_no_record(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.note({"at": 1.0, "event": "warned"})
    task = asyncio.create_task(book.flush())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    await book.flush()
    assert len(list(read(tmp_path))) == 1
