"""What is kept of a long stream."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.engine.hosts.capture import Capture


def fed(pieces: list[bytes], head: int, tail: int) -> Capture:
    capture = Capture(head, tail)
    for piece in pieces:
        capture.feed(piece)
    return capture


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(0, 50), st.integers(0, 50))
def test_head_and_tail_are_the_streams_own(pieces: list[bytes], head: int, tail: int) -> None:
    whole = b"".join(pieces)
    capture = fed(pieces, head, tail)
    first, rest = whole[:head], whole[head:]
    last = rest[max(0, len(rest) - tail):]
    assert capture.kept == first + last
    assert capture.left_out == len(whole) - len(first) - len(last)


def test_a_short_stream_is_kept_whole() -> None:
    capture = fed([b"abc", b"def"], 4, 4)
    assert (capture.kept, capture.left_out, capture.told()) == (b"abcdef", 0, b"abcdef")


def test_the_gap_is_told() -> None:
    capture = fed([b"0123456789"], 2, 3)
    assert capture.told() == b"01\n[... 5 bytes left out ...]\n789"


def test_memory_stays_bounded() -> None:
    capture = Capture(10, 1000)
    for _ in range(1000):
        capture.feed(b"x" * 500)
        assert len(capture._tail) <= 2000
    assert capture.left_out == 500_000 - 1010
