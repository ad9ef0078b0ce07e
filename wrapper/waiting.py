"""Waiting for one of several handles, in the way that costs least on each system. Knows no more.

To wake up is most of what it costs to watch a job, so this is the system's own function wherever
there is one, told of the handles once.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable


def waiting_for(handles: tuple[int, ...]) -> Callable[[float], object]:
    """A function that waits, at most so many ms, until a handle is ready; something true if one is.

    It can be called often. A handle whose other end was closed is ready.
    """
    return _told(handles) if handles else _sleep


def _sleep(milliseconds: float) -> bool:
    """On Windows there may be nothing to wait for but time."""
    time.sleep(milliseconds / 1000)
    return False


if sys.platform == "win32":

    def _told(handles: tuple[int, ...]) -> Callable[[float], object]:
        return lambda milliseconds: select.select(handles, (), (), milliseconds / 1000)[0]

else:

    def _told(handles: tuple[int, ...]) -> Callable[[float], object]:
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN)
        return poll.poll
