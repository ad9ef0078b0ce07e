"""Clearing a folder in which an engine lived: its processes, its mounts, its files.

Knows paths and engines' programs: one of those belongs to a folder if its arguments name something
below it, and so do its descendants, and processes whose root is a layer below it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_LIMIT = 15.0
_PROGRAMS = ("docker", "containerd", "conmon", "podman", "runc", "crun")


def clear(folder: Path) -> None:
    """End what runs from a folder, unmount what is mounted below it, and delete it."""
    give_up = time.monotonic() + _LIMIT
    while (doomed := processes_of(folder)) and time.monotonic() < give_up:
        for pid in doomed:
            _kill(pid)
        time.sleep(0.05)
    for place in reversed(mounts_below(folder)):
        subprocess.run(["umount", "--lazy", place], check=False, capture_output=True, timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder: Path, family: bool = True) -> list[int]:
    """Processes of an engine below a folder and of its containers, and their descendants."""
    mark = f"{folder}/".encode()
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid)) is not None}
    found = [
        pid for pid in parents
        if _is_at_home(pid, mark)
        or (program(pid).startswith(_PROGRAMS) and mark in _read(f"/proc/{pid}/cmdline"))
    ]
    for pid in found if family else ():
        found += [child for child, parent in parents.items()
                  if parent == pid and child not in found]
    return found


def _is_at_home(pid: int, mark: bytes) -> bool:
    """Whether a process has its root in a layer below the folder, as a container's has."""
    for line in _read(f"/proc/{pid}/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > 4 and fields[4] == b"/":
            return mark in line
    return False


def program(pid: int) -> str:
    """What a process runs, in 15 characters at most; empty when it is gone."""
    return _read(f"/proc/{pid}/comm").decode("ascii", "replace").strip()


def mounts_below(folder: Path) -> list[str]:
    """Mount points below a folder, in the order they were mounted."""
    places = [line.split()[4] for line in _read("/proc/self/mountinfo").decode().splitlines()]
    return [place for place in places if place.startswith(f"{folder}/")]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie has ended."""
    return _parent(pid) is not None


def _parent(pid: int) -> int | None:
    stat = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    # A zombie has ended; its parent has yet to notice.
    return int(stat[1]) if len(stat) > 1 and stat[0] != b"Z" else None


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
