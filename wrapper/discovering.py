"""The step of discover_distro: which engine, on which host.

init_data.xml names one (clients since 8.1), else what answers and can pause is taken. An engine
that the record names is tried first and only: the container lives there.
"""

from __future__ import annotations

import sys

from states.record import Engine as EngineRecord
from states.table import Event
from wrapper.boinc.init_data import DockerType, InitData
from wrapper.engine.answers import EngineKind
from wrapper.engine.cli import Engine
from wrapper.engine.discovery import Found, candidates, discover
from wrapper.work import Leave, Step, Turn, Work


def discovering(work: Work) -> Step:
    """Find the engine; leave for a while when there is none."""
    kinds = candidates(_named(work), sys.platform)
    found = yield from discover([Engine(kind) for kind in kinds])
    if not isinstance(found, Found):
        names = " nor ".join(kind.title for kind, _ in found.tried)
        work.journal.say(found.words)
        return Leave(
            f"Neither {names} can be used on {work.host.name}: please install one or start it."
            if len(found.tried) > 1
            else f"{names} cannot be used on {work.host.name}: please install it or start it."
        )
    work.engine = found.engine
    kind, version = found.engine.kind.value, found.checkup.version
    work.checkup = found.checkup
    work.journal.say(f"Using {found.engine.kind.title} {version} on {work.host.name}")
    return Turn(
        Event.ENGINE_FOUND,
        f"{kind} {version}",
        {"engine": EngineRecord(kind, version, work.host.distro)},
    )


def rebuilt_engine(work: Work) -> Engine | None:
    """The engine that the record names, for a job that is past its discovery."""
    known = work.record.engine
    return Engine(EngineKind(known.type)) if known else None


def _named(work: Work) -> EngineKind | None:
    if work.record.engine is not None:
        return EngineKind(work.record.engine.type)
    return docker_type(work.init)


def docker_type(init: InitData | None) -> EngineKind | None:
    """The engine that init_data.xml names, if it names one."""
    kinds = {DockerType.DOCKER: EngineKind.DOCKER, DockerType.PODMAN: EngineKind.PODMAN}
    return kinds.get(init.docker_type) if init else None
