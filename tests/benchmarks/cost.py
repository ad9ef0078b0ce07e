"""What watching a job takes from the machine: CPU time, processes, memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks import processes
from tests.benchmarks.figures import NONE, a_minute, mebibytes, seconds
from tests.benchmarks.stage import OURS, Job, Stage
from tests.faults.jobs import SEAMS

LACKS = ("pidfd", "cgroup")
"""What a system may lack, in the words of ``FAULT_WITHOUT``; see tests/faults/seams.py."""
CALM = 60.0
"""Seconds until a wrapper that sees no cgroup asks no more often than it always will."""
SETTLE = 5.0
"""Seconds until what a change has caused is over."""
ACQUAINTANCE = 45.0
"""Seconds until a wrapper knows its client, in the hours of whose job that is no matter."""


BARE = """
import select
wait = select.poll().poll
while True:
    wait(200)
"""
"""A loop that does nothing but wake up five times a second, which is more than a wrapper does: what
that alone costs in Python, on the machine and in the minute in which it is measured.
"""


@dataclass
class Spent:
    """What was used in one period, a minute's worth: s of CPU time, and processes started."""

    wrapper: float = 0.0
    bare: float = 0.0
    engine: float = 0.0
    births: str = NONE


def cpu(stage: Stage) -> tuple[str, ...]:
    """A steady run, and then a steady rest, without one word of the client but its heartbeat."""
    alone = idle(stage)
    with stage.job().running() as job:
        time.sleep(0 if stage.quick else ACQUAINTANCE)
        running = spent(stage, job)
        memory = _memory(stage, job)
        job.suspend()
        resting = spent(stage, job)
    return (
        seconds(running.wrapper), seconds(max(0.0, running.engine - alone)),
        seconds(resting.wrapper), seconds(max(0.0, resting.engine - alone)),
        f"{running.bare:.3f} / {seconds(resting.bare)}", running.births, resting.births, *memory,
    )


def spent(stage: Stage, job: Job) -> Spent:
    """What the wrapper, all it starts and the engine use while nothing happens."""
    time.sleep(SETTLE)
    found = Spent()
    with _births(stage, found), _bare() as pid:
        began, wrapper, engine = time.monotonic(), stage.wrappers.cpu(), job.engine_cpu()
        bare = processes.cpu_of(pid)
        time.sleep(stage.period())
        period = time.monotonic() - began
        found.wrapper = a_minute(stage.wrappers.cpu() - wrapper, period)
        found.engine = a_minute(job.engine_cpu() - engine, period)
        found.bare = a_minute(processes.cpu_of(pid) - bare, period)
    return found


@contextlib.contextmanager
def _bare() -> Iterator[int]:
    """The pid of a bare loop, which runs meanwhile."""
    loop = subprocess.Popen([sys.executable, "-I", "-S", "-c", BARE])
    try:
        time.sleep(1)  # in which it starts; that is not to be counted
        yield loop.pid
    finally:
        loop.kill()
        loop.wait()


@contextlib.contextmanager
def _births(stage: Stage, found: Spent) -> Iterator[None]:
    """Counts who is started meanwhile by wrapper and engine, where the kernel tells."""
    family = [*stage.wrappers.pids(), *stage.engine.pids()]
    try:
        births = processes.Births()
    except OSError:
        yield
        return
    began = time.monotonic()
    try:
        yield
        born = births.count(family)
        found.births = f"{a_minute(born, time.monotonic() - began):.0f}"
    finally:
        births.close()


def idle(stage: Stage) -> float:
    """CPU time a minute of the engine's daemon, without any job."""
    if "cpu" not in stage.idle:
        time.sleep(SETTLE)
        before = stage.engine.cpu()
        time.sleep(stage.period())
        stage.idle["cpu"] = a_minute(stage.engine.cpu() - before, stage.period())
    return stage.idle["cpu"]


def fallbacks(stage: Stage) -> tuple[str, ...]:
    """A steady run where the system lacks what a wrapper watches by; only ours can be told so."""
    if stage.subject.command != OURS:
        return (NONE,) * len(LACKS)
    alone = idle(stage)
    return tuple(_without(stage, lack, alone) for lack in LACKS)


def _without(stage: Stage, lack: str, alone: float) -> str:
    """What wrapper and engine use a minute, in s."""
    with stage.job() as job:
        job.client.command = [*stage.wrappers.command(*SEAMS)]
        job.client.environment["FAULT_WITHOUT"] = lack
        job.running()
        time.sleep(0 if stage.quick else CALM)
        found = spent(stage, job)
    return seconds(found.wrapper + max(0.0, found.engine - alone))


def _memory(stage: Stage, job: Job) -> tuple[str, str]:
    others = [pid for pid in stage.wrappers.pids() if pid != job.client.pid]
    return _sizes([job.client.pid]), _sizes(others)


def _sizes(pids: list[int]) -> str:
    if not pids:
        return NONE
    shared, own = sum(map(processes.pss, pids)), sum(map(processes.own_memory, pids))
    return f"{mebibytes(shared)[:-4]} / {mebibytes(own)}"
