"""The state file on disk: whole at any moment, whatever is killed or pulled out, and never reached
through a link.

It writes records and gives back bytes; whether those bytes make sense is judged elsewhere
(`states.schema`). The slot is mounted into the container, so a job may put anything in the file's
place: nothing here follows a symbolic link or waits for a FIFO.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from states.record import Record, to_json

NAME = "docker_wrapper_state.json"
MOST = 1 << 20
"""Bytes that are read of a state file: no record is larger."""
ASIDE_KEPT = 3
"""How many files that were set aside are kept: the newest."""
REPLACE_LIMIT = 3.0
"""How long a replacement is tried on Windows, in s, while a reader or a virus scanner holds the
file.
"""


class NotSaved(Exception):
    """The state could not be written; the file is as it was."""


class NotLoaded(Exception):
    """There may be a state file, but it could not be read. Says nothing about what is in it."""


class StateFile:
    """The state file of one slot directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._temporary = directory / f"{NAME}.new"

    @property
    def path(self) -> Path:
        """Where the file is, or will be."""
        return self._directory / NAME

    def save(self, record: Record) -> None:
        """Put a record in the place of the last one; on return it would survive a power cut.

        Raises:
            NotSaved: it could not be written (disk full, no permission). No temporary file is left.
            ValueError: the record holds a number that is not finite.
        """
        content = to_json(record).encode("ascii")
        try:
            self._remove_temporary()
            self._write_temporary(content)
            self._put_in_place()
            _sync_directory(self._directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._remove_temporary()
            raise NotSaved(f"cannot write the state file {self.path}: {_reason(error)}") from error

    def load(self) -> bytes | None:
        """The file's bytes, at most 1 MiB and one byte; None where there is definitely no file.

        Something that is no regular file gives no bytes at all, which no reader takes for a record.

        Raises:
            NotLoaded: it could not be read.
        """
        try:
            return self._read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NotLoaded(f"cannot read the state file {self.path}: {_reason(error)}") from error

    def set_aside(self, now: datetime) -> Path:
        """Rename a file that makes no sense, so that a person can look at it; older ones than the
        last 3 are removed.

        Raises:
            NotSaved: it could not be renamed.
        """
        when = now.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self._directory / f"{NAME}.corrupt-{when}"
        try:
            _replace(self.path, aside)
        except OSError as error:
            raise NotSaved(
                f"cannot set the state file {self.path} aside: {_reason(error)}"
            ) from error
        for old in sorted(self._directory.glob(f"{NAME}.corrupt-*"))[:-ASIDE_KEPT]:
            with contextlib.suppress(OSError):
                old.unlink()
        return aside

    def _read(self) -> bytes | None:
        if not stat.S_ISREG(os.lstat(self.path).st_mode):
            return b""
        descriptor = os.open(self.path, os.O_RDONLY | _plain_flags())
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return b""
            return file.read(min(found.st_size, MOST) + 1)  # room is made for all of it

    def _remove_temporary(self) -> None:
        try:
            self._temporary.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):
            if not _moved_aside(self._temporary):
                _patiently(lambda: self._temporary.unlink(missing_ok=True))

    def _put_in_place(self) -> None:
        try:
            _replace(self._temporary, self.path)
        except (IsADirectoryError, PermissionError):
            if not _moved_aside(self.path):
                raise
            _replace(self._temporary, self.path)

    def _write_temporary(self, content: bytes) -> None:
        # O_EXCL: a job that puts a link there between the two steps gets an error, not a file of
        # its choice.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _plain_flags()
        descriptor = os.open(self._temporary, flags, 0o644)
        with open(descriptor, "wb") as file:
            if sys.platform != "win32":
                os.fchmod(descriptor, 0o644)
            file.write(content)
            file.flush()
            os.fsync(descriptor)


def _plain_flags() -> int:
    if sys.platform == "win32":
        return os.O_BINARY | os.O_NOINHERIT
    return os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _moved_aside(path: Path) -> bool:
    """Whether there was a directory, which only a job can have made, and it is out of the way."""
    if path.is_symlink() or not path.is_dir():
        return False
    os.rename(path, path.with_name(f"{path.name}.was_a_directory.{os.urandom(4).hex()}"))
    return True


def _replace(source: Path, target: Path) -> None:
    _patiently(lambda: os.replace(source, target))


def _patiently(change: Callable[[], None]) -> None:
    """On Windows try for a while to change a file that somebody holds."""
    limit = time.monotonic() + REPLACE_LIMIT
    while True:
        try:
            return change()
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > limit:
                raise
            time.sleep(0.02)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable. Windows has no such thing, and some file systems refuse it: then
    it is done best by them.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    """The system's words, and what a reader can do where that is known."""
    advice = {
        errno.ENOSPC: "free some space on the disk",
        errno.EDQUOT: "the disk quota is used up",
        errno.EROFS: "the file system is mounted read-only",
        errno.EACCES: "the slot directory must belong to the user that runs the client",
    }.get(error.errno or 0)
    words = error.strerror or str(error)
    return f"{words} ({advice})" if advice else words
