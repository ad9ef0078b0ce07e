"""What is known of a WSL distro without asking each time: whether a process lives, and the switch
that pauses the container when this program is gone.

Both live in the looks' shell of the host. Knows /proc/PID/stat (proc(5)); no engine, no order.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from wrapper.engine.hosts import wsl_words
from wrapper.engine.hosts.base import Unreachable
from wrapper.engine.hosts.watching import born, is_dead
from wrapper.engine.hosts.wsl_shell import Frame

if TYPE_CHECKING:
    from wrapper.engine.hosts.wsl import WslHost

_EVERY = 0.8
"""Seconds between two looks at a process; each costs two processes' time."""


class StatWatch:
    """A process of the distro, looked at now and then: its number may be given to another process,
    but not together with the time of its birth.
    """

    def __init__(self, host: WslHost, pid: int, born: bytes) -> None:
        self._host, self._pid, self._born = host, pid, born
        self._asked: Frame | None = None
        self._next = 0.0
        self._upheavals = host.upheavals
        self._ended = False

    def ended(self) -> bool:
        """Whether it has ended; after a shell was lost also once, so that somebody looks."""
        if self._asked is not None and self._asked.complete:
            self._hear(self._asked)
            self._asked = None
        elif self._asked is None and time.monotonic() >= self._next and not self._ended:
            self._next = time.monotonic() + _EVERY
            with contextlib.suppress(Unreachable):
                self._asked = self._host.begin_look(wsl_words.process_line(self._pid))
        return self._ended or self._is_doubtful()

    def _is_doubtful(self) -> bool:
        known, self._upheavals = self._upheavals, self._host.upheavals
        return known != self._upheavals

    def _hear(self, said: Frame) -> None:
        if said.status == "1":
            self._ended = True
        elif said.status == "0":
            line = said.out.kept
            self._ended = is_dead(line) or born(line) != self._born

    def handles(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        pass


class TrapSwitch:
    """A switch that is armed: a trap in the looks' shell."""

    def __init__(self, host: WslHost) -> None:
        self._host = host

    def disarm(self) -> None:
        self._host.disarm()
