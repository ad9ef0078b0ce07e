"""CPU time and memory as the kernel counts them: of a cgroup of our own, and of a container's.

Reads the files by itself, without the wrapper's code, so that a mistake there cannot hide here.
Knows cgroups v1 (also mixed with v2) and v2, below /sys/fs/cgroup; needs root.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_GONE_LIMIT = 10.0


def _home(controller: str) -> Path:
    """Where a controller's hierarchy is mounted: its own with v1, the only one with v2."""
    own = ROOT / controller
    return own if own.is_dir() else ROOT


class Group:
    """A cgroup of our own: what is started in it, and all that starts later, is counted together.
    """

    def __init__(self, name: str) -> None:
        """Makes it.

        Raises:
            OSError: this machine does not let us.
        """
        self.path = _home("cpuacct") / f"dwbench-{os.getpid()}-{name}"
        self.path.mkdir()

    def cpu(self) -> float:
        """CPU time of everything that is or was in it, in s."""
        return cpu_of(self.path) or 0.0

    def pids(self) -> list[int]:
        """Who is in it now."""
        return [int(word) for word in _text(self.path / "cgroup.procs").split()]

    def command(self, *words: str) -> tuple[str, ...]:
        """An argument vector that enters the cgroup and becomes ``words``, with the same pid."""
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        return ("/bin/sh", "-c", enter, str(self.path), *words)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """What is started meanwhile is born in it."""
        before = _home("cpuacct") / _path_of(os.getpid(), "cpuacct").lstrip("/")
        (self.path / "cgroup.procs").write_text(str(os.getpid()))
        try:
            yield
        finally:
            (before / "cgroup.procs").write_text(str(os.getpid()))

    def clear(self) -> None:
        """End everybody in it."""
        give_up = time.monotonic() + _GONE_LIMIT
        while (doomed := self.pids()) and time.monotonic() < give_up:
            for pid in doomed:
                _kill(pid)
            time.sleep(0.05)

    def close(self) -> None:
        """End everybody in it, and take it away."""
        self.clear()
        with contextlib.suppress(FileNotFoundError):
            self.path.rmdir()


class Container:
    """The counters of the container whose first process is ``pid``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._cpu, self._memory, self._freezer = (
            _home(name) / _path_of(pid, name).lstrip("/")
            for name in ("cpuacct", "memory", "freezer")
        )

    def cpu(self) -> float | None:
        """CPU time since its start, in s; None when it is gone."""
        return cpu_of(self._cpu)

    def wss(self) -> int:
        """What it has in memory less what could be dropped at once, in bytes."""
        v1 = self._memory / "memory.usage_in_bytes"
        used = _text(v1) or _text(self._memory / "memory.current") or "0"
        key = "total_inactive_file" if v1.exists() else "inactive_file"
        return int(used) - (_field(_text(self._memory / "memory.stat"), key) or 0)

    def frozen(self) -> bool:
        """Whether every process of it rests."""
        state = _text(self._freezer / "freezer.state").strip()
        if state:
            return state == "FROZEN"
        return _field(_text(self._freezer / "cgroup.events"), "frozen") == 1


def cpu_of(path: Path) -> float | None:
    """CPU time of a cgroup and all below it, in s; None when it is gone."""
    v1 = _text(path / "cpuacct.usage")
    if v1:
        return int(v1) / 1e9
    v2 = _field(_text(path / "cpu.stat"), "usage_usec")
    return None if v2 is None else v2 / 1e6


def _path_of(pid: int, controller: str) -> str:
    """A process's cgroup in a controller's hierarchy (cgroups(7), /proc/PID/cgroup)."""
    unified = "/"
    for line in _text(Path(f"/proc/{pid}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
        if not controllers:
            unified = path
    return unified


def _field(text: str, key: str) -> int | None:
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == key:
            return int(number)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _kill(pid: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
