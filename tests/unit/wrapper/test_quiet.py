"""The wait while nothing happens: what ends it, what is done meanwhile, and that it never spins."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from states.table import State
from wrapper import supervisor
from wrapper.boinc.channels import MMAP_FILE, SEGMENT_SIZE, Segment, open_unix
from wrapper.boinc.init_data import InitData
from wrapper.boinc.session import Session, open_session
from wrapper.engine.hosts.base import Watch
from wrapper.quiet import Quiet
from wrapper.signals import Signals
from wrapper.telling import Telling
from wrapper.wishes import Wish
from wrapper.work import Pause, Work

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a segment of Unix")
LONG = 60.0
"""Seconds that no wait here takes."""


class Scene:
    """A slot with a client that a test plays, and a wait in it."""

    def __init__(self, slot: Path, client_pid: int) -> None:
        (slot / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
        client = open_unix(slot)
        session = open_session(slot, InitData(client_pid=client_pid), time.monotonic())
        assert client is not None
        assert isinstance(session, Session)
        self.slot, self.client, self.session = slot, client, session
        self.signals = Signals()
        self.told: list[float] = []
        self.work = SimpleNamespace(
            session=session, resting=False, wish=Wish.RUN, finished=False, leaving=False,
            machine=SimpleNamespace(state=State.COLLECTING),
        )
        self.telling = SimpleNamespace(next=0.0, turn=self.told.append)
        self.quiet = Quiet(
            cast(Work, self.work), self.signals, cast(Telling, self.telling))

    def wait(self, seconds: float = LONG, watch: object = None) -> tuple[bool, float]:
        """Wait; whether the process had ended, and how long it took."""
        began = time.monotonic()
        ended = self.quiet.wait(seconds, cast("Watch | None", watch))
        return ended, time.monotonic() - began

    def close(self) -> None:
        self.session.close()
        self.client.close()
        self.signals.close()


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A client's process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


@pytest.fixture
def scene(tmp_path: Path, process: subprocess.Popen[bytes]) -> Iterator[Scene]:
    made = Scene(tmp_path, process.pid)
    yield made
    made.close()


class Watched:
    """A process that is watched by a pipe, or by nothing that wakes."""

    def __init__(self, handles: tuple[int, ...], ended: bool = False) -> None:
        self._handles, self._ended = handles, ended

    def handles(self) -> tuple[int, ...]:
        return self._handles

    def ended(self) -> bool:
        return self._ended


def beating(client: Segment) -> None:
    assert client.heartbeat.write("<heartbeat/><max_wss>7e6</max_wss>")


def test_nothing_happens_for_so_long_and_the_client_is_told(scene: Scene) -> None:
    ended, took = scene.wait(0.6)
    assert not ended
    assert 0.6 <= took < LONG
    assert scene.told


@pytest.mark.parametrize("watch", [None, Watched(())], ids=["woken", "evenly"])
def test_a_request_ends_it_and_a_heartbeat_is_taken_meanwhile(
    scene: Scene, watch: Watched | None
) -> None:
    beating(scene.client)
    scene.wait(0.6, watch)
    assert scene.session.max_wss == 7e6
    assert not scene.client.heartbeat.waiting
    assert scene.client.process_control_request.write("<suspend/>")
    ended, took = scene.wait(LONG, watch)
    assert not ended
    assert took < LONG / 2
    assert scene.client.process_control_request.waiting, "it is for the tick to take"


def test_the_end_of_what_is_watched_ends_it(scene: Scene) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    assert scene.wait(LONG, Watched((reader,), ended=True))[0]
    os.close(reader)
    assert scene.wait(LONG, Watched((), ended=True))[0]


def test_a_signal_ends_it(scene: Scene) -> None:
    scene.signals._note(15, None)
    assert scene.wait()[1] < LONG / 2


def test_memory_cut_short_ends_it_or_is_left_to_the_tick(scene: Scene) -> None:
    os.truncate(scene.slot / MMAP_FILE, 0)
    ended, took = scene.wait()
    assert not ended
    assert took < LONG / 2


@pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")
@pytest.mark.parametrize("wish", ["none", "abort", "signal"])
def test_the_end_of_the_client_ends_it_once_whatever_else_is_wished(
    scene: Scene, process: subprocess.Popen[bytes], wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.session.abort_asked = wish == "abort"
    scene.signals.quit_asked = wish == "signal"
    loop = supervisor.Supervisor(cast(Work, scene.work), scene.signals)
    monkeypatch.setattr(loop._telling, "turn", lambda _now: None)
    waits = [0]
    wait = loop._quiet.wait

    def counted(seconds: float, watch: Watch | None) -> bool:
        waits[0] += 1
        return wait(seconds, watch)

    monkeypatch.setattr(loop._quiet, "wait", counted)
    loop._tick(0.0, ())
    process.kill()
    process.wait()
    loop._pause(Pause(1.2), State.COLLECTING)
    assert scene.session.client_gone(time.monotonic()) is not None
    assert waits[0] < 20
