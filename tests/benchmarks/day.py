"""A day of one job in a minute: the wrapper's own loop with a clock that jumps, a client that is
part of it, and an engine that only pretends. ``python -m tests.benchmarks.day HOURS`` tells, as
JSON, by how much the process and its files have grown, and what one turn of the loop costs.

No engine is measured here; what is looked for is anything that piles up.
"""

# ruff: noqa: ARG002 - what stands for an engine has its arguments, and no use for most of them

from __future__ import annotations

import io
import json
import mmap
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.benchmarks import processes
from tests.lab.init_data import init_data
from tests.lab.played_client import APP_STATUS, CHANNEL, CONTROL_REQUEST, HEARTBEAT, STATE_FILE
from wrapper import opening, places, quiet, supervisor
from wrapper.beginning import Slot, begin
from wrapper.boinc.init_data import read_init_data
from wrapper.boinc.session import open_session
from wrapper.engine.hosts.base import Order, Reply
from wrapper.journal import Journal
from wrapper.options import parse
from wrapper.signals import Signals

SETTLED = 4
"""Hours after which nothing is new any more: the history in the state file is full by then."""
_TURN = 120
"""Seconds between two words of the client: rest, go on, rest ..."""
_ID = "1f" * 32


@dataclass
class Extent:
    """How big everything is: bytes of memory that is ours alone, open files, bytes of state."""

    memory: int
    files: int
    state: int


class Engine:
    """A host whose Docker has one container, and does at once what it is told."""

    name = "a pretended computer"
    distro: str | None = None

    def __init__(self) -> None:
        self.status = ""
        self.name_of_container = ""
        self.labels: dict[str, str] = {}
        self.cpu = 0.0
        self.started_at = "0001-01-01T00:00:00Z"

    def start(self, order: Order) -> _Done:
        return _Done(self.run(order))

    def run(self, order: Order) -> Reply:
        words = order.words[1:]
        if words[0] == "info":
            return _json({"ServerVersion": "20.10", "NCPU": 2, "CgroupDriver": "cgroupfs"})
        if words[:2] == ("image", "inspect"):
            return _json([{"Id": _ID, "Config": {"Labels": {}}}])
        if words[0] == "create":
            self._create(words)
        return self._change(words[0])

    def _create(self, words: tuple[str, ...]) -> None:
        self.name_of_container = words[words.index("--name") + 1]
        marks = [word for at, word in enumerate(words) if words[at - 1] == "--label"]
        self.labels = dict(mark.split("=", 1) for mark in marks)
        self.status = "created"

    def _change(self, verb: str) -> Reply:
        becomes = {"start": "running", "unpause": "running", "pause": "paused", "rm": ""}
        self.status = becomes.get(verb, self.status)
        if verb == "start":
            self.started_at = datetime.now(timezone.utc).isoformat()
        if verb == "ps":
            return Reply(0)
        if verb != "inspect":
            return Reply(0, _ID.encode())
        return Reply(1, b"[]") if not self.status else _json([{
            "Id": _ID, "Name": self.name_of_container, "Image": _ID,
            "State": {"Status": self.status, "Pid": 4711, "StartedAt": self.started_at},
            "Config": {"Labels": self.labels},
        }])

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        if path.endswith("/cgroup"):
            return f"1:cpuacct:/docker/{_ID}\n2:memory:/docker/{_ID}\n".encode()
        if path.endswith("/mountinfo"):
            line = "1 1 0:1 / /x/{0} rw - cgroup cgroup rw,{0}\n"
            return (line.format("cpuacct") + line.format("memory")).encode()
        if path.endswith("cpuacct.usage"):
            self.cpu += 0.9
            return str(int(self.cpu * 1e9)).encode()
        return b"total_inactive_file 4096\n" if path.endswith("stat") else b"81920"

    def write(self, path: str, content: bytes) -> bool:
        return False

    def watch(self, pid: int) -> _Forever:
        return _Forever()

    def guard(self, order: Order, slot: Path) -> _Forever:
        return _Forever()

    def guard_is_over(self, slot: Path) -> bool:
        return True

    def orders_are_over(self, container: str, slot: Path) -> bool:
        return True

    def boot_id(self) -> str:
        return "one"

    def booted(self) -> None:
        return None

    def path(self, path: Path) -> str:
        return str(path)

    def close(self) -> None:
        pass


class _Done:
    """An order that is carried out already."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def poll(self) -> Reply:
        return self._reply

    def end(self) -> None:
        pass

    def handles(self) -> tuple[int, ...]:
        return ()


class _Forever:
    """A process that does not end, and a switch that is never used."""

    def ended(self) -> bool:
        return False

    def handles(self) -> tuple[int, ...]:
        return (0,)  # as if it could wake; whoever waits here is never woken

    def close(self) -> None:
        pass

    def disarm(self) -> None:
        pass


class Day:
    """The clock, and what a client does as it goes."""

    def __init__(self, slot: Path, hours: int) -> None:
        self.now = 1000.0
        self.turns = 0
        self.extents: dict[int, Extent] = {}
        self._slot = slot
        self._end = self.now + hours * 3600
        self._second = self.now
        with (slot / "boinc_mmap_file").open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8 * CHANNEL)

    def waiting_for(self, _handles: tuple[int, ...]) -> Callable[[float], object]:
        """Instead of :func:`wrapper.waiting.waiting_for`: nobody is ever ready."""
        return self._wait

    def _wait(self, milliseconds: float) -> bool:
        self.sleep(milliseconds / 1000)
        return False

    def sleep(self, seconds: float) -> None:
        """Instead of ``time.sleep``: the time has passed."""
        self.turns += 1
        self.now += seconds
        while self._second <= self.now:
            self._second += 1
            self._live(round(self._second - 1000))

    def _live(self, second: int) -> None:
        """One second of a client's life."""
        self._put(APP_STATUS, None)
        self._put(HEARTBEAT, b"<heartbeat/><wss>1e6</wss><max_wss>5e8</max_wss>")
        if self.now >= self._end:
            self._put(CONTROL_REQUEST, b"<quit/>")
        elif second % _TURN == 0:
            rest = second // _TURN % 2
            self._put(CONTROL_REQUEST, b"<suspend/>" if rest else b"<resume/>")
        if second % 3600 == 0:
            self.extents[second // 3600] = self._extent()

    def _put(self, channel: int, text: bytes | None) -> None:
        content = b"\0" if text is None else b"\1" + text + b"\0"
        self._memory[channel * CHANNEL:channel * CHANNEL + len(content)] = content

    def _extent(self) -> Extent:
        pid = os.getpid()
        state = (self._slot / STATE_FILE).stat().st_size
        return Extent(processes.own_memory(pid), len(os.listdir("/proc/self/fd")), state)

    def close(self) -> None:
        self._memory.close()


def _json(value: Any) -> Reply:
    return Reply(0, json.dumps(value).encode())


def live(hours: int, base: Path) -> dict[str, float]:
    """A job of so many hours; how much everything grew since it had settled."""
    slot, project = base / "slots" / "0", base / "projects" / "p"
    slot.mkdir(parents=True)
    project.mkdir(parents=True)
    (slot / "boinc_mmap_file").write_bytes(bytes(8 * CHANNEL))
    (slot / "init_data.xml").write_text(init_data(slot, project, docker_type=1))
    (slot / "job.toml").write_text('image_name = "pretended"\n')
    day = Day(slot, hours)
    setattr(places, "LocalHost", Engine)  # noqa: B010 - what it stands for is of another class
    time.monotonic, time.sleep = lambda: day.now, day.sleep  # type: ignore[assignment]
    for module in (supervisor, quiet):
        vars(module)["waiting_for"] = day.waiting_for
    init = read_init_data(slot / "init_data.xml")
    session = open_session(slot, init, day.now)
    journal = Journal(io.StringIO())
    work = opening.open_work(begin(Slot(slot, parse([]), init, session, journal)))
    signals = Signals()
    before = time.process_time()
    supervisor.Supervisor(work, signals).run()
    spent = time.process_time() - before
    signals.close()
    session.close()
    day.close()
    first, last = day.extents[min(SETTLED, hours - 1)], day.extents[max(day.extents)]
    return {
        "memory": last.memory - first.memory, "files": last.files - first.files,
        "state": last.state - first.state, "turns": day.turns,
        "turn_us": spent / day.turns * 1e6,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="dwbench-") as room:
        print(json.dumps(live(int(sys.argv[1]), Path(room))))
