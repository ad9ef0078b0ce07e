"""Many jobs at once on one machine: whether what one of them costs stays what it is.

The jobs themselves hardly work, so that 32 of them do not ask more of two processors than those
have; a machine with as many threads as jobs is what is looked at.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks import processes
from tests.benchmarks.cgroups import Container
from tests.benchmarks.cost import ACQUAINTANCE, SETTLE, idle
from tests.benchmarks.figures import a_minute, mebibytes, seconds, spread
from tests.benchmarks.stage import Job, Stage
from tests.lab.waiting import wait_for

COUNTS = (1, 4, 16, 32)
_ROUNDS = 3
_LIMIT = 300.0


@dataclass(frozen=True)
class Crowd:
    """What some jobs cost: s of CPU time a minute and job, s until each rests, bytes each."""

    wrapper: float
    engine: float
    rests: tuple[float, ...]
    pss: float

    def cells(self) -> tuple[str, ...]:
        """As they stand in the table."""
        more = seconds(max(0.0, self.engine))
        return (seconds(self.wrapper), more, spread(self.rests), mebibytes(self.pss))


def scale(stage: Stage) -> tuple[str, ...]:
    """The cells of each count, one after the other."""
    counts = COUNTS[:2] if stage.quick else COUNTS
    cells: list[str] = []
    for count in counts:
        cells += _crowd(stage, count).cells()
    return tuple(cells) + ("-",) * (4 * (len(COUNTS) - len(counts)))


def _crowd(stage: Stage, count: int) -> Crowd:
    alone = idle(stage)
    with _running(stage, count) as jobs:
        time.sleep(SETTLE if stage.quick else ACQUAINTANCE)
        wrapper, engine = _spent(stage, jobs)
        pss = sum(processes.pss(job.client.pid) for job in jobs) / count
        rests: list[float] = []
        for _ in range(_ROUNDS):
            rests += _suspend_all(jobs)
            time.sleep(1)
            for job in jobs:
                job.resume()
        return Crowd(wrapper / count, (engine - alone) / count, tuple(rests), pss)


@contextlib.contextmanager
def _running(stage: Stage, count: int) -> Iterator[list[Job]]:
    """So many jobs, all of them running."""
    with contextlib.ExitStack() as stack:
        jobs = [stack.enter_context(stage.job()) for _ in range(count)]
        for job in jobs:
            job.client.start()
        for job in jobs:
            wait_for("the job's first act", job.slot("first").exists, _LIMIT,
                     tell=job.client.story)
        _meet(stage, jobs)
        try:
            yield jobs
        finally:
            for job in jobs:  # all at once; closing them one by one takes long
                if job.client.alive():
                    job.client.abort()


def _meet(stage: Stage, jobs: list[Job]) -> None:
    """Find all containers by one question."""
    names = [job.name for job in jobs]
    said = json.loads(stage.lab.cli("inspect", "--type", "container", *names).stdout)
    for job, one in zip(jobs, said, strict=True):
        job.container = Container(int(one["State"]["Pid"]))


def _spent(stage: Stage, jobs: list[Job]) -> tuple[float, float]:
    """CPU time a minute of all wrappers, and of the engine."""
    began, wrapper, engine = time.monotonic(), stage.wrappers.cpu(), _engine(stage, jobs)
    time.sleep(stage.period())
    period = time.monotonic() - began
    return (
        a_minute(stage.wrappers.cpu() - wrapper, period),
        a_minute(_engine(stage, jobs) - engine, period),
    )


def _engine(stage: Stage, jobs: list[Job]) -> float:
    return stage.engine.cpu() + sum(job.attendant_cpu() for job in jobs)


def _suspend_all(jobs: list[Job]) -> list[float]:
    """Tell all of them at once; how long it took each until it rested, in s."""
    for job in jobs:
        job.client.leave_for_beat("<suspend/>")
    wait_for("all are told", lambda: all(job.client.left_at for job in jobs), _LIMIT, every=0.005)
    began = {job.name: job.client.left_at for job in jobs}
    took: list[float] = []
    waiting = list(jobs)

    def look() -> bool:
        now = time.monotonic()
        for job in [job for job in waiting if job.container.frozen()]:
            took.append(now - began[job.name])
            waiting.remove(job)
        return not waiting

    wait_for("all of them rest", look, _LIMIT, every=0.005)
    return took
