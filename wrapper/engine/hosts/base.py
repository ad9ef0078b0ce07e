"""What a host can do, whatever it is: run an argument vector, read a small file, watch a process.

An engine is built on a host and never calls ``subprocess`` itself, so the same engine code runs
here, inside a WSL distro and in a virtual machine. Nothing in this module waits, except
:meth:`Host.run`, which is for callers that have nothing else to do (tests, tools for people); the
wrapper's loop starts an order and polls what is running.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar


class Order(NamedTuple):
    """A command to be carried out on a host.

    ``words`` is the argument vector, never a shell's line. ``limit`` is how long it may take, in
    seconds; it is ended then. ``environment`` is added to the host's own; secrets belong there,
    never in ``words``. ``head`` and ``tail`` bound what is kept of its output and of its errors, in
    bytes each: the first ``head`` and the last ``tail``. ``changes`` tells whether it changes
    anything at the engine: what only looks can be ended at once without harm. ``build`` marks work
    of minutes that may be ended and begun again (build, pull).
    """

    words: tuple[str, ...]
    limit: float = 30.0
    environment: Mapping[str, str] = MappingProxyType({})
    head: int = 1 << 20
    tail: int = 0
    changes: bool = False
    build: bool = False

    def __repr__(self) -> str:
        return f"Order({self.words})"  # what is secret is in the environment


class Reply(NamedTuple):
    """How an order ended.

    ``status`` is the exit status (negative: ended by that signal), or None when there is none: the
    command could not be started, or was ended by its limit; ``trouble`` says so in words then.
    ``out`` and ``err`` are what was kept of the two streams; ``left_out`` is how many bytes of
    ``out`` were not kept, and lies between head and tail. ``missing``: there is no such command.
    """

    status: int | None
    out: bytes = b""
    err: bytes = b""
    trouble: str = ""
    left_out: int = 0
    missing: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command said that it went well."""
        return self.status == 0

    @property
    def words(self) -> str:
        """What was said back, for a person, in at most 2,000 characters: errors, else output."""
        said = (self.err.strip() or self.out.strip()).decode("utf-8", "replace")
        text = "\n".join(part for part in (self.trouble, said) if part)
        if not text:
            text = f"exit status {self.status}, and no word"
        return text if len(text) <= 2000 else text[:1000] + "\n[...]\n" + text[-1000:]


class Running(Protocol):
    """An order that was started."""

    def poll(self) -> Reply | None:
        """The reply, once there is one. Never waits; ends the command when its limit has passed."""

    def end(self) -> None:
        """End it and all it started, at once; :meth:`poll` has a reply soon after."""

    def handles(self) -> tuple[int, ...]:
        """Descriptors that become readable when there is something to poll; may be none."""


class Watch(Protocol):
    """A process whose end can be noticed without asking anybody."""

    def ended(self) -> bool:
        """Whether the process has ended. Never waits."""

    def handles(self) -> tuple[int, ...]:
        """Descriptors that become readable at its end; empty where there is none."""

    def close(self) -> None:
        """Stop watching."""


class Switch(Protocol):
    """A dead man's switch that is armed."""

    def disarm(self) -> None:
        """All is well: nothing is to be done when this process ends."""


class Unreachable(Exception):
    """The host could not be asked. Says nothing about what was asked for."""


class Host(Protocol):
    """A place where commands run and an engine may live."""

    @property
    def name(self) -> str:
        """What to call it in a message to a person: "this computer", "the WSL distro X"."""

    @property
    def distro(self) -> str | None:
        """The WSL distro, where there is one."""

    def start(self, order: Order) -> Running:
        """Start an order. That it cannot be started is told by its reply, never by an exception."""

    def run(self, order: Order) -> Reply:
        """Start an order and wait for its reply."""

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        """The beginning of a small file; None where there is definitely no such file.

        ``often``: it will be read again and again, and gives all it has at once, as the kernel's
        files do; the host may keep it open.

        Raises:
            Unreachable: it could not be read for any other reason.
        """

    def write(self, path: str, content: bytes) -> bool:
        """Write into a file that exists (a control file of a cgroup); False if that failed."""

    def watch(self, pid: int) -> Watch | None:
        """Watch a process of this host; None where there is none or it cannot be watched."""

    def guard(self, order: Order, slot: Path) -> Switch:
        """From now on, when this process is gone without a word, carry out an order.

        Raises:
            OSError: that cannot be seen to.
        """

    def guard_is_over(self, slot: Path) -> bool:
        """Whether no switch of an earlier wrapper in this slot is still at work. Never waits."""

    def orders_are_over(self, container: str, slot: Path) -> bool:
        """Whether no order of a wrapper that was killed in this slot is still at work on a
        container; yes where none can outlive its wrapper, or nobody can say. Never waits.
        """

    def boot_id(self) -> str:
        """Which boot of the host this is; empty where nobody can ever say.

        Raises:
            Unreachable: it cannot be asked just now.
        """

    def booted(self) -> float | None:
        """When that boot began by the host's own clock, in s since the Epoch; None where nobody
        can ever say.

        Raises:
            Unreachable: it cannot be asked just now.
        """

    def path(self, local: Path) -> str:
        """What the host calls a file of the computer that this program runs on.

        Raises:
            Unreachable: it does not say.
        """

    def close(self) -> None:
        """Give back what the host holds."""


T = TypeVar("T")
Asking = Generator[Order, Reply, T]
"""A conversation with an engine: yields orders, is sent their replies, returns what was learnt."""


def carry_out(host: Host, asking: Asking[T]) -> T:
    """Have a whole conversation on a host, waiting for each reply. Not for the wrapper's loop."""
    try:
        order = next(asking)
        while True:
            order = asking.send(host.run(order))
    except StopIteration as stop:
        result: T = stop.value
        return result
