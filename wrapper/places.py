"""Where an engine can be: this computer, a Mac's virtual machine, or a distro of WSL on Windows.

Makes the hosts for them, and puts distros into the order in which they are tried. Pure but for the
making: it asks nobody whether an engine is really there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from states.record import Record
from wrapper.boinc.init_data import Distro, DockerType, InitData
from wrapper.engine.answers import EngineKind
from wrapper.engine.hosts.base import Host
from wrapper.engine.hosts.local import LocalHost

BOINCS_OWN = "boinc-buda-runner"
_DOCKERS_OWN = "docker-desktop"
# Part of Docker Desktop, without a shell.
_NEVER = "docker-desktop-data"
# From this version on the engine of BOINC's own distro is root's.
_ROOTS_SINCE = 4
_KINDS = {DockerType.DOCKER: EngineKind.DOCKER, DockerType.PODMAN: EngineKind.PODMAN}


class Candidate(NamedTuple):
    """A distro, the user to be there (None: its default user), and engines in the order to try."""

    distro: str
    user: str | None = "root"
    kinds: tuple[EngineKind, ...] = (EngineKind.PODMAN, EngineKind.DOCKER)


def docker_type(init: InitData | None) -> EngineKind | None:
    """The engine that init_data.xml names, if it names one."""
    return _KINDS.get(init.docker_type) if init else None


def first_host(slot: Path, platform: str) -> Host:
    """The host to begin with; ``platform`` is as ``sys.platform``."""
    if platform == "win32":
        from wrapper.engine.hosts.wsl_front import WslFront

        return WslFront(slot)
    if platform == "darwin":
        from wrapper.engine.hosts.mac import MacHost

        return MacHost()
    return LocalHost()


def distro_host(slot: Path, candidate: Candidate) -> Host:
    """A distro as a host; nothing is opened yet."""
    from wrapper.engine.hosts.wsl import WslHost

    return WslHost(candidate.distro, slot, candidate.user)


def recorded_host(
    first: Host, slot: Path, record: Record, init: InitData | None, platform: str
) -> Host:
    """The host that a record names, else the one to begin with."""
    distro = record.engine.distro if record.engine is not None else None
    if platform != "win32" or distro is None:
        return first
    return distro_host(slot, candidate_of(distro, init.distros if init else ()))


def candidate_of(name: str, distros: Sequence[Distro]) -> Candidate:
    """A distro by its name, with what the client says of it, if it does."""
    told = next((distro for distro in distros if distro.distro_name == name), Distro(name))
    named = _KINDS.get(told.docker_type)
    kinds = Candidate(name).kinds
    if named is EngineKind.DOCKER:
        kinds = tuple(reversed(kinds))
    return Candidate(name, _user(told), kinds)


def ranked(distros: Sequence[Distro]) -> tuple[Candidate, ...]:
    """Those in which the client saw an engine: BOINC's own, else Podman's, else Docker's; of equal
    ones the default first. Never one that the volunteer does not allow, nor one of WSL 1.
    """
    good = [each for each in distros if each.docker_type in _KINDS and not why_not(each)]
    order = sorted(good, key=lambda each: (_rank(each), not each.is_default))
    return tuple(candidate_of(each.distro_name, distros) for each in order)


def unranked(names: Sequence[str], distros: Sequence[Distro]) -> tuple[Candidate, ...]:
    """Those of which nobody knows what engine they have: BOINC's own with both, then the others
    with Podman, then with Docker; Docker's own last.
    """
    order = sorted(names, key=lambda name: (name != BOINCS_OWN, name == _DOCKERS_OWN))
    each = [candidate_of(name, distros) for name in order]
    first = [one for one in each if one.distro == BOINCS_OWN]
    rest = [one for one in each if one.distro != BOINCS_OWN]
    by_kind = [one._replace(kinds=(kind,)) for kind in Candidate("").kinds for one in rest]
    return (*first, *by_kind)


def forbidden(record: Record, init: InitData | None) -> str:
    """Why the distro where a job's container lives must not be entered; empty where it may be."""
    distro = record.engine.distro if record.engine is not None else None
    told = init.distros if init is not None else ()
    if distro is None or not any(one.disallowed for one in told if one.distro_name == distro):
        return ""
    return (f"This job's container is in the WSL distro {distro}, which BOINC may not use any "
            "more: please allow it again, or abort the job.")


def why_not(distro: Distro) -> str:
    """Why a distro is not even asked; empty where it may be."""
    if not distro.distro_name or distro.distro_name == _NEVER:
        return "it has no shell"
    if distro.disallowed:
        return "the volunteer does not allow it"
    if distro.wsl_version == 1:
        return "WSL 1 cannot run containers"
    return ""


def _rank(distro: Distro) -> int:
    if distro.distro_name == BOINCS_OWN:
        return 0
    return 1 if distro.docker_type is DockerType.PODMAN else 2


def _user(distro: Distro) -> str | None:
    """Podman is root's, but in BOINC's own distro before version 4."""
    version = distro.distro_version.strip().partition(".")[0]
    is_old = version.isdigit() and int(version) < _ROOTS_SINCE
    return None if distro.distro_name == BOINCS_OWN and is_old else "root"
