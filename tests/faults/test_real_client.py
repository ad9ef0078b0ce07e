"""The real BOINC client and the wrapper are killed in the middle of one job, again and again; the
job ends once, with the right output.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.jobs import counting, surroundings
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.real_client import ClientTrouble, RealClient

KILLS = 20

pytestmark = [*ENGINE_ROOM, pytest.mark.client, pytest.mark.timeout(900)]


def counted(client: RealClient) -> int:
    """How far the job has counted."""
    try:
        return int((client.slot / "count").read_text())
    except (OSError, ValueError):
        return 0


def counts_on(client: RealClient) -> None:
    """See the job count, from now on."""
    before = counted(client)
    client.wait_for("the job counts", lambda: counted(client) > before, 90)
    client.wait_for_state("running", 30)


def killed_and_started(client: RealClient) -> None:
    """Kill client and wrapper, start the client, and see its wrapper at work: until the switch
    pauses it the job may count on without any.
    """
    killed = client.wrapper_pid()
    client.kill_all()
    client.start()
    client.wait_for("another wrapper", lambda: client.wrapper_pid() != killed, 60)


def test_client_and_wrapper_killed_again_and_again_end_the_job_once(engine_lab: Lab) -> None:
    try:
        client = RealClient(counting("real"), surroundings(engine_lab))
    except ClientTrouble as trouble:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(trouble))
    with client:
        counts_on(client)
        for _ in range(KILLS):
            killed_and_started(client)
            counts_on(client)
        (client.slot / "stop").touch()
        client.wait_until_finished(90)
        assert client.exit_status() == 0, client.story()
        assert told(client.output("out")) == "counted from start", client.story()
        client.wait_for("nothing is left", lambda: not engine_lab.containers(), 30)


def told(path: Path) -> str:
    """What the job says of its starts: a line for each would be there."""
    return path.read_text(encoding="utf-8").strip()
