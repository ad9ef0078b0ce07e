"""Listens to what a real client tells the wrapper by the memory that they share.

A thread of its own reads each millisecond or so whether a request and a heartbeat wait in a slot's
``boinc_mmap_file``, and changes nothing. On a busy machine it comes later, and may miss one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from wrapper.boinc.channels import CHANNEL_SIZE, MMAP_FILE, NAMES, UNASKED

_EVERY = 0.001


class Text:
    """One text of the client's: not there yet at ``before``, there at ``first`` and at ``last``.
    Times in s, of a clock that never goes back.
    """

    def __init__(self, before: float, first: float) -> None:
        self.before, self.first, self.last = before, first, first
        self.taken = False

    @property
    def waited(self) -> float:
        """Seconds until the wrapper took it, at least."""
        return self.last - self.first


class Listener:
    """Notes what comes into one channel and is taken out of it."""

    def __init__(self, file: BinaryIO, channel: str) -> None:
        self.texts: list[Text] = []
        self._file, self._place = file, CHANNEL_SIZE * NAMES.index(channel)
        self._empty = time.monotonic()

    def listen(self) -> None:
        """Look once."""
        begin = time.monotonic()
        self._file.seek(self._place)
        waits = self._file.read(1) != UNASKED
        new = not self.texts or self.texts[-1].taken
        if not waits:
            self._empty = begin
            if not new:
                self.texts[-1].taken = True
        elif new:
            self.texts.append(Text(self._empty, time.monotonic()))
        else:
            self.texts[-1].last = max(begin, self.texts[-1].first)


class Overheard:
    """The requests and the heartbeats that came while this was open, oldest first."""

    def __init__(self, slot: Path) -> None:
        self._file = open(slot / MMAP_FILE, "rb", buffering=0)  # noqa: SIM115 - closed at the end
        # The request first: the heartbeat that came before it is then seen no later than it.
        self._listeners = [Listener(self._file, "process_control_request"),
                           Listener(self._file, "heartbeat")]
        self.requests, self.beats = (listener.texts for listener in self._listeners)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Overheard:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        self._file.close()

    def behind_a_beat(self, request: Text) -> float:
        """Seconds that a request came behind the heartbeat before it, at least."""
        beat = max(beat.first for beat in self.beats if beat.before <= request.first)
        return max(request.before - beat, 0.0)

    def _listen(self) -> None:
        _hurry()
        while not self._end.wait(_EVERY):
            for listener in self._listeners:
                listener.listen()


def _hurry() -> None:
    """Let this thread run before others, where that is allowed: what it sees is not older then."""
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
