"""What is done after a pause and an unpause, played as a conversation; no engine is asked."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from states.machine import JobMachine
from states.moves import moves
from states.reconcile import Boot
from states.record import Container, Job, new_record
from states.table import State
from tests.faults.model import ModelHost, World
from wrapper import running
from wrapper.accounting import Accounts
from wrapper.boinc.session import Standalone
from wrapper.engine.answers import EngineKind
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Order, Reply
from wrapper.job_config import JobConfig
from wrapper.journal import Journal
from wrapper.options import Options
from wrapper.work import Pause, Work

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
ID = "c" * 64
MOVES = moves()


class Process:
    """The container's first process, as a test wants it."""

    over = False

    def ended(self) -> bool:
        return self.over

    def handles(self) -> tuple[int, ...]:
        return ()

    def close(self) -> None:
        """Nothing is open."""


class Use(Accounts):
    """Counts the readings."""

    readings = 0
    blind = False

    def read(self, host: object) -> None:  # noqa: ARG002
        self.readings += 1


class Guard:
    def disarm(self) -> None:
        """Nothing was armed."""


def at(state: State, *, rests: bool, **recorded: object) -> Work:
    record = new_record(Job("p", "w", "w_0"), NOW, boot_id="b", container=Container("n", ID))
    record = record._replace(state=state, run_started="2026-03-04T05:00:00.000Z")
    record = record._replace(**recorded)  # type: ignore[arg-type]
    work = Work(
        slot=Path("slot"), init=None, options=Options(), config=JobConfig(), session=Standalone(),
        journal=Journal(io.StringIO()),
        machine=JobMachine(record, lambda _: None, lambda: NOW, MOVES),
        host=ModelHost(World([])), boot=Boot("b"), accounts=Use(0.0, 0.0), image_name="i",
        container_name="n", label="w_0", proxies={},
    )
    work.engine, work.watch, work.switch = Engine(EngineKind.DOCKER), Process(), Guard()
    work.at_rest = rests
    return work


def verb(asked: object) -> str:
    assert isinstance(asked, Order)
    return asked.words[1] if asked.words[1] != "container" else asked.words[2]


STEPS = [
    (running.paused, State.PAUSED, False, "pause"),
    (running.running, State.RUNNING, True, "unpause"),
]


Begun = Callable[..., tuple[Work, Generator[object, Reply, object]]]


@pytest.fixture(params=STEPS, ids=["pause", "unpause"])
def begun(request: pytest.FixtureRequest) -> Begun:
    """Begins a step whose first order is a pause or an unpause."""
    step, state, rested, word = request.param

    def begin(**recorded: object) -> tuple[Work, Generator[object, Reply, object]]:
        work = at(state, rests=rested, **recorded)
        going: Generator[object, Reply, object] = step(work)
        assert verb(next(going)) == word
        return work, going

    return begin


def test_what_the_engine_calls_done_is_believed_for_a_while(begun: Begun) -> None:
    work, going = begun()
    rests = work.machine.state is State.PAUSED
    pause = going.send(Reply(0))
    assert isinstance(pause, Pause)
    assert 1.0 <= pause.seconds <= 5.0
    assert pause.watch is work.watch
    assert (work.at_rest, work.runs, work.resting) == (rests, not rests, rests)
    assert verb(going.send(Reply(0))) == "inspect"
    assert not work.resting


def test_what_the_engine_refuses_is_looked_at_at_once(begun: Begun) -> None:
    _, going = begun()
    assert verb(going.send(Reply(1))) == "inspect"


def test_an_engine_that_does_what_it_is_asked_is_not_away(begun: Begun) -> None:
    work, going = begun(engine_away=True)
    assert work.record.engine_away
    going.send(Reply(0))
    assert not work.record.engine_away


def test_the_use_is_read_at_once_when_the_job_ends_right_after_it_went_on() -> None:
    work = at(State.RUNNING, rests=True)
    going = running.running(work)
    next(going)
    going.send(Reply(0))
    process, use = work.watch, work.accounts
    assert isinstance(process, Process)
    assert isinstance(use, Use)
    process.over = True
    assert verb(going.send(Reply(0))) == "inspect"
    assert use.readings == 1


def test_a_container_that_was_started_is_not_at_rest() -> None:
    work = at(State.RUNNING, rests=True)
    work.watch, work.unstarted = None, True
    going = running.running(work)
    assert verb(next(going)) == "start"
    going.send(Reply(0))
    assert not work.at_rest
