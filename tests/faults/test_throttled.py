"""The client has a CPU limit: it suspends and resumes in turn, every second or less, all life long;
and the job ends during a pause, just before one, just after one. It is one run and one finish.
"""

from __future__ import annotations

import threading
import time

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import (
    container_name,
    count,
    counting,
    running,
    see_through,
    status,
    stop,
    wrongs,
)
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient

pytestmark = [*ENGINE_ROOM]

CODE = 5


class Throttle:
    """Suspends and resumes in turn, each for ``period`` s, until it is told to stop."""

    def __init__(self, client: PlayedClient, period: float) -> None:
        self._client = client
        self._period = period
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Throttle:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(20)

    def _go_on(self) -> None:
        turns = ("<suspend/>", "<resume/>")
        at = 0
        while not self._over.wait(self._period) and self._client.alive():
            # As the real client does: a request that was not read yet is waited for.
            if not self._client.unread():
                self._client.send(turns[at % 2])
                at += 1


def ends_well(client: PlayedClient, lab: Lab, code: int = CODE) -> None:
    """One run, one finish, nothing left."""
    assert see_through(client) == code, client.story()
    assert wrongs(lab, client, code) == [], client.story()


def pauses(client: PlayedClient) -> int:
    """How often the record went to paused, as far as its history remembers."""
    return sum(line["to"] == "paused" for line in client.state().get("history", ()))


def test_throttled_all_its_life_a_job_is_run_once(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting("throttled", CODE)))
    with Throttle(client, 0.5):
        client.wait_for("six pauses", lambda: pauses(client) >= 6, 60)
        far = count(client)
        client.wait_for("it gets on", lambda: count(client) > far + 10, 60)
        stop(client)
        client.wait_exit(90)
    ends_well(client, engine_lab)


@pytest.mark.parametrize("code", [137, 143, 255])
def test_throttled_a_job_ends_with_its_own_code_though_a_shutdown_has_the_same(
    play: Play, engine_lab: Lab, code: int
) -> None:
    client = running(play(counting("own_code", code)))
    with Throttle(client, 0.5):
        client.wait_for("two pauses", lambda: pauses(client) >= 2, 60)
        stop(client)
        client.wait_exit(90)
    ends_well(client, engine_lab, code)


@pytest.mark.parametrize(
    ("moment", "code"),
    [(0.0, CODE), (0.05, CODE), (0.15, CODE), (0.4, CODE), (0.05, 137), (0.4, 137)],
)
def test_a_job_that_ends_around_a_pause_is_run_once(
    play: Play, engine_lab: Lab, moment: float, code: int
) -> None:
    """Told to stop, it ends within 0.05 s, the more or less before the pause takes hold."""
    client = running(play(counting("around", code)))
    stop(client)
    time.sleep(moment)  # what is tried is this very distance
    if client.alive():
        client.suspend()
        client.wait_for("it was read", lambda: not client.unread() or not client.alive(), 20)
    if client.alive():
        client.resume()
    ends_well(client, engine_lab, code)


def test_a_job_that_ends_during_a_pause_is_collected(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting("during", CODE)))
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 30)
    stop(client)

    def let_go() -> bool:
        """Somebody lets it go on behind the wrapper's back, and so it ends while it should rest;
        a wrapper that is just looking whether it rests freezes it again, as it should.
        """
        if client.alive() and status(engine_lab, client) == "paused":
            engine_lab.cli("unpause", container_name(client), check=False)
        return not client.alive()

    client.wait_for("the wrapper's end", let_go, 60)
    ends_well(client, engine_lab)


@pytest.mark.parametrize("code", [CODE, 137])
def test_a_job_that_ends_just_after_a_pause_is_run_once(
    play: Play, engine_lab: Lab, code: int
) -> None:
    client = running(play(counting("after", code)))
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 30)
    stop(client)
    client.resume()
    ends_well(client, engine_lab, code)
