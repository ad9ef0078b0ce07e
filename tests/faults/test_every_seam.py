"""The wrapper is killed once at each thing it does to the world; the next start carries on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import counting, see_through, starts, stop, wrongs
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(900)]

CODE = 7
AT_ONCE = 3
PAUSES = ("paused", "pause", "unpause")
"""What only a life with a pause in it comes by."""


def log_of(client: PlayedClient) -> Path:
    """Where a wrapper writes down the seams it comes to."""
    return client.slot.parent / "seams.txt"


def lives(client: PlayedClient, lab: Lab, at: str = "", pauses: bool = True) -> PlayedClient:
    """A whole life, with a pause in it: to its end, or to the seam where it is killed."""
    log, kind = log_of(client), lab.kind.value
    client.environment.update(FAULT_LOG=str(log), FAULT_AT=at)
    client.start()

    def comes(words: str) -> None:
        client.wait_for(
            words, lambda: not client.alive() or f"{kind} {words}\n" in log.read_text(), 90)

    client.wait_for("the job's start", lambda: not client.alive() or starts(client) > 0, 90)
    if pauses and client.alive():
        comes("start: 0")
        client.suspend()
        comes("pause: 0")
    if pauses and client.alive():
        client.resume()
        comes("unpause: 0")
    stop(client)
    client.wait_exit(90)
    return client


def seams_of(client: PlayedClient) -> list[str]:
    """The seams a wrapper came to, in order."""
    lines = log_of(client).read_text().splitlines()
    return [line[2:] for line in lines if line.startswith("+ ")]


def one_death(client: PlayedClient, lab: Lab, seam: str) -> list[str]:
    """Kill the wrapper at a seam, start it again, and tell what is wrong at the end."""
    try:
        lives(client, lab, seam, any(word in seam.split() for word in PAUSES))
        # Whether there is a second of a kind may be chance: an order was refused once, or the
        # first look had filled the record already.
        if client.process.returncode != -9 and not seam.endswith(", 2"):
            return [f"never came to be killed {seam}\n{client.story()}"]
        del client.environment["FAULT_LOG"]
        see_through(client)
        wrong = wrongs(lab, client, CODE)
    except AssertionError as error:
        wrong = [str(error)]
    story = f"\n{client.story()}" if wrong else ""
    return [f"killed {seam}: {what}{story}" for what in wrong]


def test_killed_at_any_seam_it_is_one_run_one_finish_and_nothing_left(
    play: Play, engine_lab: Lab
) -> None:
    whole = lives(play(counting("whole", CODE), "whole"), engine_lab)
    assert wrongs(engine_lab, whole, CODE) == []
    seams = [seam for seam in seams_of(whole) if seam != "before running is saved, 2"]
    assert len(seams) > 30, seams
    clients = [play(counting(f"seam{at}", CODE), f"{at}") for at in range(len(seams))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(one_death, clients, [engine_lab] * len(seams), seams)
        wrong = [line for lines in found for line in lines]
    assert not wrong, "\n".join(wrong)
