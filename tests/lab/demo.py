"""The demonstration of ``make demo``: one job under the real BOINC client, seen from outside.

Lays out a client of its own with an example job, starts it on an engine of its own (as root) or on
this machine's, shows what happens as it happens, and tells the story again at the end. Knows the
lab only; everything it shows was asked of the client or read from the wrapper's state file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.lab import engines
from tests.lab.real_client import RealClient
from tests.lab.workunit import NoSuchExample, example
from wrapper.engine.answers import EngineKind

LIMIT = 120.0
"""Seconds a demonstration may take; the job itself takes about ten."""
BAR = 30


class NoDemo(Exception):
    """Why there is nothing to be shown; what to do about it."""


@dataclass
class Story:
    """What was seen of the job so far: the last state file, and what the client told last."""

    began: float = field(default_factory=time.monotonic)
    state: dict[str, Any] = field(default_factory=dict)
    fraction: float = 0.0
    cpu_time: float = 0.0

    def look(self, client: RealClient) -> None:
        """Look again; what is gone with the slot stays as it was last seen."""
        self.state = client.state() or self.state
        told = client.tasks()
        self.fraction = max(self.fraction, float(told.get("fraction done") or 0))
        for name in ("current CPU time", "final CPU time"):
            self.cpu_time = max(self.cpu_time, float(told.get(name) or 0))

    @property
    def word(self) -> str:
        """The wrapper's state, in a word."""
        return str(self.state.get("state", "starting"))


class Screen:
    """One line that changes on a terminal; a line for each change elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._last = ""

    def show(self, story: Story) -> None:
        """Show how far the job is."""
        done = round(story.fraction * BAR)
        line = (f"[{'#' * done}{'.' * (BAR - done)}] {story.fraction:4.0%}  {story.word:15}"
                f"  CPU {story.cpu_time:5.1f} s")
        changed = (story.word, done) if not self._terminal else line
        if str(changed) == self._last:
            return
        self._last = str(changed)
        after = time.monotonic() - story.began
        start, end = ("\r", "") if self._terminal else ("", "\n")
        print(f"{start}{after:6.1f} s  {line}", end=end, flush=True)

    def leave(self) -> None:
        """Leave the changing line."""
        if self._terminal:
            print()


def choose_engine(wanted: str) -> tuple[str, Mapping[str, str]]:
    """An engine that answers, and the environment that leads to it.

    Root gets an engine of its own, so that nobody's containers are touched; others use the
    machine's.

    Raises:
        NoDemo: none answers, with what each said.
    """
    try:
        kinds = [EngineKind(wanted)] if wanted else [EngineKind.PODMAN, EngineKind.DOCKER]
    except ValueError:
        raise NoDemo(f"ENGINE={wanted}: there are docker and podman") from None
    said = []
    for kind in kinds:
        try:
            lab = engines.open_lab(kind)
        except engines.Missing as reason:
            said.append(f"{kind.value}, of our own: {reason}")
        else:
            return f"{kind.value} (of our own)", lab.environment
        trouble = _ask_machine(kind)
        if trouble is None:
            return f"{kind.value} (this machine's)", os.environ
        said.append(f"{kind.value}, this machine's: {trouble}")
    raise NoDemo("no engine answers (make setup, as root, installs both)\n" + "\n".join(said))


def _ask_machine(kind: EngineKind) -> str | None:
    """Why this machine's engine is of no use; None when it answers."""
    if shutil.which(kind.value) is None:
        return "not installed"
    try:
        done = subprocess.run([kind.value, "info"], capture_output=True, text=True, timeout=30,
                              check=False)
    except subprocess.TimeoutExpired:
        return "does not answer within 30 s"
    return None if done.returncode == 0 else done.stderr.strip() or "refuses"


def follow(client: RealClient, story: Story) -> None:
    """Show the job until the client says that it is finished.

    Raises:
        NoDemo: it took too long, was put off, or the client died.
    """
    screen = Screen()
    try:
        while not client.finished():
            story.look(client)
            screen.show(story)
            if not client.alive():
                raise NoDemo(f"the client has ended by itself\n{client.story()}")
            if client.postponed():
                raise NoDemo(f"the wrapper asks to be started later\n{client.story()}")
            if time.monotonic() - story.began > LIMIT:
                raise NoDemo(f"not finished within {LIMIT:.0f} s\n{client.story()}")
            time.sleep(0.1)
        story.look(client)
        if client.exit_status() == 0:
            story.fraction = 1.0  # Of a finished task the client tells no fraction.
        screen.show(story)
    finally:
        screen.leave()


def tell(client: RealClient, story: Story) -> None:
    """Tell the whole story again, now that it is over.

    Raises:
        NoDemo: the job failed, or made no output.
    """
    print("\nStates, as the wrapper wrote them down:")
    for entry in story.state.get("history", ()):
        note = f"  {entry.get('note')}" if entry.get("note") else ""
        print(f"  {entry['at']}  {entry['from']} -> {entry['to']}  ({entry['event']}){note}")
    container, engine = story.state.get("container") or {}, story.state.get("engine") or {}
    print(f"\nContainer {container.get('name')} on {engine.get('type')} {engine.get('version')}")
    print(f"CPU time told to the client: {story.cpu_time:.1f} s")
    status = client.exit_status()
    if status != 0:
        raise NoDemo(f"the job failed, the client says: exit status {status}\n{client.story()}")
    for entry in client.work.outputs:
        path = client.output(entry.name)
        if not path.is_file():
            raise NoDemo(f"the job made no {entry.name}\n{client.story()}")
        print(f"\n{entry.name}:\n{path.read_text(errors='replace')}", end="")


def show(name: str, wanted_engine: str) -> None:
    """Run one example from beginning to end.

    Raises:
        NoDemo: it cannot be run, or failed.
    """
    work = example(name)
    engine, environment = choose_engine(wanted_engine)
    print(f"Example {name} under the BOINC client, with {engine}; a moment, please.", flush=True)
    story = Story()
    with RealClient(work, environment) as client:
        follow(client, story)
        tell(client, story)


def main() -> int:
    """Run the example named on the command line (hello)."""
    name = sys.argv[1] if len(sys.argv) > 1 else "hello"
    try:
        show(name, os.environ.get("ENGINE", ""))
    except (NoDemo, NoSuchExample, AssertionError) as trouble:
        print(f"\nThe demonstration failed: {trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130
    finally:
        engines.close_labs()
    return 0


if __name__ == "__main__":
    sys.exit(main())
