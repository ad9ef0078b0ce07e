"""The directory of a real client: where it lies, whose it is, and how it is taken away again.

A lock on the directory says that its test run is alive; what a killed run has left is cleared by
``python -m tests.lab.client_home clean``. Knows nothing of what the client does in there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl
    import grp
    import pwd

ROOM = Path("/var/tmp")
"""Where the clients' directories are made: a short path, within every user's reach, so not TMPDIR.
"""
_PREFIX = "bdw-client-"


class ClientHome:
    """A new directory, locked for as long as this process lives."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=ROOM))
        self._lock = _lock(self.path)

    def hand_over(self, user: str | None) -> None:
        """Make everything in it a user's (None: ours), and let everybody in."""
        self.path.chmod(0o755)
        if user is not None and sys.platform != "win32":
            entry = pwd.getpwnam(user)
            for folder, _, files in os.walk(self.path):
                for path in (folder, *(os.path.join(folder, name) for name in files)):
                    os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)

    def close(self) -> None:
        """Take it away, with whatever still works in it."""
        clear(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def as_user(user: str | None) -> dict[str, Any]:
    """What makes ``Popen`` run a program as a user, in the group ``docker`` where there is one."""
    if user is not None and sys.platform != "win32":
        groups = [entry.gr_gid for entry in grp.getgrall() if entry.gr_name == "docker"]
        entry = pwd.getpwnam(user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": groups}
    return {}


def can_become(name: str) -> bool:
    """Whether this machine has such a user, and we may start programs as that one."""
    if sys.platform != "win32":
        return os.geteuid() == 0 and name in {entry.pw_name for entry in pwd.getpwall()}
    return False


def kill(pid: int) -> None:
    """SIGKILL; no harm when it has ended already."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes_below(home: Path) -> list[int]:
    """Processes whose current directory lies in a client's: it itself, and what works in its slots.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # It ended meanwhile.
            where = Path(os.readlink(entry / "cwd"))
            if home in (where, *where.parents):
                found.append(int(entry.name))
    return found


def clear(home: Path) -> None:
    """End what still works in a client's directory, and take it away."""
    for pid in _processes_below(home):
        kill(pid)
    shutil.rmtree(home, ignore_errors=True)


def clean() -> None:
    """Clear all clients whose test run was killed."""
    for home in ROOM.glob(f"{_PREFIX}*"):
        lock = _lock(home)
        if lock is not None:
            clear(home)
            os.close(lock)


def _lock(home: Path) -> int | None:
    """A lock on a directory that ends with this process; None while somebody else has it."""
    if sys.platform != "win32":
        descriptor = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor
    return None


if __name__ == "__main__":
    if sys.argv[1:] != ["clean"]:
        sys.exit("usage: python -m tests.lab.client_home clean")
    clean()
