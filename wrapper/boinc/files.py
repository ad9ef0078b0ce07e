"""Reading and writing files in a slot directory that somebody else can write to as well.

A job is root in its container and the slot is mounted there, so any name in the slot may have
become a symbolic link, a FIFO or a directory. Nothing here follows a link, waits for a FIFO, or
reads more than it was told to. What the files mean is not known here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from pathlib import Path

_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_PIECE = 65536
REPLACE_LIMIT = 3.0
"""How long a replacement is tried on Windows, in s, while somebody holds the file."""


class NotRegular(OSError):
    """There is something by this name, but it is no regular file."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is no regular file", str(path))


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of a regular file; waits for nobody and follows no link at the path's end.

    Raises:
        NotRegular: it is a link, a FIFO, a directory or a device.
        OSError: it could not be opened.
    """
    if sys.platform == "win32" and (path.is_symlink() or path.is_dir()):
        raise NotRegular(path)  # there, to open a directory is "permission denied"
    try:
        descriptor = os.open(path, flags | _SAFE | _BINARY, 0o664)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EMLINK):
            raise NotRegular(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegular(path)
    return descriptor


def read_regular(path: Path, most: int) -> bytes | None:
    """At most the first ``most`` bytes of a regular file; None where there is no such name.

    Raises:
        OSError: there is something, but it is no regular file or could not be read.
    """
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with open(descriptor, "rb") as file:
        # In pieces: room is made for all that is asked for, and the heap would stay that large.
        content = b""
        while piece := file.read(min(most - len(content), _PIECE)):
            content += piece
        return content


def replace_file(path: Path, content: bytes, durable: bool = True) -> None:
    """Write a file as a whole or not at all, whatever was there by its name.

    ``durable``: it is on the disk when this returns. A directory in the way is moved aside.

    Raises:
        OSError: it could not be written; what was there before is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        _write_new(temporary, content, durable)
        _move(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        _sync_directory(path.parent)


def _write_new(path: Path, content: bytes, durable: bool) -> None:
    """Write a file that is not there yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE | _BINARY
    with open(os.open(path, flags, 0o664), "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def _move(temporary: Path, path: Path) -> None:
    """Put the new file in its place."""
    try:
        put_in_place(temporary, path)
    except (IsADirectoryError, PermissionError):
        if path.is_symlink() or not path.is_dir():
            raise
        os.rename(path, path.with_name(f"{path.name}.was_a_directory.{os.urandom(4).hex()}"))
        put_in_place(temporary, path)


def put_in_place(source: Path, target: Path) -> None:
    """``os.replace``, on Windows tried for a while: a reader or a virus scanner may hold a file.

    Raises:
        OSError: it could not be done; nothing has changed.
    """
    limit = time.monotonic() + REPLACE_LIMIT
    while True:
        try:
            return os.replace(source, target)
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > limit:
                raise
            time.sleep(0.02)


def _sync_directory(directory: Path) -> None:
    """Make the new name last, where a directory can be synced at all (not on Windows)."""
    if sys.platform != "win32":
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(OSError):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
