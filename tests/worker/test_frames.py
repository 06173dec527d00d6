"""The frame protocol survives torn, foreign and hostile lines."""

from __future__ import annotations

import base64
import itertools
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlk_jupyter.worker.frames import FRAME_LIMIT, LINE_LIMIT, Decoder, Encoder

NONCE = "00112233aabbccdd"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def decoded(data: bytes, cuts: list[int] | None = None) -> tuple[list[dict], bytes, int]:
    decoder = Decoder(NONCE, range(8))
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts or []), len(data)]
    items = [item for a, b in itertools.pairwise(bounds) for item in decoder.feed(data[a:b])]
    items += decoder.close()
    frames = [item for item in items if isinstance(item, dict)]
    return frames, b"".join(item for item in items if isinstance(item, bytes)), decoder.lost


@settings(deadline=None)
@given(
    st.lists(st.tuples(json_values, st.binary(max_size=40).map(lambda b: b.replace(b"\n", b""))), max_size=5),
    st.lists(st.integers(0, 1 << 16), max_size=6),
)
def test_frames_and_foreign_text_come_back_whole(items: list, cuts: list[int]) -> None:
    encoder = Encoder(NONCE, 3)
    data = b"".join(foreign + encoder.encode("test", value=value, time=0) for value, foreign in items)
    frames, foreign, lost = decoded(data, cuts)
    assert frames == [
        {"kind": "test", "value": value, "time": 0, "rank": 3, "seq": seq} for seq, (value, _) in enumerate(items)
    ]
    assert foreign == b"".join(text for _, text in items)
    assert lost == 0


@settings(deadline=None)
@given(st.binary(max_size=500), st.lists(st.integers(0, 500), max_size=4))
def test_hostile_text_never_breaks_what_follows(noise: bytes, cuts: list[int]) -> None:
    hostile = b"@mlk:" + NONCE.encode() + b" " + noise + b"\n"
    good = Encoder(NONCE, 0).encode("after", n=1, time=0)
    frames, _, _ = decoded(hostile + good, cuts)
    assert frames[-1] == {"kind": "after", "n": 1, "time": 0, "rank": 0, "seq": 0}


def test_another_nonce_is_foreign_text() -> None:
    line = Encoder("ffffffffffffffff", 0).encode("test", n=1)
    frames, foreign, lost = decoded(line)
    assert (frames, foreign, lost) == ([], line, 0)


def test_a_long_frame_is_cut_into_lines_and_joined() -> None:
    data = Encoder(NONCE, 0).encode("big", text="ä" * 30_000, time=0)
    assert all(len(line) <= LINE_LIMIT for line in data.splitlines(True))
    assert decoded(data)[0][0]["text"] == "ä" * 30_000


@pytest.mark.parametrize("missing", [0, 1, -1])
def test_a_frame_that_lacks_a_piece_is_lost_and_counted_and_the_next_is_not(missing: int) -> None:
    encoder = Encoder(NONCE, 0)
    lines = encoder.encode("big", text="x" * 30_000).splitlines(True)
    del lines[missing]
    frames, _, lost = decoded(b"".join(lines) + encoder.encode("next", time=0))
    assert [frame["kind"] for frame in frames] == ["next"]
    assert lost == (0 if missing == 0 else 1)


def test_pieces_of_two_ranks_may_mix() -> None:
    ranks = [Encoder(NONCE, rank).encode("big", text=str(rank) * 20_000).splitlines(True) for rank in (0, 1)]
    frames, _, lost = decoded(b"".join(itertools.chain(*zip(*ranks, strict=True))))
    assert [(frame["rank"], frame["text"][0]) for frame in frames] == [(0, "0"), (1, "1")]
    assert lost == 0


MARKER = b"@mlk:" + NONCE.encode() + b" "


@pytest.mark.parametrize(
    "piece",
    [b"x" * 10_000, MARKER * 400, (MARKER + b"0 0 1/1 " + b"y" * 4_000) * 3, MARKER + b"0 0 1/1 " + b"y" * 9_000],
    ids=["plain", "nothing but markers", "a marker now and then", "rare markers"],
)
def test_a_line_without_end_does_not_grow_in_memory(piece: bytes) -> None:
    decoder, given = Decoder(NONCE, range(1)), b""
    for _ in range(20):
        given += b"".join(item for item in decoder.feed(piece) if isinstance(item, bytes))
        assert len(decoder._rest) <= LINE_LIMIT
    assert given + decoder._rest == piece * 20
    [frame] = [item for item in decoder.feed(b"\n" + Encoder(NONCE, 0).encode("next")) if isinstance(item, dict)]
    assert frame["kind"] == "next"


def test_a_frame_of_another_rank_is_text() -> None:
    line = Encoder(NONCE, 8).encode("test", n=1)
    assert decoded(b"before " + line) == ([], b"before " + line, 0)


@pytest.mark.parametrize("count", [4_300, 999_999_999])
def test_a_frame_of_too_many_pieces_is_lost_and_nothing_of_it_held(count: int) -> None:
    decoder = Decoder(NONCE, range(1))
    for number in range(1, 4_250):
        assert not list(decoder.feed(MARKER + b"0 0 %d/%d %s\n" % (number, count, b"x" * 8_000)))
        assert decoder.held == 0
    assert decoder.lost == 1


def test_a_large_frame_travels_compressed() -> None:
    numbers = ",".join(str(number * 7919) for number in range(200_000))
    data = Encoder(NONCE, 0).encode("big", text=numbers, time=0)
    assert len(data) < len(numbers) * 0.8 and all(len(line) <= LINE_LIMIT for line in data.splitlines(True))
    assert decoded(data)[0][0]["text"] == numbers


def test_few_bytes_never_become_many() -> None:
    body = b"z" + base64.b64encode(zlib.compress(b'{"kind":"x","text":"' + b"x" * 4_000_000 + b'"}'))
    assert len(body) < 7_000
    lines = MARKER + b"0 0 1/1 " + body + b"\n"
    frames, _, lost = decoded(lines)
    assert frames == [] and lost == 1


@pytest.mark.parametrize(
    "body",
    [b"z", b"zzzz", b"z!", b"z" + base64.b64encode(b"no zlib"), b"z" + base64.b64encode(zlib.compress(b"{}")[:-1])],
)
def test_what_cannot_be_unpacked_is_lost(body: bytes) -> None:
    assert decoded(MARKER + b"0 0 1/1 " + body + b"\n") == ([], b"", 1)


def test_what_is_too_large_for_a_frame_becomes_a_notice() -> None:
    encoder = Encoder(NONCE, 0)
    largest = {"text": "x" * (FRAME_LIMIT - 100), "time": 0}
    data = encoder.encode("big", **largest) + encoder.encode("big", text="x" * FRAME_LIMIT, time=0)
    frames, foreign, lost = decoded(data)
    assert [frame["kind"] for frame in frames] == ["big", "notice"] and (foreign, lost) == (b"", 0)
    assert "was left out" in frames[1]["text"]


def test_a_value_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        Encoder(NONCE, 0).encode("metric", value=float("nan"))
