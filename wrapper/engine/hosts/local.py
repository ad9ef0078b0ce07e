"""This computer as a host: orders are child processes, each in a session of its own so that it can
be ended whole.

Knows processes, pipes and their limits; knows nothing of engines. For Unix; on Windows the module
can be imported, but an engine lives inside a WSL distro there, which is another host.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from wrapper.engine.hosts.base import Order, Reply, Running, Switch, Unreachable, Watch
from wrapper.engine.hosts.capture import Capture
from wrapper.engine.hosts.family import strays
from wrapper.engine.hosts.guard import Guard, is_over, orders_are_over
from wrapper.engine.hosts.watching import pidfd, watch_process

# Variables that change what a command says or how it starts up, and that nobody sets for an
# engine's sake. NOTIFY_SOCKET and LISTEN_*: Podman would take a supervisor's socket of the BOINC
# client for its own.
_CHANGES_RESULTS = frozenset({
    "LANGUAGE", "LANG", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
    "BUILDKIT_PROGRESS", "DOCKER_CONTENT_TRUST", "DOCKER_DEFAULT_PLATFORM",
})
_FOR_ROOT = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_CHUNK = 65536
# What one poll reads at most, so that a command that never stops talking does not hold the loop.
# More than a pipe can hold, so that after a command's end one poll gets all that it wrote itself.
_MOST_PER_POLL = 2 << 20
# How long a build may tidy up after its step was ended, in seconds.
_TIDY_UP = 2.0
# How long close() waits for what it ended, in seconds.
_LAST_WAIT = 5.0
# How many files that are read again and again are kept open at most: those of one container.
_MOST_KEPT = 4
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ENODEV)


class LocalHost:
    """The computer the wrapper runs on."""

    name = "this computer"
    distro: str | None = None

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is what commands get, instead of the wrapper's own."""
        base = os.environ if environment is None else environment
        self._environment = {
            key: value for key, value in base.items()
            if key not in _CHANGES_RESULTS and not key.startswith("LC_")
        }
        self._environment["LC_ALL"] = "C"
        # Podman's network looks for iptables on it, and a client's PATH may lack these folders.
        path = self._environment.get("PATH") or os.defpath
        self._environment["PATH"] = os.pathsep.join((path, *_FOR_ROOT))
        self._running: set[_Child] = set()
        self._kept: dict[str, int] = {}

    def start(self, order: Order) -> Running:
        """Start an order; see :meth:`wrapper.engine.hosts.base.Host.start`."""
        self._forget_ended()
        try:
            child = _Child(order, {**self._environment, **order.environment})
        except (OSError, ValueError) as error:
            trouble = _why_not_started(order.words, error)
            missing = isinstance(error, FileNotFoundError)
            return _NotStarted(Reply(None, trouble=trouble, missing=missing))
        self._running.add(child)
        return child

    def run(self, order: Order) -> Reply:
        """Start an order and wait for its reply, at most a little longer than its limit."""
        running = self.start(order)
        while True:
            reply = running.poll()
            if reply is not None:
                return reply
            # Without a pidfd a child's end is not among the handles: look often then.
            pause = 0.25 if sys.platform == "linux" else 0.02
            select.select(running.handles(), (), (), pause)

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        """The beginning of a small file; see :meth:`wrapper.engine.hosts.base.Host.read`."""
        try:
            if often and sys.platform != "win32":
                # to find a file and to open it takes longer than to read it: it is kept open
                kept = self._kept.get(path)
                return os.pread(self._keep(path) if kept is None else kept, most, 0)
            # not by open(): that takes twice as long
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                return _read_up_to(descriptor, most)
            finally:
                os.close(descriptor)
        except OSError as error:
            if path in self._kept:
                # of a cgroup that is gone; there may be one of that name again
                self._let_go(path)
                return self.read(path, most)
            if error.errno in _GONE:
                return None
            raise Unreachable(f"{path} could not be read: {error.strerror}") from error

    def _keep(self, path: str) -> int:
        if len(self._kept) >= _MOST_KEPT:
            self._let_go(next(iter(self._kept)))
        self._kept[path] = os.open(path, os.O_RDONLY)
        return self._kept[path]

    def _let_go(self, path: str) -> None:
        descriptor = self._kept.pop(path, None)
        if descriptor is not None:
            os.close(descriptor)

    def write(self, path: str, content: bytes) -> bool:
        """Write into a file that exists; False if that failed."""
        try:
            descriptor = os.open(path, os.O_WRONLY)
        except OSError:
            return False
        try:
            return os.write(descriptor, content) == len(content)
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def watch(self, pid: int) -> Watch | None:
        """Watch a process; see :mod:`wrapper.engine.hosts.watching`."""
        return watch_process(pid)

    def guard(self, order: Order, slot: Path) -> Switch:
        """Arm a dead man's switch; see :mod:`wrapper.engine.hosts.guard`."""
        return Guard(order.words, {**self._environment, **order.environment}, slot)

    def guard_is_over(self, slot: Path) -> bool:
        """Whether no switch of an earlier wrapper in this slot is still at work."""
        return is_over(slot)

    def orders_are_over(self, container: str, slot: Path) -> bool:
        """Whether no order of a wrapper that was killed is still at work on a container."""
        return orders_are_over(container, slot)

    def boot_id(self) -> str:
        """The kernel's random id of this boot; empty where there is none."""
        try:
            said = self.read("/proc/sys/kernel/random/boot_id")
        except Unreachable:
            return ""
        return (said or b"").decode("ascii", "replace").strip()

    def booted(self) -> float | None:
        """When that boot began; time in which the computer slept counts."""
        if sys.platform == "linux":
            return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        return None

    def path(self, local: Path) -> str:
        """A file's own name."""
        return str(local)

    def close(self) -> None:
        """End what still runs, and wait for its end a moment."""
        for path in list(self._kept):
            self._let_go(path)
        for child in self._running:
            child.end()
        give_up = time.monotonic() + _LAST_WAIT
        while self._running and time.monotonic() < give_up:
            self._forget_ended()
            handles = [handle for child in self._running for handle in child.handles()]
            select.select(handles, (), (), 0.02)

    def _forget_ended(self) -> None:
        self._running = {child for child in self._running if child.poll() is None}


class _NotStarted:
    """An order whose command could not be started."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def poll(self) -> Reply | None:
        return self._reply

    def end(self) -> None:
        pass

    def handles(self) -> tuple[int, ...]:
        return ()


class _Stream:
    """One of a child's two streams: a pipe that is read without ever waiting, and what was kept of
    it.
    """

    def __init__(self, pipe: IO[bytes], order: Order) -> None:
        self._pipe: IO[bytes] | None = pipe
        self.capture = Capture(order.head, order.tail)
        if sys.platform != "win32":
            os.set_blocking(pipe.fileno(), False)

    def drain(self) -> None:
        """Read what is there; closes the pipe at its end."""
        read = 0
        while self._pipe is not None and read < _MOST_PER_POLL:
            try:
                piece = os.read(self._pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not piece:
                self.close()
            self.capture.feed(piece)
            read += len(piece)

    def handles(self) -> tuple[int, ...]:
        return () if self._pipe is None else (self._pipe.fileno(),)

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


class _Child:
    """A command that runs, the leader of its own session and process group."""

    def __init__(self, order: Order, environment: Mapping[str, str]) -> None:
        self._order = order
        self._late = False
        self._ending = False
        self._reply: Reply | None = None
        self._process = subprocess.Popen(
            order.words, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, close_fds=True, start_new_session=True, env=environment,
        )
        self._end_by = time.monotonic() + order.limit
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out = _Stream(self._process.stdout, order)
        self._err = _Stream(self._process.stderr, order)
        self._pidfd = pidfd(self._process.pid)

    def poll(self) -> Reply | None:
        if self._reply is not None:
            return self._reply
        # First whether it ended, then its pipes: all it wrote is in them then. Who else holds them
        # (a daemon that it left behind) is not waited for.
        status = self._process.poll()
        self._out.drain()
        self._err.drain()
        if status is not None:
            self._reply = self._conclude(status)
        elif time.monotonic() >= self._end_by:
            self._late = self._late or not self._ending
            self.end()
        return self._reply

    def end(self) -> None:
        # While the leader is not waited for, nobody else can have its number as a group.
        if sys.platform != "win32" and self._reply is None and self._process.poll() is None:
            again, self._ending = self._ending, True
            if self._order.build and _end_strays(self._process.pid) and not again:
                # `podman build` fails with its RUN, and removes its half-made container then;
                # killed itself it would leave both behind.
                self._end_by = time.monotonic() + _TIDY_UP
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def handles(self) -> tuple[int, ...]:
        if self._reply is not None:
            return ()
        own = () if self._pidfd is None else (self._pidfd,)
        return self._out.handles() + self._err.handles() + own

    def _conclude(self, status: int) -> Reply:
        self._out.close()
        self._err.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        out, err = self._out.capture, self._err.capture
        trouble = ""
        if self._late:
            shown = " ".join(self._order.words[:3])
            trouble = f"{shown}: no end after {self._order.limit:g} s, so it was ended"
        return Reply(None if self._late else status, out.kept, err.told(), trouble, out.left_out)


def _end_strays(leader: int) -> int:
    """End those of a command's descendants that have sessions of their own; how many there were."""
    ended = 0
    if sys.platform != "win32":
        for pid in strays(leader):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended


def _read_up_to(descriptor: int, most: int) -> bytes:
    """Some files of /proc give a page at a time, so one read is not enough."""
    content = b""
    while len(content) < most:
        piece = os.read(descriptor, min(most - len(content), _CHUNK))  # room is made for all of it
        if not piece:
            break
        content += piece
    return content


def _why_not_started(words: tuple[str, ...], error: Exception) -> str:
    program = words[0] if words else "(nothing)"
    if isinstance(error, FileNotFoundError):
        return f"{program} could not be started: there is no such command here"
    if isinstance(error, OSError):
        return f"{program} could not be started: {error.strerror}"
    return f"{program} could not be started: {error}"
