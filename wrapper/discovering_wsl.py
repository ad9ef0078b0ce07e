"""The step of discover_distro on Windows: which distro of WSL, and which engine in it.

The distro of the record is tried first and only, since the container lives there; then those in
which the client saw an engine; then all that `wsl` lists. Each that cannot be used is told with the
reason. A distro that the volunteer does not allow is never entered.
"""

from __future__ import annotations

from collections.abc import Sequence

from wrapper.boinc.init_data import Distro
from wrapper.discovering import Search, taken
from wrapper.engine.answers import EngineKind
from wrapper.engine.discovery import Found
from wrapper.engine.hosts.base import Host, Order, Reply, Unreachable
from wrapper.engine.hosts.wsl_front import Listed, list_order, read_list
from wrapper.places import (
    Candidate,
    candidate_of,
    distro_host,
    first_host,
    ranked,
    unranked,
    why_not,
)
from wrapper.work import Leave, Step, Talk, Work

_SHELL_LIMIT = 20.0
"""How long a distro may take to answer at all, in seconds; it may have to start."""


def discovering_in_wsl(work: Work) -> Step:
    """Find distro and engine; leave for a while when there is none."""
    rounds = _Rounds(work)
    try:
        last = yield from rounds.found()
        if isinstance(last, Found):
            return taken(work, last)
        return last
    finally:
        rounds.close()


class _Rounds:
    """The rounds of a search, and the hosts that were opened for it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._search = Search(work)
        self._hosts: list[Host] = [work.host]
        self._open: dict[str, Host] = {}
        self._mute: set[str] = set()
        self._told = work.init.distros if work.init else ()
        self._tried: set[str] = set()

    def found(self) -> Talk[Found | Leave]:
        """All rounds, one after the other."""
        known = self._work.record.engine
        if known is not None and known.distro is not None:
            return (yield from self._known(known.distro, EngineKind(known.type)))
        found = yield from self._round(ranked(self._told))
        if found is not None:
            return found
        listed = yield from self._listed()
        if isinstance(listed, Leave):
            return self._search.second_choice() or listed
        found = yield from self._round(listed)
        return found or self._search.second_choice() or self._nothing()

    def close(self) -> None:
        """Give back all hosts but the one that the work is on."""
        for host in self._hosts:
            if host is not self._work.host:
                host.close()

    def _known(self, distro: str, kind: EngineKind) -> Talk[Found | Leave]:
        """The distro where the container lives."""
        candidate = candidate_of(distro, self._told)
        found = yield from self._round([Candidate(distro, candidate.user, (kind,))])
        return found or Leave(
            f"{kind.title} in the WSL distro {distro}, where this job's container is, cannot be "
            "used: please start it."
        )

    def _round(self, candidates: Sequence[Candidate]) -> Talk[Found | None]:
        for candidate in candidates:
            host = yield from self._entered(candidate)
            if host is None:
                continue
            found = yield from self._search.ask(host, candidate.kinds)
            if found is not None:
                return found
        return None

    def _entered(self, candidate: Candidate) -> Talk[Host | None]:
        """The distro with a shell that answers; None where it has none, which is told once."""
        name = candidate.distro
        if name in self._open or name in self._mute:
            return self._open.get(name)
        self._tried.add(name)
        self._work.host = host = distro_host(self._work.slot, candidate)
        self._hosts.append(host)
        answer = yield Order(("true",), _SHELL_LIMIT)
        trouble = self._not_shared(host) if answer.ok else answer.words
        if not trouble:
            self._open[name] = host
            return host
        self._mute.add(name)
        self._search.gave_no_answer(trouble)
        return None

    def _not_shared(self, host: Host) -> str:
        """Why the job's files cannot be had there; empty where they can."""
        try:
            host.path(self._work.slot)
        except Unreachable as trouble:
            return str(trouble)
        return ""

    def _listed(self) -> Talk[Sequence[Candidate] | Leave]:
        """What `wsl` lists and was not tried yet."""
        front = first_host(self._work.slot, "win32")
        self._hosts.append(front)
        self._work.host = front
        reply = yield list_order()
        listed = read_list(reply.out) if reply.ok else ()
        if not listed:
            return self._no_list(reply)
        names = [each.name for each in listed if self._may_be_tried(each)]
        return unranked(names, self._told)

    def _may_be_tried(self, listed: Listed) -> bool:
        if listed.name in self._tried:
            return False
        told = next((each for each in self._told if each.distro_name == listed.name), None)
        why = why_not(told or Distro(listed.name, wsl_version=listed.wsl_version))
        if why:
            self._work.journal.say(f"The WSL distro {listed.name} is passed over: {why}")
            return False
        return True

    def _no_list(self, reply: Reply) -> Leave:
        said = " ".join(said_by_wsl(reply).split())[:300]
        self._work.journal.say(f"`wsl -l -v` gave no list of distros. It said: {said}")
        if reply.status is None and not reply.missing:
            return Leave("WSL does not answer on this computer: please run `wsl --shutdown` in a "
                         "terminal, or start the computer again.")
        return Leave(
            "WSL cannot be used on this computer: please run `wsl --status` in a terminal; it may "
            f"have to be installed (`wsl --install`) or updated (`wsl --update`). It said: {said}"
        )

    def _nothing(self) -> Leave:
        if self._search.must_wait():
            return Leave(self._search.why_not())
        names = ", ".join(sorted(self._tried)) or "none that may be used"
        return Leave(
            "No WSL distro with a Podman or Docker that works (tried: "
            f"{names}). Please install BOINC's own distro boinc-buda-runner, or start the engine."
        )


def said_by_wsl(reply: Reply) -> str:
    """What `wsl` itself said, which is UTF-16."""
    from wrapper.engine.hosts.wsl_shell import readable

    said = (readable(part).strip() for part in (reply.err, reply.out))
    return "\n".join(part for part in (reply.trouble, *said) if part) or "nothing"
