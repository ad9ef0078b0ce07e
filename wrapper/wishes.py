"""What the client wants of the job right now, and what that means in each state. Pure."""

from __future__ import annotations

from enum import Enum

from states.table import Event, State


class Wish(Enum):
    """What is to become of the job, by the client's last word."""

    RUN = "run"
    REST = "rest"
    QUIT = "quit"
    ABORT = "abort"


class Answer(Enum):
    """What is done about a wish when it is not an event of the machine."""

    GO_ON = "go on"
    HOLD = "hold"
    LEAVE = "leave"


_EARLY = {State.DISCOVER_DISTRO, State.ENSURE_IMAGE, State.CREATE}


def answer(state: State, wish: Wish) -> Event | Answer:
    """What a wish means in a state.

    Before there is a container to pause, resting means to hold what goes on and quitting to leave
    it. A quit while the job runs is a pause first; the step of paused leaves when it rests. Once
    the job has ended nothing keeps us from collecting.
    """
    if state in (State.COLLECTING, State.DONE) or (state in _EARLY and wish is Wish.RUN):
        return Answer.GO_ON
    if wish is Wish.ABORT:
        return Event.ABORT
    if state in _EARLY:
        return Answer.HOLD if wish is Wish.REST else Answer.LEAVE
    if state is State.RUNNING:
        return Answer.GO_ON if wish is Wish.RUN else Event.SUSPEND
    return Event.RESUME if wish is Wish.RUN else Answer.GO_ON
