"""Facts about the decision after a look at the engine: every row of its two tables, and what
holds for all.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from states.machine import JobMachine
from states.reconcile import (
    KILLED,
    Act,
    Boot,
    Ending,
    Shown,
    Sighting,
    Verdict,
    ending,
    reconcile,
)
from states.record import Container, Record, rfc3339
from states.table import FOLLOWING, PREPARING, Event, State, target
from tests.unit.states.records import (
    BOOT,
    BOOTS,
    MOVES,
    NAME,
    RECORDS,
    SIGHTINGS,
    START,
    a_record,
    after,
)

STARTED = after(seconds=1)
NEXT_BOOT = Boot("boot-2", after(hours=1))


def shown(what: Shown, **details: Any) -> Sighting:
    if what in (Shown.RUNNING, Shown.PAUSED, Shown.EXITED):
        details = {"started_at": STARTED, **details}
    if what is Shown.EXITED:
        details = {"finished_at": after(seconds=9), "exit_code": 0, **details}
    return Sighting(what, **{"id": "c1", **details})


def decided(record: Record, sighting: Sighting, boot: Boot = BOOT) -> Act | Event:
    verdict = reconcile(record, sighting, boot)
    decision = verdict.act or verdict.event
    assert decision is not None
    return decision


NEVER_RAN: dict[str, Any] = {"run_started": None}

DECISIONS: list[tuple[State, Shown, Act | Event]] = [
    *[(state, Shown.UNKNOWN, Act.WAIT) for state in State if state is not State.DONE],
    *[(state, Shown.FOREIGN, Event.FAILED) for state in PREPARING + FOLLOWING],
    *[(State.COLLECTING, what, Act.COLLECT) for what in Shown if what is not Shown.UNKNOWN],
    *[(State.DONE, what, Act.LEAVE) for what in Shown],
    *[(state, Shown.ABSENT, Act.PROCEED) for state in PREPARING],
    *[(state, Shown.RUNNING, Event.RECOVERED_RUNNING) for state in PREPARING],
    *[(state, Shown.PAUSED, Event.RECOVERED_PAUSED) for state in PREPARING],
    *[(state, Shown.EXITED, Event.RECOVERED_EXITED) for state in PREPARING],
    (State.DISCOVER_DISTRO, Shown.CREATED, Act.PROCEED),
    (State.ENSURE_IMAGE, Shown.CREATED, Act.PROCEED),
    (State.CREATE, Shown.CREATED, Event.CREATED),
    *[(state, Shown.ABSENT, Event.LOST) for state in FOLLOWING],
    *[(state, Shown.CREATED, Event.CUT_OFF) for state in FOLLOWING],
    *[(state, Shown.EXITED, Event.EXITED) for state in FOLLOWING],
    (State.RUNNING, Shown.RUNNING, Act.WATCH),
    (State.RUNNING, Shown.PAUSED, Act.UNPAUSE),
    (State.PAUSED, Shown.RUNNING, Act.PAUSE),
    (State.PAUSED, Shown.PAUSED, Act.REST),
]


@pytest.mark.parametrize(("state", "what", "decision"), DECISIONS)
def test_a_state_and_a_sighting_in_a_quiet_life(
    state: State, what: Shown, decision: Act | Event
) -> None:
    assert decided(a_record(state), shown(what)) is decision


def test_the_table_above_has_every_state_and_sighting_once() -> None:
    cells = [(state, what) for state, what, _ in DECISIONS]
    assert len(cells) == len(set(cells)) == len(State) * len(Shown)


def test_a_container_that_never_ran_is_started_once_wanted() -> None:
    created = shown(Shown.CREATED)
    assert decided(a_record(State.RUNNING, **NEVER_RAN), created) is Act.START
    assert decided(a_record(State.PAUSED, **NEVER_RAN), created) is Act.REST


@pytest.mark.parametrize("state", FOLLOWING)
def test_a_container_that_ran_and_shows_as_created_was_cut_off(state: State) -> None:
    for boot in (BOOT, NEXT_BOOT):
        assert decided(a_record(state), shown(Shown.CREATED), boot) is Event.CUT_OFF
        never_noted = a_record(state, **NEVER_RAN)
        ran = shown(Shown.CREATED, started_at=STARTED)
        assert decided(never_noted, ran, boot) is Event.CUT_OFF


def test_what_is_left_of_a_run_that_was_cut_off_is_removed_before_create() -> None:
    record = a_record(State.CREATE, cut_off_id="c1", container=Container(NAME, "c1"))
    assert decided(record, shown(Shown.EXITED)) is Act.REMOVE
    assert decided(record, shown(Shown.CREATED)) is Act.REMOVE
    assert decided(record, shown(Shown.EXITED, id="c2")) is Event.RECOVERED_EXITED
    assert decided(record, shown(Shown.CREATED, id="c2")) is Event.CREATED


@pytest.mark.parametrize("state", [State.DISCOVER_DISTRO, State.ENSURE_IMAGE])
def test_what_is_left_of_a_run_that_was_cut_off_does_not_stop_the_states_before(
    state: State,
) -> None:
    assert decided(a_record(state, cut_off_id="c1"), shown(Shown.EXITED)) is Act.PROCEED


def test_after_a_lost_record_and_a_boot_the_times_tell_what_was_cut_off() -> None:
    record = a_record(State.CREATE, boot_id=NEXT_BOOT.id)
    killed = shown(Shown.EXITED, exit_code=255, finished_at=after(hours=1, seconds=5))
    verdict = reconcile(record, killed, NEXT_BOOT)
    assert (verdict.act, verdict.changes) == (Act.REMOVE, {"cut_off_id": "c1"})
    finished = shown(Shown.EXITED, exit_code=0)
    assert decided(record, finished, NEXT_BOOT) is Event.RECOVERED_EXITED
    again = shown(Shown.CREATED, started_at=STARTED)
    assert decided(record, again, NEXT_BOOT) is Act.REMOVE


def test_a_container_of_ours_that_runs_is_kept_even_if_it_was_cut_off_once() -> None:
    record = a_record(State.CREATE, cut_off_id="c1")
    assert decided(record, shown(Shown.RUNNING)) is Event.RECOVERED_RUNNING


RUN = a_record(State.RUNNING)
HELD = a_record(State.PAUSED)
AWAY = a_record(State.RUNNING, engine_away=True)
DEAD_AFTER = {"finished_at": after(hours=1, seconds=5)}
UNTIMED = {"finished_at": None, "started_at": None}

ENDINGS: list[tuple[str, Record, Boot, list[int | None], dict[str, Any], Ending]] = [
    ("by itself", RUN, BOOT, [0, 1, 139, 137, 143, 255], {}, Ending.FINISHED),
    ("by itself, no times", RUN, BOOT, [0, 1, 137, 255], UNTIMED, Ending.FINISHED),
    ("want of memory", RUN, BOOT, [137, None], {"oom_killed": True}, Ending.FINISHED),
    ("want of memory, held", HELD, BOOT, [137], {"oom_killed": True}, Ending.FINISHED),
    ("want of memory, booted", RUN, NEXT_BOOT, [137], {"oom_killed": True}, Ending.FINISHED),
    ("no code", RUN, BOOT, [None], {}, Ending.CUT_OFF),
    ("no code, booted", RUN, NEXT_BOOT, [None], {}, Ending.CUT_OFF),
    ("held", HELD, BOOT, [137, 143, 255], {}, Ending.CUT_OFF),
    ("held, but ended before that", HELD, BOOT, [0, 1, 139], {}, Ending.FINISHED),
    ("engine away", AWAY, BOOT, [137, 143, 255], {}, Ending.CUT_OFF),
    ("engine away, but ended by itself", AWAY, BOOT, [0, 1, 139], {}, Ending.FINISHED),
    ("booted, killed before", RUN, NEXT_BOOT, [137, 143, 255], {}, Ending.CUT_OFF),
    ("booted, found dead", RUN, NEXT_BOOT, [0, 1, 137, 143, 255], DEAD_AFTER, Ending.CUT_OFF),
    ("booted, finished before", RUN, NEXT_BOOT, [0, 1, 139], {}, Ending.FINISHED),
    ("booted, no times", RUN, NEXT_BOOT, [0, 1, 139], UNTIMED, Ending.FINISHED),
    ("booted, no times, killed", RUN, NEXT_BOOT, [137, 143, 255], UNTIMED, Ending.CUT_OFF),
    ("booted, no time of boot", RUN, Boot("boot-2"), [0, 1], {}, Ending.FINISHED),
    ("booted, no time of boot, killed", RUN, Boot("boot-2"), [137, 255], {}, Ending.CUT_OFF),
    ("no boot id, times", RUN, Boot("", after(hours=1)), [0, 1], {}, Ending.FINISHED),
    ("no boot id, times, killed", RUN, Boot("", after(hours=1)), [137], {}, Ending.CUT_OFF),
    ("no boot id, found dead", RUN, Boot("", after(hours=1)), [0], DEAD_AFTER, Ending.CUT_OFF),
    ("nothing known of the boot", RUN, Boot(), [0, 1, 137, 143, 255], {}, Ending.FINISHED),
    ("began after the boot", RUN, Boot("boot-2", START), [0, 1], {}, Ending.FINISHED),
    ("clock jumped in one boot", RUN, Boot("boot-1", after(hours=1)), [0, 1, 137], DEAD_AFTER,
     Ending.FINISHED),
]


@pytest.mark.parametrize(
    ("record", "boot", "codes", "details", "how"),
    [row[1:] for row in ENDINGS],
    ids=[row[0] for row in ENDINGS],
)
def test_how_a_run_ended(
    record: Record, boot: Boot, codes: list[int | None], details: dict[str, Any], how: Ending
) -> None:
    for code in codes:
        assert ending(record, shown(Shown.EXITED, exit_code=code, **details), boot) is how, code


def test_the_time_of_the_start_in_the_record_serves_where_the_engine_gives_none() -> None:
    dead = shown(Shown.EXITED, exit_code=0, started_at=None, **DEAD_AFTER)
    assert ending(RUN, dead, NEXT_BOOT) is Ending.CUT_OFF


def test_only_codes_of_a_shutdown_are_ever_doubted_in_the_same_boot() -> None:
    for code in range(256):
        exited = shown(Shown.EXITED, exit_code=code)
        doubted = ending(a_record(State.PAUSED, engine_away=True), exited, BOOT)
        assert (doubted is Ending.CUT_OFF) is (code in KILLED)


@pytest.mark.parametrize("state", FOLLOWING)
def test_an_exit_brings_its_code_and_a_cut_off_its_container(state: State) -> None:
    finished = reconcile(a_record(state), shown(Shown.EXITED, exit_code=3), BOOT)
    assert finished.event is Event.EXITED
    assert finished.changes["exit_code"] == 3
    cut_off = reconcile(a_record(state), shown(Shown.EXITED, exit_code=255), NEXT_BOOT)
    assert cut_off.event is Event.CUT_OFF
    assert cut_off.changes["cut_off_id"] == "c1"
    assert cut_off.changes["boot_id"] == "boot-2"
    assert "exit_code" not in cut_off.changes


def test_a_first_look_at_a_run_is_to_be_written_and_a_second_one_is_not() -> None:
    record = a_record(State.RUNNING, run_started=None, container=Container(NAME), held=True)
    machine = JobMachine(record, lambda _: None, lambda: START, MOVES)
    verdict = reconcile(machine.record, shown(Shown.RUNNING), BOOT)
    assert verdict.changes == {
        "run_started": rfc3339(STARTED), "container": Container(NAME, "c1"), "held": False,
    }
    machine.note(**verdict.changes)
    assert reconcile(machine.record, shown(Shown.RUNNING), BOOT) == Verdict(Act.WATCH)


def test_a_run_that_was_cut_off_leaves_no_start_behind() -> None:
    machine = JobMachine(RUN, lambda _: None, lambda: START, MOVES)
    verdict = reconcile(RUN, shown(Shown.EXITED, exit_code=255), NEXT_BOOT)
    assert verdict.event is Event.CUT_OFF
    machine.fire(verdict.event, verdict.note, **verdict.changes)
    assert machine.record.run_started is None
    assert decided(machine.record, shown(Shown.EXITED, exit_code=255), NEXT_BOOT) is Act.REMOVE


def test_a_container_that_is_started_is_held_no_more() -> None:
    record = a_record(State.RUNNING, run_started=None, held=True)
    assert reconcile(record, shown(Shown.CREATED), BOOT).changes["held"] is False


@pytest.mark.parametrize("code", sorted(KILLED))
def test_a_job_that_ends_between_a_suspension_and_its_pause_ended_by_itself(code: int) -> None:
    machine = JobMachine(a_record(State.RUNNING), lambda _: None, lambda: START, MOVES)
    exited = shown(Shown.EXITED, exit_code=code)
    machine.fire(Event.SUSPEND)
    machine.note(**reconcile(machine.record, shown(Shown.RUNNING), BOOT).changes)
    assert decided(machine.record, exited) is Event.EXITED
    machine.note(**reconcile(machine.record, shown(Shown.PAUSED), BOOT).changes)
    assert decided(machine.record, exited) is Event.CUT_OFF
    machine.fire(Event.RESUME)
    machine.note(**reconcile(machine.record, shown(Shown.PAUSED), BOOT).changes)
    assert decided(machine.record, exited) is Event.EXITED


def test_silence_before_there_is_a_container_teaches_nothing() -> None:
    for state in (*PREPARING, State.COLLECTING):
        assert reconcile(a_record(state), shown(Shown.UNKNOWN), BOOT).changes == {}


def test_silence_is_remembered_until_the_container_is_seen_again() -> None:
    silent = reconcile(RUN, shown(Shown.UNKNOWN), BOOT)
    assert (silent.act, silent.changes) == (Act.WAIT, {"engine_away": True})
    assert reconcile(AWAY, shown(Shown.UNKNOWN), BOOT).changes == {}
    assert reconcile(AWAY, shown(Shown.RUNNING), BOOT).changes == {"engine_away": False}


def test_the_boot_is_remembered_when_the_container_is_seen_and_not_before() -> None:
    assert "boot_id" not in reconcile(RUN, shown(Shown.UNKNOWN), NEXT_BOOT).changes
    seen = reconcile(RUN, shown(Shown.RUNNING), NEXT_BOOT)
    assert seen.changes == {"boot_id": "boot-2"}
    assert "boot_id" not in reconcile(RUN, shown(Shown.RUNNING), Boot()).changes


def test_a_foreign_container_is_told_in_words() -> None:
    verdict = reconcile(a_record(State.CREATE), shown(Shown.FOREIGN), BOOT)
    assert verdict.event is Event.FAILED
    assert NAME in verdict.note
    assert "does not belong to this job" in verdict.note


@given(RECORDS, SIGHTINGS, BOOTS)
def test_a_verdict_can_always_be_carried_out(
    record: Record, sighting: Sighting, boot: Boot
) -> None:
    verdict = reconcile(record, sighting, boot)
    assert (verdict.act is None) is not (verdict.event is None)
    machine = JobMachine(record, lambda _: None, lambda: START, MOVES)
    if verdict.event is None:
        machine.note(**verdict.changes)
        assert machine.state is record.state
    else:
        machine.fire(verdict.event, verdict.note, **verdict.changes)
        assert machine.state is target(record.state, verdict.event)


@given(RECORDS, SIGHTINGS, BOOTS)
def test_silence_never_brings_an_event(record: Record, sighting: Sighting, boot: Boot) -> None:
    silent = Sighting(Shown.UNKNOWN, sighting.id, sighting.exit_code)
    verdict = reconcile(record, silent, boot)
    assert verdict.act is (Act.LEAVE if record.state is State.DONE else Act.WAIT)
    assert verdict.changes.keys() <= {"engine_away"}


@given(RECORDS, SIGHTINGS, BOOTS)
def test_what_was_noted_need_not_be_noted_again(
    record: Record, sighting: Sighting, boot: Boot
) -> None:
    verdict = reconcile(record, sighting, boot)
    if verdict.act in (Act.WATCH, Act.REST, Act.PAUSE, Act.UNPAUSE, Act.WAIT, Act.REMOVE):
        machine = JobMachine(record, lambda _: None, lambda: START, MOVES)
        machine.note(**verdict.changes)
        again = reconcile(machine.record, sighting, boot)
        assert (again.act, again.changes) == (verdict.act, {})


@given(RECORDS, BOOTS)
def test_a_run_that_finished_by_itself_is_never_done_again(record: Record, boot: Boot) -> None:
    exited = Sighting(Shown.EXITED, "c9", 0, after(seconds=1), after(seconds=9))
    if boot.started_at is None or boot.started_at > after(seconds=9):
        verdict = reconcile(record, exited, boot)
        lost = (Event.LOST, Event.CUT_OFF, Event.CREATED)
        assert verdict.act not in (Act.REMOVE, Act.START)
        assert verdict.event not in lost


@given(RECORDS, SIGHTINGS, BOOTS)
def test_looking_until_nothing_moves_comes_to_an_end(
    record: Record, sighting: Sighting, boot: Boot
) -> None:
    """With one and the same sighting, at most the way create -> running -> create -> removal."""
    machine = JobMachine(record, lambda _: None, lambda: START + timedelta(seconds=1), MOVES)
    for _ in range(4):
        verdict = reconcile(machine.record, sighting, boot)
        if verdict.event is None:
            return
        machine.fire(verdict.event, verdict.note, **verdict.changes)
    raise AssertionError(f"still moving: {machine.record.history}")
