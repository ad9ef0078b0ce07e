"""A long life of one container: many pauses, many restarts, and nothing grows.

Short by default; with ``LONG=1`` a thousand pauses and two hundred restarts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import container_id, counting, counts_on, see_through, stop, wrongs
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import STATE_FILE, PlayedClient
from tests.lab.waiting import wait_for

LONG = os.environ.get("LONG") == "1"
PAUSES, RESTARTS = (1000, 200) if LONG else (40, 8)
SETTLED = 5
"""Pauses after which all that is ever imported has been."""
MOST_STATE = 32 << 10

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(7200 if LONG else 400)]


def pss(pid: int) -> int:
    """What a process has of the memory, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def descriptors(client: PlayedClient) -> int:
    """How many files the wrapper has open once no order goes on and the job is watched: as many at
    twenty looks in a row.
    """
    seen: list[int] = []

    def steady() -> bool:
        seen.append(len(os.listdir(f"/proc/{client.pid}/fd")))
        return len(seen) >= 20 and len(set(seen[-20:])) == 1

    wait_for("a wrapper that only watches", steady, 30, every=0.05, tell=client.story)
    return seen[-1]


def pause_once(client: PlayedClient) -> None:
    """Suspend and resume, each seen in the record."""
    client.suspend()
    client.wait_for_state("paused")
    client.resume()
    client.wait_for_state("running")


def test_a_thousand_pauses_and_hundreds_of_restarts_leave_no_trace(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("long", 2))
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    identity = container_id(engine_lab, client)
    for _ in range(SETTLED):
        pause_once(client)
    counts_on(client)
    files, memory = descriptors(client), pss(client.pid)
    for _ in range(PAUSES - SETTLED):
        pause_once(client)
    counts_on(client)
    assert descriptors(client) <= files
    assert pss(client.pid) < memory + 1024
    for _ in range(RESTARTS):
        client.kill()
        client.start()
        counts_on(client)
    assert container_id(engine_lab, client) == identity
    assert (client.slot / STATE_FILE).stat().st_size < MOST_STATE
    assert len(client.state()["history"]) <= 50
    stop(client)
    see_through(client)
    assert wrongs(engine_lab, client, 2) == []
