"""Watching a process of this computer: by a pidfd, or by looking at /proc where there are none.

A process's number may be given to another one; a pidfd may not, nor may an open file of it in
/proc. Knows the kernel only.
"""

from __future__ import annotations

import os
import select
import sys
import time

from wrapper.engine.hosts.base import Watch

_EVERY = 0.2
"""Seconds between two looks at a process that has no pidfd."""


def watch_process(pid: int) -> Watch | None:
    """A watch of a process; None where nothing is to be seen of it."""
    descriptor = pidfd(pid)
    if descriptor is not None:
        return _PidfdWatch(descriptor)
    try:
        return StatWatch(os.open(f"/proc/{pid}/stat", os.O_RDONLY))
    except OSError:
        return None


def pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open") and pid > 0:
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None
    return None


def born(line: bytes) -> bytes:
    """When a process was started, from its /proc/PID/stat (proc(5), field 22); empty where it
    does not say.
    """
    fields = line.rpartition(b")")[2].split()
    return fields[19] if len(fields) > 19 and fields[19].isdigit() else b""


def is_dead(line: bytes) -> bool:
    """Whether that line is of a process that has ended and was not asked for yet."""
    return line.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


class _PidfdWatch:
    """By a pidfd: its end wakes whoever waits."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ended = False

    def ended(self) -> bool:
        if not self._ended and self._descriptor >= 0:
            self._ended = bool(select.select((self._descriptor,), (), (), 0)[0])
        return self._ended

    def handles(self) -> tuple[int, ...]:
        return () if self._descriptor < 0 else (self._descriptor,)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class StatWatch:
    """By looking now and then, for a kernel or a sandbox without pidfds.

    The open file belongs to the process, and not to whoever has its number later.
    """

    def __init__(self, descriptor: int) -> None:
        """``descriptor``: its /proc/PID/stat, this object's from now on."""
        self._descriptor = descriptor
        self._ended = False
        self._next = 0.0

    def ended(self) -> bool:
        """Whether it has ended. What cannot be read just now has not."""
        now = time.monotonic()
        if not self._ended and now >= self._next and self._descriptor >= 0:
            self._next = now + _EVERY
            self._ended = self._gone()
        return self._ended

    def _gone(self) -> bool:
        try:
            return sys.platform != "win32" and is_dead(os.pread(self._descriptor, 1024, 0))
        except ProcessLookupError:
            return True
        except OSError:
            return False

    def handles(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
