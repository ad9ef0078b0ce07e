"""What the client's wishes mean: every cell of state x wish."""

from __future__ import annotations

import pytest

from states.table import Event, State, allowed_in
from wrapper.wishes import Answer, Wish, answer

EARLY = (State.DISCOVER_DISTRO, State.ENSURE_IMAGE, State.CREATE)
LATE = (State.COLLECTING, State.DONE)
MEANT = {
    **{(state, Wish.RUN): Answer.GO_ON for state in EARLY},
    **{(state, Wish.REST): Answer.HOLD for state in EARLY},
    **{(state, Wish.QUIT): Answer.LEAVE for state in EARLY},
    **{(state, Wish.ABORT): Event.ABORT for state in (*EARLY, State.RUNNING, State.PAUSED)},
    (State.RUNNING, Wish.RUN): Answer.GO_ON,
    (State.RUNNING, Wish.REST): Event.SUSPEND,
    (State.RUNNING, Wish.QUIT): Event.SUSPEND,
    (State.PAUSED, Wish.RUN): Event.RESUME,
    (State.PAUSED, Wish.REST): Answer.GO_ON,
    (State.PAUSED, Wish.QUIT): Answer.GO_ON,
    **{(state, wish): Answer.GO_ON for state in LATE for wish in Wish},
}


def test_the_matrix_is_whole() -> None:
    assert set(MEANT) == {(state, wish) for state in State for wish in Wish}


@pytest.mark.parametrize(("cell", "meant"), list(MEANT.items()), ids=str)
def test_a_wish_means_this(cell: tuple[State, Wish], meant: Event | Answer) -> None:
    assert answer(*cell) is meant


@pytest.mark.parametrize("cell", list(MEANT), ids=str)
def test_an_event_that_a_wish_makes_is_allowed_there(cell: tuple[State, Wish]) -> None:
    made = answer(*cell)
    assert not isinstance(made, Event) or made in allowed_in(cell[0])
