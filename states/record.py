"""What is remembered about a job from one start of the wrapper to the next: plain frozen data, and
its JSON.

It holds what an engine cannot tell. It is written by `states.store`, read back by `states.schema`
(which checks it, and is loaded only for that), and changed by `states.machine` alone. It knows no
file and no clock.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

from states.table import Outcome, State

SCHEMA_VERSION = 1

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?"
    r"(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def rfc3339(at: datetime) -> str:
    """A moment as RFC 3339 text in UTC, to the millisecond: ``2026-11-29T11:47:00.250Z``.

    Raises:
        ValueError: the moment has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"a moment without a time zone: {at!r}")
    return at.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment(text: str) -> datetime:
    """The moment that an RFC 3339 text stands for, in UTC; digits beyond the microsecond are
    dropped.

    Raises:
        ValueError: it is not one.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"not a time as in RFC 3339: {text[:60]!r}")
    date, clock, digits, _, sign, hours, minutes = found.groups()
    at = datetime.fromisoformat(f"{date}T{clock}").replace(
        microsecond=int((digits or "0")[:6].ljust(6, "0")), tzinfo=timezone.utc
    )
    if sign is None:
        return at
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        return at - offset if sign == "+" else at + offset
    except OverflowError as error:
        raise ValueError(f"no such moment: {text!r}") from error


class Engine(NamedTuple):
    """The engine chosen: ``type`` is "docker" or "podman"; ``distro`` the WSL distro, where it
    lives in one.
    """

    type: str
    version: str = ""
    distro: str | None = None


class Image(NamedTuple):
    """The image; ``id`` is empty until it was seen."""

    name: str
    id: str = ""


class Container(NamedTuple):
    """The container; its name is known before it is created, ``id`` is empty until it was seen."""

    name: str
    id: str = ""


class Job(NamedTuple):
    """Whose job it is: the project's directory name, the workunit's and the result's name."""

    project: str
    workunit: str
    result: str


class Change(NamedTuple):
    """A line of the history. Plain words, for people: a line of a later version must not make a
    file unreadable.
    """

    at: str
    event: str
    source: str
    target: str
    note: str = ""


class Record(NamedTuple):
    """All that is remembered about a job. Times of the clock are RFC 3339 texts in UTC, times of
    CPU are in s.

    ``cpu_time`` is the CPU time of the whole job as last told to the client; ``cpu_time_before``
    the part of it that belongs to runs that were lost or cut off. ``boot_id`` is the boot of the
    engine's host in which the container was last seen, so it changes with a verdict of
    `states.reconcile`, and not because somebody started. ``run_started`` is the engine's StartedAt
    of the run that is followed; ``cut_off_id`` the container whose run was cut off, and which is
    to be removed. ``held``: it was seen paused, and nobody has let it go on since. ``engine_away``:
    the engine did not answer when last asked. ``temporary_exits``: how often in a row the wrapper
    left with a temporary exit. ``logged``: the job's log is in stderr already. ``graphics_port`` is
    the port on the host, ``web`` the address of it as told to the client.
    """

    state: State
    job: Job
    created_at: str
    updated_at: str
    schema_version: int = SCHEMA_VERSION
    outcome: Outcome | None = None
    error: str | None = None
    engine: Engine | None = None
    image: Image | None = None
    container: Container | None = None
    cpu_time: float = 0.0
    cpu_time_before: float = 0.0
    exit_code: int | None = None
    boot_id: str = ""
    wrapper_pid: int = 0
    run_started: str | None = None
    cut_off_id: str | None = None
    held: bool = False
    engine_away: bool = False
    temporary_exits: int = 0
    graphics_port: int | None = None
    web: str | None = None
    logged: bool = False
    history: tuple[Change, ...] = ()


def new_record(
    job: Job,
    at: datetime,
    *,
    boot_id: str = "",
    wrapper_pid: int = 0,
    image: Image | None = None,
    container: Container | None = None,
    note: str = "",
) -> Record:
    """The record of a job nothing is known about yet. A ``note`` opens the history: why there was
    no older record.

    Raises:
        ValueError: ``at`` has no time zone.
    """
    first = State.DISCOVER_DISTRO
    text = rfc3339(at)
    opening = (Change(text, "new_record", first.value, first.value, note),) if note else ()
    return Record(
        state=first,
        job=job,
        created_at=text,
        updated_at=text,
        boot_id=boot_id,
        wrapper_pid=wrapper_pid,
        image=image,
        container=container,
        history=opening,
    )


_KEYS = {"source": "from", "target": "to"}
"""What fields of a line of the history are called in the file."""


def to_json(record: Record) -> str:
    """The record as indented JSON, in ASCII. What UTF-8 cannot hold (a lone surrogate) is written
    as ``?``.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(_tree(record), indent=2, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
    """The record that :func:`to_json` wrote a moment ago; what lay in a file is first read and
    checked by `states.schema`.
    """
    tree = json.loads(text)
    history = [{name: line[_KEYS.get(name, name)] for name in Change._fields}
               for line in tree["history"]]
    made: dict[str, Any] = {
        "state": State(tree["state"]),
        "outcome": tree["outcome"] and Outcome(tree["outcome"]),
        "job": Job(**tree["job"]),
        "engine": tree["engine"] and Engine(**tree["engine"]),
        "image": tree["image"] and Image(**tree["image"]),
        "container": tree["container"] and Container(**tree["container"]),
        "history": tuple(Change(**line) for line in history),
    }
    return Record(**{**tree, **made})


def _tree(record: Record) -> dict[str, Any]:
    plain = {name: _plain(value) for name, value in record._asdict().items()}
    history = plain.pop("history")
    order = ("schema_version", "state", "outcome", "error")
    return {name: plain.pop(name) for name in order} | plain | {"history": history}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (State, Outcome)):
        return value.value
    if isinstance(value, Change):
        return {_KEYS.get(name, name): _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, (Engine, Image, Container, Job)):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
