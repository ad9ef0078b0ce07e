"""Thousands of schedules of faults, in a world of the model, and what they must find."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from states import machine, reconcile
from states.reconcile import Ending, Shown, Sighting
from states.record import Record
from tests.faults import model, schedules
from tests.faults.model import Move, Wrong
from tests.faults.schedules import delays_of_silence, live
from wrapper import collecting, creating, looking
from wrapper.engine.answers import Unknown
from wrapper.engine.hosts.base import Reply
from wrapper.work import Leave, Talk, Work

LONG = os.environ.get("LONG") == "1"
TRIES = 4000 if LONG else 300
GAPS = st.sampled_from([0, 1, 2, 3, 5, 8, 13, 30])
SCHEDULES = st.lists(st.tuples(GAPS, st.sampled_from(list(Move))), max_size=12)
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A slot in which there is nothing."""
    return tmp_path_factory.mktemp("slot")


@pytest.mark.timeout(1800 if LONG else 300)
@settings(max_examples=TRIES, deadline=None, derandomize=not LONG, database=None,
          suppress_health_check=list(HealthCheck), print_blob=True)
@given(schedule=SCHEDULES)
def test_whatever_happens_it_is_one_run_one_finish_and_an_end(
    slot: Any, schedule: list[tuple[int, Move]]
) -> None:
    live(schedule, slot)


QUIET = [Move.SUSPEND, Move.RESUME, Move.QUIT, Move.DIE, Move.DIE_LATE, Move.REFUSE, Move.UNTOLD,
         Move.ENDS]
"""What ends no run but the job itself."""


@pytest.mark.timeout(1800 if LONG else 300)
@settings(max_examples=TRIES // 3, deadline=None, derandomize=not LONG, database=None,
          suppress_health_check=list(HealthCheck), print_blob=True)
@given(schedule=st.lists(st.tuples(GAPS, st.sampled_from(QUIET)), max_size=12))
def test_a_code_like_that_of_a_shutdown_is_the_jobs_own_where_there_was_none(
    slot: Any, schedule: list[tuple[int, Move]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "CODE", 137)
        patch.setattr(schedules, "CODE", 137)
        live(schedule, slot)


def test_a_quiet_life_has_one_run_and_the_jobs_own_code(slot: Any) -> None:
    world = live([], slot)
    assert (world.runs, world.made) == (1, 1)


class Vanishing(model.World):
    """An engine that reports containers which are not there."""

    creates = 0

    def _create(self, words: Sequence[str]) -> Reply:
        reply = super()._create(words)
        self.box, self.creates = None, self.creates + 1
        assert self.creates < 100, "there is no end to it"
        return reply


def test_an_engine_whose_containers_are_not_there_is_given_up_for_a_while(slot: Any) -> None:
    world = Vanishing([])
    with schedules.in_world(world):
        schedules._lived(world, [], slot)
    assert world.delays
    assert world.runs == 0


def test_the_delays_of_temporary_exits_grow_beyond_ten_minutes(slot: Any) -> None:
    delays = delays_of_silence(slot, 9)
    assert len(delays) == 9
    assert delays == sorted(delays)
    assert 30 <= delays[0] <= 120
    assert delays[-1] >= 600
    # A hundred of them, after which the client gives the job up, are days.
    assert sum(delays) + 91 * delays[-1] > 2 * 86400


def unknown_is_absent(patch: pytest.MonkeyPatch) -> None:
    sighting = looking.sighting
    patch.setattr(looking, "sighting", lambda answer, label: (
        Sighting(Shown.ABSENT) if isinstance(answer, Unknown) else sighting(answer, label)))


def remove_before_finish(patch: pytest.MonkeyPatch) -> None:
    collect = collecting._collect

    def too_early(work: Work) -> Talk[Leave | None]:
        yield from collecting._tidy(work)
        return (yield from collect(work))

    patch.setattr(collecting, "_collect", too_early)


def forget_what_was_cut_off(patch: pytest.MonkeyPatch) -> None:
    following = machine.following

    def forgetting(*given: Any, **named: Any) -> Record:
        return following(*given, **named)._replace(cut_off_id=None)

    patch.setattr(machine, "following", forgetting)
    # With an engine that does not tell when it was started, as Podman does not.
    patch.setattr(creating, "heard_of_restart", lambda *_given: iter(()))


def cut_off_is_finished(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "ending", lambda *_given: Ending.FINISHED)


def finished_is_cut_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "ending", lambda *_given: Ending.CUT_OFF)


def save_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(machine.JobMachine, "_keep",
                  lambda self, record: setattr(self, "_record", record))


BUGS = [unknown_is_absent, remove_before_finish, forget_what_was_cut_off, cut_off_is_finished,
        finished_is_cut_off, save_nothing]


@pytest.mark.parametrize("plant", BUGS, ids=lambda bug: bug.__name__)
def test_a_bug_that_is_planted_is_found(
    slot: Any, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    plant(monkeypatch)

    @settings(max_examples=300, deadline=None, derandomize=True, database=None,
              phases=[Phase.generate], report_multiple_bugs=False,
              suppress_health_check=list(HealthCheck))
    @given(schedule=SCHEDULES)
    def search(schedule: list[tuple[int, Move]]) -> None:
        live(schedule, slot)

    with pytest.raises(Wrong):
        search()
