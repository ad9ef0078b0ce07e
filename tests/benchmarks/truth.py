"""How true it is what the client is told: CPU time and working set against the cgroup's own."""

from __future__ import annotations

import threading
import time

from tests.benchmarks.cgroups import Container
from tests.benchmarks.figures import NONE, deviation, seconds
from tests.benchmarks.stage import Job, Stage
from tests.lab.waiting import TooLong, wait_for

_LIMIT = 30.0
_MORE = 15e6
"""Bytes: half of what the job grows by."""


def cpu_told(stage: Stage) -> tuple[str, ...]:
    """A busy job of 25 s, paused in turn as by a client with a CPU limit, and told on its end."""
    job_seconds = 6.0 if stage.quick else 25.0
    with stage.job().running() as job:
        job.tell("busy")
        last = _Last(job.container)
        _in_turns(job, job_seconds)
        job.finish()
        job.client.wait_exit()  # a client reads once more then
        true = last.cpu()
        told = job.client.statuses[-1].cpu_time if job.client.statuses else 0.0
    return (f"{deviation(told, true)} of {true:.1f} s",)


def _in_turns(job: Job, job_seconds: float) -> None:
    """Run for so long in all, with pauses."""
    rounds = 5
    for _ in range(rounds):
        time.sleep(job_seconds / rounds)
        job.suspend(in_step=False)
        time.sleep(1.3)
        job.resume(in_step=False)
    time.sleep(1.2)  # so that it ends some time after it went on


class _Last:
    """Reads a container's CPU time again and again until it is gone, so that the last is known."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._cpu = 0.0
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while (cpu := self._container.cpu()) is not None:
            self._cpu = cpu
            time.sleep(0.002)

    def cpu(self) -> float:
        """The last reading, in s."""
        self._thread.join(_LIMIT)
        return self._cpu


def wss_told(stage: Stage) -> tuple[str, ...]:
    """A job that grows all at once: how soon, and how exactly, that is told."""
    with stage.job().running() as job:
        time.sleep(3)
        size = job.container.wss() + _MORE
        job.tell("grow")
        wait_for("the job grows", lambda: job.container.wss() > size, _LIMIT, every=0.005)
        grown = time.monotonic()
        try:
            wait_for("that is told", lambda: _told(job) > size, _LIMIT, every=0.005)
            age = seconds(time.monotonic() - grown)
        except TooLong:
            age = NONE
        time.sleep(3)
        return deviation(_told(job), job.container.wss()), age


def _told(job: Job) -> float:
    statuses = job.client.statuses
    return (statuses[-1].number("wss") or 0.0) if statuses else 0.0
