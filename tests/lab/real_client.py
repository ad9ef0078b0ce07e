"""The real BOINC client, alone with one job that no server gave it.

Makes a data directory of its own, starts Debian's ``boinc`` in it as root or as user ``boinc``, and
speaks with it by ``boinccmd``. Knows the client's log and where a slot is; of the wrapper it knows
how to start it and its state file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.lab.client_files import (
    LAUNCHER,
    NEVER_PAUSE,
    PASSWORD,
    PROJECT_FOLDER,
    PROJECT_URL,
    Preferences,
    result_name,
    write_client_files,
    write_preferences,
)
from tests.lab.client_home import ClientHome, as_user, kill
from tests.lab.waiting import TooLong, wait_for
from tests.lab.workunit import CHECKOUT, Output, Workunit, put_into_project

STATE_FILE = "docker_wrapper_state.json"


class ClientTrouble(AssertionError):
    """The client cannot be started, or does not answer."""


class RealClient:
    """One client with one task, from laying out its directory to taking everything away again.

    ``environment`` is the client's whole environment, and so the wrapper's (an engine lab's); None:
    this process's. ``user`` is who the client runs as, in the group ``docker`` where there is one;
    None: who we are. ``python`` runs the wrapper, and must be within reach of that user.
    ``program`` stands in for the wrapper: a shell script (for tests of the lab itself).
    """

    def __init__(
        self, work: Workunit, environment: Mapping[str, str] | None = None, *,
        user: str | None = None,
        python: Path | None = None, wrapper_words: str = "--verbose", symlinks: bool = False,
        preferences: Preferences = NEVER_PAUSE, program: str | None = None,
    ) -> None:
        missing = [name for name in ("boinc", "boinccmd") if shutil.which(name) is None]
        if missing:
            raise ClientTrouble(f"not on this machine: {', '.join(missing)} (make setup)")
        self.work = work
        self.user = user
        self.task = result_name(work)
        self._room = ClientHome()
        self.home = self._room.path
        self.project = self.home / "projects" / PROJECT_FOLDER
        self.slot = self.home / "slots" / "0"
        self._environment = dict(os.environ if environment is None else environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        try:
            self._lay_out(python or Path(sys.executable), program, wrapper_words, symlinks,
                          preferences)
        except BaseException:
            self._room.close()
            raise

    # -- laying out ---------------------------------------------------------------------------

    def _lay_out(
        self, python: Path, program: str | None, wrapper_words: str, symlinks: bool,
        preferences: Preferences,
    ) -> None:
        self.project.mkdir(parents=True)
        put_into_project(self.work, self.project)
        # code/: the wrapper where any user can read it, though the checkout may lie in root's home.
        code = self.home / "code"
        launch = Path("tests", "lab", "launch.py")
        for package in ("wrapper", "states"):
            shutil.copytree(CHECKOUT / package, code / package,
                            ignore=shutil.ignore_patterns("__pycache__"))
        (code / launch).parent.mkdir(parents=True)
        shutil.copy(CHECKOUT / launch, code / launch)
        # The launcher: the main program of the app version, since a client starts one file.
        launcher = self.project / LAUNCHER
        launcher.write_text(
            "#!/bin/sh\n" + (program if program is not None else
            f"PYTHONDONTWRITEBYTECODE=1 exec {python} {code / launch} \"$@\"\n"),
            encoding="utf-8")
        launcher.chmod(0o755)
        write_client_files(self.home, self.work, wrapper_words=wrapper_words,
                           symlinks=symlinks, preferences=preferences)
        self._room.hand_over(self.user)

    # -- the client's life ----------------------------------------------------------------------

    def start(self, limit: float = 60) -> None:
        """Start the client, and wait until it answers."""
        for _ in range(3):
            self._port = _free_port()
            self._spawn()
            if self._answers(limit):
                return
            self.kill()
        raise ClientTrouble(f"the client does not answer\n{self.log()[-2000:]}")

    def _spawn(self) -> None:
        words = [
            "boinc", "--dir", str(self.home), "--allow_multiple_clients", "--gui_rpc_port",
            str(self._port), "--no_gpus", "--skip_cpu_benchmarks",
        ]
        with open(self.home / "client.log", "ab") as log:
            self._process = subprocess.Popen(
                words, cwd=self.home, env=self._environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, **as_user(self.user))

    def _answers(self, limit: float) -> bool:
        end = time.monotonic() + limit
        while time.monotonic() < end and self.alive():
            if self._boinccmd("--get_cc_status").returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def alive(self) -> bool:
        """Whether the client runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The client's process."""
        if self._process is None:
            raise ClientTrouble("the client was not started")
        return self._process.pid

    def stop(self, limit: float = 75) -> None:
        """Ask the client to quit, as at a shutdown, and wait for it (it gives tasks 60 s)."""
        self.boinccmd("--quit")
        if self._process is not None:
            self._process.wait(limit)

    def kill(self) -> None:
        """Kill the client, and only it: its task lives on until it sees that."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)

    def kill_wrapper(self) -> None:
        """Kill the wrapper, and only it."""
        kill(self.wrapper_pid())

    def kill_all(self) -> None:
        """Kill the client and then the wrapper, like a crash of both."""
        wrapper = self.wrapper_pid()
        self.kill()
        kill(wrapper)

    def close(self) -> None:
        """End whatever is left of it, and take its directory away."""
        if self.alive():
            # A test that failed half-way must still be tidied up after.
            with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
                if not self.finished():
                    self.abort()
                    self.wait_until_finished(30)
        self.kill()
        self._room.close()

    def __enter__(self) -> RealClient:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- speaking with it -------------------------------------------------------------------------

    def _boinccmd(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["boinccmd", "--host", f"127.0.0.1:{self._port}", "--passwd", PASSWORD, *words],
            cwd=self.home, capture_output=True, text=True, timeout=30, check=False)

    def boinccmd(self, *words: str) -> str:
        """Say something to the client as its user would.

        Raises:
            ClientTrouble: the client refused, with its words.
        """
        done = self._boinccmd(*words)
        if done.returncode != 0:
            raise ClientTrouble(f"boinccmd {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def suspend(self) -> None:
        """Suspend the task."""
        self.boinccmd("--task", PROJECT_URL, self.task, "suspend")

    def resume(self) -> None:
        """Resume the task."""
        self.boinccmd("--task", PROJECT_URL, self.task, "resume")

    def abort(self) -> None:
        """Abort the task."""
        self.boinccmd("--task", PROJECT_URL, self.task, "abort")

    def prefer(self, preferences: Preferences) -> None:
        """Change the client's preferences while it runs."""
        write_preferences(self.home, preferences)
        self.boinccmd("--read_global_prefs_override")

    def tasks(self) -> dict[str, str]:
        """What the client tells of its task, by its own names (``fraction done``); empty: nothing.
        """
        pairs = (line.strip().partition(": ") for line in self._boinccmd("--get_tasks")
                 .stdout.splitlines())
        return {name: value for name, colon, value in pairs if colon}

    # -- looking at it --------------------------------------------------------------------------

    def log(self) -> str:
        """All the client has said so far."""
        try:
            return (self.home / "client.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def stderr(self) -> str:
        """The task's standard error, while its slot is there."""
        return _read(self.slot / "stderr.txt")

    def result_stderr(self) -> str:
        """What the client kept of it, to be sent to the project's server."""
        text = _read(self.home / "client_state.xml")
        start, end = text.find("<stderr_out>"), text.find("</stderr_out>")
        return text[start:end] if 0 <= start < end else ""

    def exit_status(self) -> int | None:
        """The task's exit status as the client tells it; None before the task is finished."""
        told = self.tasks().get("exit_status") if self.finished() else None
        return None if told is None else int(told)

    def state(self) -> dict[str, Any]:
        """The wrapper's state file; empty where there is none (yet, or any more)."""
        text = _read(self.slot / STATE_FILE)
        loaded: dict[str, Any] = json.loads(text) if text else {}
        return loaded

    def wrapper_pid(self) -> int:
        """The process the client started for its task, as the wrapper's state file names it."""
        return int(self.wait_for_state(lambda state: bool(state), 30)["wrapper_pid"])

    def output(self, name: str) -> Path:
        """Where an output file of the job goes in the project's folder."""
        return self.project / self.work.physical_name(Output(name))

    def finished(self) -> bool:
        """Whether the client says that the task's computation is finished (also when it failed)."""
        return f"Computation for task {self.task} finished" in self.log()

    def postponed(self) -> bool:
        """Whether the client says that the wrapper has left with a temporary exit."""
        return f"Task {self.task} postponed" in self.log()

    def slot_empty(self) -> bool:
        """Whether the client could take everything out of the slot."""
        return not self.slot.exists() or not any(self.slot.iterdir())

    # -- waiting ----------------------------------------------------------------------------------

    def story(self) -> str:
        """Everything a person wants to see when something did not happen."""
        log = self.log().partition("Initialization completed")[2] or self.log()
        return (f"-- client log\n{log[-3000:]}\n-- stderr\n{self.stderr()[-3000:]}\n"
                f"{self.result_stderr()[-3000:]}\n"
                f"-- state\n{_read(self.slot / STATE_FILE)[-3000:]}")

    def wait_for(self, what: str, look: Callable[[], bool], limit: float) -> None:
        """Wait until something is true of this client."""
        wait_for(what, look, limit, tell=self.story)

    def wait_for_log(self, text: str, limit: float) -> None:
        """Wait until the client has said something."""
        self.wait_for(f"{text!r} in the client's log", lambda: text in self.log(), limit)

    def wait_for_state(
        self, wanted: str | Callable[[dict[str, Any]], bool], limit: float
    ) -> dict[str, Any]:
        """Wait until the state file stands in a state (or fulfils a condition); give it."""

        def look() -> dict[str, Any]:
            state = self.state()
            if callable(wanted):
                return state if wanted(state) else {}
            return state if state.get("state") == wanted else {}

        return wait_for(f"state {wanted}", look, limit, tell=self.story)

    def wait_until_finished(self, limit: float) -> None:
        """Wait until the client says that the computation is finished."""
        self.wait_for("computation finished", self.finished, limit)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


__all__ = ["ClientTrouble", "Preferences", "RealClient", "TooLong"]
