"""The job as a machine: an event comes, the next record is written, and only then the job is in
the next state.

It goes where `transitions` went with the same table (`states.moves`). It decides what an event
means for the record's other fields (`consequences`), and knows neither where a record is written
nor what time it is: both are given.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from states.moves import Moves
from states.record import Change, Container, Record, rfc3339
from states.table import Event, Outcome, Refused, State

HISTORY_KEPT = 50
HISTORY_FIRST = 5
NOTE_LIMIT = 500
"""Characters of a note that are kept in the history."""
ERROR_LIMIT = 8000
"""Characters of ``error`` that are kept."""

_FRESH_RUN: dict[str, Any] = {
    "run_started": None,
    "exit_code": None,
    "held": False,
    "engine_away": False,
    "graphics_port": None,
    "web": None,
}


_RESERVED = frozenset({"schema_version", "state", "job", "history", "created_at", "updated_at"})


class JobMachine:
    """A job, its record, and the only way to change either.

    Args:
        record: where to go on from; no step is run by that.
        save: writes a record to disk. Whatever it raises comes out of :meth:`fire` and
            :meth:`note`, and leaves state and record as they were.
        now: the time of day, with its time zone.
        moves: where each event leads.
    """

    def __init__(
        self, record: Record, save: Callable[[Record], None], now: Callable[[], datetime],
        moves: Moves,
    ) -> None:
        self._record = record
        self._save = save
        self._now = now
        self._moves = moves

    @property
    def state(self) -> State:
        """Where the job stands: what is on disk."""
        return self._record.state

    @property
    def now(self) -> datetime:
        """The time of day."""
        return self._now()

    @property
    def record(self) -> Record:
        """The record that was last saved."""
        return self._record

    def fire(self, event: Event, note: str = "", **changes: Any) -> None:
        """Move the job: save the next record, then be in its state.

        ``changes`` are fields of the record; they are set together with the state, and prevail
        over what the event brings by itself (see :func:`consequences`).

        Raises:
            Refused: the table does not allow it. Nothing was saved.
        """
        target = self._moves.get((self.state, event))
        if target is None:
            raise Refused(self.state, event)
        at = rfc3339(self._now())
        self._keep(following(self._record, event, target, at, note, changes))

    def note(self, **changes: Any) -> None:
        """Stay in this state and save fields that changed; what changes nothing is not written.

        Raises:
            TypeError: a field is given that only an event may change, or that does not exist.
        """
        changed = _changed(self._record, changes)
        if changed != self._record:
            self._keep(changed._replace(updated_at=rfc3339(self._now())))

    def _keep(self, record: Record) -> None:
        self._save(record)
        self._record = record


def following(
    record: Record, event: Event, target: State, at: str, note: str, changes: dict[str, Any]
) -> Record:
    """The record after an event that leads to ``target`` and happens at ``at``."""
    line = Change(at, event.value, record.state.value, target.value, _short(note, NOTE_LIMIT))
    given = {**consequences(record, event, note, changes), **changes}
    history = _bounded_history(record.history, line)
    return _changed(record, given)._replace(state=target, updated_at=at, history=history)


def consequences(
    record: Record, event: Event, note: str, changes: dict[str, Any]
) -> dict[str, Any]:
    """What an event brings for the record's other fields, where the caller gives nothing else.

    A run that is over hands its CPU time to ``cpu_time_before``; one that was cut off leaves its
    container's id to be removed. Whatever leads to collecting sets the outcome, and a failure its
    words.
    """
    used = changes.get("cpu_time", record.cpu_time)
    over: dict[str, Any] = {**_FRESH_RUN, "cpu_time_before": used}
    if event is Event.CUT_OFF:
        return {**over, "cut_off_id": record.container.id or None if record.container else None}
    if event is Event.LOST:
        gone = Container(record.container.name) if record.container else None
        return {**over, "cut_off_id": None, "container": gone}
    if event is Event.RESUME:
        return {"held": False}
    if event in (Event.CREATED, Event.RECOVERED_RUNNING):
        return {"cut_off_id": None}
    if event is Event.RECOVERED_PAUSED:
        return {"cut_off_id": None, "held": True}
    return _ending(record, event, note, changes)


def _ending(record: Record, event: Event, note: str, changes: dict[str, Any]) -> dict[str, Any]:
    if event in (Event.EXITED, Event.RECOVERED_EXITED):
        code = changes.get("exit_code", record.exit_code)
        return {"outcome": Outcome.SUCCESS if code == 0 else Outcome.JOB_FAILED}
    if event is Event.ABORT:
        return {"outcome": Outcome.ABORTED}
    if event is Event.FAILED:
        return {"outcome": Outcome.ERROR, "error": note or None}
    return {}


def _bounded_history(history: tuple[Change, ...], line: Change) -> tuple[Change, ...]:
    """The first few tell how it began, the last ones how it goes; a CPU limit can make
    thousands in between.
    """
    longer = (*history, line)
    if len(longer) <= HISTORY_KEPT:
        return longer
    return longer[:HISTORY_FIRST] + longer[HISTORY_FIRST - HISTORY_KEPT :]


def _changed(record: Record, changes: dict[str, Any]) -> Record:
    """The record with other values; of an error only what is kept.

    Raises:
        TypeError: a field is the machine's own to change, or does not exist.
    """
    if reserved := _RESERVED & changes.keys():
        raise TypeError(f"only an event may change {', '.join(sorted(reserved))}")
    if unknown := changes.keys() - set(Record._fields):
        raise TypeError(f"no field of a record: {', '.join(sorted(unknown))}")
    error = changes.get("error")
    if isinstance(error, str):
        changes = {**changes, "error": _short(error, ERROR_LIMIT)}
    return record._replace(**changes)


def _short(text: str, limit: int) -> str:
    """At most ``limit`` characters: the beginning and the end, where engines put what matters."""
    if len(text) <= limit:
        return text
    half = (limit - 7) // 2
    return f"{text[:half]} [...] {text[-half:]}"
