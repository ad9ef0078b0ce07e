"""Waiting for one of several handles, in the way that costs least on each system. Knows no more."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable
from functools import partial


def waiting_for(handles: tuple[int, ...]) -> Callable[[float], bool]:
    """A function that waits, at most so many s, until a handle is ready; whether one is.

    It can be called often, and is cheap then: the kernel is told of the handles once where it can
    be. A handle whose other end was closed is ready, and so is one that was closed here.
    """
    if not handles:  # on Windows there may be nothing to wait for but time
        return _sleep
    return partial(_ready, _told(handles))


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


if sys.platform == "win32":

    def _told(handles: tuple[int, ...]) -> tuple[int, ...]:
        return handles

    def _ready(handles: tuple[int, ...], seconds: float) -> bool:
        return bool(select.select(handles, (), (), seconds)[0])

else:

    def _told(handles: tuple[int, ...]) -> select.poll:
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        return poll

    def _ready(poll: select.poll, seconds: float) -> bool:
        return bool(poll.poll(seconds * 1000))
