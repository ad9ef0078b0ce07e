"""When the client is told of the job, and when its use of the machine is read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from states.table import Outcome, State
from wrapper.boinc.status import Status
from wrapper.telling import Telling
from wrapper.work import Work


class Scene:
    """A job that runs, whose every reading finds a second of CPU time more."""

    def __init__(self, slot: Path) -> None:
        self.told: list[float] = []
        self.accounts = SimpleNamespace(cpu_time=0.0, wss=0.0, read=self._read)
        session = SimpleNamespace(report=self._hear, take_reread=lambda: False)
        self.work = SimpleNamespace(
            slot=slot, init=None, session=session, accounts=self.accounts, watch=object(),
            host=SimpleNamespace(distro=None), resting=False, wants_network=False,
            options=SimpleNamespace(sporadic=False),
            record=SimpleNamespace(outcome=None, graphics_port=None),
            machine=SimpleNamespace(state=State.RUNNING),
        )
        self.telling = Telling(cast(Work, self.work))

    def _read(self, _host: object) -> None:
        self.accounts.cpu_time += 1

    def _hear(self, status: Status) -> None:
        self.told.append(status.cpu_time)

    def until(self, end: float, start: float = 0.0) -> None:
        """Ten turns a second, from one time to another."""
        for tick in range(round(start * 10), round(end * 10)):
            self.telling.turn(tick / 10)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_running_job_is_read_and_told_once_a_second(scene: Scene) -> None:
    scene.until(5)
    assert 5 <= len(scene.told) <= 7
    assert scene.told == sorted(set(scene.told))


def test_a_job_in_a_distro_of_wsl_is_read_and_told_each_few_seconds(scene: Scene) -> None:
    scene.work.host.distro = "Debian"
    scene.until(20)
    assert 4 <= len(scene.told) <= 6
    assert scene.told == sorted(set(scene.told))


def test_a_job_that_comes_to_rest_is_read_at_once_and_then_no_more(scene: Scene) -> None:
    scene.until(5)
    before = len(scene.told)
    scene.work.resting = True
    scene.until(5.2, 5)
    assert len(scene.told) == before + 1
    used = scene.told[-1]
    scene.until(60, 5.2)
    assert set(scene.told[before:]) == {used}
    assert len(scene.told) < before + 10


def test_a_job_that_goes_on_is_read_and_told_at_once(scene: Scene) -> None:
    scene.work.resting = True
    scene.until(5)
    used = scene.told[-1]
    scene.work.resting = False
    scene.until(5.1, 5)
    assert scene.told[-1] == used + 1


@pytest.mark.parametrize(
    ("outcome", "fraction"), [(Outcome.JOB_FAILED, 0.4), (Outcome.SUCCESS, 1.0)]
)
def test_the_last_that_is_told_is_the_jobs_own_last_word(
    scene: Scene, outcome: Outcome, fraction: float
) -> None:
    told: list[float | None] = []

    def last(status: Status) -> bool:
        told.append(status.fraction_done)
        return True

    scene.work.session.last = last
    scene.work.machine.state, scene.work.record.outcome = State.COLLECTING, outcome
    (scene.work.slot / "fraction_done").write_text("0.4\n")
    scene.telling.turn(1.0)
    scene.telling.turn(2.0)
    assert told == [fraction]
