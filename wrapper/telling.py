"""What the client is told while a job goes on, about once a second, and at its end."""

from __future__ import annotations

from states.table import Outcome, State
from wrapper.boinc.slot import SlotTrouble, read_fraction, read_sporadic, write_sporadic
from wrapper.boinc.status import Status, scaled
from wrapper.opening import reread
from wrapper.work import Work

_PERIOD = 0.8
# Seconds; turns come about twice a second or more often, and every second is wanted.
_FAR = 4.0
# The same where a shell in a distro of WSL has to read the job's use: that costs two processes.
_RARE = 10.0
_FRACTION = 3.5
# Seconds between two looks at how far a job is that does not say it, as most do not.


class Telling:
    """Reads the accounts and tells the client. Times are monotonic, in s."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.next = 0.0
        """When there is something to tell again."""
        self._rested = False
        self._fraction = 0.0
        self._next_fraction = 0.0
        self._port_told: int | None = None
        self._sporadic: int | None = None
        self._last_told = False

    def turn(self, now: float) -> None:
        """Called by the loop as often as it likes; does its work once a second, and at once when
        the job comes to rest or goes on.
        """
        if self._work.machine.state in (State.COLLECTING, State.DONE):
            if not self._last_told:
                self._read_fraction()  # the job's own last word
                self._last_told = self._work.session.last(self.status())
            return
        resting = self._work.resting
        changed, self._rested = resting != self._rested, resting
        if now < self.next and not changed:
            return
        work = self._work
        self.next = now + (_RARE if resting else _FAR if work.host.distro else _PERIOD)
        if now >= self._next_fraction:
            self._next_fraction = now + (0.0 if self._read_fraction() else _FRACTION)
        if work.watch is not None and (changed or not resting):
            work.accounts.read(work.host)
        if work.session.take_reread():
            reread(work)
        if work.options.sporadic:
            self._pass_sporadic()
        work.session.report(self.status())
        port = work.record.graphics_port
        # not before it runs: until then the port may still turn out to be somebody else's
        if port and port != self._port_told and work.runs:
            self._port_told = port
            address = f"http://127.0.0.1:{port}"
            work.session.tell_graphics(address)
            work.machine.note(web=address)

    def _pass_sporadic(self) -> None:
        """The client's state into the file ``ca``, whenever it changes."""
        state = self._work.session.sporadic_ca
        if state is not None and state != self._sporadic:
            try:
                write_sporadic(self._work.slot, state)
            except SlotTrouble as trouble:
                self._work.journal.detail(str(trouble))
                return
            self._sporadic = state

    def status(self) -> Status:
        """What there is to tell now."""
        work, accounts = self._work, self._work.accounts
        sporadic = read_sporadic(work.slot) if work.options.sporadic else None
        done, init = self._fraction, work.init
        if work.record.outcome is Outcome.SUCCESS:
            done = 1.0
        if init is not None:
            # how far the job is, as the part of the whole that this task stands for
            done = scaled(done, init.fraction_done_start, init.fraction_done_end)
        cpu = accounts.cpu_time
        return Status(cpu, cpu, done, accounts.wss, work.wants_network, sporadic)

    def _read_fraction(self) -> bool:
        told = read_fraction(self._work.slot)
        if told is None:
            return False
        self._fraction = told
        return True

    def tell_last(self) -> None:
        """Put the job's last status where the client will read it, in the place of an earlier one
        that it has not read yet.
        """
        if not self._last_told:
            self._last_told = self._work.session.last(self.status(), insist=True)
