"""The computer boots in the middle of a job: its engine, the containers and their monitors are gone
at once, the run directories are empty, and the kernel's boot id is another.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

import pytest

from states.diagram import endings
from tests.faults.conftest import CODE
from tests.faults.jobs import (
    container_id,
    counts_on,
    running,
    see_through,
    starts,
    status,
    stop,
    wrongs,
)
from tests.lab import leftovers
from tests.lab.engines import ENGINE_ROOM, DockerLab, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for
from tests.lab.workunit import CHECKOUT
from wrapper.engine.hosts.guard import is_over

both = pytest.mark.parametrize("own_lab", [
    pytest.param(kind, marks=[*ENGINE_ROOM, pytest.mark.timeout(300)])
    for kind in ("docker", "podman")
], indirect=True)


def reboot(lab: Lab, client: PlayedClient) -> None:
    """What a power cut and the boot after it leave of an engine and its containers."""
    client.kill()
    # A power cut ends the switch as well; here it would work on in the middle of what is done now.
    client.wait_for("the switch is called off", lambda: is_over(client.slot), 40)
    if isinstance(lab, DockerLab):
        daemon, lab._daemon = lab._daemon, None
        assert daemon is not None
        daemon.kill()
        daemon.wait(30)
    end_all(lab.path)
    runs = ("e",) if isinstance(lab, DockerLab) else ("r", "t")
    for place in reversed(leftovers.mounts_below(lab.path)):
        subprocess.run(["umount", "--lazy", place], check=False, capture_output=True, timeout=30)
    for name in runs:
        shutil.rmtree(lab.path / name, ignore_errors=True)
    if isinstance(lab, DockerLab):
        lab.start_daemon()
    client.environment["FAULT_BOOT"] = "another-boot 0"


def end_all(folder: Path) -> None:
    """Kill whatever lives of an engine's folder, at once."""

    def gone() -> bool:
        alive = leftovers.processes_of(folder)
        for pid in alive:
            thaw(pid)
            leftovers._kill(pid)
        return not alive

    wait_for("all are dead", gone, 30)


def thaw(pid: int) -> None:
    """Let a process out of a frozen cgroup of version 1, where nothing can be killed."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, place = line.split(":", 2)
            state = Path(f"/sys/fs/cgroup/freezer{place}/freezer.state")
            if controllers == "freezer" and place != "/" and state.exists():
                state.write_text("THAWED")


@both
def test_a_run_that_a_boot_cut_off_starts_again(own_lab: Lab, job: PlayedClient) -> None:
    running(job)
    reboot(own_lab, job)
    job.start()
    job.wait_for("the second start", lambda: starts(job) == 2, 90)
    counts_on(job)
    stop(job)
    see_through(job)
    assert wrongs(own_lab, job, CODE, 2) == [], job.story()


@both
def test_a_run_that_was_paused_when_the_computer_went_down_starts_again(
    own_lab: Lab, job: PlayedClient
) -> None:
    running(job)
    job.suspend()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 30)
    job.quit()
    job.wait_exit(30)
    reboot(own_lab, job)
    job.start()
    job.wait_for("the second start", lambda: starts(job) == 2, 90)
    counts_on(job)
    stop(job)
    see_through(job)
    assert wrongs(own_lab, job, CODE, 2) == [], job.story()


@both
def test_a_job_that_had_ended_before_the_boot_is_collected(
    own_lab: Lab, job: PlayedClient
) -> None:
    running(job)
    job.kill()
    job.wait_for("the pause", lambda: status(own_lab, job) == "paused", 30)
    own_lab.cli("unpause", container_id(own_lab, job))
    stop(job)
    job.wait_for("its end", lambda: status(own_lab, job) == "exited", 30)
    reboot(own_lab, job)
    see_through(job)
    assert wrongs(own_lab, job, CODE) == [], job.story()


def test_the_table_in_the_docs_is_the_codes_own() -> None:
    text = (CHECKOUT / "docs" / "reliability.md").read_text("utf-8")
    _, _, rest = text.partition("<!-- endings -->\n")
    assert rest.partition("<!-- /endings -->")[0] == endings()
