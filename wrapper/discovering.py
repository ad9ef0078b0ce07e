"""The step of discover_distro: which engine, on which host.

init_data.xml names one (clients since 8.1), else what answers and can pause is taken. An engine
that the record names is tried first and only: the container lives there. Where a record was lost,
and the client names none, any of them may have the container: all are asked before a new one is
made.
"""

from __future__ import annotations

from collections.abc import Sequence

from states.record import Engine as EngineRecord
from states.table import Event
from wrapper.engine.answers import Container, EngineKind, Unknown
from wrapper.engine.cli import Engine
from wrapper.engine.discovery import Found, NotFound, candidates, discover
from wrapper.engine.hosts.base import Host
from wrapper.looking import LABEL
from wrapper.places import docker_type
from wrapper.work import Leave, Step, Talk, Turn, Work

_WAITS = 6
"""How often to leave and come again for an engine that is silent and may have the container: about
an hour in all."""


def discovering(work: Work) -> Step:
    """Find the engine; leave for a while when there is none."""
    if work.platform == "win32":
        from wrapper.discovering_wsl import discovering_in_wsl

        return (yield from discovering_in_wsl(work))
    search = Search(work)
    found = yield from search.ask(work.host, candidates(_named(work), work.platform))
    found = found or search.second_choice()
    if found is not None:
        return taken(work, found)
    if work.platform == "darwin":
        from wrapper.discovering_mac import why_not

        return Leave((yield from why_not()) or search.why_not())
    return Leave(search.why_not())


class Search:
    """A search for an engine, with what was said back by those that cannot be used."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.lost = lost_record(work)
        """Whether a container of this job may stand somewhere, and nobody knows where."""
        self._asked: list[EngineKind] = []
        self._silent: list[str] = []
        self._usable: list[tuple[Host, Found]] = []

    def ask(self, host: Host, kinds: Sequence[EngineKind]) -> Talk[Found | None]:
        """The engine of a host to be taken, if there is one: the work is on that host then."""
        self._work.host = host
        if not self.lost:
            return self._heard((yield from discover([Engine(kind) for kind in kinds])))
        for kind in kinds:
            found = self._heard((yield from discover([Engine(kind)])))
            if found is not None and (yield from self._has_container(found)):
                return found
        return None

    def second_choice(self) -> Found | None:
        """After a lost record, when nobody has the container: the first that can be used, unless
        one that is silent may have it.
        """
        if not self._usable or self.must_wait():
            return None
        self._work.host, found = self._usable[0]
        return found

    def must_wait(self) -> bool:
        """Whether it is too early to go by those that answer."""
        return self.lost and bool(self._silent) and self._work.record.temporary_exits < _WAITS

    def why_not(self) -> str:
        """Why there is none, in one line; the details were said."""
        if self._usable or not self._asked:
            silent = " and ".join(self._silent)
            return (f"{silent} does not answer, and may have this job's container. "
                    "Please start it, or remove it.")
        kinds = list(dict.fromkeys(kind.title for kind in self._asked))
        where = self._work.host.name
        if len(kinds) > 1:
            names = " nor ".join(kinds)
            return f"Neither {names} can be used on {where}: please install one or start it."
        return f"{kinds[0]} cannot be used on {where}: please install it or start it."

    def gave_no_answer(self, words: str) -> None:
        """The host that the work is on cannot be asked."""
        self._work.journal.say(f"{self._work.host.name} cannot be used: {words}")
        self._silent.append(self._work.host.name)

    def _heard(self, answer: Found | NotFound) -> Found | None:
        where = self._work.host
        tried = answer.tried if isinstance(answer, NotFound) else ()
        self._asked += [kind for kind, _ in tried]
        if isinstance(answer, Found):
            return answer
        self._work.journal.say(f"On {where.name}: {answer.words}" if where.distro else answer.words)
        place = f" in {where.name}" if where.distro else ""
        self._silent += [f"{kind.title}{place}" for kind in answer.silent]
        return None

    def _has_container(self, found: Found) -> Talk[bool]:
        seen = yield from found.engine.container(self._work.container_name)
        if isinstance(seen, Container) and seen.labels.get(LABEL) == self._work.label:
            return True
        if isinstance(seen, Unknown):
            self._silent.append(f"{found.engine.kind.title} on {self._work.host.name}")
        else:
            self._usable.append((self._work.host, found))
        return False


def lost_record(work: Work) -> bool:
    """Whether the job was begun by somebody whose record is lost."""
    history = work.record.history
    return bool(history) and history[0].event == "new_record"


def taken(work: Work, found: Found) -> Turn:
    """The turn of an engine that was found, on the host that the work is on."""
    kind, version = found.engine.kind, found.checkup.version
    work.engine, work.checkup = found.engine, found.checkup
    work.journal.say(f"Using {kind.title} {version} on {work.host.name}")
    return Turn(
        Event.ENGINE_FOUND,
        f"{kind.value} {version}",
        {"engine": EngineRecord(kind.value, version, work.host.distro)},
    )


def rebuilt_engine(work: Work) -> Engine | None:
    """The engine that the record names, for a job that is past its discovery."""
    known = work.record.engine
    return Engine(EngineKind(known.type)) if known else None


def _named(work: Work) -> EngineKind | None:
    if work.record.engine is not None:
        return EngineKind(work.record.engine.type)
    return docker_type(work.init)
