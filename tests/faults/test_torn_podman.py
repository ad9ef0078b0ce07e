"""Podman has no daemon: a command of it that is killed in the middle may leave it torn. What is
then in the kernel can be made by hand, and with Docker as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import CODE
from tests.faults.jobs import (
    container_name,
    counts_on,
    leftovers,
    running,
    see_through,
    status,
    stop,
    wrongs,
)
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for

if sys.platform == "win32":
    pytest.skip("engines live in a distro there", allow_module_level=True)

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(300)]

both = pytest.mark.parametrize("own_lab", ["docker", "podman"], indirect=True)
podman = pytest.mark.parametrize("own_lab", ["podman"], indirect=True)


def ends_well(client: PlayedClient, lab: Lab) -> None:
    """The job's own end, after one start of it."""
    stop(client)
    see_through(client)
    assert wrongs(lab, client, CODE) == [], client.story()


def is_taken_by_nobody(lab: Lab, name: str) -> bool:
    """Whether a name is in the storage, and Podman knows no container of it."""
    said = lab.cli("ps", "--all", "--external", "--format", "{{.Names}}").stdout.split()
    return name in said and name not in lab.containers()


def kill_a_create(lab: Lab, name: str) -> None:
    """Kill `podman create` as soon as the storage has the name, and before it is done."""
    index = lab.path / "g" / "overlay-containers" / "containers.json"
    create = subprocess.Popen(
        ["podman", "create", "--name", name, BASE_IMAGE, "true"], env=lab.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for("the name in the storage", lambda: index.exists() and (
            f'"{name}"' in index.read_text()), 60, every=0.001)
    finally:
        # the group is there as long as its leader is not waited for
        os.killpg(create.pid, signal.SIGKILL)
        create.wait(30)


def frozen(lab: Lab, client: PlayedClient) -> bool:
    """Whether the kernel has the job's first process frozen."""
    return state_file(lab, client).read_text().strip() == "FROZEN"


def state_file(lab: Lab, client: PlayedClient) -> Path:
    """The freezer of the job's container; cgroups of version 1 only."""
    state = lab.inspect(container_name(client))["State"]
    assert isinstance(state, dict)
    for line in Path(f"/proc/{state['Pid']}/cgroup").read_text().splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers == "freezer" and Path("/sys/fs/cgroup/freezer").exists():
            return Path(f"/sys/fs/cgroup/freezer{place}/freezer.state")
    pytest.skip("no freezer of cgroups v1")


def write(lab: Lab, client: PlayedClient, word: str) -> None:
    """What `podman pause` or `unpause` has done when it is killed before it writes that down."""
    state_file(lab, client).write_text(word)
    client.wait_for(word, lambda: frozen(lab, client) is (word == "FROZEN"), 30)


def left_alone(client: PlayedClient, lab: Lab) -> PlayedClient:
    """A job that rests, whose wrapper was killed."""
    running(client)
    client.kill()
    client.wait_for("the pause", lambda: status(lab, client) == "paused", 60)
    return client


@both
def test_what_is_frozen_and_shown_as_running_goes_on(own_lab: Lab, job: PlayedClient) -> None:
    left_alone(job, own_lab)
    own_lab.cli("unpause", container_name(job))
    write(own_lab, job, "FROZEN")
    job.start()
    counts_on(job)
    assert "running, and it is frozen" in job.stderr()
    job.suspend()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 60)
    job.resume()
    ends_well(job, own_lab)


@both
def test_what_runs_and_is_shown_as_paused_is_paused(own_lab: Lab, job: PlayedClient) -> None:
    left_alone(job, own_lab)
    write(own_lab, job, "THAWED")
    job.start().suspend()
    job.wait_for("it rests", lambda: frozen(own_lab, job), 60)
    assert status(own_lab, job) == "paused"
    job.resume()
    counts_on(job)
    ends_well(job, own_lab)


@both
def test_what_runs_and_is_shown_as_paused_is_aborted_or_let_go_on(
    own_lab: Lab, job: PlayedClient
) -> None:
    left_alone(job, own_lab)
    write(own_lab, job, "THAWED")
    job.start()
    job.wait_for("it is let go on", lambda: status(own_lab, job) == "running", 60)
    counts_on(job)
    write(own_lab, job, "FROZEN")
    job.abort()
    job.wait_exit(90)
    assert job.finish() is not None, job.story()
    assert leftovers(own_lab, job) == [], job.story()


@podman
def test_a_name_that_a_killed_create_has_left_in_the_storage_is_freed(
    own_lab: Lab, job: PlayedClient
) -> None:
    name = container_name(job)
    for _ in range(40):
        kill_a_create(own_lab, name)
        if is_taken_by_nobody(own_lab, name):
            break
        own_lab.cli("rm", "--force", *own_lab.at_once, name, check=False)
    else:
        pytest.fail("no create could be killed in the middle")
    running(job)
    assert "left in the storage" in job.stderr()
    ends_well(job, own_lab)
