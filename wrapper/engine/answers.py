"""What Docker and Podman answer, made into values: pure functions from the JSON of their CLIs to
named tuples.

Knows the two engines' words for the same things (`docker inspect`, `podman inspect`, `info`, `ps`).
Asks nobody anything; an answer that does not make sense is a ValueError, and it is the asker who
says what follows from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple


class EngineKind(Enum):
    """Whose CLI it is."""

    DOCKER = "docker"
    PODMAN = "podman"

    @property
    def title(self) -> str:
        """Its name for a person."""
        return self.value.capitalize()


class Status(Enum):
    """What a container is doing, in words both engines share.

    BUSY is a moment between two of the others (restarting, removing, stopping): ask again.
    """

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"
    BUSY = "busy"


# Podman: configured and initialized were never started; stopped has ended, with its exit code
# known, and is exited as soon as it is cleaned up (or for good, where the cleanup was killed).
# Docker: dead could not be removed wholly.
_STATUS = {
    "created": Status.CREATED, "configured": Status.CREATED, "initialized": Status.CREATED,
    "running": Status.RUNNING, "paused": Status.PAUSED,
    "exited": Status.EXITED, "stopped": Status.EXITED, "dead": Status.EXITED,
    "restarting": Status.BUSY, "removing": Status.BUSY, "stopping": Status.BUSY,
}


class Container(NamedTuple):
    """A container that exists.

    ``exit_code`` is that of a container that has ended (None: not ended, or the engine does not
    know it: Podman says -1 where its monitor was killed). ``pid`` is that of its first process, on
    the engine's host, while it runs; ``monitor`` is Podman's process that waits for its end, and
    alone can tell of it. ``ports`` maps a TCP port inside to the port of the host it is, or will
    be, reached at.
    """

    id: str
    name: str
    status: Status
    exit_code: int | None = None
    pid: int | None = None
    monitor: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    oom_killed: bool = False
    error: str = ""
    labels: Mapping[str, str] = MappingProxyType({})
    image_id: str = ""
    ports: Mapping[int, int] = MappingProxyType({})


class Absent:
    """The engine answered, and there is definitely no such thing."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Absent)

    def __hash__(self) -> int:
        return hash(Absent)


class Unknown(NamedTuple):
    """The engine did not answer, or not sensibly: nothing follows from it. ``words`` is what was
    said, for a person.
    """

    words: str


class Image(NamedTuple):
    """An image that exists; its id without the `sha256:` that Docker writes in front."""

    id: str
    labels: Mapping[str, str] = MappingProxyType({})


class Checkup(NamedTuple):
    """Whether an engine answers and what it can do.

    ``ncpus`` is how many processors its host has (None: not told). ``words`` is what was said back
    where it does not answer, or why it cannot pause. ``missing``: there is no such program, so
    nothing can be in its hands.
    """

    answers: bool
    version: str = ""
    can_pause: bool = False
    rootless: bool = False
    ncpus: int | None = None
    words: str = ""
    missing: bool = False


def read_inspect(said: bytes) -> Container:
    """The container in the answer of `inspect --type container`, of both engines.

    Raises:
        ValueError: the answer is not JSON, or not that of exactly one container.
    """
    one = _only(said)
    state = _part(one, "State")
    word = str(state.get("Status", "")).lower()
    if word not in _STATUS:
        raise ValueError(f"a container's status {word!r} is unknown")
    status = _STATUS[word]
    config = _part(one, "Config", must=False)
    return Container(
        id=_text(one, "Id"), name=_text(one, "Name").removeprefix("/"), status=status,
        exit_code=_exit_code(state) if status is Status.EXITED else None,
        pid=_positive(state.get("Pid")), monitor=_positive(state.get("ConmonPid")),
        started_at=read_time(state.get("StartedAt")),
        finished_at=read_time(state.get("FinishedAt")),
        oom_killed=state.get("OOMKilled") is True, error=str(state.get("Error") or ""),
        labels=_labels(config.get("Labels")), image_id=_bare_id(str(one.get("Image", ""))),
        ports=_ports(one),
    )


def read_image(said: bytes) -> Image:
    """The image in the answer of `image inspect`, of both engines.

    Raises:
        ValueError: the answer is not JSON, or not that of exactly one image.
    """
    one = _only(said)
    config = _part(one, "Config", must=False)
    return Image(_bare_id(_text(one, "Id")), _labels(config.get("Labels")))


def read_created(said: bytes) -> datetime | None:
    """When a network was made, from the answer of `network inspect`.

    Raises:
        ValueError: the answer is not JSON, or not that of exactly one network.
    """
    return read_time(_only(said).get("Created"))


def read_checkup(said: bytes, kind: EngineKind) -> Checkup:
    """What `docker info --format '{{json .}}'` or `podman info --format json` tells.

    Raises:
        ValueError: the answer is not JSON, or not of this engine.
    """
    whole = _object(_parsed(said))
    return _docker_checkup(whole) if kind is EngineKind.DOCKER else _podman_checkup(whole)


def read_names(said: bytes, kind: EngineKind) -> frozenset[str]:
    """The names in the answer of `ps --all`: JSON, a line for each container (Docker) or one list
    (Podman).

    Raises:
        ValueError: the answer is not JSON, or not that of `ps`.
    """
    names: set[str] = set()
    for entry in read_rows(said, kind):
        told = entry.get("Names")
        if isinstance(told, str):
            told = told.split(",")
        if not isinstance(told, list):
            raise ValueError("a container without names is listed")
        names.update(str(name).removeprefix("/") for name in told)
    return frozenset(names)


def read_rows(said: bytes, kind: EngineKind) -> list[Mapping[str, Any]]:
    """The rows of a listing: Docker prints an object a line (none: nothing at all), Podman one
    list.

    Raises:
        ValueError: the answer is not JSON of that shape.
    """
    if kind is EngineKind.DOCKER:
        return [_object(_parsed(line)) for line in said.splitlines() if line.strip()]
    # `null` is what some versions of Podman print for an empty list.
    rows = _parsed(said)
    if rows is None:
        return []
    if not isinstance(rows, list):
        raise ValueError("not a list")
    return [_object(row) for row in rows]


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$"
)


def read_time(said: object) -> datetime | None:
    """A time of RFC 3339, with up to nine digits of a second; None for none, which both engines
    write as the year 1.

    Raises:
        ValueError: it is not a time.
    """
    if said is None or said == "":
        return None
    found = _TIME.match(str(said))
    if not found:
        raise ValueError(f"{said!r:.60} is not a time")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if year <= 1:
        return None
    micro = int((found[7] or "0").ljust(6, "0")[:6])
    zone = timezone.utc if found[8] == "Z" else _zone(found[8])
    return datetime(year, month, day, hour, minute, second, micro, zone).astimezone(timezone.utc)


def _zone(said: str) -> timezone:
    offset = timedelta(hours=int(said[1:3]), minutes=int(said[4:6]))
    return timezone(-offset if said[0] == "-" else offset)


def _docker_checkup(whole: Mapping[str, Any]) -> Checkup:
    errors = whole.get("ServerErrors")
    if errors:
        return Checkup(False, words="\n".join(str(one) for one in _list(errors)))
    version = whole.get("ServerVersion")
    if not isinstance(version, str) or not version:
        if "host" in whole:
            return Checkup(False, words="the docker command here is Podman's")
        raise ValueError("no ServerVersion in what docker info said")
    options = _list(whole.get("SecurityOptions"))
    rootless = any("name=rootless" in str(option) for option in options)
    cgroup = str(whole.get("CgroupVersion", ""))
    return _able(version, rootless, "2" in cgroup, _positive(whole.get("NCPU")))


def _podman_checkup(whole: Mapping[str, Any]) -> Checkup:
    host = _part(whole, "host")
    version = _text(_part(whole, "version"), "Version")
    rootless = _part(host, "security", must=False).get("rootless") is True
    cgroup = str(host.get("cgroupVersion", ""))
    return _able(version, rootless, "2" in cgroup, _positive(host.get("cpus")))


def _able(version: str, rootless: bool, cgroup2: bool, ncpus: int | None) -> Checkup:
    can_pause = cgroup2 or not rootless
    words = "" if can_pause else "it runs rootless under cgroup v1, where nothing can be paused"
    return Checkup(True, version, can_pause, rootless, ncpus, words)


def _exit_code(state: Mapping[str, Any]) -> int | None:
    code = state.get("ExitCode")
    if isinstance(code, bool) or not isinstance(code, int):
        raise ValueError("a container has ended without an exit code")
    return code if code >= 0 else None


def _ports(one: Mapping[str, Any]) -> dict[int, int]:
    """TCP ports: those in use while it runs, else those asked for."""
    asked = _part(_part(one, "HostConfig", must=False), "PortBindings", must=False)
    in_use = _part(_part(one, "NetworkSettings", must=False), "Ports", must=False)
    ports: dict[int, int] = {}
    for bindings in (asked, in_use):
        for inside, places in bindings.items():
            number, _, protocol = inside.partition("/")
            for place in _list(places):
                outside = str(_object(place).get("HostPort", ""))
                # Port 0 is one that the engine has yet to choose.
                if protocol == "tcp" and outside.isdigit() and int(outside):
                    ports[int(number)] = int(outside)
    return ports


def _parsed(said: bytes) -> Any:
    try:
        return json.loads(said)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {said[:80]!r}") from error


def _only(said: bytes) -> Mapping[str, Any]:
    whole = _parsed(said)
    if not isinstance(whole, list) or len(whole) != 1:
        raise ValueError("not the list of one that inspect gives")
    return _object(whole[0])


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a JSON object where one was expected")
    return value


def _part(whole: Mapping[str, Any], key: str, must: bool = True) -> Mapping[str, Any]:
    value = whole.get(key)
    return {} if value is None and not must else _object(value)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError("not a JSON list where one was expected")
    return value


def _text(whole: Mapping[str, Any], key: str) -> str:
    value = whole.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"no {key} where one was expected")
    return value


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _labels(value: Any) -> dict[str, str]:
    return {str(key): str(text) for key, text in _object(value or {}).items()}


def _bare_id(said: str) -> str:
    return said.removeprefix("sha256:")
