"""The loop: waits for the next thing to happen, and turns it into an event of the machine.

One thread. It carries out what steps ask for, and it alone waits, at most half a second away from a
client that asks for something (:mod:`wrapper.quiet` tells of the exception). What a wish of the
client means is decided in :mod:`wrapper.wishes`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from states.store import NotSaved
from states.table import Event, Outcome, State
from wrapper.boinc.slot import SlotTrouble
from wrapper.collecting import collecting, finish, finish_code
from wrapper.creating import creating
from wrapper.discovering import discovering
from wrapper.engine.hosts.base import Order, Reply, Running
from wrapper.imaging import failed, imaging
from wrapper.places import forbidden
from wrapper.postponing import postpone
from wrapper.quiet import Quiet
from wrapper.running import paused, running
from wrapper.signals import Signals
from wrapper.telling import Telling
from wrapper.throttling import Throttle
from wrapper.waiting import waiting_for
from wrapper.wishes import Answer, Wish, answer
from wrapper.work import Leave, Pause, Step, Turn, Work

_TICK = 0.1
_BRISK = 0.02
"""Seconds between two looks at a command that cannot wake the loop: on Windows none can."""
_GRACE = 5.0
"""Seconds that a short change at the engine may still take when the client wants something else."""
_LONGEST_GOODBYE = 20.0
"""Seconds that an engine has for the last orders of a wrapper that is to go; the client kills it
after 60."""
_TIDYING = 120.0
"""Seconds that an engine has to tidy up after the finish file; a process that is still there five
minutes after that has its finished job aborted by the client."""
_FIRST_DELAY = 60.0
_LONGEST_DELAY = 3600.0

STEPS: dict[State, Callable[[Work], Step]] = {
    State.DISCOVER_DISTRO: discovering,
    State.ENSURE_IMAGE: imaging,
    State.CREATE: creating,
    State.RUNNING: running,
    State.PAUSED: paused,
    State.COLLECTING: collecting,
}
_NOTHING = Reply(0)


class Supervisor:
    """Drives one job from the state it is in to ``done``, or until it is told to go."""

    def __init__(self, work: Work, signals: Signals) -> None:
        self._work = work
        self._signals = signals
        self._telling = Telling(work)
        self._quiet = Quiet(work, signals, self._telling)
        self._throttle = Throttle()
        self._goodbye = ""
        self._go_by = 0.0
        self._tidy_by = 0.0

    def run(self) -> int:
        """Work until there is nothing left to do here; the exit status for the client."""
        work = self._work
        try:
            if work.mistake and work.machine.state not in (State.COLLECTING, State.DONE):
                self._fire(failed(work.mistake, outcome=Outcome.ERROR))
            why = forbidden(work.record, work.init)
            if why and work.machine.state is not State.DONE:
                return self._leave(Leave(why))
            while work.machine.state is not State.DONE:
                last = self._once()
                if isinstance(last, Leave):
                    return self._leave(last)
                if last is not None:
                    self._fire(last)
        except (NotSaved, SlotTrouble) as error:
            self._pause_anyhow()
            return self._leave(Leave(f"The job cannot be written down: {error}"))
        self._disarm()
        self._say_goodbye()
        return finish_code(work)

    def _disarm(self) -> None:
        """We go on purpose: nothing runs on that would have to be paused."""
        if self._work.switch is not None:
            self._work.switch.disarm()
            self._work.switch = None

    def _once(self) -> Turn | Leave | None:
        """Obey, or else do the state's step. None: look again at what is wanted."""
        self._tick(0.0, ())
        if self._overdue():
            finish(self._work)
            return Turn(Event.COLLECTED, "what is left is the client's to remove")
        state = self._work.machine.state
        wanted = answer(state, self._work.wish)
        if isinstance(wanted, Event):
            return self._obey(wanted)
        if wanted is Answer.LEAVE or self._late(state):
            return Leave()
        if wanted is Answer.HOLD:
            self._tick(_TICK, ())
            return None
        return self._drive(STEPS[state](self._work), state)

    def _obey(self, event: Event) -> Turn:
        """The turn that an event of the client's makes."""
        changes: dict[str, object] = {"cpu_time": self._work.accounts.cpu_time}
        if event is Event.ABORT:
            changes.update(outcome=Outcome.ABORTED, error="aborted by the client")
            return Turn(event, "the client aborts the job", changes)
        return Turn(event, self._goodbye if self._work.leaving else "the client", changes)

    def _fire(self, turn: Turn) -> None:
        before, redacted = self._work.machine.state, self._work.journal.redacted
        changes = dict(turn.changes)
        if isinstance(changes.get("error"), str):
            # an engine may repeat a proxy's password, and the state file is for everybody
            changes["error"] = redacted(str(changes["error"]))
        self._work.machine.fire(turn.event, redacted(turn.note), **changes)
        after = self._work.machine.state
        self._work.journal.detail(f"{before.value} -> {after.value}: {turn.note}")
        if turn.event is Event.FAILED:
            self._work.journal.say(str(self._work.record.error))

    def _drive(self, step: Step, state: State) -> Turn | Leave | None:
        """Carry out what a step asks for, until its last word or until the client presses."""
        try:
            asked = next(step)
            while True:
                reply = self._carry_out(asked, state)
                if reply is None:
                    return None
                asked = step.send(reply)
        except StopIteration as stop:
            last: Turn | Leave = stop.value
            return last
        finally:
            step.close()

    def _carry_out(self, asked: Order | Pause, state: State) -> Reply | None:
        """The reply to an order or the end of a pause; None when something presses more."""
        if isinstance(asked, Pause):
            return self._pause(asked, state)
        if not asked.changes and self._pressed(state):
            return None
        return self._ordered(asked, state)

    def _pause(self, pause: Pause, state: State) -> Reply | None:
        until = time.monotonic() + pause.seconds
        while (left := until - time.monotonic()) > 0:
            if self._pressed(state):
                return None
            if self._quiet.wait(left, pause.watch):
                break
            self._tick(0.0, ())
        return _NOTHING

    def _ordered(self, order: Order, state: State) -> Reply | None:
        """Start an order and follow it; one that only looks, or builds, yields to the client."""
        command = self._work.started(order)
        tell = self._work.journal.detail if order.changes else self._work.journal.trace
        tell(" ".join(order.words))
        pressed_since: float | None = None
        while (reply := command.poll()) is None:
            handles = command.handles()
            self._tick(_TICK if handles else _BRISK, handles)
            if not self._pressed(state):
                pressed_since = None
                continue
            pressed_since = pressed_since or time.monotonic()
            if time.monotonic() - pressed_since >= self._grace(order):
                self._end(command)
                return None
        self._work.journal.trace(reply.words)
        return reply

    def _grace(self, order: Order) -> float:
        """How long an order may still take, in s, when the client wants something else."""
        if order.build:
            return self._throttle.patience if self._work.wish is Wish.REST else 0.0
        return _GRACE if order.changes else 0.0

    def _end(self, command: Running) -> None:
        """End a command and see it gone, within a bound."""
        command.end()
        until = time.monotonic() + 2.0
        while command.poll() is None and time.monotonic() < until:
            self._tick(0.02, command.handles())

    def _pressed(self, state: State) -> bool:
        """Whether the client wants something that this state's step must give way to."""
        wanted = answer(state, self._work.wish)
        if state is State.PAUSED and self._work.leaving and self._work.resting:
            return True
        return wanted is not Answer.GO_ON or self._late(state) or self._overdue()

    def _overdue(self) -> bool:
        """Whether the engine takes too long to tidy up behind a job whose finish file stands."""
        if not self._work.finished:
            return False
        self._tidy_by = self._tidy_by or time.monotonic() + _TIDYING
        return time.monotonic() > self._tidy_by

    def _late(self, state: State) -> bool:
        """Whether we are to go and the engine lets us wait; the switch will see to a pause."""
        waits = state in (State.PAUSED, State.COLLECTING)
        return waits and self._work.leaving and time.monotonic() > self._go_by

    def _tick(self, seconds: float, handles: tuple[int, ...]) -> None:
        """Wait, at most so long, then hear the client and tell it what there is to tell."""
        if seconds > 0:
            waiting_for((*handles, *self._signals.handles()))(seconds * 1000)
        now = time.monotonic()
        self._work.session.poll(now)
        self._work.wish = self._wish(now)
        (self._throttle.held if self._work.wish is Wish.REST else self._throttle.going)(now)
        self._telling.turn(now)

    def _wish(self, now: float) -> Wish:
        session = self._work.session
        # asked whatever is wished: a client that is gone would wake us for ever
        gone = session.client_gone(now)
        if session.abort_asked:
            return Wish.ABORT
        if not self._goodbye:
            self._goodbye, self._go_by = self._why_go(gone), now + _LONGEST_GOODBYE
        if self._goodbye:
            return Wish.QUIT
        return Wish.REST if session.suspended else Wish.RUN

    def _why_go(self, gone: str | None) -> str:
        """Why we are to go, in words; empty when we are not."""
        if self._work.session.quit_asked:
            return "the client quits"
        if self._signals.quit_asked:
            return "a signal asked us to go"
        return gone or ""

    def _leave(self, leave: Leave) -> int:
        """Go without having finished; with a reason, ask the client to try again later."""
        self._work.stop_watching()
        if self._work.at_rest:
            self._disarm()  # else it may run on: the switch pauses it as soon as that can be done
        if not leave.reason:
            self._work.journal.detail(f"Leaving: {self._goodbye}")
            return 0
        count = self._work.record.temporary_exits
        delay = min(_FIRST_DELAY * 2 ** min(count, 10), _LONGEST_DELAY)
        try:
            self._work.machine.note(temporary_exits=count + 1)
        except NotSaved as error:
            self._work.journal.detail(f"The state cannot be saved: {error}")
        why = self._work.journal.redacted(leave.reason)
        postpone(self._work.slot, self._work.journal, delay, why, self._hurried)
        return 0

    def _hurried(self) -> bool:
        """Whether the client does not want to wait for our last words."""
        if self._work.switch is not None and self._work.machine.state is not State.COLLECTING:
            return True  # the job may run, and is paused when this process is gone
        self._tick(0.0, ())
        return self._work.leaving or self._work.wish is Wish.ABORT

    def _pause_anyhow(self) -> None:
        """Nothing burns on when the state cannot be saved: pause without writing it down."""
        work = self._work
        if work.engine is None or work.switch is None or work.at_rest:
            return
        asking = work.engine.pause(work.container_name)
        reply = work.host.run(next(asking))
        work.at_rest = reply.ok
        work.journal.detail(f"Paused, since the state cannot be saved: {reply.words}")

    def _say_goodbye(self) -> None:
        """See to it that the client hears the last CPU time; what it has not read yet is older."""
        self._telling.tell_last()
