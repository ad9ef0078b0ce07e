"""How a step looks at its container, and how it waits for an engine that does not answer.

Translates what the engine's side shows into the words of :mod:`states.reconcile`. An engine that
does not answer is waited for with growing pauses and a bound; the client is obeyed meanwhile.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from states.reconcile import KILLED, Boot, Shown, Sighting
from wrapper.engine.answers import Absent, Checkup, Container, Status, Unknown
from wrapper.engine.hosts.base import Host, Unreachable
from wrapper.work import Leave, Pause, Talk, Work

LABEL = "boinc.docker_wrapper"

_SHOWN = {
    Status.CREATED: Shown.CREATED,
    Status.RUNNING: Shown.RUNNING,
    Status.PAUSED: Shown.PAUSED,
    Status.EXITED: Shown.EXITED,
    Status.BUSY: Shown.UNKNOWN,
}
_LONGEST_PAUSE = 30.0
_PATIENCE = 600.0
_PATIENCE_LEAVING = 8.0
_CLOCKS_APART = timedelta(minutes=1)
"""How far the clock of an engine's host may be ahead of ours."""


class Patience:
    """Growing pauses, in s: a half, one, two ... thirty, until ``limit`` has been waited in all."""

    def __init__(self, limit: float = _PATIENCE) -> None:
        self._left = limit
        self.waited = 0.0
        self._pause = 0.5

    def next(self) -> float | None:
        """The next pause, or None when there was enough of them."""
        if self._left <= 0:
            return None
        pause = min(self._pause, self._left)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._left -= pause
        self.waited += pause
        return pause


def sighting(answer: Container | Absent | Unknown, label: str) -> Sighting:
    """What an engine's answer shows of the container with this job's label."""
    if isinstance(answer, Unknown):
        return Sighting(Shown.UNKNOWN)
    if isinstance(answer, Absent):
        return Sighting(Shown.ABSENT)
    if answer.labels.get(LABEL) != label:
        return Sighting(Shown.FOREIGN, id=answer.id)
    return Sighting(
        _SHOWN[answer.status],
        id=answer.id,
        exit_code=answer.exit_code,
        started_at=answer.started_at,
        finished_at=answer.finished_at,
        oom_killed=answer.oom_killed,
    )


def look(
    work: Work, expected: bool = True
) -> Talk[tuple[Sighting, Container | Absent | Unknown]]:
    """Ask the engine for the job's container; says so once when it does not answer.

    ``expected`` is whether it is likely to be there; only how it is asked for depends on that.
    """
    answer = yield from _seen_in_one_boot(work, expected)
    seen = sighting(answer, work.label)
    if isinstance(answer, Unknown) and not work.engine_silent:
        who = work.driver.kind.title
        work.journal.say(f"{who} does not answer; waiting for it.\n{answer.words}")
    work.engine_silent = isinstance(answer, Unknown)
    return seen, answer


def heard_of_restart(work: Work, seen: Sighting) -> Talk[None]:
    """See whether the engine was stopped, and its containers with it, between two looks.

    A stop and a start within seconds may not have left any question unanswered; but then what ended
    the container was not the job.
    """
    ended = seen.finished_at
    known = work.record.engine_away or seen.id == work.record.cut_off_id
    if seen.exit_code not in KILLED or ended is None or known:
        return
    started = yield from work.driver.started()
    if isinstance(started, Unknown) or restarted_since(ended, started, work.machine.now):
        work.machine.note(engine_away=True)


def restarted_since(ended: datetime, started: datetime | None, now: datetime) -> bool:
    """Whether an engine that was ``started`` then was so after something ``ended``.

    A start that is still to come by our clock proves nothing: the clock was set back since.
    """
    return started is not None and ended < started < now + _CLOCKS_APART


def _seen_in_one_boot(work: Work, expected: bool) -> Talk[Container | Absent | Unknown]:
    """What the engine shows, when it is known in which boot of its host that was.

    A virtual machine can be booted while we live. What was seen around that may be of either boot:
    a run that was cut off by it must not be taken for one that ended by itself.
    """
    try:
        before = work.host.boot_id()
        answer = yield from work.driver.container(work.container_name, expected)
        after = work.host.boot_id()
    except Unreachable as trouble:
        return Unknown(str(trouble))
    if before != after:
        return Unknown(f"{work.host.name} was started anew meanwhile")
    if after != work.boot.id:
        work.boot = boot_of(work.host)
    return answer


def boot_of(host: Host) -> Boot:
    """Which boot of the host this is, and when it began; nothing where it cannot be asked."""
    try:
        began = host.booted()
        started_at = None if began is None else datetime.fromtimestamp(began, timezone.utc)
        return Boot(host.boot_id(), started_at)
    except Unreachable:
        return Boot()


def checked(work: Work) -> Talk[Checkup]:
    """What the engine can do; asked once in an episode, and again while it gives no answer."""
    if work.checkup is None or not work.checkup.answers:
        work.checkup = yield from work.driver.check()
    return work.checkup


def wait_for_engine(work: Work, patience: Patience, said: str) -> Talk[Leave | None]:
    """Wait once for an engine that does not answer; a Leave when there was enough of it.

    When we are to go, that is soon: the client would kill us, and the dead man's switch goes on
    trying to pause.
    """
    if work.leaving and patience.waited >= _PATIENCE_LEAVING:
        return Leave()
    pause = patience.next()
    if pause is None:
        who = work.driver.kind.title
        return Leave(f"{who} does not answer. Please start it again. It said: {said}")
    yield Pause(pause)
    return None


def restart_it(who: str) -> str:
    """What a person can do about an engine that answers, and does not do as it is told."""
    return f"Please restart {who}, or this computer."


def words_of(answer: Container | Absent | Unknown) -> str:
    """What an engine said when it gave no answer, in one line."""
    said = answer.words if isinstance(answer, Unknown) else "the container is being changed"
    return " ".join(said.split())[:300]
