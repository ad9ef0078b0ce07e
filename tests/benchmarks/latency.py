"""How long things take that somebody waits for: a start, a pause, an end."""

from __future__ import annotations

import time

from tests.benchmarks.figures import spread
from tests.benchmarks.stage import IMAGE, Job, Stage

_START_REPEATS = 10
_PAUSES = 50
_ACQUAINTANCE = 5.0
# Seconds until a wrapper may know its client.


def start(stage: Stage) -> tuple[str, ...]:
    """From the start of the wrapper to the job's first act, in four situations."""
    return (
        spread([_nothing_there(stage) for _ in stage.repeat(_START_REPEATS)]),
        spread([_started(stage, built=True) for _ in stage.repeat(_START_REPEATS)]),
        spread([_started(stage, built=False) for _ in stage.repeat(_START_REPEATS)]),
        _reattach(stage),
    )


def _nothing_there(stage: Stage) -> float:
    """The jobs' image, whose layers a build would use again, is away meanwhile."""
    stage.lab.cli("rmi", "--force", IMAGE)
    try:
        return _started(stage, built=True)
    finally:
        stage.prepare_image()


def _started(stage: Stage, *, built: bool) -> float:
    with stage.job(built=built) as job:
        return job.start()


def _reattach(stage: Stage) -> str:
    """From the start of a wrapper whose container rests until that goes on."""
    took = []
    with stage.job().running() as job:
        for _ in stage.repeat(_START_REPEATS):
            job.leave()
            took.append(job.reattach())
    return spread(took)


def suspend(stage: Stage) -> tuple[str, ...]:
    """From the client's message until every process of the container rests, or goes on: first when
    it is sent with a heartbeat, as a client does what its user asks for, then at any time, as a
    client keeps a CPU limit.
    """
    with stage.job().running() as job:
        job.tell("busy")
        time.sleep(_ACQUAINTANCE)
        cells = _turns(stage, job, in_step=True)
        return cells + _turns(stage, job, in_step=False)


def _turns(stage: Stage, job: Job, *, in_step: bool) -> tuple[str, str]:
    rests, goes = [], []
    for number in stage.repeat(_PAUSES):
        # The pauses differ, so that a wrapper's own beat is met everywhere.
        time.sleep(0.3 + number % 10 * 0.037)
        rests.append(job.suspend(in_step=in_step))
        time.sleep(0.3 + number % 7 * 0.053)
        goes.append(job.resume(in_step=in_step))
    return spread(rests), spread(goes)


def end(stage: Stage) -> tuple[str, ...]:
    """From the job's last act until the wrapper is gone, all collected."""
    took = []
    for _ in stage.repeat(_START_REPEATS):
        with stage.job(built=True).running() as job:
            time.sleep(1)
            took.append(job.finish())
    return (spread(took),)
