"""What is written down of kernels, also when the disk takes its time."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from mlk_jupyter.idle.audit import Audit, read
from mlk_jupyter.idle.book import Book

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
    await book.open()
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
