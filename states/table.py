"""The job's states, the events that move it, and the one table of what may follow what.

Everything else is derived from :data:`TABLE`: the machine, the diagram and the matrix in the docs,
and the test of every cell. It knows no container, no client and no clock; what is not in the table
is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Where a job stands. A state is saved before its step runs, so "create" means: may be half
    created.
    """

    DISCOVER_DISTRO = "discover_distro"
    ENSURE_IMAGE = "ensure_image"
    CREATE = "create"
    RUNNING = "running"
    PAUSED = "paused"
    COLLECTING = "collecting"
    DONE = "done"


class Event(Enum):
    """What happened to a job."""

    ENGINE_FOUND = "engine_found"
    ENGINE_LOST = "engine_lost"
    IMAGE_READY = "image_ready"
    IMAGE_LOST = "image_lost"
    CREATED = "created"
    SUSPEND = "suspend"
    RESUME = "resume"
    EXITED = "exited"
    LOST = "lost"
    CUT_OFF = "cut_off"
    RECOVERED_RUNNING = "recovered_running"
    RECOVERED_PAUSED = "recovered_paused"
    RECOVERED_EXITED = "recovered_exited"
    FAILED = "failed"
    ABORT = "abort"
    COLLECTED = "collected"


class Outcome(Enum):
    """How a job ended. ``ERROR``: it could not be run; ``JOB_FAILED``: it ran, and its exit
    code is not 0.
    """

    SUCCESS = "success"
    JOB_FAILED = "job_failed"
    ABORTED = "aborted"
    ERROR = "error"


class Row(NamedTuple):
    """One allowed change of state, and when it happens."""

    source: State
    event: Event
    target: State
    why: str


_DISCOVER, _IMAGE, _CREATE = State.DISCOVER_DISTRO, State.ENSURE_IMAGE, State.CREATE
_RUNNING, _PAUSED, _COLLECTING = State.RUNNING, State.PAUSED, State.COLLECTING

PREPARING = (_DISCOVER, _IMAGE, _CREATE)
"""No container of this record is known to stand yet."""

FOLLOWING = (_RUNNING, _PAUSED)
"""A container was created, and its run is being followed."""


def _rows(sources: Iterable[State], event: Event, target: State, why: str) -> tuple[Row, ...]:
    return tuple(Row(source, event, target, why) for source in sources)


TABLE: tuple[Row, ...] = (
    Row(_DISCOVER, Event.ENGINE_FOUND, _IMAGE, "an engine answers, and can pause a container"),
    *_rows((_IMAGE, _CREATE), Event.ENGINE_LOST, _DISCOVER,
           "the engine chosen is not there any more; a mere silence is waited for"),
    Row(_IMAGE, Event.IMAGE_READY, _CREATE, "the image exists"),
    Row(_CREATE, Event.IMAGE_LOST, _IMAGE, "the engine has no such image any more"),
    Row(_CREATE, Event.CREATED, _RUNNING, "the container exists, and has never run"),
    Row(_RUNNING, Event.SUSPEND, _PAUSED, "the client wants it paused"),
    Row(_PAUSED, Event.RESUME, _RUNNING, "the client wants it to run"),
    *_rows(FOLLOWING, Event.EXITED, _COLLECTING, "the job ended by itself"),
    *_rows(FOLLOWING, Event.LOST, _CREATE, "there is definitely no such container any more"),
    *_rows(FOLLOWING, Event.CUT_OFF, _CREATE,
           "the run was ended by a shutdown of the host or the engine, not by itself"),
    *_rows(PREPARING, Event.RECOVERED_RUNNING, _RUNNING,
           "a running container of this job stands, though the record does not know it"),
    *_rows(PREPARING, Event.RECOVERED_PAUSED, _PAUSED,
           "a paused container of this job stands, though the record does not know it"),
    *_rows(PREPARING, Event.RECOVERED_EXITED, _COLLECTING,
           "a container of this job that ended by itself stands, and the record does not know it"),
    *_rows(PREPARING + FOLLOWING, Event.FAILED, _COLLECTING,
           "it cannot be run, and waiting will not help"),
    *_rows(PREPARING + FOLLOWING, Event.ABORT, _COLLECTING,
           "the client wants it ended for good"),
    Row(_COLLECTING, Event.COLLECTED, State.DONE,
        "the finish file stands, and what had to be kept is out of the container"),
)

_TARGETS: Mapping[tuple[State, Event], State] = {
    (row.source, row.event): row.target for row in TABLE
}


def target(state: State, event: Event) -> State | None:
    """The state an event leads to; None where the table refuses it."""
    return _TARGETS.get((state, event))


class Refused(Exception):
    """An event came in a state that does not allow it: a mistake in the caller, never something
    to be ignored.
    """

    def __init__(self, state: State, event: Event) -> None:
        allowed = ", ".join(other.value for other in allowed_in(state)) or "nothing"
        super().__init__(
            f"the event {event.value} is not allowed in the state {state.value}; "
            f"allowed there: {allowed}"
        )
        self.state = state
        self.event = event


def allowed_in(state: State) -> tuple[Event, ...]:
    """The events a state allows, in the table's order."""
    return tuple(row.event for row in TABLE if row.source is state)
