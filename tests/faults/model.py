"""A world in memory: an engine with the job's container in it, the computer around it, its clock,
and a client that says what a schedule tells it to.

The engine answers with the words of Docker's CLI, so that all of the product above a host is the
real one. That it answers as the real engines do is a test of its own. The world knows what the
wrapper may not do (start a second run of finished work, remove what was not collected, act on an
answer it did not get), and raises :class:`Wrong` at once.
"""
# ruff: noqa: ARG002  (it has the shape of the real ones)

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from wrapper.boinc.channels import UNASKED
from wrapper.boinc.session import Client
from wrapper.boinc.status import Status
from wrapper.engine.hosts.base import Order, Reply

_EPOCH = 1_800_000_000.0
_ORDER_TAKES = 0.05
_MOST_POINTS = 30_000
BASE = "base"
WORK = 4.0
"""Seconds of running that the job needs."""
CODE = 9
"""What it ends with."""


class Wrong(AssertionError):
    """The wrapper did what it must never do."""


class Killed(BaseException):
    """The wrapper's process is gone, at this very point."""


class Move(Enum):
    """What may happen between two things that the wrapper does."""

    DIE = "the wrapper dies"
    DIE_LATE = "the wrapper dies, and its switch cannot pause the container"
    SUSPEND = "the client suspends"
    RESUME = "the client resumes"
    QUIT = "the client quits"
    SILENT = "the engine does not answer twice"
    LONG_SILENT = "the engine does not answer for an hour"
    GARBAGE = "the engine answers once, and not sensibly"
    REFUSE = "the engine refuses the next change"
    UNTOLD = "the next change is done, and said to have failed"
    SLOW = "the next order takes a quarter of an hour"
    REMOVED = "somebody removes the container"
    UNPAUSED = "somebody lets the container go on"
    BOOT_137 = "the computer boots: the container is shown as killed"
    BOOT_255 = "the computer boots: the container is found dead"
    BOOT_CREATED = "the computer boots: the container is shown as never started"
    ENGINE_STOPS = "the engine is stopped with its containers, and started again"
    ENGINE_BLINKS = "the engine is stopped and started between two questions"
    ENDS = "the job ends"


Schedule = Sequence[tuple[int, Move]]


@dataclass
class Box:
    """The container."""

    name: str
    id: str
    label: str
    status: str = "created"
    code: int = 0
    started: float | None = None
    ended: float | None = None
    left: float = WORK
    cut_off: bool = False


class World:
    """Everything but the wrapper."""

    def __init__(self, schedule: Schedule) -> None:
        self.clock = 100.0
        self.boot = 1
        self.booted_at = 0.0
        self.engine_started = 0.0
        self.box: Box | None = None
        self.made = 0
        self.runs = 0
        self.lost_runs = 0
        self.finished = False
        self.finish: int | None = None
        self.client = PlayedSession()
        self.story: list[str] = []
        self.delays: list[float] = []
        self._moves = deque(schedule)
        self._gap = self._moves[0][0] if self._moves else 0
        self._points = 0
        self._silent = 0
        self._silent_until = 0.0
        self._next: Move | None = None
        self._sure = False
        self.slow_to_tidy = False
        self.armed = False

    @property
    def away(self) -> bool:
        """Whether the engine will not answer for long."""
        return self.clock < self._silent_until

    # -- time, and what happens in it --------------------------------------------------------------

    def monotonic(self) -> float:
        """The clock of the wrapper's loop."""
        return self.clock

    def sleep(self, seconds: float) -> None:
        """Time goes by."""
        self.point("time goes by")
        box = self.box
        # Where the job does not get on, the hours fly.
        self.clock += seconds if box is not None and box.status == "running" else 20 * seconds
        if box is not None and box.status == "running":
            box.left -= seconds
            if box.left <= 0:
                self._end_job(box)

    def _end_job(self, box: Box) -> None:
        box.status, box.code, box.ended = "exited", CODE, self.clock
        self.finished = True

    def point(self, what: str) -> None:
        """A moment in which something may happen."""
        self._points += 1
        if self._points > _MOST_POINTS:
            raise Wrong("there is no end to it")
        if what != "time goes by":
            self.story.append(what)
        if not self._moves:
            self.client.quit_asked = False
            self.client.suspended = False
            return
        if self._gap > 0:
            self._gap -= 1
            return
        _, move = self._moves.popleft()
        self._gap = self._moves[0][0] if self._moves else 0
        self.story.append(f"-- {move.value}")
        self._happen(move)

    def _happen(self, move: Move) -> None:
        if move in (Move.DIE, Move.DIE_LATE):
            self._die(move is Move.DIE)
        if move.name.startswith("BOOT"):
            self._reboot(move)
        elif move in (Move.SUSPEND, Move.RESUME):
            self.client.suspended = move is Move.SUSPEND
        elif move is Move.QUIT:
            self.client.quit_asked = True
        elif move is Move.SILENT:
            self._silent = 2
        elif move is Move.LONG_SILENT:
            self._silent_until = self.clock + 3600
        elif move in (Move.ENGINE_STOPS, Move.ENGINE_BLINKS):
            self._silent = 2 if move is Move.ENGINE_STOPS else 0
            self._cut_off("exited", 137)
            self.clock += 2
            self.engine_started = self.clock
        elif move in (Move.GARBAGE, Move.REFUSE, Move.UNTOLD, Move.SLOW):
            self._next = move
        else:
            self._touched(move)

    def _touched(self, move: Move) -> None:
        box = self.box
        if box is None:
            return
        if move is Move.REMOVED and not self.finished:
            if box.started is not None:
                self.lost_runs += 1
            self.box = None
        elif move is Move.UNPAUSED and box.status == "paused":
            box.status = "running"
        elif move is Move.ENDS and box.status == "running":
            self._end_job(box)

    def _die(self, switch: bool) -> None:
        box = self.box
        if switch and self.armed and box is not None and box.status == "running":
            box.status = "paused"
        self.armed = False
        raise Killed

    def _reboot(self, move: Move) -> None:
        ended = self.clock
        self.clock += 60
        self.boot += 1
        self.booted_at = self.clock
        self.clock += 30
        self.engine_started = self.clock
        if move is Move.BOOT_255:
            self._cut_off("exited", 255, self.clock)
        elif move is Move.BOOT_CREATED:
            self._cut_off("created", 0, None)
        else:
            self._cut_off("exited", 137, ended)
        self._silent = 0
        self.armed = False
        raise Killed

    def _cut_off(self, status: str, code: int, ended: float | None = 0.0) -> None:
        box = self.box
        if box is None or box.status not in ("running", "paused"):
            return
        box.status, box.code, box.cut_off = status, code, True
        box.ended = self.clock if ended == 0.0 else ended
        self.lost_runs += 1

    # -- the engine --------------------------------------------------------------------------------

    def obey(self, order: Order) -> Reply:
        """Carry out an order, well or not."""
        verb = " ".join(order.words[1:3 if order.words[1] == "image" else 2])
        self.point(f"order {verb}")
        next_move, self._next = self._next, None
        self.clock += _ORDER_TAKES
        if verb in ("inspect", "ps"):
            self._sure = False
        if self._silent or self.away:
            self._silent = max(0, self._silent - 1)
            return Reply(1, err=b"Cannot connect to the Docker daemon")
        if next_move is Move.GARBAGE:
            return Reply(0, b"<html>busy</html>")
        if next_move is Move.SLOW:
            self.slow_to_tidy = self.finish is not None
            self.clock += 900
            return Reply(None, trouble="no end after its limit")
        if next_move is Move.REFUSE and order.changes:
            return Reply(125, err=b"refused")
        reply = self._done(verb, order)
        self.point(f"{verb}: {reply.status}")
        if next_move is Move.UNTOLD and order.changes:
            return Reply(None, trouble="no end after its limit")
        return reply

    def _done(self, verb: str, order: Order) -> Reply:
        answers = {
            "info": self._info, "image inspect": self._image, "inspect": self._inspect,
            "ps": self._list, "create": self._create, "start": self._start,
            "pause": self._pause, "unpause": self._unpause, "kill": self._kill,
            "rm": self._remove, "network": self._network, "logs": self._logs,
        }
        if verb not in answers:
            return Reply(1, err=f"unknown: {verb}".encode())
        return answers[verb](order.words)

    def _info(self, _words: Sequence[str]) -> Reply:
        return _said({"ServerVersion": "20.10", "NCPU": 2, "CgroupVersion": "2"})

    def _logs(self, _words: Sequence[str]) -> Reply:
        return Reply(0, b"said\n")

    def _network(self, _words: Sequence[str]) -> Reply:
        return _said([{"Name": "bridge", "Created": _time(self.engine_started)}])

    def _image(self, _words: Sequence[str]) -> Reply:
        return _said([{"Id": "sha256:feed", "Config": {"Labels": {}}}])

    def _inspect(self, words: Sequence[str]) -> Reply:
        box = self.box
        self._sure = box is not None
        if box is None or words[-1] not in (box.name, box.id):
            return Reply(1, b"[]\n", b"No such container")
        state = {
            "Status": box.status, "ExitCode": box.code, "OOMKilled": False,
            "Pid": 4000 + self.runs if box.status in ("running", "paused") else 0,
            "StartedAt": _time(box.started), "FinishedAt": _time(box.ended),
        }
        return _said([{"Id": box.id, "Name": f"/{box.name}", "State": state,
                       "Image": "sha256:feed",
                       "Config": {"Labels": {"boinc.docker_wrapper": box.label}}}])

    def _list(self, _words: Sequence[str]) -> Reply:
        self._sure = True
        return _said({"Names": self.box.name}) if self.box else Reply(0)

    def _create(self, words: Sequence[str]) -> Reply:
        if self.finished and self.finish is None:
            raise Wrong("a second run of finished work is made")
        if self.box is not None:
            return Reply(125, err=b"Conflict. The name is in use")
        self.made += 1
        pairs = [words[at + 1] for at, word in enumerate(words) if word == "--label"]
        labels = dict(pair.partition("=")[::2] for pair in pairs)
        name = words[words.index("--name") + 1]
        self.box = Box(name, f"{self.made:064x}", labels["boinc.docker_wrapper"])
        return Reply(0, self.box.id.encode())

    def _start(self, words: Sequence[str]) -> Reply:
        box = self._named(words)
        if box is None:
            return Reply(1, err=b"No such container")
        if box.status in ("running", "paused"):
            return Reply(0) if box.status == "running" else Reply(1, err=b"cannot start a paused")
        if box.started is not None or self.finished:
            raise Wrong("a container that has run is started again")
        box.status, box.started = "running", self.clock
        self.runs += 1
        if self.runs > 1 + self.lost_runs:
            raise Wrong(f"run {self.runs}, and {self.lost_runs} were lost")
        return Reply(0)

    def _pause(self, words: Sequence[str]) -> Reply:
        return self._changed(words, "running", "paused")

    def _unpause(self, words: Sequence[str]) -> Reply:
        return self._changed(words, "paused", "running")

    def _kill(self, words: Sequence[str]) -> Reply:
        box = self._named(words)
        if box is None or box.status != "running":
            return Reply(1, err=b"is not running")
        raise Wrong("a run is killed that nobody aborted")

    def _remove(self, words: Sequence[str]) -> Reply:
        box = self._named(words)
        if box is None:
            return Reply(1, err=b"No such container")
        if not self._sure:
            raise Wrong("a container is removed after an answer that was none")
        if box.status in ("running", "paused"):
            raise Wrong("a live container is removed")
        if self.finished and self.finish is None:
            raise Wrong("what was not collected is removed")
        if not box.cut_off and not self.finished:
            raise Wrong("a container is removed whose run was not cut off")
        self.box = None
        return Reply(0)

    def _changed(self, words: Sequence[str], before: str, after: str) -> Reply:
        box = self._named(words)
        if box is None or box.status != before:
            return Reply(1, err=b"not as it should be")
        box.status = after
        return Reply(0)

    def _named(self, words: Sequence[str]) -> Box | None:
        box = self.box
        return box if box is not None and words[-1] in (box.name, box.id) else None


class PlayedSession(Client):
    """A client that wants what the schedule says."""

    standalone = False

    def poll(self, now: float) -> None:
        """Nothing is to be read."""

    def hear(self, now: float) -> bool:
        return False

    def glance(self) -> Callable[[], bytes]:
        return lambda: UNASKED

    def client_gone(self, now: float) -> str | None:
        return None

    def report(self, status: Status) -> bool:
        return True

    def last(self, status: Status, insist: bool = False) -> bool:
        return True

    def tell_graphics(self, url: str) -> None:
        """There are none."""

    def tell_trickle_up(self) -> None:
        """There is none."""

    def close(self) -> None:
        """Nothing is held."""


class _Done:
    """An order that is done."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def poll(self) -> Reply | None:
        return self._reply

    def end(self) -> None:
        """It has ended."""

    def handles(self) -> tuple[int, ...]:
        return ()


class _Watch:
    """The first process of a run."""

    def __init__(self, world: World, run: int) -> None:
        self._world, self._run = world, run

    def ended(self) -> bool:
        box = self._world.box
        return box is None or box.status not in ("running", "paused") or (
            self._world.runs != self._run)

    def handles(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        """Nothing is held."""


class ModelHost:
    """The computer of a world."""

    name = "this computer"
    distro: str | None = None

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, order: Order) -> _Done:
        return _Done(self._world.obey(order))

    def run(self, order: Order) -> Reply:
        return self._world.obey(order)

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        box = self._world.box
        if path.endswith("/cgroup"):
            return f"0::/docker/{box.id}\n".encode() if box else None
        if path.endswith("/mountinfo"):
            return b"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
        return b"usage_usec 1000000\n" if path.endswith("cpu.stat") else b"1000\n"

    def write(self, path: str, content: bytes) -> bool:
        return False

    def path(self, path: Path) -> str:
        return str(path)

    def watch(self, pid: int) -> _Watch | None:
        return _Watch(self._world, pid - 4000)

    def guard(self, order: Order, slot: Path) -> ModelHost:
        self._world.point("the switch is armed")
        self._world.armed = True
        return self

    def disarm(self) -> None:
        self._world.point("the switch is disarmed")
        self._world.armed = False

    def guard_is_over(self, slot: Path) -> bool:
        return True

    def orders_are_over(self, container: str, slot: Path) -> bool:
        return True

    def boot_id(self) -> str:
        return f"boot-{self._world.boot}"

    def booted(self) -> float | None:
        return _EPOCH + self._world.booted_at

    def close(self) -> None:
        """Nothing is held."""


def moment(clock: float) -> datetime:
    """The time of day at a moment of the world's clock."""
    return datetime.fromtimestamp(_EPOCH + clock, timezone.utc)


def _time(clock: float | None) -> str:
    if clock is None:
        return "0001-01-01T00:00:00Z"
    return moment(clock).isoformat().replace("+00:00", "Z")


def _said(value: object) -> Reply:
    return Reply(0, json.dumps(value).encode() + b"\n")
