"""Signals are only noted; the loop acts on them. A noted signal wakes the loop at once.

Windows has none that a client sends, and its ``select`` knows sockets only: there a noted
Ctrl-C waits until the loop looks, a quarter of a second later at most.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

if sys.platform == "win32":
    _NAMES = ("SIGTERM", "SIGINT", "SIGBREAK")
else:
    _NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")


class Signals:
    """SIGTERM, SIGINT and their like, taken as a wish to quit."""

    def __init__(self) -> None:
        self.quit_asked = False
        self._pipe: tuple[int, int] | None = None
        if sys.platform != "win32":
            self._pipe = os.pipe()
            for descriptor in self._pipe:
                os.set_blocking(descriptor, False)

    def catch(self) -> None:
        """From now on note the signals. SIGPIPE stays ignored, as Python has it."""
        for name in _NAMES:
            signal.signal(getattr(signal, name), self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.quit_asked = True
        if self._pipe is None:
            return
        try:
            os.write(self._pipe[1], bytes([number]))
        except OSError:
            return  # the pipe is full: the loop is as good as awake

    def handles(self) -> tuple[int, ...]:
        """A descriptor that is readable once a signal was noted; none on Windows."""
        return () if self.quit_asked or self._pipe is None else self._pipe[:1]

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in self._pipe or ():
            os.close(descriptor)
        self._pipe = None
