"""Whether the kernel has a container frozen, and how to change its mind.

A `podman pause` or `unpause` that is killed in the middle (runc, cgroups v1, Podman 4.3) leaves the
kernel's freezer changed and Podman's own state not: what Podman shows as running is frozen, or what
it shows as paused runs, and it refuses both verbs for ever. Once the kernel agrees with what is
shown the verbs work again. It reads and writes the cgroup's files where they can be reached, and
knows nothing of what the client wants.
"""

from __future__ import annotations

from typing import NamedTuple

from wrapper.engine.hosts.base import Host, Unreachable
from wrapper.engine.usage import cgroup_below, cgroup_paths, cgroup_places

_WORDS_1 = {b"FROZEN": True, b"THAWED": False}
_WORDS_2 = {b"frozen 1": True, b"frozen 0": False}


class Freezer(NamedTuple):
    """The files of a container's freezer. ``state`` tells whether its first process is frozen, by
    whomever; ``controls`` are to be written, with ``freeze`` or ``thaw``. There is more than one
    where the first process has a cgroup of its own below the container's.
    """

    state: str
    controls: tuple[str, ...]
    freeze: bytes
    thaw: bytes


def find(host: Host, pid: int, container_id: str) -> Freezer | None:
    """The freezer of the container whose first process is ``pid``; None where it is not seen."""
    try:
        groups = host.read(f"/proc/{pid}/cgroup") or b""
        mounts = host.read("/proc/self/mountinfo", 1 << 20) or b""
    except Unreachable:
        return None
    return locate(groups, mounts, container_id)


def locate(groups: bytes, mounts: bytes, container_id: str) -> Freezer | None:
    """From /proc/PID/cgroup and /proc/self/mountinfo to the files' paths."""
    places = cgroup_places(mounts)
    for controller in ("freezer", ""):
        place = places.get(controller)
        whole = cgroup_below(place, cgroup_paths(groups, container_id).get(controller))
        inner = cgroup_below(place, cgroup_paths(groups, "").get(controller))
        if not container_id or not whole or not inner:
            continue
        folders = _between(whole, inner)
        if controller:
            controls = tuple(f"{folder}/freezer.state" for folder in folders)
            return Freezer(f"{inner}/freezer.state", controls, b"FROZEN", b"THAWED")
        controls = tuple(f"{folder}/cgroup.freeze" for folder in folders)
        return Freezer(f"{inner}/cgroup.events", controls, b"1", b"0")
    return None


def frozen(host: Host, freezer: Freezer) -> bool | None:
    """Whether the kernel has it frozen; None where it does not say, or is just about it."""
    try:
        said = host.read(freezer.state) or b""
    except Unreachable:
        return None
    words = _WORDS_1 if freezer.freeze == b"FROZEN" else _WORDS_2
    told = [words[line] for line in said.splitlines() if line in words]
    return told[0] if told else None


def change(host: Host, freezer: Freezer, freeze: bool) -> bool:
    """Have the kernel freeze it, or let it go on; whether it could be told."""
    word = freezer.freeze if freeze else freezer.thaw
    written = [host.write(control, word) for control in freezer.controls]
    return all(written)


def _between(whole: str, inner: str) -> list[str]:
    """The folders from the container's own cgroup down to that of its first process."""
    folders = [whole]
    for part in inner[len(whole):].split("/"):
        if part:
            folders.append(f"{folders[-1]}/{part}")
    return folders
