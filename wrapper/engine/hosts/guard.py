"""The dead man's switch: when the wrapper is gone without saying so, the container is paused.

A tiny shell waits on a pipe whose other end this process holds. A line means that all is well and
it is to go; the end of the pipe without one means that nobody is left to watch, and it carries out
the order it was given. While it lives it holds a lock, so that the next wrapper, which calls it
off, can wait until a late pause is over instead of racing it. It knows neither engine nor state.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LOCK_FILE = "docker_wrapper_guard.lock"
_LASTING = ("start", "pause", "unpause")

# Two forks, so that the client does not find the shell below the wrapper when it ends that; the
# order's words are the shell's own arguments and never part of its program. The first argument is
# the slot, by which the next wrapper finds it.
_NAME = "docker_wrapper_guard"
_SCRIPT = """
shift
exec 3<&0 </dev/null
(
  trap '' HUP INT TERM
  read -r word <&3 && exit 0
  tries=0
  until "$@" || [ "$tries" -ge 30 ]; do tries=$((tries + 1)); sleep 1; done
) &
"""


class Guard:
    """A switch that is armed. Kept as long as the container may run."""

    def __init__(self, words: tuple[str, ...], environment: Mapping[str, str], slot: Path) -> None:
        """Arm it: ``words`` is what to do when this process is gone.

        Raises:
            OSError: no shell could be started, or the slot cannot be written.
        """
        lock = _out_of_the_way(_lock_file(slot / LOCK_FILE))
        reader, self._writer = os.pipe()
        try:
            _lock(lock)
            subprocess.run(
                ["/bin/sh", "-c", _SCRIPT, _NAME, str(slot), *words],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                pass_fds=(lock,),
                start_new_session=True,
                cwd="/",
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError) as error:
            os.close(self._writer)
            raise OSError(f"the dead man's switch cannot be armed: {error}") from error
        finally:
            os.close(reader)
            os.close(lock)

    def disarm(self) -> None:
        """All is well: nothing is to be done when this process ends."""
        if self._writer < 0:
            return
        with contextlib.suppress(OSError):  # it may be gone already
            os.write(self._writer, b"disarm\n")
        os.close(self._writer)
        self._writer = -1


def _lock_file(path: Path) -> int:
    """The lock file, opened. A job that puts something else in its place does not get rid of us."""
    try:
        return os.open(path, _LOCK_FLAGS, 0o644)
    except OSError:
        if not path.is_symlink() and not path.is_dir():
            raise
        os.rename(path, path.with_name(f"{path.name}.was_in_the_way.{os.urandom(4).hex()}"))
        return os.open(path, _LOCK_FLAGS, 0o644)


def is_over(slot: Path) -> bool:
    """Whether no switch of an earlier wrapper in this slot is still at work. Never waits.

    One that is left is called off: there is somebody to watch again. What it has begun goes on, and
    holds the lock to its end.
    """
    try:
        lock = os.open(slot / LOCK_FILE, _LOCK_FLAGS, 0o644)
    except OSError:
        return True
    try:
        _lock(lock)
    except BlockingIOError:
        _call_off(slot)
        return False
    except OSError:
        return True
    finally:
        os.close(lock)
    return True


def orders_are_over(container: str, slot: Path) -> bool:
    """Whether no process starts, pauses or unpauses a container of this name by an engine's command
    line. Never waits.

    Such an order outlives a wrapper that is killed. What was looked at before it has taken effect
    is not true after it: a start upon that could be the second one of a job that has ended.

    The switch of another slot is none, though its words end with its order: it waits as long as a
    wrapper lives there, for a container of the same name that another client or engine has.
    """
    ends = tuple(f"\0{verb}\0{container}\0".encode() for verb in _LASTING)
    said = (_arguments(pid) for pid in _processes())
    return not any(
        words.endswith(ends) and (not _is_switch(words) or _is_switch(words, slot))
        for words in said
    )


def _is_switch(arguments: bytes, slot: Path | None = None) -> bool:
    """Whether a process with such arguments is a switch: of that slot, or of any."""
    mark = f"\0{_NAME}\0" if slot is None else f"\0{_NAME}\0{slot}\0"
    return arguments.startswith(b"/bin/sh\0-c\0") and os.fsencode(mark) in arguments


def _processes() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _arguments(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:
            return file.read(8192)
    except OSError:
        return b""


if sys.platform == "win32":
    _LOCK_FLAGS = os.O_RDWR | os.O_CREAT

    def _out_of_the_way(descriptor: int) -> int:
        return descriptor

    def _call_off(slot: Path) -> None:
        raise OSError(f"no switch in {slot}: there is no such thing on Windows")

    def _lock(descriptor: int) -> None:
        raise OSError(f"no lock on {descriptor}: there is no such switch on Windows")
else:
    import fcntl

    _FREE = 30
    _LOCK_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _out_of_the_way(descriptor: int) -> int:
        """The same under a number that the shell's own redirections do not take."""
        try:
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FREE)
        finally:
            os.close(descriptor)

    def _call_off(slot: Path) -> None:
        """End the shells that wait for the end of an earlier wrapper in this slot; only those that
        are ours can be ended.
        """
        for pid in _processes():
            if _is_switch(_arguments(pid), slot):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
