"""Whether the process of the BOINC client still lives, asked of this system by its pid.

A pid can be given to another process once the client is dead. A pidfd cannot (Linux); elsewhere,
where the system tells when a process started (Windows), that is compared as well. Knows nothing
else of the client.
"""

from __future__ import annotations

import os
import select
import sys


class ClientProcess:
    """A process that lived when this object was made, or did not."""

    def __init__(self, pid: int) -> None:
        """``pid`` is above 0."""
        self.pid = pid
        self.handle = pidfd(pid)
        """A descriptor that becomes readable when the process ends; None where there is none."""
        self._started = _start_time(pid) if self.handle is None else None

    def alive(self) -> bool:
        """Whether it lives; yes where nobody lets us know."""
        if self.handle is not None:
            return not _ready(self.handle)
        lives, started = _seen(self.pid)
        return lives and (started is None or self._started in (None, started))

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where there is none."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(pid)
        except OSError:
            return None
    return None


def _ready(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False  # there are none
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


if sys.platform == "win32":
    _SYNCHRONIZE_AND_QUERY = 0x00100000 | 0x1000
    _ACCESS_DENIED = 5
    _WAIT_TIMEOUT = 0x102

    def _exists(pid: int) -> bool:
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
        handle = kernel.OpenProcess(_SYNCHRONIZE_AND_QUERY, 0, pid)
        if not handle:
            return ctypes.get_last_error() == _ACCESS_DENIED
        # A process that ended can be opened while anybody holds a handle of it.
        running = kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT
        kernel.CloseHandle(handle)
        return bool(running)

    def _start_time(pid: int) -> str | None:
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.GetProcessTimes.argtypes = (ctypes.c_void_p,) * 5
        kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
        handle = kernel.OpenProcess(_SYNCHRONIZE_AND_QUERY, 0, pid)
        if not handle:
            return None
        times = (ctypes.c_uint64 * 4)()
        each = [ctypes.addressof(times) + 8 * index for index in range(4)]
        told = kernel.GetProcessTimes(handle, *each)
        kernel.CloseHandle(handle)
        return str(times[0]) if told else None

    def _seen(pid: int) -> tuple[bool, str | None]:
        """Whether it lives, and when it was started, where that is told."""
        return (True, _start_time(pid)) if _exists(pid) else (False, None)

else:

    def _seen(pid: int) -> tuple[bool, str | None]:
        """Whether it lives, and when it was started, where that is told."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False, None
        except PermissionError:
            return True, _start_time(pid)
        words = _stat_words(pid)
        # ``Z`` is a dead process that its parent did not ask for yet
        return words[:1] not in (["Z"], ["X"]), _start_of(words)

    def _start_time(pid: int) -> str | None:
        return _start_of(_stat_words(pid))

    def _start_of(words: list[str]) -> str | None:
        return words[19] if len(words) > 19 else None

    def _stat_words(pid: int) -> list[str]:
        """What ``/proc/PID/stat`` says after the name of the program (proc(5)): state first."""
        try:
            descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        except OSError:
            return []
        try:
            content = os.read(descriptor, 4096)
        except OSError:
            return []
        finally:
            os.close(descriptor)
        return content.rpartition(b")")[2].decode("ascii", "replace").split()
