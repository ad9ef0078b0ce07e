"""A WSL distro as a host: orders go through a shell that stays open, looks through a second one.

Two shells, because a look (the container's CPU time, whether its process lives) must not wait for a
command, nor for one that hangs. The looks' shell uses its builtins only, and it is the dead man's
switch too: when its input ends without a word, it pauses the container. A command that is busy for
minutes, or comes while another runs, has a shell of its own. Knows shells and orders; knows nothing
of engines.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from wrapper.engine.hosts import wsl_words
from wrapper.engine.hosts.base import Order, Reply, Running, Switch, Unreachable, Watch
from wrapper.engine.hosts.watching import born
from wrapper.engine.hosts.wsl_command import Command, NotStarted, shown
from wrapper.engine.hosts.wsl_paths import PathsOf
from wrapper.engine.hosts.wsl_shell import Frame, Shell
from wrapper.engine.hosts.wsl_watch import StatWatch, TrapSwitch

LOOK_LIMIT = 3.0
"""How long the loop may wait for a look, in seconds."""
_SILENCE_LIMIT = 20.0
# How long a look waits before another shell is opened for it where the last ended, in seconds.
_REOPEN_PAUSE = 5.0
_LAST_WAIT = 5.0
_QUICK_WAIT = 0.5
_CLOCK_TICKS = 100.0
"""Ticks in a second of the times in /proc, on every kernel that WSL has."""


class WslHost:
    """A WSL distro, reached by the program `wsl`."""

    def __init__(
        self, distro: str, slot: Path, user: str | None = "root", program: str = "wsl",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Opens nothing yet. ``user`` None is the distro's default user; ``environment`` is what
        `wsl` itself gets, instead of the wrapper's own: nothing of it reaches the distro.
        """
        self.name = f"the WSL distro {distro}"
        self.distro: str | None = distro
        self._slot = slot
        self._words = [program, "-d", distro, *(("-u", user) if user else ())]
        self._environment = dict(os.environ if environment is None else environment)
        import hashlib  # here, since it is large

        self._mark = hashlib.sha256(os.fsencode(os.path.realpath(slot))).hexdigest()[:16]
        self._nonce = os.urandom(8).hex()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._main: Shell | None = None
        self._looks: Shell | None = None
        self._closing: list[Shell] = []
        self._commands: list[Command] = []
        self._overdue: Frame | None = None
        self._silent_since = 0.0
        self._guarding = ""
        self._not_before = 0.0
        self._trouble = ""
        self.upheavals = 0
        """How often the looks' shell was lost: what was known of the distro is doubtful then."""
        self._paths = PathsOf(self)

    # Orders

    def start(self, order: Order) -> Running:
        """Start an order; see :meth:`wrapper.engine.hosts.base.Host.start`."""
        self._reap()
        try:
            command = Command(self, *self._given(order), order)
        except (OSError, ValueError) as error:
            trouble = f"{shown(order)} could not be started: {error}"
            return NotStarted(Reply(None, trouble=trouble))
        self._commands.append(command)
        return command

    def _given(self, order: Order) -> tuple[Shell, Frame]:
        program = wsl_words.carried_out(order)
        shell = self._free_shell(order)
        return shell, shell.ask(program, order.head, order.tail)

    def given_anew(self, shell: Shell, order: Order) -> tuple[Shell, Frame]:
        """Give an order to another shell, where one could not be had.

        Raises:
            OSError: `wsl` cannot be started.
        """
        self.finished_with(shell, healthy=False)
        return self._given(order)

    def run(self, order: Order) -> Reply:
        """Start an order and wait for its reply, at most a little longer than its limit."""
        running = self.start(order)
        while (reply := running.poll()) is None:
            select.select(running.handles(), (), (), 0.05)
        return reply

    def _free_shell(self, order: Order) -> Shell:
        if order.build:
            return self.open_shell()
        if self._main is None or self._main.ended or self._main.noisy:
            self._put_away(self._main)
            self._main = self.open_shell()
        elif self._main.busy:
            return self.open_shell()
        return self._main

    def open_shell(self, deaf: bool = False) -> Shell:
        """A further shell, which is the caller's.

        Raises:
            OSError: `wsl` cannot be started.
        """
        names = ("docker_wrapper", self._mark, self._nonce)
        return Shell(self._words, self._slot, self._environment, names, self._wake, deaf)

    def finished_with(self, shell: Shell, healthy: bool) -> None:
        """A command has ended in a shell, or never will."""
        if shell is not self._main:
            self._put_away(shell)
        elif not healthy:
            self._put_away(shell)
            self._main = None
        if not healthy:
            shell.kill()

    # Looks

    def look(self, program: str, most: int = 65536) -> Frame:
        """Have the looks' shell do something quick, and wait for it.

        Raises:
            Unreachable: it did not answer in time.
        """
        frame = self.begin_look(program, most)
        if not frame.wait(LOOK_LIMIT):
            self._overdue, self._silent_since = frame, time.monotonic() - LOOK_LIMIT
            raise Unreachable(f"{self.name} has not answered for {LOOK_LIMIT:g} s")
        if frame.lost and not frame.status:
            raise Unreachable(self.how_lost(self._looks) if self._looks else "the shell has ended")
        return frame

    def begin_look(self, program: str, most: int = 65536) -> Frame:
        """The same without waiting.

        Raises:
            Unreachable: there is no shell for it just now.
        """
        if self._overdue is not None and not self._overdue.complete:
            if time.monotonic() - self._silent_since < _SILENCE_LIMIT:
                raise Unreachable(f"{self.name} does not answer")
            self._lose_looks()
        self._overdue = None
        try:
            return self._looks_shell().ask(program, most)
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.name} could not be asked: {error}") from error

    def _looks_shell(self) -> Shell:
        if self._looks is not None and self._looks.ended:
            self._lose_looks()
        if self._looks is None:
            if time.monotonic() < self._not_before:
                raise Unreachable(f"{self.name} gives no shell{self._trouble}")
            self._looks = self.open_shell(deaf=True)
            if self._guarding:
                self._looks.ask(self._guarding)
        return self._looks

    def _lose_looks(self) -> None:
        """Give the looks' shell up; not its switch: a new shell will be the switch then."""
        shell, self._looks = self._looks, None
        self._not_before = time.monotonic() + _REOPEN_PAUSE
        self.upheavals += 1
        if shell is not None:
            self._trouble = f": {shell.last_words}" if shell.ended else ", and does not answer"
            shell.kill()
            self._closing.append(shell)

    def how_lost(self, shell: Shell) -> str:
        """How a shell has ended, for a person; or that there was none, and why."""
        what = f"the shell in {self.name} ended meanwhile"
        if not shell.pid:
            what = f"{self.name} gave no shell"
        return f"{what}: {shell.last_words}"

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        """The beginning of a small file of text; see :meth:`wrapper.engine.hosts.base.Host.read`.
        """
        del often  # the shell opens it each time
        frame = self.look(wsl_words.read_file(path), most)
        if frame.status == "1":
            return None
        if frame.status != "0":
            raise Unreachable(f"{path} could not be read in {self.name}")
        return frame.out.kept

    def write(self, path: str, content: bytes) -> bool:
        """Write into a file that exists; False if that failed."""
        try:
            text = content.decode("utf-8", "surrogateescape")
            return self.look(wsl_words.write_file(path, text)).status == "0"
        except (Unreachable, ValueError):
            return False

    def watch(self, pid: int) -> Watch | None:
        """Watch a process of the distro; None where there is none or nobody can say."""
        if pid <= 0:
            return None
        try:
            said = self.look(wsl_words.process_line(pid))
        except Unreachable:
            return None
        birth = born(said.out.kept)
        return StatWatch(self, pid, birth) if said.status == "0" and birth else None

    def boot_id(self) -> str:
        """Which boot of the distro this is.

        A distro that is ended and started again has the kernel's boot still, and a new first
        process.

        Raises:
            Unreachable: it does not say.
        """
        kernel = self.read("/proc/sys/kernel/random/boot_id")
        first = born(self.look(wsl_words.process_line(1)).out.kept)
        if not kernel or not first:
            raise Unreachable(f"{self.name} does not say which boot it is")
        return f"{kernel.decode('ascii', 'replace').strip()}-{first.decode()}"

    def booted(self) -> float | None:
        """When that boot began by the distro's clock, in s since the Epoch.

        Raises:
            Unreachable: it does not say.
        """
        first = born(self.look(wsl_words.process_line(1)).out.kept)
        lines = (self.read("/proc/stat", 1 << 20) or b"").splitlines()
        kernel = next((line[6:] for line in lines if line.startswith(b"btime ")), b"")
        return float(kernel) + int(first) / _CLOCK_TICKS if kernel.isdigit() and first else None

    def path(self, local: Path) -> str:
        """What the distro calls a file of this computer."""
        return self._paths.translated(local)

    @property
    def slot(self) -> Path:
        """The directory that the shells start in, as this computer knows it."""
        return self._slot

    def shell_directory(self) -> str:
        """The same as the distro knows it.

        Raises:
            Unreachable: no shell opened in time.
        """
        if self._main is not None and self._main.is_open:
            return self._main.directory
        self.look("s=0")
        return self._looks.directory if self._looks is not None else ""

    # The dead man's switch

    def guard(self, order: Order, slot: Path) -> Switch:
        """Have the looks' shell carry out an order when its input ends.

        Raises:
            OSError: there is no such shell.
        """
        del slot  # the shell carries its mark already
        try:
            self._guarding = wsl_words.guard(order.words, order.environment)
            self.look(self._guarding)
        except (ValueError, Unreachable) as error:
            raise OSError(f"the dead man's switch cannot be armed: {error}") from error
        return TrapSwitch(self)

    def disarm(self) -> None:
        """Take the order of :meth:`guard` back."""
        self._guarding = ""
        if self._looks is not None and not self._looks.ended:
            with contextlib.suppress(Unreachable):
                self.look(wsl_words.DISARM)

    def guard_is_over(self, slot: Path) -> bool:
        """Whether no shell of an earlier wrapper in this slot is still at work."""
        del slot
        try:
            return not self.look(wsl_words.others(self._mark, self._nonce)).out.kept.strip()
        except Unreachable:
            return False

    def orders_are_over(self, container: str, slot: Path) -> bool:
        """They are, with the shells of an earlier wrapper."""
        del container, slot
        return True

    # The end

    def close(self) -> None:
        """End what runs, and the shells. A switch that is armed does its work then, and is not
        waited for long.
        """
        self._end_commands()
        for shell in (self._main, self._looks):
            self._put_away(shell)
        self._main = self._looks = None
        patience = _LAST_WAIT if self._guarding else _QUICK_WAIT
        give_up = time.monotonic() + patience
        for shell in self._closing:
            if not shell.gone(max(0.0, give_up - time.monotonic())) and not self._guarding:
                shell.kill()
                shell.gone(1.0)
        self._closing.clear()
        self._woken.close()
        self._waker.close()

    def _put_away(self, shell: Shell | None) -> None:
        if shell is not None:
            shell.close()
            self._closing.append(shell)

    def _end_commands(self) -> None:
        for command in self._commands:
            command.end(at_once=True)
        give_up = time.monotonic() + _LAST_WAIT
        while any(each.poll() is None for each in self._commands) and time.monotonic() < give_up:
            select.select(self.handles(), (), (), 0.05)
        self._commands.clear()

    def _reap(self) -> None:
        self._commands = [each for each in self._commands if each.poll() is None]
        self._closing = [shell for shell in self._closing if not shell.gone()]

    def _wake(self) -> None:
        # Full: it is as good as awake. Closed: nobody sleeps any more.
        with contextlib.suppress(OSError):
            self._waker.send(b"!")

    def hush(self) -> None:
        """Nothing is to be polled any more, until the next news."""
        with contextlib.suppress(OSError):
            while self._woken.recv(4096):
                pass

    def handles(self) -> tuple[int, ...]:
        """What becomes readable at news of any shell."""
        return (self._woken.fileno(),)
