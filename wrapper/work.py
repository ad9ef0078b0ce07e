"""What one job is worked on with: slot, description, client, engine, and the machine of its states.

Put together once by :mod:`wrapper.opening` and handed to every step. It decides nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from states.machine import JobMachine
from states.reconcile import Boot
from states.record import Record
from states.table import Event
from wrapper.accounting import Accounts
from wrapper.boinc.init_data import InitData
from wrapper.boinc.session import Client
from wrapper.engine.answers import Checkup
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Host, Order, Reply, Running, Switch, Watch
from wrapper.job_config import JobConfig
from wrapper.journal import Journal
from wrapper.options import Options
from wrapper.wishes import Wish


@dataclass(frozen=True)
class Pause:
    """A step's wish to wait: so many seconds, less if ``watch`` ends or the client presses."""

    seconds: float
    watch: Watch | None = None


@dataclass(frozen=True)
class Turn:
    """A step's last word: the event to fire, why, and what the record is to remember with it."""

    event: Event
    note: str = ""
    changes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Leave:
    """A step's last word when the state stays: go now. With a ``reason``, a temporary exit."""

    reason: str = ""


T = TypeVar("T")
Talk = Generator["Order | Pause", Reply, T]
"""Part of a step: yields orders and pauses, is sent replies (after a pause, an empty one)."""
Step = Talk["Turn | Leave"]


_FRESH = 5.0
# How long what an engine says is news, in seconds: a client may suspend a job that has just begun.


@dataclass(frozen=True)
class Begun:
    """An order that was started before anybody asked for it."""

    order: Order
    running: Running
    at: float
    """When (monotonic, s)."""


@dataclass
class Work:
    """One job in its slot. ``engine`` is set by discover_distro."""

    slot: Path
    init: InitData | None
    options: Options
    config: JobConfig
    session: Client
    journal: Journal
    machine: JobMachine
    host: Host
    boot: Boot
    accounts: Accounts
    image_name: str
    container_name: str
    label: str
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that carry the client's proxies to a build and to the container; secret."""
    platform: str = sys.platform
    """Where this program runs, as ``sys.platform``."""
    engine: Engine | None = None
    checkup: Checkup | None = None
    """What the engine can do, once it was asked in this episode."""
    mistake: str = ""
    """Why the job cannot be run at all (a bad job.toml), in words for its project."""
    watch: Watch | None = None
    """The container's first process, while it is known."""
    switch: Switch | None = None
    """The dead man's switch, armed as long as the container may run."""
    doubted: str = ""
    """The container that looked as if it were just being removed."""
    torn_since: float | None = None
    """Since when (monotonic, s) kernel and engine are of two minds whether it is frozen."""
    torn_told: bool = False
    """Whether the job's log has that already."""
    wants_network: bool = False
    ports_given_up: int = 0
    """How often the port for web graphics was taken when the container was to be started."""
    engine_silent: bool = False
    """Whether the engine gave no answer when it was asked last."""
    wish: Wish = Wish.RUN
    """What the client wants, by the loop's last look."""
    resting: bool = False
    """Whether the container does not run, as it should be: nothing to be read or told."""
    at_rest: bool = False
    """Whether it was seen at rest when it was looked at last."""
    runs: bool = False
    """Whether it was seen to run when it was looked at last."""
    unstarted: bool = False
    """Whether it was seen to be new, and nobody has asked for its start."""
    ended_id: str = ""
    """Which container was seen to have ended, once one was."""
    is_new: bool = False
    """Whether nobody has made a container for this job yet, as far as its slot shows."""
    begun: list[Begun] = field(default_factory=list)
    """The first questions to the engine, which were asked already, in their order."""
    finished: bool = False
    """Whether the finish file stands, so that the client waits for our end, and not for long."""

    @property
    def record(self) -> Record:
        """The job's record as it stands on disk."""
        return self.machine.record

    @property
    def driver(self) -> Engine:
        """The engine, in a state that has one."""
        if self.engine is None:
            raise RuntimeError(f"no engine in state {self.machine.state.value}")
        return self.engine

    @property
    def project_dir(self) -> Path | None:
        """The project's directory, where the client told one."""
        return Path(self.init.project_dir) if self.init and self.init.project_dir else None

    @property
    def leaving(self) -> bool:
        """Whether we are to go as soon as nothing burns."""
        return self.wish is Wish.QUIT

    def started(self, order: Order) -> Running:
        """An order, started on the host, or begun there a moment ago."""
        begun, self.begun = self.begun, []
        if begun and begun[0].order == order and time.monotonic() - begun[0].at < _FRESH:
            self.begun = begun[1:]
            return begun[0].running
        for one in begun:  # it went another way than was expected
            one.running.end()
        return self.host.start(order)

    def stop_watching(self) -> None:
        """Forget the container's process."""
        self.runs = False
        if self.watch is not None:
            self.watch.close()
        self.watch = None
