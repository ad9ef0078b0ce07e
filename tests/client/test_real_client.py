"""The wrapper under the real BOINC client, on both engines: a task's whole life as a user sees it.

The job waits for a file named ``go`` in its slot, so that a test decides when it ends, and counts
how often it was started: once, whatever happens to the client and the wrapper.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from statistics import median

import pytest

from tests.client.conftest import Real
from tests.lab.client_home import can_become
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.overheard import Overheard
from tests.lab.real_client import Preferences, RealClient
from tests.lab.workunit import FROM_BUSYBOX, Input, Output, Workunit, busybox, script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

SCRIPT = """\
cd /app
echo started >> starts
mkdir -p deep/er && echo x > deep/er/file
while [ ! -f go ]; do sleep 0.1; done
wc -l < starts > out
echo linked > linked
"""
OUTPUTS = (Output("out", copy=True), Output("linked"))


@pytest.fixture
def work() -> Workunit:
    """The job that waits for `go`."""
    return script_job("waiter", SCRIPT, outputs=OUTPUTS)


def job_has_started(client: RealClient) -> dict[str, object]:
    """Wait until the job itself runs; the state file of then."""
    client.wait_for("the job has started", (client.slot / "starts").exists, 60)
    state: dict[str, object] = client.wait_for_state("running", 30)
    return state


def let_it_end(client: RealClient, limit: float = 60) -> None:
    """Let the job end, and see that all is well: one start, outputs in place, an empty slot."""
    (client.slot / "go").touch()
    client.wait_until_finished(limit)
    client.wait_for("an empty slot", client.slot_empty, 15)
    client.wait_for("exit status 0", lambda: client.exit_status() == 0, 15)
    assert client.output("out").read_text(encoding="utf-8").strip() == "1"
    assert client.output("linked").read_text(encoding="utf-8").strip() == "linked"


def container(state: dict[str, object]) -> object:
    """The container's id."""
    found = state["container"]
    assert isinstance(found, dict)
    return found["id"]


def engine_says(lab: Lab, client: RealClient, status: str) -> Callable[[], bool]:
    """Whether the engine itself shows the job's container so."""

    def look() -> bool:
        found = lab.inspect(client.state()["container"]["name"])["State"]
        return isinstance(found, dict) and found["Status"] == status

    return look


def test_a_job_runs_to_its_end_and_its_outputs_are_in_place(real: Real, work: Workunit) -> None:
    client = real(work)
    job_has_started(client)
    let_it_end(client)


def test_a_job_is_suspended_and_resumed(real: Real, work: Workunit, engine_lab: Lab) -> None:
    client = real(work)
    job_has_started(client)
    client.suspend()
    client.wait_for_state("paused", 20)
    client.wait_for("paused", engine_says(engine_lab, client, "paused"), 10)
    client.resume()
    client.wait_for_state("running", 20)
    client.wait_for("running", engine_says(engine_lab, client, "running"), 10)
    let_it_end(client)


def test_the_client_is_stopped_and_started_and_the_same_container_goes_on(
    real: Real, work: Workunit
) -> None:
    client = real(work)
    before = container(job_has_started(client))
    client.stop()
    client.start()
    client.wait_for_log("Restarting task", 30)
    assert container(client.wait_for_state("running", 30)) == before
    let_it_end(client)


def test_client_and_wrapper_are_killed_and_the_same_container_goes_on(
    real: Real, work: Workunit
) -> None:
    client = real(work)
    state = job_has_started(client)
    client.kill_all()
    client.start()
    after = client.wait_for_state(
        lambda now: now.get("state") == "running" and now["wrapper_pid"] != state["wrapper_pid"],
        60)
    assert container(after) == container(state)
    let_it_end(client)


def test_a_job_is_aborted_and_nothing_is_left_of_it(
    real: Real, work: Workunit, engine_lab: Lab
) -> None:
    client = real(work)
    job_has_started(client)
    client.abort()
    client.wait_until_finished(60)
    client.wait_for("an empty slot", client.slot_empty, 15)
    assert engine_lab.containers() == []


def test_a_job_under_a_cpu_limit_of_half_runs_once(real: Real, work: Workunit) -> None:
    client = real(work)
    job_has_started(client)
    client.prefer(Preferences(cpu_usage_limit=50))
    pauses = '"to": "paused"'
    client.wait_for("three pauses", lambda: json.dumps(client.state()).count(pauses) >= 3, 60)
    let_it_end(client, 90)


def test_a_build_of_seconds_gets_done_under_a_cpu_limit_of_half(real: Real) -> None:
    # The client asks for a pause every other second: a build that starts anew each time never ends.
    slow = f'{FROM_BUSYBOX}RUN ["/bin/sleep", "4"]\nCMD ["/bin/true"]\n'
    inputs = (Input("Dockerfile", content=slow.encode()), Input("busybox", source=busybox()))
    client = real(Workunit("slow", inputs), preferences=Preferences(cpu_usage_limit=50))
    client.wait_until_finished(60)
    assert client.exit_status() == 0, client.story()


@pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
def test_a_client_that_is_not_root_runs_a_job_and_can_empty_its_slot(
    real: Real, work: Workunit
) -> None:
    if not can_become("boinc"):
        if os.environ.get("CI") == "true":
            pytest.fail("there is no user boinc here (make setup)")
        pytest.skip("there is no user boinc here (make setup)")
    client = real(work, user="boinc")
    job_has_started(client)
    let_it_end(client)


BEATS, REQUESTS = 12, 16
"""Heartbeats until the wrapper knows when they come; what is asked for after that."""


@pytest.mark.parametrize("engine_lab", ["podman"], indirect=True)
def test_a_request_comes_just_behind_a_heartbeat_and_is_taken_soon(
    real: Real, work: Workunit
) -> None:
    client = real(work)
    job_has_started(client)
    with Overheard(client.slot) as heard:
        client.wait_for("heartbeats to learn from", lambda: len(heard.beats) > BEATS, 60)
        for number in range(REQUESTS):
            time.sleep(number * 3 % 7 / 10)  # at any time of the client's second
            suspends = number % 2 == 0
            (client.suspend if suspends else client.resume)()
            client.wait_for_state("paused" if suspends else "running", 20)
    behind = [heard.behind_a_beat(request) for request in heard.requests]
    waited = [request.waited for request in heard.requests]
    story = f"waited {waited}, behind a heartbeat {behind}"
    # On a busy machine one that was taken at once may not have been seen; and where a heartbeat was
    # not taken in time, the client could not put in the next.
    assert len(waited) >= REQUESTS / 2, story
    assert median(behind) < 0.1, story
    # It is 0.03 s; two looks a second, evenly spaced, would make it 0.25 s.
    assert median(waited) < 0.15, story
    assert max(waited) < 2, story  # while the job rests there may be one look a second
    let_it_end(client)
