"""Waiting for the first of several handles."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from wrapper.waiting import waiting_for

unix = pytest.mark.skipif(sys.platform == "win32", reason="a pipe cannot be waited for there")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("wanted", [0.0, 50.0])
def test_without_handles_the_time_passes(wanted: float) -> None:
    began = time.monotonic()
    assert not waiting_for(())(wanted)
    assert time.monotonic() - began >= wanted / 1000 - 0.02


@unix
def test_a_handle_that_says_nothing_is_waited_for_as_long_as_told(pipe: tuple[int, int]) -> None:
    wait = waiting_for(pipe[:1])
    for _ in range(2):
        began = time.monotonic()
        assert not wait(50)
        assert time.monotonic() - began >= 0.05


@unix
def test_a_handle_that_is_ready_ends_the_wait_and_every_later_one(pipe: tuple[int, int]) -> None:
    wait = waiting_for(pipe[:1])
    threading.Timer(0.05, os.write, (pipe[1], b"x")).start()
    assert wait(60_000)
    assert wait(60_000)
    os.read(pipe[0], 1)
    assert not wait(10)


@unix
def test_an_end_that_was_closed_ends_the_wait() -> None:
    reader, writer = os.pipe()
    os.close(writer)
    assert waiting_for((reader,))(60_000)
    os.close(reader)
