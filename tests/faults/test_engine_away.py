"""The engine is stopped, killed, locked, slow, or talks rubbish while a job goes on; or somebody
takes the job's container or image away.

Its labs are its own: what is torn here is nobody else's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from tests.faults.conftest import CODE
from tests.faults.jobs import (
    container_name,
    counts_on,
    running,
    see_through,
    starts,
    status,
    stop,
    wrongs,
)
from tests.lab import leftovers
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, DockerLab, Lab
from tests.lab.played_client import PlayedClient

if sys.platform == "win32":
    pytest.skip("engines live in a distro there", allow_module_level=True)

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(300)]

both = pytest.mark.parametrize("own_lab", ["docker", "podman"], indirect=True)
docker = pytest.mark.parametrize("own_lab", ["docker"], indirect=True)
podman = pytest.mark.parametrize("own_lab", ["podman"], indirect=True)


def ends_well(client: PlayedClient, lab: Lab, runs: int = 1) -> None:
    """The job's own end, after so many starts of it."""
    stop(client)
    see_through(client)
    assert wrongs(lab, client, CODE, runs) == [], client.story()


def runs_again(client: PlayedClient, runs: int) -> None:
    """See the job begin anew, and count."""
    client.wait_for(f"start {runs} of the job", lambda: starts(client) == runs, 90)
    counts_on(client)


@docker
def test_stopped_with_its_containers_and_started_again_it_runs_the_job_anew(
    own_lab: Lab, job: PlayedClient
) -> None:
    daemon = cast("DockerLab", own_lab)
    running(job)
    daemon.stop_daemon()
    job.wait_for("words about it", lambda: "does not answer" in job.stderr(), 30)
    assert job.alive()
    daemon.start_daemon()
    runs_again(job, 2)
    assert "not by itself" in job.stderr()
    ends_well(job, own_lab, 2)


@docker
def test_stopped_for_a_minute_the_client_is_obeyed_and_the_job_ends_once(
    own_lab: Lab, job: PlayedClient
) -> None:
    daemon = cast("DockerLab", own_lab)
    running(job)
    daemon.stop_daemon()
    back = time.monotonic() + 60
    while time.monotonic() < back:
        for wish in (job.suspend, job.resume):
            wish()
            job.wait_for("it was read", lambda: not job.unread(), 10)
            assert job.alive(), job.story()
            time.sleep(5)  # what is tried is this very minute
            # a silence is no news of the container
            assert job.state()["state"] in ("running", "paused"), job.story()
    assert (job.finish(), job.temporary_exit(), starts(job)) == (None, None, 1)
    job.suspend()
    daemon.start_daemon()
    # what was cut off is seen to be so, and it is not begun again before it may run
    job.wait_for_state("create", 90)
    assert starts(job) == 1
    job.resume()
    runs_again(job, 2)
    ends_well(job, own_lab, 2)


@docker
def test_stopped_while_nobody_watched_it_runs_the_job_anew(
    own_lab: Lab, job: PlayedClient
) -> None:
    """No question was left unanswered: only the engine's own start tells."""
    daemon = cast("DockerLab", own_lab)
    running(job)
    # The wrapper is stopped, not killed: to it no time passes.
    job.process.send_signal(signal.SIGSTOP)
    daemon.stop_daemon()
    daemon.start_daemon()
    job.process.send_signal(signal.SIGCONT)
    runs_again(job, 2)
    ends_well(job, own_lab, 2)


@docker
def test_a_killed_daemon_loses_the_run_and_not_the_job(own_lab: Lab, job: PlayedClient) -> None:
    """Without live-restore the next daemon ends what its predecessor left running."""
    daemon = cast("DockerLab", own_lab)
    running(job)
    daemon.stop_daemon(signal.SIGKILL)
    far = starts(job)
    counts_on(job)
    assert far == 1
    daemon.start_daemon()
    runs_again(job, 2)
    ends_well(job, own_lab, 2)


@docker
def test_a_job_that_ended_while_the_engine_was_away_is_collected(
    own_lab: Lab, job: PlayedClient
) -> None:
    daemon = cast("DockerLab", own_lab)
    running(job)
    daemon.stop_daemon(signal.SIGKILL)
    stop(job)
    job.wait_for("its output", (job.slot / "out").exists, 30)
    daemon.start_daemon()
    see_through(job)
    assert wrongs(own_lab, job, CODE) == [], job.story()


@both
def test_a_container_that_somebody_removed_is_made_again_and_the_log_says_why(
    own_lab: Lab, job: PlayedClient
) -> None:
    running(job)
    own_lab.cli("rm", "--force", *own_lab.at_once, container_name(job))
    runs_again(job, 2)
    assert "there is no such container" in job.stderr()
    ends_well(job, own_lab, 2)


@both
def test_an_image_that_somebody_removed_is_built_again(own_lab: Lab, job: PlayedClient) -> None:
    running(job)
    # The wrapper stands still, or it could make and start another one before the image is gone.
    job.process.send_signal(signal.SIGSTOP)
    own_lab.cli("rm", "--force", *own_lab.at_once, container_name(job))
    image = f"boinc__{job.project.name}__{job.fields['wu_name']}".lower()
    own_lab.cli("rmi", "--force", image, check=False)
    job.process.send_signal(signal.SIGCONT)
    runs_again(job, 2)
    ends_well(job, own_lab, 2)


def put_in_front(lab: Lab, client: PlayedClient, script: str) -> Path:
    """A program that is found in the place of the engine's; may call the real one as REAL."""
    real = subprocess.run(["which", lab.kind.value], env=lab.environment, text=True,
                          capture_output=True, check=True).stdout.strip()
    folder = client.slot.parent / "front"
    folder.mkdir()
    program = folder / lab.kind.value
    program.write_text(f"#!/bin/sh\nREAL={real}\n{script}\nexec $REAL \"$@\"\n")
    program.chmod(0o755)
    client.environment["PATH"] = f"{folder}:{client.environment['PATH']}"
    return folder


RUBBISH = """
if [ "$1" = inspect ] && mkdir {once} 2>/dev/null; then echo '<html>try later</html>'; exit 0; fi
"""
SILENT = """
if [ -e {away} ]; then echo 'cannot connect' >&2; exit 1; fi
"""


@both
def test_rubbish_is_no_answer(own_lab: Lab, job: PlayedClient) -> None:
    once = job.slot.parent / "once"
    put_in_front(own_lab, job, RUBBISH.format(once=once))
    running(job)
    job.wait_for("the question that is answered with rubbish", once.exists, 30)
    ends_well(job, own_lab)


@both
def test_while_it_does_not_answer_the_client_is_obeyed(own_lab: Lab, job: PlayedClient) -> None:
    away = job.slot.parent / "away"
    put_in_front(own_lab, job, SILENT.format(away=away))
    running(job)
    away.touch()
    job.suspend()
    job.wait_for("words about it", lambda: "does not answer" in job.stderr(), 30)
    job.resume()
    job.wait_for("it was read", lambda: not job.unread(), 20)
    job.suspend()
    job.wait_for("it was read", lambda: not job.unread(), 20)
    away.unlink()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 60)
    job.resume()
    counts_on(job)
    ends_well(job, own_lab)


@both
def test_while_it_does_not_answer_the_client_may_quit(own_lab: Lab, job: PlayedClient) -> None:
    away = job.slot.parent / "away"
    put_in_front(own_lab, job, SILENT.format(away=away))
    running(job)
    away.touch()
    job.quit()
    assert job.wait_exit(60) == 0, job.story()
    assert (job.finish(), job.state()["state"], starts(job)) == (None, "paused", 1)
    away.unlink()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 60)
    job.start()
    counts_on(job)
    ends_well(job, own_lab)


@both
def test_a_wrapper_that_starts_while_it_does_not_answer_waits(
    own_lab: Lab, job: PlayedClient
) -> None:
    away = job.slot.parent / "away"
    put_in_front(own_lab, job, SILENT.format(away=away))
    running(job)
    job.kill()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 30)
    away.touch()
    job.start()
    job.wait_for("words about it", lambda: "does not answer" in job.stderr(), 30)
    away.unlink()
    counts_on(job)
    ends_well(job, own_lab)


@podman
def test_storage_that_another_process_has_locked_is_waited_for(
    own_lab: Lab, job: PlayedClient
) -> None:
    if sys.platform == "win32":
        pytest.skip("no such locks")
    import fcntl

    running(job)
    lock = own_lab.path / "g" / "storage.lock"
    assert lock.exists()
    with lock.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        stop(job)
        job.wait_for("its output", (job.slot / "out").exists, 30)
        time.sleep(1)  # in which the engine is asked, and cannot answer
        assert job.alive()
        assert job.finish() is None
    ends_well(job, own_lab)


@both
def test_a_command_that_hangs_is_ended_by_its_limit(own_lab: Lab, job: PlayedClient) -> None:
    hangs = job.slot.parent / "hangs"
    put_in_front(own_lab, job, f"if [ \"$1\" = inspect ] && [ -e {hangs} ]; then sleep 600; fi")
    job.environment["FAULT_LOOK_LIMIT"] = "2"
    running(job)
    # the look after the start is over: the next one is for the end
    job.wait_for("it is watched", lambda: any(told.number("wss") for told in job.statuses), 30)
    hangs.touch()
    stop(job)
    job.wait_for("words about it", lambda: "no end after 2 s" in job.stderr(), 30)
    hangs.unlink()
    ends_well(job, own_lab)


@both
def test_an_engine_that_hangs_once_the_job_has_finished_does_not_hold_us(
    own_lab: Lab, job: PlayedClient
) -> None:
    """The client aborts a finished job whose process is still there after five minutes."""
    told = job.slot / "boinc_finish_called"
    put_in_front(own_lab, job, f"if [ -e {told} ]; then exec sleep 600; fi")
    job.environment["FAULT_TIDYING"] = "2"
    running(job)
    stop(job)
    assert job.wait_exit(60) == CODE, job.story()
    ending = job.finish()
    assert ending is not None
    assert ending.number == CODE
    assert job.temporary_exit() is None
    assert job.state()["state"] == "done"
    assert job.output("out").exists()


@both
def test_an_engine_that_hangs_after_a_death_behind_the_finish_file_does_not_hold_the_next(
    own_lab: Lab, job: PlayedClient
) -> None:
    """Killed alone the wrapper is started again at once, and the client's five minutes run on."""
    told = job.slot / "boinc_finish_called"
    put_in_front(own_lab, job, f"if [ -e {told} ]; then exec sleep 600; fi")
    log = job.slot.parent / "seams.txt"
    job.environment.update(FAULT_LOG=str(log), FAULT_AT=f"before {own_lab.kind.value} rm")
    stop(job)
    job.start()
    assert job.wait_exit(90) == -9, job.story()
    assert told.exists()
    del job.environment["FAULT_LOG"], job.environment["FAULT_AT"]
    job.environment["FAULT_TIDYING"] = "2"
    job.start()
    assert job.wait_exit(60) == CODE, job.story()
    assert job.state()["state"] == "done"
    assert job.temporary_exit() is None
    assert job.output("out").exists()
    assert starts(job) == 1


@podman
def test_an_end_that_nobody_can_tell_of_any_more_is_a_lost_run(
    own_lab: Lab, job: PlayedClient
) -> None:
    """Podman 4.3 shows a container as running for ever when its monitor was killed; others say that
    it ended with -1.
    """
    job.environment["FAULT_LAGS"] = "10"
    running(job)
    job.wait_for("it is watched", lambda: any(told.number("wss") for told in job.statuses), 30)
    monitors = [pid for pid in leftovers.processes_of(own_lab.path, family=False)
                if leftovers.program(pid) == "conmon"]
    assert monitors
    for pid in monitors:
        os.kill(pid, signal.SIGKILL)
    counts_on(job)
    ends_well(job, own_lab, 2)
    assert "The job starts again from create" in job.stderr()


LATE = """
if [ "$1" = {verb} ]; then
  mkdir {once} 2>/dev/null && wanted={go} || wanted={then}
  tries=0
  until [ -e $wanted ] || [ $tries -gt 600 ]; do tries=$((tries+1)); sleep 0.05; done
fi
"""


def held_back(lab: Lab, client: PlayedClient, verb: str, then: Path) -> tuple[Path, Path]:
    """Have the first order of a kind wait, and the next ones for the file ``then``: the folder that
    says that the first was given, and the file that lets it go on.
    """
    once, go = client.slot.parent / "given", client.slot.parent / "go"
    put_in_front(lab, client, LATE.format(verb=verb, once=once, go=go, then=then))
    return once, go


def looks_meanwhile(client: PlayedClient, go: Path) -> None:
    """Start a wrapper while an order of the last one is held back; give it time to go wrong."""
    client.start()
    client.wait_for_state("running")
    client.wait_for("the slot is the new one's",
                    lambda: client.state().get("wrapper_pid") == client.pid, 60)
    time.sleep(2)  # in which it would look, and give an order upon that
    go.touch()


@both
def test_a_start_that_outlives_its_wrapper_is_waited_for(own_lab: Lab, job: PlayedClient) -> None:
    """Else a job of a moment could be over before the next wrapper starts it for the second time.
    """
    given, go = held_back(own_lab, job, "start", job.slot / "out")
    stop(job)
    job.start()
    job.wait_for("the order", given.exists, 60)
    job.kill()
    looks_meanwhile(job, go)
    see_through(job)
    assert wrongs(own_lab, job, CODE) == [], job.story()


@both
def test_a_pause_that_outlives_its_wrapper_does_not_last(own_lab: Lab, job: PlayedClient) -> None:
    given, go = held_back(own_lab, job, "pause", job.slot)
    running(job)
    job.wait_for("it is watched", lambda: any(told.number("wss") for told in job.statuses), 30)
    job.suspend()
    job.wait_for("the order", given.exists, 60)
    job.kill()
    looks_meanwhile(job, go)
    counts_on(job)
    ends_well(job, own_lab)


@podman
def test_an_image_that_a_killed_build_left_without_its_manifest_is_in_nobodys_way(
    own_lab: Lab, job: PlayedClient
) -> None:
    """Podman cannot list any images then."""
    folder = job.slot.parent / "spoilt"
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\nLABEL spoilt=yes\n")
    own_lab.cli("build", "--tag", "spoilt", str(folder))
    image = own_lab.cli("image", "inspect", "--format", "{{.Id}}", "spoilt").stdout.strip()
    manifest = own_lab.path / "g" / "overlay-images" / image / "manifest"
    kept = manifest.read_bytes()
    manifest.unlink()
    try:
        assert own_lab.cli("images", check=False).returncode != 0
        running(job)
        ends_well(job, own_lab)
    finally:
        manifest.write_bytes(kept)
