"""Facts about the table itself; what the machine makes of it is in test_machine."""

from __future__ import annotations

import pytest

from states.table import (
    FOLLOWING,
    PREPARING,
    TABLE,
    Event,
    Refused,
    Row,
    State,
    allowed_in,
    target,
)


def reachable(first: State) -> set[State]:
    found = {first}
    while True:
        more = {row.target for row in TABLE if row.source in found} - found
        if not more:
            return found
        found |= more


def test_no_cell_has_two_targets() -> None:
    cells = [(row.source, row.event) for row in TABLE]
    assert len(cells) == len(set(cells))


def test_rows_hold_nothing_but_states_and_events() -> None:
    for row in TABLE:
        assert isinstance(row, Row)
        assert (type(row.source), type(row.event), type(row.target)) == (State, Event, State)
        assert row.why


def test_every_event_is_used() -> None:
    assert {row.event for row in TABLE} == set(Event)


def test_every_state_can_be_reached_from_the_first() -> None:
    assert reachable(State.DISCOVER_DISTRO) == set(State)


@pytest.mark.parametrize("state", State)
def test_done_can_be_reached_from_every_state(state: State) -> None:
    assert State.DONE in reachable(state)


def test_done_is_left_by_nothing() -> None:
    assert allowed_in(State.DONE) == ()


def test_only_collecting_leads_to_done() -> None:
    assert {row.source for row in TABLE if row.target is State.DONE} == {State.COLLECTING}


@pytest.mark.parametrize("state", PREPARING + FOLLOWING)
@pytest.mark.parametrize("event", [Event.FAILED, Event.ABORT])
def test_failure_and_abort_are_possible_until_collecting(state: State, event: Event) -> None:
    assert target(state, event) is State.COLLECTING


def test_preparing_and_following_are_all_states_before_collecting() -> None:
    assert (*PREPARING, *FOLLOWING, State.COLLECTING, State.DONE) == tuple(State)


@pytest.mark.parametrize("member", [*State, *Event])
def test_values_are_the_names_in_lower_case(member: State | Event) -> None:
    assert member.value == member.name.lower()


def test_a_refusal_names_state_event_and_what_would_be_allowed() -> None:
    words = str(Refused(State.PAUSED, Event.CREATED))
    assert "created is not allowed in the state paused" in words
    assert "resume" in words
    assert "nothing" in str(Refused(State.DONE, Event.RESUME))
