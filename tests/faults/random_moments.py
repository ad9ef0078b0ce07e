"""Kills a wrapper, or client and wrapper, at random moments of one job's life, by a seed that can
be told again. Used by a test for a few kills, and by the soak for as long as wanted.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from dataclasses import dataclass

from tests.faults.jobs import see_through, starts, stop, wrongs
from tests.lab.engines import Lab
from tests.lab.played_client import PlayedClient


@dataclass
class Tally:
    """What has been tried so far, and what came of it."""

    jobs: int = 0
    kills: int = 0
    restarts: int = 0
    schedules: int = 0
    lost: int = 0

    @property
    def line(self) -> str:
        """For a person."""
        return (f"jobs {self.jobs}, kills {self.kills}, restarts {self.restarts}, "
                f"schedules tried {self.schedules}, work lost {self.lost}")


def torment(
    lab: Lab, client: PlayedClient, seed: int, kills: int, code: int, tally: Tally
) -> list[str]:
    """Kill the wrapper of a job so many times, let the job end, and tell what is wrong then."""
    chance = random.Random(seed)
    tally.jobs += 1
    for _ in range(kills):
        client.start()
        tally.restarts += 1
        _some_time(client, chance)
        if not client.alive():
            break
        _kill(client, chance)
        tally.kills += 1
    stop(client)
    try:
        see_through(client, 180)
        wrong = wrongs(lab, client, code)
    except AssertionError as error:
        wrong = [str(error)]
    tally.lost += starts(client) != 1
    return [f"seed {seed}: {what}" for what in wrong]


def _some_time(client: PlayedClient, chance: random.Random) -> None:
    """Let it live a little, with a wish of the client's now and then."""
    for _ in range(chance.randint(0, 3)):
        time.sleep(chance.choice((0.0, 0.05, 0.2, 0.5, 1.0)))
        if client.alive() and not client.unread() and chance.random() < 0.5:
            client.send(chance.choice(("<suspend/>", "<resume/>")))
    time.sleep(chance.random())


def _kill(client: PlayedClient, chance: random.Random) -> None:
    """The wrapper alone, or together with its process group."""
    if chance.random() < 0.3 and sys.platform != "win32":
        try:
            os.killpg(client.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
    client.kill()


