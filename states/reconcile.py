"""What to do, given what the record says and what the engine shows: a pure decision, taken after
every look.

The engine is the truth and the record is the memory, and between two looks anything may have died:
the wrapper, the client, the engine, the host. The decision that could lose finished work, or do it
twice, is `ending`: did the job end by itself, or was its run cut off? It knows nothing of how an
engine is asked, nor who carries the verdict out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

from states.record import Record, moment, rfc3339
from states.table import FOLLOWING, PREPARING, Event, State


class Shown(Enum):
    """What the engine shows under the container's name."""

    UNKNOWN = "unknown"
    """It did not answer, or not with certainty. Never taken for ABSENT."""
    ABSENT = "absent"
    """It says definitely that there is no such container."""
    FOREIGN = "foreign"
    """There is one, but it is not labelled as this job's."""
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


class Sighting(NamedTuple):
    """One look at the container. The times are the engine's; None where it gives none (or the
    year 1).
    """

    shown: Shown
    id: str = ""
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    oom_killed: bool = False


class Boot(NamedTuple):
    """The boot of the host that the engine lives on, when it was looked at; empty and None
    where nobody can say.
    """

    id: str = ""
    started_at: datetime | None = None


class Act(Enum):
    """What to do without leaving the state."""

    WAIT = "wait"
    """Nothing, and look again: what is true is not known."""
    PROCEED = "proceed"
    """The state's own step: no container is in its way."""
    REMOVE = "remove"
    """Remove the container that stands (by the id seen): it is of a run that was cut off."""
    START = "start"
    UNPAUSE = "unpause"
    PAUSE = "pause"
    WATCH = "watch"
    """It runs, as it should."""
    REST = "rest"
    """It does not run, as it should."""
    COLLECT = "collect"
    LEAVE = "leave"
    """All is done."""


class Verdict(NamedTuple):
    """What to do: exactly one of an act and an event.

    ``changes`` are the fields of the record that the sighting teaches, only those that differ from
    it: to be saved with the event, or before the act.
    """

    act: Act | None = None
    event: Event | None = None
    note: str = ""
    changes: Mapping[str, Any] = MappingProxyType({})


class Ending(Enum):
    """How a run ended: by itself, or by a shutdown of what it ran on."""

    FINISHED = "finished"
    CUT_OFF = "cut_off"


KILLED = frozenset({137, 143, 255})
"""Exit codes of a container whose engine or host was shut down: SIGKILL, SIGTERM, and Docker's
"found dead after a boot". A job can end with them by itself as well, so they never decide alone
as long as the same boot lasts.
"""


def reconcile(record: Record, sighting: Sighting, boot: Boot) -> Verdict:
    """What to do about a job whose container looks like this. Total: it has an answer for every
    record and sighting.
    """
    return _without_known(record, _verdict(record, sighting, boot))


def ending(record: Record, sighting: Sighting, boot: Boot) -> Ending:
    """Whether a container that is shown as exited ended by itself. The first row that fits decides.

    | what is known | ending |
    |---|---|
    | the kernel killed it for its memory | finished |
    | no exit code is known | cut off |
    | 137, 143 or 255, and the host was booted since | cut off |
    | 137, 143 or 255, and it was held: what is frozen cannot end by itself | cut off |
    | 137, 143 or 255, and the engine was away: stopped, with its containers | cut off |
    | 137, 143 or 255 otherwise: the job's own affair | finished |
    | any other code; booted since; ended after that boot: found dead by it | cut off |
    | any other code | finished |
    """
    if sighting.oom_killed:
        return Ending.FINISHED
    if sighting.exit_code is None:
        return Ending.CUT_OFF
    booted = _booted_since(record, sighting, boot)
    if sighting.exit_code in KILLED:
        cut_off = booted or record.held or record.engine_away
    else:
        cut_off = booted and _spans_boot(record, sighting, boot)
    return Ending.CUT_OFF if cut_off else Ending.FINISHED


def _booted_since(record: Record, sighting: Sighting, boot: Boot) -> bool:
    """Whether the host was booted since the container was seen, or, where it never was, since it
    was started.

    The id decides where there is one: a clock may jump within a boot.
    """
    if record.state in FOLLOWING and record.boot_id and boot.id:
        return record.boot_id != boot.id
    return _before(sighting.started_at, boot.started_at)


def _spans_boot(record: Record, sighting: Sighting, boot: Boot) -> bool:
    """Whether the run began before the boot and is said to have ended after it, which no run
    can.
    """
    return _before(_began(record, sighting), boot.started_at) and not _before(
        sighting.finished_at, boot.started_at, unknown=True
    )


def _began(record: Record, sighting: Sighting) -> datetime | None:
    if sighting.started_at is not None or record.run_started is None:
        return sighting.started_at
    return moment(record.run_started)


def _before(at: datetime | None, limit: datetime | None, *, unknown: bool = False) -> bool:
    return unknown if at is None or limit is None else at < limit


def _verdict(record: Record, sighting: Sighting, boot: Boot) -> Verdict:
    if record.state is State.DONE:
        return Verdict(Act.LEAVE)
    if sighting.shown is Shown.UNKNOWN:
        away = {"engine_away": True} if record.state in FOLLOWING else {}
        return Verdict(Act.WAIT, note="the engine does not say how the container is", changes=away)
    if record.state is State.COLLECTING:
        return Verdict(Act.COLLECT)
    if sighting.shown is Shown.FOREIGN:
        return Verdict(event=Event.FAILED, note=_foreign(record))
    if record.state in PREPARING:
        return _preparing(record, sighting, boot)
    return _following(record, sighting, boot)


def _preparing(record: Record, sighting: Sighting, boot: Boot) -> Verdict:
    """The record knows of no container: one that stands was made by an earlier wrapper, whose
    record is lost, or is of a run that was cut off.
    """
    seen = _seen(record, sighting, boot)
    if sighting.shown is Shown.ABSENT:
        return Verdict(Act.PROCEED)
    if sighting.shown is Shown.RUNNING:
        return Verdict(event=Event.RECOVERED_RUNNING, note="it runs already", changes=seen)
    if sighting.shown is Shown.PAUSED:
        return Verdict(event=Event.RECOVERED_PAUSED, note="it is paused already", changes=seen)
    if _is_remainder(record, sighting, boot):
        remainder = {"cut_off_id": sighting.id} if sighting.id else {}
        removal = Verdict(Act.REMOVE, note="its run was cut off", changes=remainder)
        return _in_create(record, removal)
    if sighting.shown is Shown.CREATED:
        return _in_create(record, Verdict(event=Event.CREATED, changes=seen))
    finished = {**seen, "exit_code": sighting.exit_code}
    return Verdict(event=Event.RECOVERED_EXITED, note=_how(sighting), changes=finished)


def _in_create(record: Record, verdict: Verdict) -> Verdict:
    """What only the state "create" does with a container that does not run; the states before
    pass it by.
    """
    return verdict if record.state is State.CREATE else Verdict(Act.PROCEED)


def _is_remainder(record: Record, sighting: Sighting, boot: Boot) -> bool:
    """Whether a container that does not run is what is left of a run that was cut off.

    After a boot Podman shows as "created" what has run; then at most the time of its start gives
    it away.
    """
    if sighting.id and sighting.id == record.cut_off_id:
        return True
    if sighting.shown is Shown.CREATED:
        return sighting.started_at is not None
    return ending(record, sighting, boot) is Ending.CUT_OFF


def _following(record: Record, sighting: Sighting, boot: Boot) -> Verdict:
    seen = _seen(record, sighting, boot)
    if sighting.shown is Shown.ABSENT:
        return Verdict(event=Event.LOST, note="the engine says that there is no such container")
    if sighting.shown is Shown.EXITED:
        return _exited(record, sighting, boot, seen)
    wanted = record.state is State.RUNNING
    if sighting.shown is Shown.CREATED:
        if _began(record, sighting) is not None:
            return _cut_off(sighting, seen, "it ran, and is shown as if it had not")
        return Verdict(Act.START, changes={**seen, "held": False}) if wanted else Verdict(Act.REST)
    if sighting.shown is Shown.RUNNING:
        act = Act.WATCH if wanted else Act.PAUSE
    else:
        act = Act.UNPAUSE if wanted else Act.REST
    # One that is to be paused may end by itself before it is, and one that is to go on right after.
    return Verdict(act, changes={**seen, "held": act is Act.REST, "engine_away": False})


def _exited(
    record: Record, sighting: Sighting, boot: Boot, seen: Mapping[str, Any]
) -> Verdict:
    if ending(record, sighting, boot) is Ending.CUT_OFF:
        return _cut_off(sighting, seen, f"{_how(sighting)}, and not by itself")
    finished = {**seen, "exit_code": sighting.exit_code}
    return Verdict(event=Event.EXITED, note=_how(sighting), changes=finished)


def _cut_off(sighting: Sighting, seen: Mapping[str, Any], note: str) -> Verdict:
    remainder = {"cut_off_id": sighting.id} if sighting.id else {}
    kept = {name: value for name, value in seen.items() if name != "run_started"}
    return Verdict(event=Event.CUT_OFF, note=note, changes={**kept, **remainder})


def _seen(record: Record, sighting: Sighting, boot: Boot) -> dict[str, Any]:
    """What a look at a container that is there says about it."""
    seen: dict[str, Any] = {}
    if boot.id:
        seen["boot_id"] = boot.id
    if sighting.id and record.container is not None:
        seen["container"] = record.container._replace(id=sighting.id)
    if sighting.started_at is not None:
        seen["run_started"] = rfc3339(sighting.started_at)
    return seen


def _without_known(record: Record, verdict: Verdict) -> Verdict:
    """Leave out of an act's changes what the record says already: then nothing need be written."""
    if verdict.act is None:
        return verdict
    new = {name: value for name, value in verdict.changes.items() if getattr(record, name) != value}
    return verdict._replace(changes=new)


def _how(sighting: Sighting) -> str:
    memory = ", killed for its memory" if sighting.oom_killed else ""
    return f"it ended with exit code {sighting.exit_code}{memory}"


def _foreign(record: Record) -> str:
    name = record.container.name if record.container else "of this job's name"
    return (
        f"a container {name} exists already and does not belong to this job "
        "(it has no label of this wrapper, or another job's); remove it if nobody needs it"
    )
