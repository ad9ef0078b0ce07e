"""Which engine to use: the one that was named, else the first that answers and can pause.

Knows the order in which to try them. What to do when there is none is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wrapper.engine.answers import Checkup, EngineKind
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Asking


class Found(NamedTuple):
    """An engine that can be used, and what it said of itself."""

    engine: Engine
    checkup: Checkup


class NotFound(NamedTuple):
    """No engine can be used; ``tried`` is each that was asked, with what was said back. ``silent``
    are those that are there and did not answer: a container may be in their hands.
    """

    tried: tuple[tuple[EngineKind, str], ...]
    silent: tuple[EngineKind, ...] = ()

    @property
    def words(self) -> str:
        """For a person: a line for each engine."""
        return "\n".join(f"{kind.title} cannot be used: {said}" for kind, said in self.tried)


def candidates(named: EngineKind | None, platform: str) -> tuple[EngineKind, ...]:
    """Which engines to try, in this order.

    ``named`` is the client's choice, and then the only one. ``platform`` is as ``sys.platform``: on
    Windows BOINC's own distro has Podman, elsewhere Docker is the one people install on purpose.
    """
    if named is not None:
        return (named,)
    if platform == "win32":
        return (EngineKind.PODMAN, EngineKind.DOCKER)
    return (EngineKind.DOCKER, EngineKind.PODMAN)


def discover(engines: Sequence[Engine]) -> Asking[Found | NotFound]:
    """Ask one engine after another."""
    tried: list[tuple[EngineKind, str]] = []
    silent: list[EngineKind] = []
    for engine in engines:
        checkup = yield from engine.check()
        if checkup.answers and checkup.can_pause:
            return Found(engine, checkup)
        tried.append((engine.kind, checkup.words))
        if not checkup.answers and not checkup.missing:
            silent.append(engine.kind)
    return NotFound(tuple(tried), tuple(silent))
