"""The files of a slot directory by which a job and the BOINC client speak with each other.

Who runs in the slot (the lock file), how it ended (finish file, temporary exit file), where an
input file really is (soft links), and what the job itself writes (``fraction_done``, ``ac``). The
job may have put anything by these names; see :mod:`wrapper.boinc.files`. Formats are those of
BOINC's ``lib/filesys.cpp``, ``api/boinc_api.cpp`` and ``client/app_control.cpp``.
"""

from __future__ import annotations

import errno
import math
import os
import struct
import sys
from enum import IntEnum
from pathlib import Path

from wrapper.boinc import BoincTrouble
from wrapper.boinc.files import NotRegular, open_regular, read_regular, replace_file
from wrapper.boinc.tags import unescaped

LOCK_FILE = "boinc_lockfile"
FINISH_FILE = "boinc_finish_called"
TEMPORARY_EXIT_FILE = "boinc_temporary_exit"
FRACTION_FILE = "fraction_done"
SPORADIC_FROM_JOB = "ac"
SPORADIC_FROM_CLIENT = "ca"
LONGEST_DELAY = 86400
"""The longest temporary exit in s that the client takes at its word."""
LONGEST_MESSAGE = 200
"""Bytes of a message that the client shows; it reads lines of 255."""


class ExitStatus(IntEnum):
    """Exit statuses with a meaning in BOINC (``lib/error_numbers.h``)."""

    ABORTED_BY_CLIENT = 194
    DISK_LIMIT_EXCEEDED = 196
    TIME_LIMIT_EXCEEDED = 197
    MEM_LIMIT_EXCEEDED = 198


class SlotTrouble(BoincTrouble):
    """A file of the slot could not be written or locked."""

    def __init__(self, doing: str, path: Path, error: OSError) -> None:
        super().__init__(
            f"{doing} {path} failed: {error.strerror or error}. Look at the disk (full?) and at the"
            " owner and the rights of the slot directory."
        )
        self.errno = error.errno


class Lock:
    """The slot's lock file: whoever holds it is the one main program that runs in the slot.

    The system gives the lock back at the death of its holder, however it died.
    """

    def __init__(self, slot: Path) -> None:
        self._path = slot / LOCK_FILE
        self._held: int | None = None

    def try_take(self) -> bool:
        """Take it; False where another process holds it. Does not wait.

        Raises:
            SlotTrouble: the lock file can be neither opened nor made.
        """
        if self._held is None:
            try:
                self._held = _locked(self._path)
            except NotRegular:
                self._held = self._take_a_fresh_one()
            except OSError as error:
                raise SlotTrouble("locking", self._path, error) from error
        return self._held is not None

    def release(self) -> None:
        """Give it back. The file stays, as it is no sign of anything."""
        if self._held is not None:
            _unlocked(self._held)
            self._held = None

    def _take_a_fresh_one(self) -> int | None:
        """The job put something else in the lock file's place."""
        try:
            replace_file(self._path, b"", durable=False)
            return _locked(self._path)
        except OSError as error:
            raise SlotTrouble("locking", self._path, error) from error


if sys.platform == "win32":
    _SHARING_VIOLATION = 32

    def _locked(path: Path) -> int | None:
        """A handle that nobody else can have at the same time."""
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.CreateFileW.restype = ctypes.c_void_p
        kernel.CreateFileW.argtypes = (
            ctypes.c_wchar_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
            ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p,
        )
        write, share_nothing, open_always, normal = 0x40000000, 0, 4, 0x80
        handle = kernel.CreateFileW(
            str(path), write, share_nothing, None, open_always, normal, None
        )
        if handle is not None and handle != ctypes.c_void_p(-1).value:
            return int(handle)
        code = ctypes.get_last_error()
        if code == _SHARING_VIOLATION:
            return None
        raise ctypes.WinError(code)

    def _unlocked(handle: int) -> None:
        import ctypes

        ctypes.WinDLL("kernel32").CloseHandle(ctypes.c_void_p(handle))

else:
    import fcntl

    def _locked(path: Path) -> int | None:
        """A descriptor with the write lock on the file that has this name now."""
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return None
            raise
        return descriptor

    def _lock(descriptor: int) -> None:
        """Lock the whole file for writing, as BOINC's API does with a lock of the process.

        On Linux the lock is the open file's (fcntl(2)): the two kinds exclude each other, but a
        process's is lost as soon as anything in it opens the file once more and closes it.
        """
        if sys.platform == "linux" and sys.maxsize > 1 << 32:
            whole_file = struct.pack("@hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, whole_file)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlocked(descriptor: int) -> None:
        os.close(descriptor)


def write_finish(slot: Path, code: int, message: str = "", notice: bool = False) -> None:
    """Tell that the job is done, with its exit code; after this the client never starts us again.

    ``message`` is for the volunteer; ``notice`` makes the client show it in a window.

    Raises:
        SlotTrouble: it could not be written. Nothing is told then.
    """
    lines = [str(code)]
    if message:
        lines += [one_line(message), "notice" if notice else ""]
    _write(slot / FINISH_FILE, lines)


def write_temporary_exit(slot: Path, delay: float, reason: str, notice: bool = False) -> None:
    """Ask to be started again after ``delay`` s (0..86400); the program then exits with 0.

    Raises:
        SlotTrouble: it could not be written. The client takes the exit for a premature one then.
    """
    seconds = int(min(max(delay, 0), LONGEST_DELAY))
    _write(
        slot / TEMPORARY_EXIT_FILE,
        [str(seconds), one_line(reason), *(["notice"] if notice else [])],
    )


def finish_written(slot: Path) -> int | None:
    """The exit code in the finish file; None where there is no such file or no code in it."""
    return _whole(_first_word(slot / FINISH_FILE))


def read_fraction(slot: Path) -> float | None:
    """What the job says it has done, 0..1; None where it says nothing that makes sense."""
    # asked every second, and most jobs have none: as cheap as can be
    if not os.access(f"{slot}/{FRACTION_FILE}", os.F_OK):
        return None
    try:
        value = float(_first_word(slot / FRACTION_FILE))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None


def read_sporadic(slot: Path) -> int | None:
    """The state of a sporadic job as it wrote it into ``ac``; None where it did not."""
    return _whole(_first_word(slot / SPORADIC_FROM_JOB))


def write_sporadic(slot: Path, state: int) -> None:
    """Tell a sporadic job the client's state, in ``ca``.

    Raises:
        SlotTrouble: it could not be written.
    """
    _write(slot / SPORADIC_FROM_CLIENT, [str(state)], durable=False)


def soft_link_target(path: Path, slot: Path | None = None) -> Path | None:
    """What a file in the slot stands for; None where it is no link but the file itself.

    A link is a symbolic one, or a small text ``<soft_link>../../projects/P/F</soft_link>``; a
    relative target is meant from ``slot``, also where the link lies in a folder below it (so the
    client writes it). Without ``slot`` that is the directory of the link. The lock file is none,
    and is not looked into.
    """
    base = path.parent if slot is None else slot
    if path.name == LOCK_FILE:
        return None
    try:
        if path.is_symlink():
            return base / os.readlink(path)
    except OSError:
        return None
    text = _small(path, 4096)
    if text is None or not text.lstrip().startswith(b"<soft_link>"):
        return None
    target, end, _ = text.lstrip()[len(b"<soft_link>") :].partition(b"</soft_link>")
    name = os.fsdecode(unescaped(target))
    return base / name if end and name and "\0" not in name else None


def resolve(slot: Path, name: str) -> Path:
    """Where the file is that the job knows as ``name``; there need not be one."""
    path = slot / name
    return soft_link_target(path, slot) or path


def one_line(message: str) -> str:
    """A message as the client can read it: one line, without control characters, 200 bytes."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    content = line.encode("utf-8", "replace")
    if len(content) <= LONGEST_MESSAGE:
        return content.decode("utf-8")
    return content[: LONGEST_MESSAGE - 3].decode("utf-8", "ignore") + "..."


def _write(path: Path, lines: list[str], durable: bool = True) -> None:
    content = "".join(f"{line}\n" for line in lines).encode("utf-8")
    try:
        replace_file(path, content, durable)
    except OSError as error:
        raise SlotTrouble("writing", path, error) from error


def _small(path: Path, most: int) -> bytes | None:
    """The beginning of a file; None for anything that is not a readable regular file."""
    try:
        return read_regular(path, most)
    except OSError:
        return None


def _first_word(path: Path) -> bytes:
    """The first word of a small file; nothing where there is none."""
    return b"".join((_small(path, 64) or b"").split()[:1])


def _whole(word: bytes) -> int | None:
    try:
        return int(word)
    except ValueError:
        return None
