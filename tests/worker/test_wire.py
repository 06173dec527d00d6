"""Messages and text that share a pipe come apart as they were written, whatever the pieces they are read in."""

from __future__ import annotations

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from mlk_jupyter.worker.wire import PIPE_BUF, Receiver, Sender, mark_of

TOKEN = "00112233aabbccdd"

texts = st.binary(max_size=200) | st.sampled_from([mark_of(TOKEN)[:6], b"\x00", b"\x00mlk", b";", mark_of("f" * 16)])
messages = st.dictionaries(st.text(max_size=5).filter(lambda key: key != "kind"), st.text(max_size=9000), max_size=2)


def written(send: object, size: int = 1 << 20) -> bytes:
    """What a call writes to a pipe."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    try:
        send(Sender(write, TOKEN))  # type: ignore[operator]
        return os.read(read, size)
    finally:
        os.close(read)
        os.close(write)


def fed(data: bytes, cuts: list[int]) -> list[bytes | dict]:
    """Items of a receiver that gets the data in pieces; neighbouring text joined."""
    receiver = Receiver(TOKEN)
    items: list[bytes | dict] = []
    at = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        items += receiver.feed(data[at:cut])
        at = cut
    items += receiver.close()
    result: list[bytes | dict] = []
    for item in items:
        if isinstance(item, bytes) and result and isinstance(result[-1], bytes):
            result[-1] += item
        else:
            result.append(item)
    return result


@settings(deadline=None, max_examples=150)
@given(st.lists(texts | messages, max_size=6), st.lists(st.integers(0, 1 << 16), max_size=8))
def test_text_and_messages_come_back_in_order(items: list, cuts: list[int]) -> None:
    data, expected = b"", []
    for item in items:
        if isinstance(item, bytes):
            data += item
            if item and expected and isinstance(expected[-1], bytes):
                expected[-1] += item
            elif item:
                expected.append(item)
        else:
            data += written(lambda sender, item=item: sender.send("test", fields=item))
            expected.append({"kind": "test", "fields": item})
    assert fed(data, cuts) == expected


@settings(deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_whatever_follows_a_marker_never_breaks_the_receiver(noise: bytes, cuts: list[int]) -> None:
    good = written(lambda sender: sender.send("after", n=1))
    items = fed(mark_of(TOKEN) + noise[:200] + b"\n" * 100 + good + good, cuts)
    assert {"kind": "after", "n": 1} in items


def test_no_piece_is_longer_than_a_pipe_writes_at_once() -> None:
    data = written(lambda sender: sender.send("big", text="x" * 20_000))
    pieces = data.split(mark_of(TOKEN))[1:]
    assert len(pieces) > 4
    assert all(len(piece) + len(mark_of(TOKEN)) <= PIPE_BUF for piece in pieces)


def test_a_piece_that_claims_to_be_endless_is_text_and_holds_nothing_back() -> None:
    receiver = Receiver(TOKEN)
    claim = mark_of(TOKEN) + b"1.0.1.1.999999999999999;"
    text = b"".join(bytes(item) for _ in range(50) for item in receiver.feed(claim + b"x" * 10_000))
    assert text + receiver._rest == (claim + b"x" * 10_000) * 50 and len(receiver._rest) < 100


def test_messages_whose_rest_never_comes_are_given_up_the_oldest_first() -> None:
    receiver = Receiver(TOKEN)
    for pid in range(2_000):
        assert not list(receiver.feed(mark_of(TOKEN) + b'%d.0.1.2.8;{"kind":' % pid))
    assert len(receiver._waiting) <= 1_000
    rest = mark_of(TOKEN) + b'%d.0.2.2.6;"late"' % 1_999
    assert not list(receiver.feed(rest)), "no more than it says"
    [message] = receiver.feed(mark_of(TOKEN) + b'1998.0.2.2.7;"late"}')
    assert message == {"kind": "late"}


def test_pieces_of_two_messages_may_mix() -> None:
    first = written(lambda sender: sender.send("a", text="1" * 9000)).split(mark_of(TOKEN))[1:]
    second = written(lambda sender: (next(sender._ids), sender.send("b", text="2" * 9000))).split(mark_of(TOKEN))[1:]
    mixed = b"".join(mark_of(TOKEN) + piece for pair in zip(first, second, strict=True) for piece in pair)
    assert [item["kind"] for item in fed(mixed, []) if isinstance(item, dict)] == ["a", "b"]


def test_a_message_after_the_keeper_is_gone_is_lost_without_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        Sender(write, TOKEN).send("late")
    finally:
        os.close(write)
