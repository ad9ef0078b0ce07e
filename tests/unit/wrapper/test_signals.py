"""Signals are noted and wake the loop."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator

import pytest

from wrapper.signals import Signals

WINDOWS = sys.platform == "win32"
of_unix = pytest.mark.skipif(WINDOWS, reason="there are no such signals")
NAMES = ["SIGTERM", "SIGINT", "SIGBREAK" if WINDOWS else "SIGHUP"]


@pytest.fixture
def caught() -> Iterator[Signals]:
    numbers = [getattr(signal, name) for name in [*NAMES, *([] if WINDOWS else ["SIGQUIT"])]]
    kept = {number: signal.getsignal(number) for number in numbers}
    signals = Signals()
    signals.catch()
    yield signals
    for number, handler in kept.items():
        signal.signal(number, handler)
    signals.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_is_noted_wherever_we_run(caught: Signals, name: str) -> None:
    signal.raise_signal(getattr(signal, name))
    assert caught.quit_asked


@of_unix
def test_nothing_is_noted_at_first(caught: Signals) -> None:
    assert not caught.quit_asked
    assert select.select(caught.handles(), (), (), 0)[0] == []


@of_unix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"])
def test_a_signal_is_a_wish_to_quit_and_wakes_the_loop(caught: Signals, name: str) -> None:
    handles = caught.handles()
    os.kill(os.getpid(), getattr(signal, name))
    assert caught.quit_asked
    assert select.select(handles, (), (), 5)[0] == list(handles)
    assert caught.handles() == ()
