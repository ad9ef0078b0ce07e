"""The steps of running and paused: the container is started or frozen, and watched.

What is to be done next is the pure decision of :func:`states.reconcile.reconcile`; here it is done.
Both steps look and do only what is missing, so each may be killed and run again; what is known for
certain is done without a look before.
"""

from __future__ import annotations

import time

from states.reconcile import KILLED, Act, Shown, Sighting, Verdict, reconcile
from states.table import Event, Outcome, State
from wrapper.engine.answers import Absent, Container, Unknown
from wrapper.engine.hosts.base import Host, Reply, Unreachable
from wrapper.engine.hosts.watching import is_dead
from wrapper.engine.usage import usage_by_stats
from wrapper.imaging import failed
from wrapper.looking import (
    Patience,
    heard_of_restart,
    look,
    restart_it,
    wait_for_engine,
    words_of,
)
from wrapper.mending import torn
from wrapper.ordering import port_is_taken
from wrapper.work import Leave, Pause, Step, Talk, Turn, Work

_LOOK_AGAIN = 600.0
"""Seconds between two looks at a container whose process is watched."""
_LOOK_AT_REST = 300.0
"""The same while it rests: one that somebody lets go on by hand takes a processor until then."""
_LOOK_BLIND = 90.0
"""Seconds between two looks at a container whose process cannot be watched; at first less, since it
may just have ended before it could be.
"""
_FIRST_LOOK_BLIND = 0.3
_ESTIMATES = 180.0
"""Seconds between two estimates of what a job uses, where it cannot be read; at first less, or a
short job's use would never be told.
"""
_FIRST_ESTIMATE = 1.0
_SETTLED = 2.0
"""Seconds until the look after a pause or an unpause that went well: where a client suspends all
its jobs at once, others wait for the engine, and under a CPU limit it wants the contrary by then.
"""
_REMOVAL = 3.0
"""Seconds that an engine may take to remove a container that it has killed for that."""
_LAG = 0.1
"""Seconds until the next look when the process has ended and the engine has not noticed."""
_LAGS = 100
_GUARD_WAITS = 350
"""Tenths of a second that an earlier wrapper's switch may still take."""
_REFUSALS = 8
"""How often in a row a start, a pause or an unpause may be refused before it is an answer."""

_PORTS = 3
"""How many ports for its graphics a job may find taken."""


class Following:
    """What one stay in running or paused has to remember between two looks."""

    def __init__(self) -> None:
        self.patience = Patience()
        self.refusals = 0
        self.lags = 0
        self.next_estimate = 0.0
        self.estimate_pause = _FIRST_ESTIMATE
        self.blind_pause = _FIRST_LOOK_BLIND

    def next_look(self, watched: bool, rests: bool) -> float:
        """Seconds until the engine is to be asked again."""
        if watched:
            return _LOOK_AT_REST if rests else _LOOK_AGAIN
        pause, self.blind_pause = self.blind_pause, min(self.blind_pause * 2, _LOOK_BLIND)
        return pause


def running(work: Work) -> Step:
    """Start or unpause the container, and watch it until it ends."""
    return (yield from _follow(work))


def paused(work: Work) -> Step:
    """Pause the container, and watch it rest."""
    return (yield from _follow(work))


def _follow(work: Work) -> Step:
    follow = Following()
    yield from _guarded(work)
    yield from _known(work)
    while True:
        seen, answer = yield from look(work)
        yield from heard_of_restart(work, seen)
        verdict = reconcile(work.record, seen, work.boot)
        if verdict.event is Event.EXITED and seen.exit_code in KILLED and seen.id != work.doubted:
            # whoever removes a container by force kills it first: in a moment it is gone; asked
            # once for a container, or a CPU limit's suspensions would put off the answer for ever
            work.doubted = seen.id
            yield Pause(_REMOVAL)
            continue
        if verdict.event is not None:
            return turn_of(work, verdict, seen)
        work.machine.note(**verdict.changes)
        last = yield from _act(work, follow, verdict, answer)
        if last is not None:
            return last


def _known(work: Work) -> Talk[None]:
    """What is to be done for certain, by the last look, without asking first: to ask takes the
    engine as long as to do it. What comes of a refusal the next look tells.
    """
    name, wanted = work.container_name, work.machine.state is State.RUNNING
    if wanted and work.unstarted:
        work.unstarted = work.at_rest = False
        work.machine.note(held=False)
        yield from work.driver.start(name)
    if work.watch is None or work.watch.ended() or wanted is not work.at_rest:
        return
    if wanted:
        work.at_rest = False
        reply = yield from work.driver.unpause(name)
    else:
        reply = yield from work.driver.pause(name)
    if reply.ok:
        yield from _settled(work, not wanted)


def _settled(work: Work, rests: bool) -> Talk[None]:
    """The engine has paused the container, or let it go on: that is enough to know for a while.

    It is not enough to call the container held: a pause of one that is just ending goes well too.
    But an engine that does what it is asked is not away, and has not been since the run began.
    """
    work.machine.note(engine_away=False)
    work.at_rest, work.runs = rests, not rests
    work.resting = rests
    try:
        yield Pause(_SETTLED, work.watch)
    finally:
        work.resting = False
    _read_at_the_end(work)


def _guarded(work: Work) -> Talk[None]:
    """Arm the dead man's switch, after one of an earlier wrapper has done its work, and the order
    that it was killed at, if any.
    """
    if work.switch is not None:
        return
    host, slot = work.host, work.slot
    for _ in range(_GUARD_WAITS):
        if host.guard_is_over(slot) and host.orders_are_over(work.container_name, slot):
            break
        yield Pause(0.1)
    try:
        order = next(work.driver.pause(work.container_name))
        work.switch = host.guard(order, slot)
    except OSError as error:
        work.journal.say(f"The job runs without a guard: {error}")


def _act(
    work: Work, follow: Following, verdict: Verdict, answer: Container | Absent | Unknown
) -> Talk[Turn | Leave | None]:
    if not isinstance(answer, Container) or verdict.act is Act.WAIT:
        return (yield from wait_for_engine(work, follow.patience, words_of(answer)))
    if (yield from torn(work, answer)):
        return None
    if verdict.act in (Act.WATCH, Act.REST):
        return (yield from _watch(work, follow, answer, verdict.act))
    work.at_rest = False
    reply = yield from _changed(work, verdict.act)
    return (yield from _answered(work, follow, verdict.act, reply))


def _changed(work: Work, act: Act | None) -> Talk[Reply]:
    """Have the container started, paused or unpaused."""
    if act is Act.START:
        return (yield from work.driver.start(work.container_name))
    if act is Act.UNPAUSE:
        return (yield from work.driver.unpause(work.container_name))
    if act is Act.PAUSE:
        return (yield from work.driver.pause(work.container_name))
    raise ValueError(f"{act} is not for a container that is followed")


def _answered(
    work: Work, follow: Following, act: Act | None, reply: Reply
) -> Talk[Turn | Leave | None]:
    """After an act: on when it went well, else wait a little and look; give up in the end."""
    if reply.ok:
        follow.refusals = 0
        _clocked(work, act is not Act.PAUSE)
        return None
    follow.refusals += 1
    verb = act.value if act else "act"
    work.journal.detail(f"{work.driver.kind.title} refused to {verb}.\n{reply.words}")
    if act is Act.START and (yield from _port_given_up(work, reply)):
        return None
    if follow.refusals < _REFUSALS:
        yield Pause(0.2 * follow.refusals)
        return None
    if act is Act.START and reply.status is not None:
        return failed("The container could not be started.", reply.words)
    who, said = work.driver.kind.title, " ".join(reply.words.split())[:300]
    return Leave(f"{who} would not {verb} the container. {restart_it(who)} It said: {said}")


def _port_given_up(work: Work, reply: Reply) -> Talk[bool]:
    """Whether the container was removed, to be made anew with another port.

    Its port was free when it was created. Only for a start that was refused for certain, and a
    container that has never run: one that was started after all has taken the port itself.
    """
    port = work.record.graphics_port
    refused = reply.status is not None and reply.status > 0
    if not port or not refused or work.ports_given_up >= _PORTS or not port_is_taken(port):
        return False
    seen, _ = yield from look(work)
    if seen.shown is not Shown.CREATED or seen.started_at is not None:
        return False
    work.ports_given_up += 1
    work.journal.say(f"Port {port} of 127.0.0.1 is taken by now.\n{reply.words}")
    removed = yield from work.driver.remove(seen.id)
    return removed.ok


def _watch(
    work: Work, follow: Following, container: Container, act: Act
) -> Talk[Turn | Leave | None]:
    """Wait until the container's process ends, or it is time for another look."""
    if work.record.temporary_exits:
        work.machine.note(temporary_exits=0)
    if work.watch is not None and work.watch.ended():
        return (yield from _ended_unnoticed(work, follow, container))
    follow.refusals = 0
    if work.watch is None and container.pid:
        work.accounts.follow(work.host, container.pid, container.id)
        if not work.accounts.blind:
            # only then is the process with this number known to be the container's
            work.watch = work.host.watch(container.pid)
    work.at_rest, work.runs = act is Act.REST, act is Act.WATCH
    if work.at_rest and work.leaving:
        return Leave()
    _clocked(work, work.runs)
    work.resting = work.at_rest
    if work.accounts.blind and not work.at_rest:
        yield from _estimate(work, follow)
    try:
        yield Pause(follow.next_look(work.watch is not None, work.at_rest), work.watch)
    finally:
        work.resting = False
    _read_at_the_end(work)
    return None


def _read_at_the_end(work: Work) -> None:
    """Once the container's process has ended, at once: the engine takes the cgroup away."""
    if work.watch is not None and work.watch.ended():
        work.accounts.read(work.host)


def _clocked(work: Work, runs: bool) -> None:
    """From now on the job runs, or rests: where its use is only estimated, that has to be known."""
    if not work.accounts.blind:
        return
    change = work.accounts.going if runs else work.accounts.rest
    change(time.monotonic())


def _estimate(work: Work, follow: Following) -> Talk[None]:
    """Where no cgroup can be read the engine's own figures have to do, now and then: they cost."""
    now = time.monotonic()
    if now < follow.next_estimate:
        return
    follow.next_estimate = now + follow.estimate_pause
    follow.estimate_pause = min(follow.estimate_pause * 2, _ESTIMATES)
    told = yield from usage_by_stats(work.driver, work.container_name)
    if not isinstance(told, Unknown):
        work.accounts.estimate(told, now)


def _ended_unnoticed(
    work: Work, follow: Following, container: Container
) -> Talk[Turn | Leave | None]:
    """The process has ended and the engine still shows it alive, for a moment or for ever.

    Podman learns of an end from the container's monitor. Where that was killed it never will, and
    the exit code is lost: such a container is removed, and its run is one that was lost.
    """
    work.accounts.read(work.host)
    follow.lags += 1
    if follow.lags < _LAGS:
        yield Pause(_LAG)
        return None
    if follow.lags == _LAGS:
        yield from work.driver.kill(work.container_name)
        return None
    who = work.driver.kind.title
    if container.monitor is not None and not _lives(work.host, container.monitor):
        work.journal.say(f"{who}'s monitor of the container is gone: nobody knows how it ended.")
        reply = yield from work.driver.remove(container.id)
        if reply.ok:
            return None
    return Leave(f"{who} does not notice that the job's process has ended. {restart_it(who)}")


def _lives(host: Host, pid: int) -> bool:
    """Whether a process of the engine's host lives; yes where nobody can say."""
    try:
        said = host.read(f"/proc/{pid}/stat")
    except Unreachable:
        return True
    return said is not None and not is_dead(said)


def turn_of(work: Work, verdict: Verdict, seen: Sighting) -> Turn:
    """The event of a verdict, with what the record is to know of it."""
    assert verdict.event is not None
    changes: dict[str, object] = dict(verdict.changes)
    if verdict.event is Event.FAILED:
        return failed(verdict.note)
    if work.accounts.blind:
        late = (work.machine.now - seen.finished_at).total_seconds() if seen.finished_at else 0.0
        work.accounts.rest(time.monotonic() - max(0.0, late))
    if work.watch is not None or work.accounts.cpu_time > work.record.cpu_time:
        work.accounts.read(work.host)
    changes["cpu_time"] = max(work.accounts.cpu_time, work.record.cpu_time)
    work.unstarted = verdict.event is Event.CREATED
    if verdict.event in (Event.EXITED, Event.RECOVERED_EXITED):
        work.at_rest, work.ended_id = True, seen.id
        changes.update(_outcome(seen))
    elif verdict.event in (Event.LOST, Event.CUT_OFF):
        work.journal.say(f"The job starts again from create: {verdict.note}")
        work.accounts.begin_again()
        changes["cpu_time_before"] = work.accounts.cpu_time
    work.stop_watching()
    return Turn(verdict.event, verdict.note, changes)


def _outcome(seen: Sighting) -> dict[str, object]:
    code = seen.exit_code if seen.shown is Shown.EXITED and seen.exit_code is not None else 1
    outcome = Outcome.SUCCESS if code == 0 else Outcome.JOB_FAILED
    error = None
    if code:
        error = f"The job ended with exit code {code}"
        if seen.oom_killed:
            error += ": it was ended because it used more memory than there was"
    return {"exit_code": code, "outcome": outcome, "error": error}
