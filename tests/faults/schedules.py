"""Lives a whole job through a schedule of faults: the real loop, steps, machine and decisions, in a
world of the model. What must never happen the world itself sees; here it is seen that there is an
end, and the right one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from states.machine import JobMachine
from states.moves import moves
from states.reconcile import Boot
from states.record import Container, Image, Job, Record, new_record
from states.table import State
from tests.faults.model import (
    BASE,
    CODE,
    Killed,
    ModelHost,
    Move,
    Schedule,
    World,
    Wrong,
    moment,
)
from wrapper import collecting, ordering, postponing, quiet, running, supervisor, waiting
from wrapper.accounting import Accounts
from wrapper.discovering import rebuilt_engine
from wrapper.job_config import JobConfig
from wrapper.journal import Journal
from wrapper.options import Options
from wrapper.signals import Signals
from wrapper.work import Work

NAME = "boinc__model__job_0"
JOB = Job("model", "job", "job_0")
MOST_LIVES = 80
MOVES = moves()


class _NoSignals:
    quit_asked = False

    def handles(self) -> tuple[int, ...]:
        return ()


@contextmanager
def in_world(world: World) -> Iterator[None]:
    """The product's clock and its last words are the world's."""

    def finish(_slot: Path, code: int, *_words: object) -> None:
        world.point("before the finish file")
        world.finish = int(code)
        world.point("after the finish file")

    def later(_slot: Path, delay: float, _why: str) -> None:
        world.point("a temporary exit")
        world.delays.append(delay)
        world.clock += delay

    changes: list[tuple[dict[str, object], str, object]] = [
        (vars(supervisor), "time", world), (vars(running), "time", world),
        (vars(quiet), "time", world), (vars(waiting), "time", world),
        (vars(postponing), "time", world), (vars(collecting), "write_finish", finish),
        (vars(postponing), "write_temporary_exit", later),
        (vars(ordering), "_binds", lambda _work: ()),
    ]
    before = [(module, name, module[name]) for module, name, _ in changes]
    for module, name, value in changes:
        module[name] = value
    try:
        yield
    finally:
        for module, name, value in before:
            module[name] = value


def opened(world: World, kept: list[Record], slot: Path) -> Work:
    """What a start of the wrapper finds: see ``wrapper.opening``, which reads it from files."""

    def save(record: Record) -> None:
        world.point(f"before {record.state.value} is saved")
        kept.append(record)
        world.point(f"{record.state.value} is saved")

    host = ModelHost(world)
    boot = Boot(host.boot_id(), moment(world.booted_at))
    is_new = not kept
    if is_new:
        kept.append(new_record(JOB, moment(world.clock), boot_id=boot.id, image=Image(BASE),
                               container=Container(NAME)))
    record = kept[-1]
    machine = JobMachine(kept[-1], save, lambda: moment(world.clock), MOVES)
    work = Work(
        slot=slot, init=None, options=Options(), config=JobConfig(image_name=BASE),
        session=world.client, journal=Journal(io.StringIO()), machine=machine, host=host,
        boot=boot, accounts=Accounts(record.cpu_time_before, record.cpu_time),
        image_name=BASE, container_name=NAME, label=JOB.result, proxies={}, platform="linux",
        is_new=is_new,
    )
    if machine.state is not State.DISCOVER_DISTRO:
        work.engine = rebuilt_engine(work)
    return work


def delays_of_silence(slot: Path, lives: int) -> list[float]:
    """The delays, in s, that are asked for while an engine never answers."""
    world = World([(0, Move.LONG_SILENT)] * (lives * 100))
    kept: list[Record] = []
    with in_world(world):
        for _ in range(lives):
            _lived(world, kept, slot)
    return world.delays


def live(schedule: Schedule, slot: Path) -> World:
    """Live a job to its end, however often its wrapper dies or leaves.

    Raises:
        Wrong: something happened that must not, or there is no end, or not the right one.
    """
    world = World(schedule)
    kept: list[Record] = []
    try:
        with in_world(world):
            for _ in range(MOST_LIVES):
                if _lived(world, kept, slot):
                    break
            else:
                raise Wrong("there is no end to it")
        _check(world)
    except Wrong as wrong:
        raise Wrong("\n".join([str(wrong), *world.story[-60:]])) from None
    return world


def _lived(world: World, kept: list[Record], slot: Path) -> bool:
    """One life of the wrapper; whether it was the last."""
    world.story.append("== the wrapper starts")
    world.client.quit_asked = False
    try:
        work = opened(world, kept, slot)
        supervisor.Supervisor(work, cast("Signals", _NoSignals())).run()
    except Killed:
        return False
    # What still runs when the wrapper has gone is paused by its switch.
    box = world.box
    if world.armed and box is not None and box.status == "running":
        box.status = "paused"
    world.armed = False
    return kept[-1].state is State.DONE


def _check(world: World) -> None:
    if not world.finished:
        raise Wrong(f"it is done with {world.finish}, and the job never ended")
    if world.finish != CODE:
        raise Wrong(f"the finish file says {world.finish}, the job said {CODE}")
    # Where the engine is away, or too slow, the client's own cleanup has to do: a process that is
    # still there five minutes after the finish file has its job aborted.
    if world.box is not None and not world.away and not world.slow_to_tidy:
        raise Wrong("the container is left")
