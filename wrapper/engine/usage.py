"""What a container's processes use: CPU time and memory, from its cgroup's own files, which are
exact.

Knows both versions of cgroups, mixed too. Where a container is, is read from /proc and never
guessed: managers nest (Podman's `libpod_parent`, systemd's scopes and slices). Where the files
cannot be seen (an engine in a virtual machine), `stats` of the engine's CLI is asked instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from wrapper.engine.answers import EngineKind, Unknown, read_rows
from wrapper.engine.cli import LOOK_LIMIT, Engine
from wrapper.engine.hosts.base import Asking, Host, Order, Unreachable

_MOST = 8192
# Bytes of a counters' file: memory.stat, the longest, has some 2,000.


class Usage(NamedTuple):
    """``cpu`` in seconds since the container was started, of all its processes, also of those that
    have ended; ``wss`` in bytes: what it has in memory, less what the kernel could drop at once.
    """

    cpu: float
    wss: int


class CgroupFiles(NamedTuple):
    """Where a container's counters are. ``memory`` is empty where that controller is not in use."""

    cpu: str
    memory: str
    memory_stat: str


class Sample(NamedTuple):
    """What `stats` tells, which is not exact.

    ``cpu`` is in seconds since the start (None: not told, as by Docker and by Podman before 4).
    ``rate`` is how many processors are busy: with Docker during the last second, with Podman on
    average since the start. ``wss`` is in bytes, rounded to three or four digits.
    """

    cpu: float | None
    rate: float
    wss: int


def find(host: Host, pid: int, container_id: str = "") -> CgroupFiles | None:
    """The counters of the container whose first process is ``pid``; None where they are not seen.

    With ``container_id`` only a cgroup that carries it counts: the number of a process in a virtual
    machine is somebody else's here, and a rootless Podman may leave a container in a cgroup that is
    not its own. It also finds the container's cgroup where its first process moved further down.
    """
    if pid <= 0:
        return None
    try:
        groups = host.read(f"/proc/{pid}/cgroup")
        mounts = host.read("/proc/self/mountinfo", 1 << 20)
    except Unreachable:
        return None
    return locate(groups or b"", mounts or b"", container_id)


def locate(groups: bytes, mounts: bytes, container_id: str = "") -> CgroupFiles | None:
    """From /proc/PID/cgroup and /proc/self/mountinfo (cgroups(7), proc(5)) to the files' paths."""
    paths = cgroup_paths(groups, container_id)
    places = cgroup_places(mounts)
    cpu = cgroup_below(places.get("cpuacct"), paths.get("cpuacct"))
    memory = cgroup_below(places.get("memory"), paths.get("memory"))
    unified = cgroup_below(places.get(""), paths.get(""))
    cpu_file = f"{cpu}/cpuacct.usage" if cpu else f"{unified}/cpu.stat"
    if not cpu and not unified:
        return None
    if memory:
        return CgroupFiles(cpu_file, f"{memory}/memory.usage_in_bytes", f"{memory}/memory.stat")
    if unified:
        return CgroupFiles(cpu_file, f"{unified}/memory.current", f"{unified}/memory.stat")
    return CgroupFiles(cpu_file, "", "")


def read(host: Host, files: CgroupFiles) -> Usage | None:
    """What is used by now; None where it cannot be read (the container has ended)."""
    try:
        cpu = _cpu(files, host.read(files.cpu, _MOST, often=True))
        return None if cpu is None else Usage(cpu, _wss(host, files))
    except (Unreachable, ValueError):
        return None


def usage_by_stats(engine: Engine, name: str) -> Asking[Sample | Unknown]:
    """What `stats` tells of a running container. Takes the engine a second or two."""
    form = "{{json .}}" if engine.kind is EngineKind.DOCKER else "json"
    words = (engine.program, *engine.root_args, "stats", "--no-stream", "--format", form, name)
    reply = yield Order(words, LOOK_LIMIT)
    if not reply.ok:
        return Unknown(reply.words)
    try:
        rows = read_rows(reply.out, engine.kind)
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} containers instead of one")
        return read_stats(rows[0])
    except ValueError as error:
        return Unknown(f"stats did not answer sensibly: {error}")


def read_stats(row: Mapping[str, Any]) -> Sample:
    """A row of `stats`, of either engine.

    Raises:
        ValueError: something is missing or is no number.
    """
    percent = str(row.get("CPUPerc", row.get("cpu_percent", ""))).rstrip("%")
    memory = str(row.get("MemUsage", row.get("mem_usage", ""))).partition("/")[0]
    time = row.get("cpu_time")
    return Sample(
        None if time is None else read_duration(str(time)), float(percent) / 100, read_size(memory)
    )


_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9.]+)(h|ms|m|s|µs|us|ns)")
_SIZE = re.compile(r"([0-9.]+) ?([kKMGTP]?)(i?)B")


def read_duration(said: str) -> float:
    """Seconds of a duration as Go prints it: `1h2m3.5s`, `147.4ms`.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", said):
        raise ValueError(f"{said!r} is not a duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(said))


def read_size(said: str) -> int:
    """Bytes of a size: `499.7kB` counts in thousands, `1.5MiB` in 1,024s.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(said.strip())
    if not found:
        raise ValueError(f"{said!r} is not a size")
    base = 1024.0 if found[3] else 1000.0
    power = "BKMGTP".index(found[2].upper() or "B")
    return round(float(found[1]) * base**power)


def cgroup_paths(groups: bytes, container_id: str) -> dict[str, str]:
    """Controller -> path in its hierarchy; the unified hierarchy's name is empty."""
    paths = {}
    for line in groups.decode("utf-8", "replace").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        whole = _whole_container(path, container_id)
        if whole:
            paths.update(dict.fromkeys(controllers.split(","), whole))
    return paths


def _whole_container(path: str, container_id: str) -> str:
    """The part of a path down to the container's own cgroup; empty where it is not in one."""
    if not container_id:
        return path
    parts = path.split("/")
    own = [number for number, part in enumerate(parts) if container_id in part]
    return "/".join(parts[: own[-1] + 1]) if own else ""


def cgroup_places(mounts: bytes) -> dict[str, tuple[str, str]]:
    """Controller -> root and mount point of its hierarchy."""
    places: dict[str, tuple[str, str]] = {}
    for line in mounts.decode("utf-8", "replace").splitlines():
        left, _, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if len(before) < 5 or len(after) < 3:
            continue
        place = (before[3], before[4])
        if after[0] == "cgroup2":
            places.setdefault("", place)
        elif after[0] == "cgroup":
            for option in after[2].split(","):
                places.setdefault(option, place)
    return places


def cgroup_below(place: tuple[str, str] | None, path: str | None) -> str:
    """The directory of a cgroup; empty where it is not below what is mounted."""
    if place is None or path is None or path.startswith("/.."):
        return ""
    root, mount = place
    if root != "/":
        if path != root and not path.startswith(f"{root}/"):
            return ""
        path = path[len(root):]
    return mount + path.rstrip("/")


def _cpu(files: CgroupFiles, said: bytes | None) -> float | None:
    if said is None:
        return None
    if files.cpu.endswith("/cpuacct.usage"):
        return int(said) / 1e9
    microseconds = _field(said, b"usage_usec")
    return None if microseconds is None else microseconds / 1e6


def _wss(host: Host, files: CgroupFiles) -> int:
    said = host.read(files.memory, _MOST, often=True) if files.memory else None
    if said is None:
        return 0
    key = b"inactive_file" if files.memory.endswith("/memory.current") else b"total_inactive_file"
    details = host.read(files.memory_stat, _MOST, often=True) or b""
    return max(0, int(said) - (_field(details, key) or 0))


def _field(said: bytes, key: bytes) -> int | None:
    """The number of a line `key number`; None without that line."""
    key += b" "
    start = 0 if said.startswith(key) else said.find(b"\n" + key) + 1
    if not said.startswith(key, start):
        return None
    start += len(key)
    end = said.find(b"\n", start)
    return int(said[start:end] if end >= 0 else said[start:])
