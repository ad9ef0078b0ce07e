"""Without pidfds, or where a container's cgroup cannot be seen, a job has the same life."""

from __future__ import annotations

import pytest

from tests.client.conftest import Play
from tests.client.test_obeys import COUNT, container, running
from tests.faults.jobs import SEAMS, status
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.workunit import script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

CODE = 9
BUSY = f"""
cd /app; echo start >>starts
(while :; do :; done) & busy=$!
{COUNT}
kill $busy
exit {CODE}
"""


@pytest.mark.parametrize("without", ["pidfd", "cgroup", "pidfd cgroup"])
def test_a_job_is_paused_told_of_and_ended_all_the_same(
    play: Play, engine_lab: Lab, without: str
) -> None:
    client = play(script_job("without", BUSY), command=SEAMS)
    client.environment["FAULT_WITHOUT"] = without
    running(client)
    told = client.statuses
    client.wait_for("some CPU time is told", lambda: bool(told) and told[-1].cpu_time > 0.5, 60)
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 30)
    client.resume()
    client.wait_for("it goes on", lambda: status(engine_lab, client) == "running", 30)
    before = container(engine_lab, client)["Id"]
    client.kill()
    client.wait_for("the switch pauses it", lambda: status(engine_lab, client) == "paused", 30)
    client.start()
    client.wait_for("it goes on", lambda: status(engine_lab, client) == "running", 60)
    assert container(engine_lab, client)["Id"] == before
    (client.slot / "stop").touch()
    assert client.wait_exit(60) == CODE, client.story()
    assert (client.slot / "starts").read_text() == "start\n"
    assert engine_lab.containers() == []
