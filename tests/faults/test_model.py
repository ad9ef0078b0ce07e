"""The model of an engine answers as real engines do: the same orders, the same answers in kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.model import BASE, ModelHost, World, Wrong
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, Lab
from tests.lab.waiting import wait_for
from wrapper.engine.answers import Container, EngineKind
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Asking, Host, Reply, carry_out
from wrapper.engine.hosts.local import LocalHost

pytestmark = [*ENGINE_ROOM]

NAME = "boinc__model__job_0"


class Conversation:
    """Orders to an engine, and what it showed after each: did it go well, and what is there."""

    def __init__(self, host: Host, engine: Engine, image: str) -> None:
        self.host, self.engine, self.image = host, engine, image
        self.heard: list[tuple[str, bool, str]] = []

    def ask(self, what: str, asking: Asking[Reply]) -> None:
        """Give an order, and look."""
        reply = carry_out(self.host, asking)
        self.heard.append((what, reply.ok, self.shown()))

    def shown(self) -> str:
        """The container's status, and whether it has a start, an end and an exit code."""
        answer = carry_out(self.host, self.engine.container(NAME))
        if not isinstance(answer, Container):
            return type(answer).__name__
        told = (answer.started_at, answer.finished_at, answer.exit_code)
        return " ".join([answer.status.value, *(str(one is not None) for one in told)])


def a_life(talk: Conversation, end: Callable[[], None]) -> list[tuple[str, bool, str]]:
    """All that a wrapper says to an engine, well and badly timed."""
    engine = talk.engine
    words = ("--name", NAME, "--label", "boinc.docker_wrapper=job_0", "--label", "a=b",
             talk.image, "/bin/sleep", "600")
    for what, asking in (
        ("pause nothing", engine.pause(NAME)), ("start nothing", engine.start(NAME)),
        ("create", engine.create(words)), ("create again", engine.create(words)),
        ("pause created", engine.pause(NAME)), ("start", engine.start(NAME)),
        ("start running", engine.start(NAME)),
        ("unpause running", engine.unpause(NAME)), ("pause", engine.pause(NAME)),
        ("pause paused", engine.pause(NAME)),
        ("unpause", engine.unpause(NAME)),
    ):
        talk.ask(what, asking)
    end()
    wait_for("its end", lambda: talk.shown().startswith("exited"), 20)
    for what, asking in (
        ("pause ended", engine.pause(NAME)), ("unpause ended", engine.unpause(NAME)),
        ("kill ended", engine.kill(NAME)), ("remove", engine.remove(NAME)),
    ):
        talk.ask(what, asking)
    return talk.heard


@pytest.fixture
def real(engine_lab: Lab) -> Iterator[Conversation]:
    """With a real engine."""
    host = LocalHost(engine_lab.environment)
    yield Conversation(host, Engine(engine_lab.kind), BASE_IMAGE)
    host.close()


def test_the_model_answers_as_a_real_engine_does(real: Conversation) -> None:
    def kill() -> None:
        carry_out(real.host, real.engine.kill(NAME))

    world = World([])
    model = Conversation(ModelHost(world), Engine(EngineKind.DOCKER), BASE)

    def end() -> None:
        world.sleep(60)
        world.finish = 0

    assert a_life(model, end) == a_life(real, kill)


def test_the_model_refuses_what_loses_work() -> None:
    world = World([])
    model = Conversation(ModelHost(world), Engine(EngineKind.DOCKER), BASE)
    words = ("--name", NAME, "--label", "boinc.docker_wrapper=job_0", BASE)
    model.ask("create", model.engine.create(words))
    model.ask("start", model.engine.start(NAME))
    world.sleep(60)
    for asking in (model.engine.start(NAME), model.engine.remove(NAME)):
        with pytest.raises(Wrong):
            carry_out(model.host, asking)
