"""Signals are only noted; the loop acts on them. A noted signal wakes the loop at once."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


class Signals:
    """SIGTERM, SIGINT and their like, taken as a wish to quit."""

    def __init__(self) -> None:
        self.quit_asked = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        os.set_blocking(self._reader, False)

    def catch(self) -> None:
        """From now on note the signals. SIGPIPE stays ignored, as Python has it."""
        names = ["SIGTERM", "SIGINT"] + ([] if sys.platform == "win32" else ["SIGHUP", "SIGQUIT"])
        for name in names:
            signal.signal(getattr(signal, name), self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.quit_asked = True
        try:
            os.write(self._writer, bytes([number]))
        except OSError:
            return  # the pipe is full: the loop is as good as awake

    def handles(self) -> tuple[int, ...]:
        """A descriptor that is readable once a signal was noted."""
        return () if self.quit_asked else (self._reader,)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._reader)
        os.close(self._writer)
