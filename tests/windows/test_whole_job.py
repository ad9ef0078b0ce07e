"""Whole jobs: Windows Python, a client's named shared memory, a distro's shell, a real engine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.workunit import Input, Output, Workunit
from tests.windows.client import Distro, WindowsClient
from tests.windows.distro import DistroEngine

FOLDER = "Bahía Ω data"
DISTROS = Path(os.environ.get("WSL_STANDIN_DISTROS", "no distros"))
DOCKERFILE = b"""FROM docker-wrapper-base
COPY job.sh /job.sh
CMD ["/bin/sh", "/job.sh"]
"""
COUNT = """
cd /app
echo start >>starts
i=0
while [ ! -e stop ]; do i=$((i+1)); echo $i >count; sleep 0.05; done
cat in >out
echo "last wörds" >&2
exit $(cat stop)
"""
"""Counts until somebody makes the file ``stop`` in the slot, with the exit code in it."""

Play = Callable[..., "Job"]


class Job:
    """A client that plays one job, and the engine that the job's container is in."""

    def __init__(self, client: WindowsClient, engine: DistroEngine) -> None:
        self.client = client
        self.engine = engine

    @property
    def container(self) -> str:
        """The container's name, as the state file knows it."""
        return str(self.client.state().get("container", {}).get("name", "none"))

    @property
    def count(self) -> str:
        """What the job has counted up to."""
        try:
            return (self.client.slot / "count").read_text()
        except OSError:  # not there yet, or just being written
            return ""

    def see(self, status: str) -> None:
        """Wait for the engine to say so of the container."""
        self.client.wait_for(status, lambda: self.engine.status(self.container) == status, 40)

    def running(self) -> Job:
        """Start it (again) and see it count on."""
        before = self.count
        self.client.start()
        self.client.wait_for(
            "it counts, or has given up",
            lambda: self.count not in ("", before) or not self.client.alive(), 90,
        )
        assert self.client.alive(), self.client.story()
        self.client.wait_for_state("running")
        return self

    def finish(self, code: int = 0) -> None:
        """Let it end and see that through: one start in all, and nothing left."""
        container = self.container
        (self.client.slot / "stop.new").write_text(str(code))
        (self.client.slot / "stop.new").rename(self.client.slot / "stop")
        assert self.client.wait_exit() == code, self.client.story()
        ending = self.client.finish()
        assert ending is not None
        assert ending.number == code, self.client.story()
        assert (self.client.slot / "starts").read_text() == "start\n", self.client.story()
        assert self.client.output("out").read_bytes() == b"forty two"
        assert "last wörds" in self.client.stderr()
        assert self.engine.status(container) == "gone"


@pytest.fixture(params=["podman", "docker"])
def engine(request: pytest.FixtureRequest) -> DistroEngine:
    """An engine that tests of other processes may be using at the same time."""
    if not (DISTROS / request.param).exists():
        pytest.skip(f"no distro with {request.param} here")
    return DistroEngine(request.param)


@pytest.fixture
def play(engine: DistroEngine, tmp_path: Path) -> Iterator[Play]:
    """Lays out a job in folders with a space and letters beyond ASCII in their names."""
    with ExitStack() as open_clients:

        def lay_out(**given: Any) -> Job:
            given.setdefault("distros", [engine.distro])
            client = WindowsClient(tmp_path / FOLDER, counting(), **given)
            job = Job(client, engine)
            open_clients.callback(lambda: engine.remove(job.container))
            open_clients.enter_context(client)
            return job

        yield lay_out


def counting() -> Workunit:
    """A job with an input and an output that are links into the project's folder."""
    inputs = (
        Input("Dockerfile", content=DOCKERFILE), Input("job.sh", content=COUNT.encode()),
        Input("in", content=b"forty two"),
    )
    return Workunit(f"counting-{os.urandom(4).hex()}", inputs, (Output("out"),))


def test_a_job_is_built_run_suspended_resumed_and_finished(play: Play) -> None:
    job = play().running()
    client = job.client
    client.suspend()
    job.see("paused")
    before = job.count
    time.sleep(0.5)  # ten of its counts, were it not frozen
    assert job.count == before
    client.resume()
    client.wait_for("more counts", lambda: job.count != before, 40)
    client.wait_for("CPU time is told", lambda: client.statuses[-1].cpu_time > 0, 40)
    assert client.state()["engine"]["distro"] == job.engine.kind
    job.finish()


def test_after_a_quit_the_next_start_goes_on_with_the_same_container(play: Play) -> None:
    job = play().running()
    known = job.engine.inspect(job.container)["Id"]
    job.client.quit()
    assert job.client.wait_exit(30) == 0
    assert job.client.finish() is None
    assert job.engine.status(job.container) == "paused"
    job.running()
    assert job.engine.inspect(job.container)["Id"] == known
    job.finish()


def test_a_killed_wrapper_leaves_the_job_paused_and_the_next_one_goes_on(play: Play) -> None:
    job = play().running()
    known = job.engine.inspect(job.container)["Id"]
    job.client.kill()
    job.see("paused")
    job.running()
    assert job.engine.inspect(job.container)["Id"] == known
    job.finish(7)


def test_abort_removes_the_container(play: Play) -> None:
    job = play().running()
    container = job.container
    job.client.abort()
    assert job.client.wait_exit(40) == 194
    ending = job.client.finish()
    assert ending is not None
    assert ending.number == 194
    assert job.engine.status(container) == "gone"


def test_a_client_that_died_leaves_the_job_paused(play: Play) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        job = play(client_pid=other.pid).running()
        other.kill()
        assert job.client.wait_exit(40) == 0
    assert job.engine.status(job.container) == "paused"


def test_a_distro_that_the_client_names_wrongly_is_found_by_asking_wsl(
    play: Play, engine: DistroEngine
) -> None:
    other = Distro("docker" if engine.kind == "podman" else "podman", disallowed=True)
    job = play(distros=[Distro("lost", 2), other]).running()
    assert job.client.state()["engine"]["distro"] == engine.kind
    job.finish()
