"""What of a start takes time elsewhere, set going before anything else: the engine of a new job is
asked what it can do, and a process apart reads the job's files.

A start is waited for by the client and by the job, and most of it is other programs' time. So this
module imports no more than it needs for that; the rest of the program is imported meanwhile.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from states.store import StateFile
from wrapper.boinc.init_data import InitData
from wrapper.boinc.session import Client
from wrapper.engine.cli import Engine
from wrapper.engine.discovery import candidates
from wrapper.engine.hosts.base import Host, Order, Running
from wrapper.hosting import OUTPUTS_FILE
from wrapper.journal import Journal
from wrapper.options import Options
from wrapper.places import docker_type, first_host
from wrapper.reading import Known, reading


class Slot(NamedTuple):
    """What is known of a slot before the job's own files are read."""

    path: Path
    options: Options
    init: InitData | None
    session: Client
    journal: Journal


class Begun(NamedTuple):
    """An order that was started before anybody asked for it."""

    order: Order
    running: Running
    at: float
    """When (monotonic, s)."""


class Beginning(NamedTuple):
    """A slot, and what was set going for it.

    ``is_new``: nobody has made a container for this job yet, as far as its slot shows; ``engine``
    is asked first then, by ``begun``. ``read`` waits for what is read apart.
    """

    slot: Slot
    host: Host
    platform: str
    is_new: bool
    engine: Engine | None
    begun: tuple[Begun, ...]
    read: Callable[[], Known]


def begin(slot: Slot, platform: str = sys.platform) -> Beginning:
    """Ask and read; ``platform`` is where this program runs. The host is the caller's to close.

    Raises:
        NotLoaded: the state file is there and cannot be read.
        NoAnswer: no process can be had.
    """
    host = first_host(slot.path, platform)
    try:
        content = StateFile(slot.path).load()
        is_new = content is None and not _has_traces(slot)
        # On Windows the distro has to be found first.
        engine = _first_engine(slot, platform) if is_new and platform != "win32" else None
        begun = (begun_order(host, next(engine.check())),) if engine else ()
        read = _reading(slot, content)
    except BaseException:
        host.close()
        raise
    return Beginning(slot, host, platform, is_new, engine, begun, read)


def begun_order(host: Host, order: Order) -> Begun:
    """A question to the engine, asked while others are answered: each takes its time."""
    return Begun(order, host.start(order), time.monotonic())


def _has_traces(slot: Slot) -> bool:
    """Whether the job was begun here, or its client counts CPU time that it has used."""
    begun = slot.init is not None and slot.init.wu_cpu_time > 0
    return begun or (slot.path / OUTPUTS_FILE).exists()


def _first_engine(slot: Slot, platform: str) -> Engine:
    """The engine that a new job asks first."""
    return Engine(candidates(docker_type(slot.init), platform)[0])


def _reading(slot: Slot, content: bytes | None) -> Callable[[], Known]:
    """Begin to read the job's description and its record."""
    roots = [Path(slot.init.project_dir)] if slot.init and slot.init.project_dir else []
    return reading(slot.path / slot.options.config, roots, content)
