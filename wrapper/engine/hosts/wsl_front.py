"""Windows itself as a host: it can run `wsl` and be told by it which distros there are; no engine
lives here.

Knows `wsl`'s list and how to run a program on Windows without ever waiting for it: its pipes are
read by threads. What a distro is good for is not known here.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from wrapper.engine.hosts.base import Order, Reply, Running, Switch, Unreachable, Watch
from wrapper.engine.hosts.capture import Capture
from wrapper.engine.hosts.wsl_shell import readable, start_quietly

LIST_LIMIT = 20.0
_LAST_WORDS = 0.5
_ROW = re.compile(r"(?P<default>\*?)\s*(?P<name>\S.*?)(?:\s{2,}\S.*)?\s+(?P<version>\d+)")


class Listed(NamedTuple):
    """A distro as `wsl -l -v` lists it."""

    name: str
    is_default: bool
    wsl_version: int


def list_order(program: str = "wsl") -> Order:
    """Asks for all distros."""
    return Order((program, "-l", "-v"), LIST_LIMIT)


def read_list(said: bytes) -> tuple[Listed, ...]:
    """The distros in the answer, the default one first.

    The answer is UTF-16, a table for people whose head and states are in the user's language. A
    name's end is where the head's second word begins, or else where two spaces are; the last number
    is the version of WSL.
    """
    lines = readable(said).replace("\r", "").lstrip("\ufeff").split("\n")
    head = next((line for line in lines if line.strip()), "")
    column = re.match(r"\s*\S+\s+", head)
    rows = [_row(line, column.end() if column else 0) for line in lines]
    found = [row for row in rows if row is not None]
    return tuple(sorted(found, key=lambda row: not row.is_default))


def _row(line: str, column: int) -> Listed | None:
    found = _ROW.fullmatch(line.strip())
    if found is None:
        return None
    name = found["name"]
    if column > 2 and line[:2] in ("* ", "  ") and line[column - 1:column] == " ":
        name = line[2:column].strip() or name
    return Listed(name, found["default"] == "*", int(found["version"]))


class WslFront:
    """Windows, in front of its distros."""

    name = "this computer"
    distro: str | None = None

    def __init__(self, slot: Path, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is what programs get, instead of the wrapper's own."""
        self._slot = slot
        self._environment = dict(os.environ if environment is None else environment)
        self._running: list[_Program] = []

    def start(self, order: Order) -> Running:
        """Start a program; see :meth:`wrapper.engine.hosts.base.Host.start`."""
        program = _Program(order, self._slot, self._environment)
        self._running = [each for each in self._running if each.poll() is None] + [program]
        return program

    def run(self, order: Order) -> Reply:
        """Run a program and wait for its reply."""
        running = self.start(order)
        while (reply := running.poll()) is None:
            time.sleep(0.01)
        return reply

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        """No file of an engine's host can be read here."""
        del most, often
        raise Unreachable(f"{path} is in no distro that is known yet")

    def write(self, path: str, content: bytes) -> bool:
        """Nothing can be written here either."""
        del path, content
        return False

    def watch(self, pid: int) -> Watch | None:
        """No process of an engine can be watched."""
        del pid
        return None

    def guard(self, order: Order, slot: Path) -> Switch:
        """There is nothing to be guarded."""
        del order, slot
        raise OSError("no distro is known yet")

    def guard_is_over(self, slot: Path) -> bool:
        """Nobody can say; there is nothing to wait for."""
        del slot
        return True

    def orders_are_over(self, container: str, slot: Path) -> bool:
        """No order for a container can have been given here."""
        del container, slot
        return True

    def boot_id(self) -> str:
        """Of no boot that matters."""
        return ""

    def booted(self) -> float | None:
        """Of no boot that matters."""
        return None

    def path(self, local: Path) -> str:
        """A file's own name."""
        return str(local)

    def close(self) -> None:
        """End what still runs."""
        for program in self._running:
            program.end()
            program.gone()


class _Program:
    """A program of Windows that was started, or could not be."""

    def __init__(self, order: Order, cwd: Path, environment: Mapping[str, str]) -> None:
        self._order = order
        self._captures = Capture(order.head, order.tail), Capture(order.head, order.tail)
        self._reply: Reply | None = None
        self._late = False
        self._ended_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._end_by = time.monotonic() + order.limit
        try:
            self._process = start_quietly(order.words, cwd, environment, with_input=False)
        except (OSError, ValueError) as error:
            trouble = f"{order.words[0]} could not be started: {error}"
            missing = isinstance(error, FileNotFoundError)
            self._reply = Reply(None, trouble=trouble, missing=missing)
            return
        for pipe, capture in zip(self._pipes(), self._captures, strict=True):
            reader = threading.Thread(target=_read, args=(pipe, capture), daemon=True)
            self._readers.append(reader)
            reader.start()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        return self._process.stdout, self._process.stderr

    def poll(self) -> Reply | None:
        if self._reply is not None or self._process is None:
            return self._reply
        status, now = self._process.poll(), time.monotonic()
        if status is None:
            if now >= self._end_by:
                self._late = True
                self.end()
            return None
        self._ended_at = self._ended_at or now
        if any(one.is_alive() for one in self._readers) and now - self._ended_at < _LAST_WORDS:
            return None
        out, err = self._captures
        trouble = ""
        if self._late:
            shown = " ".join(self._order.words[:3])
            trouble = f"{shown}: no end after {self._order.limit:g} s, so it was ended"
        self._reply = Reply(None if self._late else status, out.kept, err.told(), trouble)
        return self._reply

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def gone(self) -> None:
        """Wait a moment for its end."""
        if self._process is not None:
            self._process.wait(5.0)
        for reader in self._readers:
            reader.join(_LAST_WORDS)

    def handles(self) -> tuple[int, ...]:
        return ()


def _read(pipe: IO[bytes], capture: Capture) -> None:
    with pipe:
        while piece := pipe.read(4096):
            capture.feed(piece)
