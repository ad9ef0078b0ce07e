"""What the client asks for while a job runs, on both engines, under a client played by the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import Play
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import Input, Output, Workunit, script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

COUNT = """
i=0
while [ ! -e stop ]; do i=$((i+1)); echo $i >count; sleep 0.05; done
echo "counted from $(cat starts 2>/dev/null)" >out
"""
"""Counts until somebody makes the file ``stop`` in the slot."""


def counting(**fields: Any) -> Workunit:
    """A job that goes on until it is told to stop, and leaves a trace of each of its starts."""
    script = f"cd /app; echo start >>starts\n{COUNT}"
    return script_job("counting", script, outputs=(Output("out", copy=True),), **fields)


def container(lab: Lab, client: PlayedClient) -> dict[str, Any]:
    """What the engine says of the job's container; empty where there is none."""
    name = client.state().get("container", {}).get("name", "none")
    if name not in lab.containers():
        return {}
    found: dict[str, Any] = lab.inspect(name)
    return found


def status(lab: Lab, client: PlayedClient) -> str:
    """The container's status in the engine's word; ``gone`` where there is none."""
    return str(container(lab, client).get("State", {}).get("Status", "gone"))


def running(client: PlayedClient) -> PlayedClient:
    """Start the job and see it count."""
    client.start()
    client.wait_for("the job counts", lambda: (client.slot / "count").exists(), 60)
    client.wait_for_state("running")
    return client


def finished(client: PlayedClient) -> PlayedClient:
    """Tell the job to stop and see it through to a good end, with one start in all."""
    (client.slot / "stop").touch()
    code = client.wait_exit()
    ending = client.finish()
    assert (code, ending and ending.number) == (0, 0), client.story()
    assert (client.slot / "starts").read_text() == "start\n", client.story()
    return client


def test_suspend_freezes_the_job_and_resume_lets_it_go_on(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting()))
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 20)
    before = (client.slot / "count").read_text()
    cpu = client.statuses[-1].cpu_time
    time.sleep(0.5)  # ten of its counts, were it not frozen
    assert (client.slot / "count").read_text() == before
    client.resume()
    client.wait_for("more counts", lambda: (client.slot / "count").read_text() != before, 20)
    assert client.statuses[-1].cpu_time >= cpu
    finished(client)


def test_quit_leaves_the_container_paused_and_the_next_start_goes_on(
    play: Play, engine_lab: Lab
) -> None:
    client = running(play(counting()))
    name = container(engine_lab, client)["Id"]
    client.quit()
    assert client.wait_exit(20) == 0
    assert client.finish() is None
    assert client.temporary_exit() is None
    assert status(engine_lab, client) == "paused"
    client.start()
    client.wait_for_state("running")
    client.wait_for("it runs", lambda: status(engine_lab, client) == "running", 20)
    assert container(engine_lab, client)["Id"] == name
    finished(client)


def test_a_job_that_was_suspended_when_the_client_quit_goes_on_later(
    play: Play, engine_lab: Lab
) -> None:
    client = running(play(counting()))
    client.suspend()
    client.wait_for_state("paused")
    client.quit()
    assert client.wait_exit(20) == 0
    assert status(engine_lab, client) == "paused"
    client.start()
    client.wait_for_state("running")
    finished(client)


def test_abort_removes_the_container_and_the_image(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting()))
    client.abort()
    assert client.wait_exit(30) == 194
    ending = client.finish()
    assert ending is not None
    assert ending.number == 194
    assert engine_lab.containers() == []
    assert "boinc__" not in engine_lab.cli("images", "--format", "{{.Repository}}").stdout


def test_abort_of_a_suspended_job_removes_it_too(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting()))
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 20)
    client.abort()
    assert client.wait_exit(30) == 194
    assert engine_lab.containers() == []


def test_a_client_whose_process_is_gone_leaves_the_job_paused(
    play: Play, engine_lab: Lab
) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        client = running(play(counting(), client_pid=other.pid))
    finally:
        other.kill()
        other.communicate()
    assert client.wait_exit(30) == 0
    assert status(engine_lab, client) == "paused"
    client.fields["client_pid"] = os.getpid()
    client.start()
    client.wait_for_state("running")
    finished(client)


def test_a_client_without_a_heartbeat_leaves_the_job_paused(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting(), client_pid=0))
    client.heart = False
    assert client.wait_exit(60) == 0
    assert "heartbeat" in client.stderr()
    assert status(engine_lab, client) == "paused"


def test_sigterm_is_a_wish_to_quit(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting()))
    client.process.send_signal(signal.SIGTERM)
    assert client.wait_exit(20) == 0
    assert status(engine_lab, client) == "paused"


def test_a_killed_wrapper_leaves_the_job_paused_within_seconds_and_the_next_goes_on(
    play: Play, engine_lab: Lab
) -> None:
    client = running(play(counting()))
    name = container(engine_lab, client)["Id"]
    client.kill()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 20)
    client.start()
    client.wait_for("it runs", lambda: status(engine_lab, client) == "running", 20)
    assert container(engine_lab, client)["Id"] == name
    finished(client)


@pytest.mark.parametrize("code", [0, 3, 137, 143, 255])
def test_a_job_that_ended_while_nobody_watched_is_collected_and_not_run_again(
    play: Play, engine_lab: Lab, code: int
) -> None:
    script = f"cd /app; echo start >>starts\n{COUNT}\nexit {code}"
    client = running(play(script_job("alone", script, outputs=(Output("out", copy=True),))))
    client.kill()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 20)
    name = client.state()["container"]["name"]
    engine_lab.cli("unpause", name)
    (client.slot / "stop").touch()
    client.wait_for("its end", lambda: status(engine_lab, client) == "exited", 20)
    client.start()
    assert client.wait_exit() == code
    ending = client.finish()
    assert ending is not None
    assert ending.number == code
    assert (client.slot / "starts").read_text() == "start\n"
    assert (client.slot / "out").read_text() == "counted from start\n"


@pytest.mark.parametrize("code", [1, 3, 137, 255])
def test_the_exit_code_is_the_jobs_own(play: Play, engine_lab: Lab, code: int) -> None:
    client = play(script_job("failing", f"echo last words >&2; exit {code}")).start()
    assert client.wait_exit() == code
    ending = client.finish()
    assert ending is not None
    assert ending.number == code
    assert "last words" in client.stderr()
    assert engine_lab.containers() == []


def building() -> Workunit:
    """A job whose image takes a minute to build."""
    work = script_job("building", "exit 0")
    slow = b'RUN ["/bin/sleep", "60"]\n'
    inputs = tuple(
        Input(one.name, content=one.read() + slow) if one.name == "Dockerfile" else one
        for one in work.inputs
    )
    return Workunit(work.name, inputs)


def in_build(client: PlayedClient) -> PlayedClient:
    """Start the job and see its image being built."""
    client.start()
    client.wait_for("the build", lambda: "Building the image" in client.stderr(), 60)
    return client


def test_quit_ends_a_build_at_once(play: Play, engine_lab: Lab) -> None:
    client = in_build(play(building()))
    asked = client.quit()
    assert client.wait_exit(20) == 0
    assert time.monotonic() - asked < 15, client.story()  # the build would take a minute
    assert client.state()["state"] == "ensure_image"
    assert client.finish() is None
    assert engine_lab.kind.value in client.stderr().lower()


def test_abort_ends_a_build_at_once(play: Play) -> None:
    client = in_build(play(building()))
    client.abort()
    assert client.wait_exit(30) == 194


def test_suspend_holds_a_build_until_resume(play: Play) -> None:
    client = in_build(play(building()))
    client.suspend()
    client.wait_for("it was read", lambda: not client.unread(), 20)
    (client.slot / "seen").touch()
    client.resume()
    client.wait_for(
        "the build again", lambda: client.stderr().count("Building the image") == 2, 20
    )
    client.abort()
    assert client.wait_exit(30) == 194


def test_what_the_slot_held_is_what_the_container_sees(play: Play, engine_lab: Lab) -> None:
    client = running(play(counting()))
    mounts = container(engine_lab, client)["Mounts"]
    assert {Path(mount["Source"]): mount["Destination"] for mount in mounts}[client.slot] == "/app"
    finished(client)
