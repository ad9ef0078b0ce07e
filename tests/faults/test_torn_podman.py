"""Podman has no daemon: a command of it that is killed in the middle may leave it torn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.faults.conftest import CODE
from tests.faults.jobs import container_name, counts_on, see_through, stop, wrongs
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for

if sys.platform == "win32":
    pytest.skip("engines live in a distro there", allow_module_level=True)

pytestmark = [*ENGINE_ROOM, pytest.mark.timeout(300)]

podman = pytest.mark.parametrize("own_lab", ["podman"], indirect=True)


def running(client: PlayedClient) -> PlayedClient:
    """Start the job and see it count."""
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    return client


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
