"""Facts about the machine: what it refuses, and what is written before anything changes."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from states.machine import ERROR_LIMIT, HISTORY_FIRST, HISTORY_KEPT, NOTE_LIMIT, JobMachine
from states.record import Container, Record, rfc3339
from states.table import TABLE, Event, Outcome, Refused, State, target
from tests.unit.states.records import JOB, MOVES, NAME, START, a_record, after, fresh

CELLS = [(state, event) for state in State for event in Event]
ROOT = Path(__file__).parents[3]


class Diary:
    """Keeps what was saved; can refuse to."""

    def __init__(self) -> None:
        self.saved: list[Record] = []
        self.full = False

    def save(self, record: Record) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.saved.append(record)


class Clock:
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def machine_at(record: Record) -> tuple[JobMachine, Diary]:
    diary = Diary()
    return JobMachine(record, diary.save, Clock().now, MOVES), diary


def fired(record: Record, event: Event, note: str = "", **changes: Any) -> Record:
    machine, _ = machine_at(record)
    machine.fire(event, note, **changes)
    return machine.record


@pytest.mark.parametrize(("state", "event"), CELLS)
def test_a_cell_of_the_matrix_lands_as_the_table_says_or_is_refused(
    state: State, event: Event
) -> None:
    machine, diary = machine_at(a_record(state))
    landing = target(state, event)
    if landing is None:
        with pytest.raises(Refused) as refused:
            machine.fire(event)
        assert (refused.value.state, refused.value.event) == (state, event)
        assert diary.saved == []
        assert (machine.state, machine.record) == (state, a_record(state))
    else:
        machine.fire(event)
        assert machine.state is landing
        assert diary.saved == [machine.record]
        assert machine.record.state is landing


@pytest.mark.parametrize("state", State)
def test_a_machine_goes_on_where_the_record_stands_without_writing(state: State) -> None:
    machine, diary = machine_at(a_record(state))
    assert machine.state is state
    assert diary.saved == []


def test_the_next_state_is_on_disk_before_the_machine_is_in_it() -> None:
    seen: list[tuple[State, State]] = []
    machine = JobMachine(
        fresh(), lambda record: seen.append((machine.state, record.state)), Clock().now, MOVES
    )
    machine.fire(Event.ENGINE_FOUND)
    assert seen == [(State.DISCOVER_DISTRO, State.ENSURE_IMAGE)]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.source.value}-{row.event.value}")
def test_what_cannot_be_saved_does_not_happen(row: Any) -> None:
    before = a_record(row.source)
    machine, diary = machine_at(before)
    diary.full = True
    with pytest.raises(OSError, match="no space"):
        machine.fire(row.event, exit_code=7)
    assert (machine.state, machine.record) == (row.source, before)
    diary.full = False
    machine.fire(row.event)
    assert machine.state is row.target


def test_a_note_that_cannot_be_saved_is_not_remembered() -> None:
    machine, diary = machine_at(fresh())
    diary.full = True
    with pytest.raises(OSError, match="no space"):
        machine.note(cpu_time=3.0)
    assert machine.record == fresh()


def test_a_note_changes_fields_and_the_time_and_nothing_else() -> None:
    machine, diary = machine_at(fresh())
    machine.note(cpu_time=3.0, wrapper_pid=5)
    assert diary.saved == [machine.record]
    assert (machine.record.cpu_time, machine.record.wrapper_pid) == (3.0, 5)
    assert machine.record.updated_at == rfc3339(after(seconds=1))
    assert (machine.state, machine.record.history) == (State.DISCOVER_DISTRO, ())


def test_a_note_that_changes_nothing_is_not_written() -> None:
    machine, diary = machine_at(fresh())
    machine.note(wrapper_pid=fresh().wrapper_pid)
    machine.note()
    assert diary.saved == []


def test_a_field_that_does_not_exist_is_refused() -> None:
    machine, diary = machine_at(fresh())
    with pytest.raises(TypeError):
        machine.note(cpu_tome=1.0)
    with pytest.raises(TypeError):
        machine.fire(Event.ENGINE_FOUND, cpu_tome=1.0)
    assert (diary.saved, machine.state) == ([], State.DISCOVER_DISTRO)


@pytest.mark.parametrize("name", ["state", "history", "updated_at"])
def test_what_the_machine_writes_itself_cannot_be_given(name: str) -> None:
    machine, diary = machine_at(fresh())
    changes: dict[str, Any] = {name: None}
    with pytest.raises(TypeError):
        machine.fire(Event.ENGINE_FOUND, **changes)
    assert diary.saved == []


@pytest.mark.parametrize("name", ["state", "history", "updated_at"])
def test_a_note_cannot_move_the_job(name: str) -> None:
    machine, diary = machine_at(fresh())
    with pytest.raises(TypeError):
        machine.note(**{name: None})
    assert diary.saved == []


def test_the_history_tells_what_happened_and_when() -> None:
    line = fired(fresh(), Event.ENGINE_FOUND, "podman 4.3.1").history[-1]
    assert (line.event, line.source, line.target, line.note) == (
        "engine_found", "discover_distro", "ensure_image", "podman 4.3.1",
    )
    assert line.at == rfc3339(after(seconds=1))


def test_the_history_keeps_how_it_began_and_how_it_goes() -> None:
    machine, _ = machine_at(a_record(State.RUNNING))
    for number in range(100):
        event = Event.SUSPEND if machine.state is State.RUNNING else Event.RESUME
        machine.fire(event, str(number))
    kept = [line.note for line in machine.record.history]
    assert len(kept) == HISTORY_KEPT
    begin = [str(number) for number in range(HISTORY_FIRST)]
    assert kept == begin + [str(n) for n in range(100 - HISTORY_KEPT + HISTORY_FIRST, 100)]


def test_long_words_are_cut_in_the_middle() -> None:
    words = "b" * 100_000 + "e"
    record = fired(fresh(), Event.FAILED, words)
    assert record.error is not None
    for text, limit in ((record.history[-1].note, NOTE_LIMIT), (record.error, ERROR_LIMIT)):
        assert limit - 2 <= len(text) <= limit
        assert (text[0], text[-1]) == ("b", "e")


def test_an_exit_brings_the_outcome() -> None:
    running = a_record(State.RUNNING)
    assert fired(running, Event.EXITED, exit_code=0).outcome is Outcome.SUCCESS
    assert fired(running, Event.EXITED, exit_code=3).outcome is Outcome.JOB_FAILED
    assert fired(running, Event.EXITED, exit_code=None).outcome is Outcome.JOB_FAILED
    assert fired(fresh(), Event.RECOVERED_EXITED, exit_code=0).outcome is Outcome.SUCCESS


def test_a_failure_brings_its_words() -> None:
    failed = fired(fresh(), Event.FAILED, "no engine")
    assert (failed.outcome, failed.error) == (Outcome.ERROR, "no engine")


def test_given_changes_prevail() -> None:
    failed = fired(fresh(), Event.FAILED, "short", error="at length", outcome=Outcome.JOB_FAILED)
    assert (failed.outcome, failed.error) == (Outcome.JOB_FAILED, "at length")


def test_an_abort_brings_its_outcome() -> None:
    assert fired(fresh(), Event.ABORT).outcome is Outcome.ABORTED


def test_a_suspended_job_is_not_held_before_it_is_seen_paused_nor_once_it_may_go_on() -> None:
    assert not fired(a_record(State.RUNNING), Event.SUSPEND).held
    assert not fired(a_record(State.PAUSED, held=True), Event.RESUME).held


@pytest.mark.parametrize("event", [Event.LOST, Event.CUT_OFF])
def test_a_run_that_is_over_hands_on_its_cpu_time_and_nothing_else(event: Event) -> None:
    paused = a_record(
        State.PAUSED, cpu_time=12.5, engine_away=True, graphics_port=5000, web="http://x"
    )
    again = fired(paused, event)
    assert again.state is State.CREATE
    assert (again.cpu_time, again.cpu_time_before) == (12.5, 12.5)
    assert fired(paused, event, cpu_time=13.5).cpu_time_before == 13.5
    assert (again.run_started, again.held, again.engine_away) == (None, False, False)
    assert (again.graphics_port, again.web) == (None, None)


def test_a_run_that_was_cut_off_leaves_its_container_to_be_removed() -> None:
    record = fired(a_record(State.RUNNING), Event.CUT_OFF)
    assert (record.cut_off_id, record.container) == ("c1", Container(NAME, "c1"))


def test_a_container_that_is_lost_leaves_its_name() -> None:
    record = fired(a_record(State.RUNNING), Event.LOST)
    assert (record.cut_off_id, record.container) == (None, Container(NAME))


@pytest.mark.parametrize(
    "event", [Event.CREATED, Event.RECOVERED_RUNNING, Event.RECOVERED_PAUSED]
)
def test_a_container_that_stands_ends_the_memory_of_the_one_cut_off(event: Event) -> None:
    assert fired(a_record(State.CREATE, cut_off_id="c0"), event).cut_off_id is None


def test_no_public_class_gets_names_of_the_library() -> None:
    machine, _ = machine_at(fresh())
    public = {name for name in dir(machine) if not name.startswith("_")}
    assert public == {"now", "state", "record", "fire", "note"}


def test_the_resident_modules_load_nothing_heavy() -> None:
    program = (
        "import sys, states.machine, states.store, states.reconcile, states.record\n"
        "heavy = {'pydantic', 'pydantic_core', 'transitions.extensions', 'tomli', 'argparse',"
        " 'asyncio', 'xml', 'states.schema', 'states.diagram'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_whole_life_is_written_step_by_step() -> None:
    machine, diary = machine_at(fresh())
    for event in (
        Event.ENGINE_FOUND, Event.IMAGE_READY, Event.CREATED, Event.SUSPEND, Event.RESUME,
        Event.EXITED, Event.COLLECTED,
    ):
        changes: dict[str, Any] = {"exit_code": 0} if event is Event.EXITED else {}
        machine.fire(event, **changes)
    assert [record.state.value for record in diary.saved] == [
        "ensure_image", "create", "running", "paused", "running", "collecting", "done",
    ]
    assert machine.record.outcome is Outcome.SUCCESS
    assert machine.record.job == JOB
