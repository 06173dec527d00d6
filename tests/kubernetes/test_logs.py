"""Following a container's log: nothing twice, nothing lost, gaps said."""

from __future__ import annotations

import asyncio
import dataclasses
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logserver import Cut, LogServer, Refusal

from mlk_jupyter.backends.kubernetes.recording.logs import LogFollower
from mlk_jupyter.backends.kubernetes.recording.stamps import Position, Stamps
from mlk_jupyter.backends.kubernetes.timing import RecordingTiming

_LINE = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"|"))


QUICK = RecordingTiming(shortest_s=0.001, longest_s=0.01)


class Reader:
    """A follower and what it brought."""

    def __init__(self, server: LogServer, position: Position | None = None, timing: RecordingTiming = QUICK) -> None:
        self.text = b""
        self.notices: list[str] = []
        self.follower = LogFollower(
            server, "ns", "pod-0", "worker", position or Position(), self._feed, self.notices.append,
            timing=timing,
        )  # fmt: skip

    def _feed(self, data: bytes) -> None:
        self.text += data

    async def until(self, true: Callable[[], bool]) -> None:
        async def turn() -> None:
            while not true():  # noqa: ASYNC110  what is waited for is no object of ours
                await asyncio.sleep(0.001)

        await asyncio.wait_for(turn(), 20)


def read_to_end(server: LogServer, position: Position | None = None) -> Reader:
    """Reads the log of a container that has ended."""

    async def run() -> Reader:
        server.end()
        reader = Reader(server, position)
        reader.follower.container_ended()
        await asyncio.wait_for(reader.follower.run(), 20)
        return reader

    return asyncio.run(run())


def test_timestamps_are_taken_off_and_nothing_else_is_changed() -> None:
    server = LogServer()
    server.write(
        1.5, b"hello\n", b"\n", b"  two words\r\n", b"2026-11-22T00:00:00Z quoted\n", "grün\x00\xff\n".encode()
    )
    reader = read_to_end(server)
    assert reader.text == b"hello\n\n  two words\r\n2026-11-22T00:00:00Z quoted\n" + "grün\x00\xff\n".encode()
    assert reader.follower.position.whole and reader.notices == []


def test_a_last_line_without_newline_is_read() -> None:
    server = LogServer()
    server.write(1, b"one\n", b"two")
    assert read_to_end(server).text == b"one\ntwo"


def test_an_empty_log_is_read_to_its_end() -> None:
    reader = read_to_end(LogServer())
    assert reader.text == b"" and reader.follower.position.whole


@given(
    seconds=st.lists(
        st.lists(st.binary(max_size=30).map(lambda text: text.replace(b"\n", b"|")), max_size=8), max_size=8
    ),
    piece_bytes=st.integers(1, 200),
    data=st.data(),
)
def test_a_log_that_is_cut_anywhere_any_number_of_times_is_read_once(
    seconds: list[list[bytes]], piece_bytes: int, data: st.DataObject
) -> None:
    server = LogServer(piece_bytes=piece_bytes)
    for number, texts in enumerate(seconds):
        for place, text in enumerate(texts):
            server.write(number + (place // 2) / 10, text + b"\n")  # some share their time
    largest = max((sum(len(text) + 33 for text in texts) for texts in seconds), default=0)
    server.cut_after = data.draw(st.integers(largest + 64, 2 * largest + 128))
    reader = read_to_end(server)
    assert reader.text == b"".join(text + b"\n" for texts in seconds for text in texts)
    assert reader.notices == []


def test_a_follower_that_is_replaced_goes_on_exactly_from_its_position() -> None:
    server = LogServer(cut_after=250)
    for number in range(40):
        server.write(number / 3, b"line %d\n" % number)
    whole = b"".join(text for _, text in server.lines)

    async def run() -> bytes:
        text, position = b"", Position()
        for _ in range(200):  # each is killed after its first piece of news
            reader = Reader(server, position)
            task = asyncio.ensure_future(reader.follower.run())
            await reader.until(lambda reader=reader: bool(reader.text))  # type: ignore[misc]
            task.cancel()
            await asyncio.wait({task})
            text, position = text + reader.text, reader.follower.position
            if len(text) == len(whole):
                break
        return text

    assert asyncio.run(run()) == whole


def test_lines_that_come_while_it_follows_are_fed_at_once_and_its_end_ends_it() -> None:
    server = LogServer()

    async def run() -> Reader:
        reader = Reader(server)
        task = asyncio.ensure_future(reader.follower.run())
        for number in range(5):
            server.write(number, b"%d\n" % number)
            await reader.until(lambda number=number: reader.text.endswith(b"%d\n" % number))  # type: ignore[misc]
        server.write(5, b"last")
        server.end()
        reader.follower.container_ended()
        await asyncio.wait_for(task, 20)
        return reader

    assert asyncio.run(run()).text == b"0\n1\n2\n3\n4\nlast"


@pytest.mark.parametrize(
    "refusal", [Refusal(410), Refusal(429, 0.002), Refusal(500), Refusal(503), Refusal(504), Refusal(401), Cut()]
)
def test_a_server_that_refuses_is_asked_again(refusal: Refusal) -> None:
    server = LogServer(refusals=[refusal, refusal, refusal])
    server.write(1, b"all of it\n")
    reader = read_to_end(server)
    assert reader.text == b"all of it\n" and len(server.asked) >= 4


def test_a_container_that_is_still_waiting_to_start_is_asked_again() -> None:
    server = LogServer(refusals=[Refusal(400), Refusal(400)])
    server.write(1, b"started\n")

    async def run() -> Reader:
        reader = Reader(server)
        task = asyncio.ensure_future(reader.follower.run())
        await reader.until(lambda: bool(reader.text))
        server.end()
        reader.follower.container_ended()
        await asyncio.wait_for(task, 20)
        return reader

    assert asyncio.run(run()).text == b"started\n"


def test_a_silent_connection_is_given_up_and_asked_anew() -> None:
    server = LogServer(silent=3)
    server.write(1, b"there all along\n")

    async def run() -> Reader:
        reader = Reader(server, timing=dataclasses.replace(QUICK, quiet_s=0.01))
        task = asyncio.ensure_future(reader.follower.run())
        await reader.until(lambda: bool(reader.text))
        task.cancel()
        await asyncio.wait({task})
        return reader

    assert asyncio.run(run()).text == b"there all along\n"
    assert server.silent == 0


def test_a_silent_answer_is_not_taken_for_the_end_of_the_log() -> None:
    server = LogServer(silent=1)
    server.write(1, b"late\n")

    async def run() -> Reader:
        reader = Reader(server, timing=dataclasses.replace(QUICK, last_words_s=0.01))
        task = asyncio.ensure_future(reader.follower.run())
        await reader.until(lambda: bool(server.asked))
        reader.follower.container_ended()
        await asyncio.wait_for(task, 20)
        return reader

    reader = asyncio.run(run())
    assert reader.text == b"late\n" and server.asked[0].follow and not server.asked[-1].follow


def test_a_rotated_log_leaves_a_marked_gap_and_a_notice() -> None:
    server = LogServer()
    server.write(1, b"one\n")
    first = read_to_end(server)
    server.write(7, b"lost\n")
    server.write(9.25, b"kept\n", b"last\n")
    server.rotate(kept=2)
    reader = read_to_end(server, Position(first.follower.position.time, 1))
    mark, *rest = reader.text.splitlines()
    assert b"00:00:01" in mark and b"00:00:09.25" in mark and b"may be missing" in mark
    assert rest == [b"kept", b"last"]
    assert len(reader.notices) == 1 and "may be missing" in reader.notices[0]


def test_a_log_that_begins_where_it_was_left_has_no_gap() -> None:
    server = LogServer()
    server.write(1.1, b"a\n")
    server.write(1.2, b"b\n")
    server.write(60, b"much later\n")
    position = Position("2026-11-22T00:00:01.200000000Z", 1)
    reader = read_to_end(server, position)
    assert reader.text == b"much later\n" and reader.notices == []


def test_a_pod_that_is_gone_ends_the_reading_and_says_what_is_missing() -> None:
    server = LogServer(refusals=[Refusal(404)] * 9)
    reader = Reader(server, Position("2026-11-22T00:00:01.200000000Z", 1))
    asyncio.run(asyncio.wait_for(reader.follower.run(), 20))
    assert reader.follower.position.whole
    assert "gone" in reader.notices[0] and "00:00:01.2" in reader.notices[0]


def test_a_pod_that_is_gone_once_its_log_has_ended_leaves_nothing_to_say() -> None:
    server = LogServer()
    server.write(1, b"all of it\n")
    server.end()

    async def run() -> Reader:
        reader = Reader(server)
        task = asyncio.ensure_future(reader.follower.run())
        await reader.until(lambda: bool(reader.text))
        server.refusals = [Refusal(404)] * 9
        reader.follower.pod_gone()
        await asyncio.wait_for(task, 20)
        return reader

    reader = asyncio.run(run())
    assert reader.follower.position.whole and reader.notices == []


def test_one_404_alone_is_not_believed() -> None:
    server = LogServer(refusals=[Refusal(404)])
    server.write(1, b"still there\n")
    reader = read_to_end(server)
    assert reader.text == b"still there\n" and reader.notices == []


def test_what_the_node_says_in_place_of_the_log_is_told_and_not_logged() -> None:
    server = LogServer()
    server.write(1, b"text\n")
    server.lines.append(("unable", b"to retrieve container logs for containerd://abc\n"))
    server.lines[-1] = ("unable to", b"retrieve container logs for containerd://abc\n")
    reader = read_to_end(server)
    assert reader.text == b"text\n"
    assert "unable to retrieve container logs" in reader.notices[0]


@given(
    moment=st.sampled_from(
        [
            "2026-11-22T00:00:01.5Z",
            "2026-11-22T00:00:01.500000000Z",
            "2026-11-22T02:00:01.500+02:00",
            "2026-11-21T18:30:01.5-05:30",
        ]
    )
)
def test_times_are_understood_in_every_zone_and_length(moment: str) -> None:
    stamps = Stamps(Position())
    assert stamps.feed(f"{moment} text\n".encode()) == b"text\n"
    assert stamps.position == Position("2026-11-22T00:00:01.500000000Z", 1)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_can_be_fed(data: bytes, size: int) -> None:
    stamps = Stamps(Position("2026-11-22T00:00:01.500000000Z", 1, 5))
    for at in range(0, len(data), size):
        stamps.feed(data[at : at + size])
    stamps.close()


@given(length=st.integers(60_000, 400_000), cut=st.integers(70_000, 200_000))
def test_a_line_without_end_is_fed_in_parts_and_continued_after_a_cut(length: int, cut: int) -> None:
    text = bytes(range(48, 58)) * (length // 10)
    line = b"2026-11-22T00:00:01.000000000Z " + text
    first = Stamps(Position())
    got = b"".join(first.feed(line[at : at + 4096]) for at in range(0, min(cut, len(line)), 4096))
    again = Stamps(first.position)
    got += b"".join(again.feed(line[at : at + 4096]) for at in range(0, len(line), 4096))
    got += again.feed(b"\n2026-11-22T00:00:02.000000000Z next\n")
    assert got == text + b"\nnext\n"
    assert again.position == Position("2026-11-22T00:00:02.000000000Z", 1)


@pytest.mark.parametrize("line_bytes", [1000, 100_000_000], ids=["lines", "no newline"])
def test_100_MB_take_little_memory(line_bytes: int) -> None:
    text = b"x" * (min(line_bytes, 65_536) - 1)

    class Endless(LogServer):
        async def _answer(self, since: str | None, follow: bool):  # type: ignore[no-untyped-def]
            if since is not None:
                return
            if line_bytes > 65_536:
                yield b"2026-11-22T00:00:01.000000000Z "
                for _ in range(100_000_000 // len(text)):
                    yield text
                return
            piece = b"".join(b"2026-11-22T00:00:01.%09dZ " % number + text + b"\n" for number in range(500))
            for _ in range(100_000_000 // len(piece)):
                yield piece

    async def run() -> tuple[int, int]:
        fed = 0

        def feed(data: bytes) -> None:
            nonlocal fed
            fed += len(data)

        follower = LogFollower(Endless(over=True), "ns", "pod-0", "worker", Position(), feed, lambda text: None)
        follower.container_ended()
        tracemalloc.start()
        try:
            await follower.run()
            return fed, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    fed, peak = asyncio.run(run())
    assert fed > 80_000_000
    assert peak < 5 * 1024 * 1024
