"""Where one wrapper is measured on one engine: its jobs, and what the kernel counts of them.

A job is ordered about by files in its slot. The client is played, and the same whatever wrapper it
starts, so that another one can stand beside ours.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.benchmarks import processes
from tests.benchmarks.cgroups import Container, Group
from tests.lab.engines import DockerLab, Lab, PodmanLab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for
from tests.lab.workunit import CHECKOUT, Workunit, script_job
from wrapper.engine.answers import EngineKind

IMAGE = "docker-wrapper-bench"
OURS = (sys.executable, str(CHECKOUT / "tests" / "lab" / "launch.py"))
SCRIPT = """\
cd /app
: > first
while [ ! -e stop ]; do
  if [ -e grow ] && [ ! -e grown ]; then
    block=$(head -c 30000000 /dev/zero | tr '\\0' x)
    : > grown
  fi
  if [ -e busy ]; then
    i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done
  else
    sleep 0.5
  fi
done
: > last
"""
"""Its first and its last act are files; files tell it to work, to grow and to stop."""
_LABS: dict[EngineKind, type[Lab]] = {
    EngineKind.DOCKER: DockerLab, EngineKind.PODMAN: PodmanLab,
}
_QUICK = 1 / 6
_LIMIT = 60.0
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Subject:
    """What is measured: a wrapper's argument vector, on an engine."""

    title: str
    command: tuple[str, ...]
    kind: EngineKind


@dataclass
class Stage:
    """A subject with its engine running and cgroups of its own."""

    subject: Subject
    lab: Lab
    wrappers: Group
    engine: Group
    room: Path
    quick: bool = False
    idle: dict[str, float] = field(default_factory=dict)
    """What the engine's daemon uses a minute without any job; worked out once."""

    def period(self) -> float:
        """How long to count, in s."""
        return 10.0 if self.quick else 60.0

    def repeat(self, times: int) -> range:
        """So often, or less when quick."""
        return range(max(2, round(times * _QUICK)) if self.quick else times)

    def client(self, work: Workunit) -> PlayedClient:
        """A client with a job, not yet started."""
        kind = 1 if self.subject.kind is EngineKind.DOCKER else 2
        return PlayedClient(
            self.room / work.name, work, self.lab.environment, wrapper_words=(),
            command=self.wrappers.command(*self.subject.command),
            docker_type=kind, docker_version="20.10.0",
        )

    def job(self, *, built: bool = False) -> Job:
        """A job in a slot of its own; its image is there already, or has to be built."""
        toml = "" if built else f'image_name = "{IMAGE}"\n'
        return Job(self, script_job(f"bench{next(_numbers)}", SCRIPT, job_toml=toml))

    def prepare_image(self) -> None:
        """Build the jobs' image, so that it, and its layers, are there."""
        context = self.room / "image"
        context.mkdir(exist_ok=True)
        for entry in script_job("image", SCRIPT).inputs:
            (context / entry.name).write_bytes(entry.read())
            (context / entry.name).chmod(0o755 if entry.source else 0o644)
        # Podman uses a layer again only in an image of the same format.
        form = ("--format", "docker") if self.lab.kind is EngineKind.PODMAN else ()
        self.lab.cli("build", "--tag", IMAGE, *form, str(context),
                     environment={"DOCKER_BUILDKIT": "0"}, limit=120)


class Job:
    """A job that runs under a played client, or will."""

    def __init__(self, stage: Stage, work: Workunit) -> None:
        self.stage = stage
        self.client = stage.client(work)
        self.name = f"boinc__lab.invalid_docker__{work.name}_0"
        self._container: Container | None = None

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def slot(self, name: str) -> Path:
        """A file in the slot."""
        return self.client.slot / name

    def start(self) -> float:
        """Start the wrapper; how long it took until the job's first act, in s."""
        began = time.time()
        self.client.start()
        self.client.wait_for("the job's first act", self.slot("first").exists, _LIMIT)
        return self.slot("first").stat().st_mtime - began

    def running(self) -> Job:
        """The same job, started, and a moment later."""
        self.start()
        _ = self.container
        return self

    @property
    def container(self) -> Container:
        """The container's counters."""
        if self._container is None:
            state = self.stage.lab.inspect(self.name)["State"]
            assert isinstance(state, dict)
            self._container = Container(int(state["Pid"]))
        return self._container

    @container.setter
    def container(self, found: Container) -> None:
        self._container = found

    def suspend(self, *, in_step: bool = True) -> float:
        """Ask for a pause; how long it took until all rest, in s."""
        return self._until(self._ask("<suspend/>", in_step), frozen=True)

    def resume(self, *, in_step: bool = True) -> float:
        """Ask to go on; how long it took, in s."""
        return self._until(self._ask("<resume/>", in_step), frozen=False)

    def _ask(self, text: str, in_step: bool) -> float:
        return self.client.send_in_step(text) if in_step else self.client.send(text)

    def reattach(self) -> float:
        """Start the wrapper again on a paused container; how long until that goes on, in s."""
        self.client.start()
        return self._until(self.client.started_at, frozen=False)

    def _until(self, since: float, *, frozen: bool) -> float:
        container = self.container
        what = "the container rests" if frozen else "the container goes on"
        wait_for(what, lambda: container.frozen() is frozen, _LIMIT, every=0.001,
                 tell=self.client.story)
        return time.monotonic() - since

    def leave(self) -> None:
        """Have the wrapper leave, as a client does that shuts down."""
        self.client.quit()
        self.client.wait_exit(_LIMIT)

    def tell(self, word: str) -> None:
        """Make one of the files that order the job about."""
        self.slot(word).touch()

    def finish(self) -> float:
        """Let the job end; how long from its last act until the wrapper is gone, in s."""
        self.tell("stop")
        process = self.client.process
        wait_for("the wrapper's end", lambda: process.poll() is not None, _LIMIT, every=0.001,
                 tell=self.client.story)
        return time.time() - self.slot("last").stat().st_mtime

    def engine_cpu(self) -> float:
        """CPU time of the engine's own processes so far, in s."""
        return self.stage.engine.cpu() + self.attendant_cpu()

    def attendant_cpu(self) -> float:
        """The part of it that a conmon of this job took: a shim is counted with its daemon."""
        attendant = processes.parent_of(self.container.pid)
        return 0.0 if attendant in self.stage.engine.pids() else processes.cpu_of(attendant)

    def close(self) -> None:
        """End it, whatever it does, and its container."""
        if self.client.alive():
            with contextlib.suppress(AssertionError):
                self.client.abort()
                self.client.wait_exit(20)
        self.client.close()
        self.stage.lab.cli("rm", "--force", *self.stage.lab.at_once, self.name, check=False)


@contextlib.contextmanager
def stage_for(subject: Subject, *, quick: bool = False) -> Iterator[Stage]:
    """A stage for a subject; its engine is started, everything is taken away at the end.

    Raises:
        Missing: the engine cannot be had here.
        OSError: there can be no cgroups here.
    """
    with contextlib.ExitStack() as stack:
        engine, wrappers = Group("engine"), Group("wrappers")
        stack.callback(engine.close)
        with engine.entered():
            lab = stack.enter_context(_LABS[subject.kind]())
            lab.base_image()
        stack.callback(wrappers.close)
        room = Path(tempfile.mkdtemp(prefix=f"dwbench-{os.getpid()}-", dir="/var/tmp"))
        stack.callback(shutil.rmtree, room, ignore_errors=True)
        stage = Stage(subject, lab, wrappers, engine, room, quick)
        stage.prepare_image()
        yield stage
