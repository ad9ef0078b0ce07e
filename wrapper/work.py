"""What one job is worked on with: slot, description, client, engine, and the machine of its states.

Put together once by :mod:`wrapper.opening` and handed to every step. It decides nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from states.machine import JobMachine
from states.reconcile import Boot
from states.record import Record
from states.table import Event
from wrapper.accounting import Accounts
from wrapper.beginning import Begun
from wrapper.boinc.init_data import InitData
from wrapper.boinc.session import Client
from wrapper.engine.answers import Checkup
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Host, Order, Reply, Running, Switch, Watch
from wrapper.job_config import JobConfig
from wrapper.journal import Journal
from wrapper.options import Options
from wrapper.wishes import Wish


class Pause(NamedTuple):
    """A step's wish to wait: so many seconds, less if ``watch`` ends or the client presses."""

    seconds: float
    watch: Watch | None = None


class Turn(NamedTuple):
    """A step's last word: the event to fire, why, and what the record is to remember with it."""

    event: Event
    note: str = ""
    changes: Mapping[str, object] = MappingProxyType({})


class Leave(NamedTuple):
    """A step's last word when the state stays: go now. With a ``reason``, a temporary exit."""

    reason: str = ""


T = TypeVar("T")
Talk = Generator["Order | Pause", Reply, T]
"""Part of a step: yields orders and pauses, is sent replies (after a pause, an empty one)."""
Step = Talk["Turn | Leave"]


_FRESH = 5.0
# How long what an engine says is news, in seconds: a client may suspend a job that has just begun.


class Work:
    """One job in its slot. ``engine`` is set by discover_distro.

    ``proxies`` are the variables that carry the client's proxies to a build and to the container;
    secret. ``platform`` is where this program runs, as ``sys.platform``. ``mistake`` says why the
    job cannot be run at all (a bad job.toml), in words for its project. ``is_new``: nobody has made
    a container for this job yet, as far as its slot shows. ``begun`` are the first questions to the
    engine, which were asked already, in their order. ``finished``: the finish file stands, so that
    the client waits for our end, and not for long.
    """

    engine: Engine | None = None
    checkup: Checkup | None = None
    """What the engine can do, once it was asked in this episode."""
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
    """Whether it is at rest, by the last look or by an order since that went well."""
    runs: bool = False
    """Whether it runs, by the last look or by an order since that went well."""
    unstarted: bool = False
    """Whether it was seen to be new, and nobody has asked for its start."""
    ended_id: str = ""
    """Which container was seen to have ended, once one was."""

    def __init__(
        self, *, slot: Path, init: InitData | None, options: Options, config: JobConfig,
        session: Client, journal: Journal, machine: JobMachine, host: Host, boot: Boot,
        accounts: Accounts, image_name: str, container_name: str, label: str,
        proxies: Mapping[str, str], platform: str = sys.platform, mistake: str = "",
        is_new: bool = False, begun: Sequence[Begun] = (), finished: bool = False,
    ) -> None:
        self.slot = slot
        self.init = init
        self.options = options
        self.config = config
        self.session = session
        self.journal = journal
        self.machine = machine
        self.host = host
        self.boot = boot
        self.accounts = accounts
        self.image_name = image_name
        self.container_name = container_name
        self.label = label
        self.proxies = proxies
        self.platform = platform
        self.mistake = mistake
        self.is_new = is_new
        self.begun = begun
        self.finished = finished

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
        begun, self.begun = self.begun, ()
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
