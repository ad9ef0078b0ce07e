"""A BOINC client played by the test: everything a wrapper sees of a client, and nothing else.

Makes a slot, shares memory with the wrapper, starts it, beats the heart, collects what it tells.
Written from the protocol, byte by byte, without the wrapper's own code, so that a mistake there
cannot hide here. It runs one task, and decides nothing by itself: a test says when to suspend, quit
or kill.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.lab.init_data import Value, init_data
from tests.lab.waiting import wait_for
from tests.lab.workunit import (
    CHECKOUT,
    Output,
    Workunit,
    link_into_slot,
    put_into_project,
)

STATE_FILE = "docker_wrapper_state.json"
CHANNEL = 1024
"""Bytes of one channel: a flag, then text that ends with NUL."""
(CONTROL_REQUEST, CONTROL_REPLY, GRAPHICS_REQUEST, GRAPHICS_REPLY, HEARTBEAT, APP_STATUS,
 TRICKLE_UP, TRICKLE_DOWN) = range(8)
BEAT = 1.003
"""Seconds from one heartbeat to the next: a second, and what a client with some tasks takes for a
pass over them. Debian's client 7.20 with one task has 1.0013.
"""
T = TypeVar("T")


@dataclass(frozen=True)
class Told:
    """One message of the wrapper about its job, and when it was read (time.monotonic)."""

    at: float
    text: str

    def number(self, tag: str) -> float | None:
        """The number in a tag; None where the message has no such tag."""
        found = re.search(rf"<{tag}>([^<]*)</{tag}>", self.text)
        return float(found[1]) if found else None

    @property
    def cpu_time(self) -> float:
        """CPU time of the job so far, in seconds."""
        return self.number("current_cpu_time") or 0.0

    @property
    def fraction_done(self) -> float:
        """0..1."""
        return self.number("fraction_done") or 0.0


@dataclass(frozen=True)
class Ending:
    """What a finish file or a temporary exit file says: a number, words, whether a notice."""

    number: float
    message: str = ""
    notice: bool = False


class PlayedClient:
    """The client of one task.

    ``base`` becomes the client's data directory, with one project and slot 0. ``work`` is laid out
    in them. ``environment`` is the wrapper's whole environment (a lab's); None: this process's.
    ``fields`` are values of init_data.xml by the names of their tags. ``command`` is what to start
    instead of the wrapper of this checkout; the job's arguments are added to either, after
    ``wrapper_words``. ``symlinks``: the slot has symbolic links. ``heart``: whether it beats.
    """

    def __init__(
        self, base: Path, work: Workunit | None = None,
        environment: Mapping[str, str] | None = None, *, command: Sequence[str] | None = None,
        wrapper_words: Sequence[str] = ("--verbose",), symlinks: bool = False, heart: bool = True,
        project_folder: str = "lab.invalid_docker", **fields: Value,
    ) -> None:
        self.work = work or Workunit("lab")
        self.project = base / "projects" / project_folder
        self.slot = base / "slots" / "0"
        self.fields: dict[str, Value] = {
            "wu_name": self.work.name, "result_name": f"{self.work.name}_0",
            "ncpus": float(self.work.ncpus), **fields,
        }
        self.environment = {**(os.environ if environment is None else environment),
                            "PYTHONDONTWRITEBYTECODE": "1"}
        self.command = [
            *(command or (sys.executable, str(CHECKOUT / "tests" / "lab" / "launch.py"))),
            *wrapper_words, *self.work.arguments,
        ]
        self.heart = heart
        self.network_suspended = False
        self.started_at = 0.0
        self.left_at = 0.0
        """When what was left for a heartbeat was sent (time.monotonic); 0: not yet."""
        self.statuses: list[Told] = []
        self.graphics: list[Told] = []
        self.trickles: list[Told] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._left = ""
        self._closing = threading.Event()
        self._reading = threading.Lock()
        self._thread: threading.Thread | None = None
        self.project.mkdir(parents=True)
        self.slot.mkdir(parents=True)
        put_into_project(self.work, self.project)
        link_into_slot(self.work, self.project, self.slot, symlinks=symlinks)
        self._memory = self._share_memory()

    def _share_memory(self) -> mmap.mmap:
        path = self.slot / "boinc_mmap_file"
        path.write_bytes(bytes(8 * CHANNEL))
        with path.open("r+b") as stream:
            return mmap.mmap(stream.fileno(), 8 * CHANNEL)

    def _init_data(self, fields: Mapping[str, Value]) -> str:
        return init_data(self.slot, self.project, **fields)

    # -- the task's life ---------------------------------------------------------------------------

    def start(self) -> PlayedClient:
        """Start the wrapper in the slot, as a client does: fresh memory, fresh init_data.xml."""
        self._memory[:] = bytes(8 * CHANNEL)
        told = self.statuses[-1].cpu_time if self.statuses else 0.0
        fields = {"wu_cpu_time": told, **self.fields}
        (self.slot / "init_data.xml").write_text(self._init_data(fields), encoding="utf-8")
        self.started_at = time.monotonic()
        with (self.slot / "stderr.txt").open("ab") as stderr:
            self._process = subprocess.Popen(
                self.command, cwd=self.slot, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True)
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="played client", daemon=True)
            self._thread.start()
        return self

    def restart(self) -> PlayedClient:
        """Start the wrapper again where the last one ended (by itself, or killed here)."""
        self.kill()
        return self.start()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The wrapper's process."""
        assert self._process is not None, "the wrapper was not started"
        return self._process

    @property
    def pid(self) -> int:
        """The wrapper's process number."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether the wrapper runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL to the wrapper alone: what it has started is left as it is. Waits for its end."""
        if self._process is not None:
            if self.alive():
                self._process.kill()
            self._process.wait(30)
            self._collect()

    def wait_exit(self, limit: float = 60) -> int:
        """Wait for the wrapper's end; its exit status (negative: the signal)."""
        self.wait_for("the wrapper's end", lambda: not self.alive(), limit)
        self._collect()
        return self.process.returncode

    def close(self) -> None:
        """End the wrapper and all that is left of its session, and the thread."""
        self.kill()
        if self._process is not None and sys.platform != "win32":
            # Mostly nobody is left, as it should be.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._closing.set()
        if self._thread is not None:
            self._thread.join(10)
        self._memory.close()

    def __enter__(self) -> PlayedClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- shared memory -----------------------------------------------------------------------------

    def _put(self, channel: int, text: str) -> None:
        """Text first, flag last."""
        at = channel * CHANNEL
        content = text.encode() + b"\0"
        self._memory[at + 1:at + 1 + len(content)] = content
        self._memory[at] = 1

    def _take(self, channel: int) -> str | None:
        at = channel * CHANNEL
        if not self._memory[at]:
            return None
        content = self._memory[at + 1:at + CHANNEL]
        self._memory[at] = 0
        return content.partition(b"\0")[0].decode()

    def unread(self, channel: int = CONTROL_REQUEST) -> bool:
        """Whether the wrapper has not yet read what was sent."""
        return bool(self._memory[channel * CHANNEL])

    def send(self, text: str, limit: float = 10) -> float:
        """Send a request as soon as the one before was read; when it was sent (time.monotonic)."""
        self.wait_for("the last request was read", lambda: not self.unread(), limit)
        self._put(CONTROL_REQUEST, text)
        return time.monotonic()

    def suspend(self) -> float:
        """Ask for a pause."""
        return self.send("<suspend/>")

    def resume(self) -> float:
        """Ask to go on."""
        return self.send("<resume/>")

    def send_in_step(self, text: str, limit: float = 10) -> float:
        """Send a request just behind the next heartbeat, as a real client mostly does, once the one
        before was read; when it was sent (time.monotonic).
        """
        self.wait_for("the last request was read", lambda: not self.unread(), limit)
        self.leave_for_beat(text)
        return self.wait_for("the next heartbeat", lambda: self.left_at, limit)

    def leave_for_beat(self, text: str) -> None:
        """Have a request sent just behind the next heartbeat; all clients of a process have theirs
        at the same time, as all tasks of one client have.
        """
        self.left_at = 0.0
        self._left = text

    def quit(self) -> float:
        """Ask the wrapper to leave, and to carry on at its next start."""
        return self.send("<quit/>")

    def abort(self) -> float:
        """Ask for an end of the job."""
        return self.send("<abort/>")

    def _follow(self) -> None:
        """The client's own life: a heartbeat each second, and open eyes."""
        beat = 0.0
        while not self._closing.wait(min(0.02, max(0.0, beat - time.monotonic()))):
            self._collect()
            if time.monotonic() >= beat:
                self._speak()
                beat = BEAT * (time.monotonic() // BEAT + 1)

    def _speak(self) -> None:
        if self.heart:
            self._put(HEARTBEAT, self._heartbeat())
        if self._left:
            self._put(CONTROL_REQUEST, self._left)
            self._left, self.left_at = "", time.monotonic()

    def _heartbeat(self) -> str:
        network = "<network_suspended/>" if self.network_suspended else ""
        return f"<heartbeat/><wss>1000000</wss><max_wss>5e8</max_wss>{network}"

    def _collect(self) -> None:
        pairs = ((APP_STATUS, self.statuses), (GRAPHICS_REPLY, self.graphics),
                 (TRICKLE_UP, self.trickles))
        with self._reading:  # Two threads come here, and a message must be taken once.
            for channel, kept in pairs:
                text = self._take(channel)
                if text is not None:
                    kept.append(Told(time.monotonic(), text))

    # -- looking -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """The wrapper's state file; empty where there is none."""
        text = _read(self.slot / STATE_FILE)
        loaded: dict[str, Any] = json.loads(text) if text else {}
        return loaded

    def stderr(self) -> str:
        """What the wrapper has written for the project's server, over all its starts."""
        return _read(self.slot / "stderr.txt")

    def finish(self) -> Ending | None:
        """The finish file; None where there is none."""
        return _ending(self.slot / "boinc_finish_called")

    def temporary_exit(self) -> Ending | None:
        """The temporary exit file; None where there is none."""
        return _ending(self.slot / "boinc_temporary_exit")

    def output(self, name: str) -> Path:
        """Where an output of the job is to be found at its end: a copied one stays in the slot."""
        entry = next((out for out in self.work.outputs if out.name == name), Output(name))
        return self.slot / name if entry.copy else self.project / self.work.physical_name(entry)

    def story(self) -> str:
        """Everything a person wants to see when something did not happen."""
        status = "runs" if self.alive() else f"ended: {self._process and self._process.returncode}"
        return (f"-- wrapper {status}; last told {self.statuses[-1:]}\n"
                f"-- stderr\n{self.stderr()[-4000:]}\n"
                f"-- state\n{_read(self.slot / STATE_FILE)[-4000:]}")

    # -- waiting -----------------------------------------------------------------------------------

    def wait_for(self, what: str, look: Callable[[], T], limit: float) -> T:
        """Wait until ``look`` gives something true; tells the whole story when it does not."""
        return wait_for(what, look, limit, every=0.02, tell=self.story)

    def wait_for_state(self, wanted: str, limit: float = 60) -> dict[str, Any]:
        """Wait until the state file stands in a state; give it."""

        def look() -> dict[str, Any]:
            state = self.state()
            return state if state.get("state") == wanted else {}

        return self.wait_for(f"state {wanted}", look, limit)


def _read(path: Path) -> str:
    end = time.monotonic() + 10
    while True:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except PermissionError:  # on Windows, while another process puts a new file in its place
            if sys.platform != "win32" or time.monotonic() > end:
                raise
            time.sleep(0.01)


def _ending(path: Path) -> Ending | None:
    if not path.exists():
        return None
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    words = [line for line in rest if line != "notice"]
    return Ending(float(first), "\n".join(words).strip(), "notice" in rest)
