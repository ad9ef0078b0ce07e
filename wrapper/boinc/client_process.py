"""Whether the process of the BOINC client still lives, asked of this system by its pid.

A pid can be given to another process once the client is dead, so where the system tells when a
process started (Linux, Windows), that is compared as well. Knows nothing else of the client.
"""

from __future__ import annotations

import os
import sys


class ClientProcess:
    """A process that lived when this object was made, or did not."""

    def __init__(self, pid: int) -> None:
        """``pid`` is above 0."""
        self.pid = pid
        self._started = _start_time(pid)

    def alive(self) -> bool:
        """Whether it lives; yes where nobody lets us know."""
        if not _exists(self.pid):
            return False
        if self._started is None:
            return True
        started = _start_time(self.pid)
        return started is None or started == self._started


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

else:

    def _exists(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return _state(pid) not in ("Z", "X")

    def _start_time(pid: int) -> str | None:
        words = _stat_words(pid)
        return words[19] if len(words) > 19 else None

    def _state(pid: int) -> str:
        """``Z`` is a dead process that its parent did not ask for yet."""
        words = _stat_words(pid)
        return words[0] if words else ""

    def _stat_words(pid: int) -> list[str]:
        """What ``/proc/PID/stat`` says after the name of the program (proc(5)): state first."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                content = file.read(4096)
        except OSError:
            return []
        return content.rpartition(b")")[2].decode("ascii", "replace").split()
