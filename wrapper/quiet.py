"""The wait while nothing happens, which is nearly all of a job's life.

To wake up is what watching costs most, 0.04 to 0.09 ms each time; so it is done as seldom as can
be, and as little as can be is done then. See :mod:`wrapper.boinc.rhythm` for when.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from wrapper.boinc.channels import UNASKED
from wrapper.boinc.rhythm import Rhythm
from wrapper.engine.hosts.base import Watch
from wrapper.signals import Signals
from wrapper.telling import Telling
from wrapper.waiting import waiting_for
from wrapper.work import Work

_GLANCE = 0.25
"""Seconds between two glances at the client while nobody knows when it will ask for something."""
_GLANCE_AT_REST = 0.2
"""The same while the job rests: an engine takes longer to let it go on than to pause it."""
_LONGEST = 20.0
"""Seconds until the client is heard in full all the same: it says more than requests."""
_LONGEST_ASKING = 4.0
"""The same where its process has to be asked for, and where its heartbeat is not heard."""
_HALF = 0.4
"""Seconds that telling is put off at a look with a heartbeat, for the look halfway to do it."""


class Quiet:
    """Waits for something to happen, and keeps the client informed meanwhile."""

    def __init__(self, work: Work, signals: Signals, telling: Telling) -> None:
        self._work = work
        self._signals = signals
        self._telling = telling
        self._rhythm = Rhythm()

    def wait(self, seconds: float, watch: Watch | None) -> bool:
        """Wait until something happens to the container, the client asks for something, or there
        is something else to be done: at most so long. Whether the process that is watched has
        ended.
        """
        handles = watch.handles() if watch is not None else ()
        session, rhythm, telling = self._work.session, self._rhythm, self._telling
        signals, client = self._signals.handles(), session.handles()
        wait, glance = waiting_for((*handles, *signals, *client)), session.glance()
        if not signals or (watch is not None and not handles):
            return self._wait_evenly(seconds, watch, wait)
        resting = self._work.resting
        unknown = _GLANCE_AT_REST if resting else _GLANCE
        now = time.monotonic()
        telling.turn(now)
        rhythm.begin(now)
        calm = bool(client) and rhythm.known(now)
        until = now + min(seconds, _LONGEST if calm else _LONGEST_ASKING)
        while now < until:
            if wait(min(rhythm.pause(now, unknown, not resting), until - now) * 1000):
                return watch is not None and watch.ended()
            now = time.monotonic()
            try:
                beats, asked = rhythm.awaits and session.hear(now), glance() != UNASKED
            except OSError:
                return False  # what has happened to the memory is for the next tick to say
            if rhythm.looked(now, beats, asked) or asked:
                return False
            # rather halfway: what the client reads with its next heartbeat is half a second old
            if now >= telling.next + (_HALF if beats else 0.0):
                telling.turn(now)
        return False

    def _wait_evenly(
        self, seconds: float, watch: Watch | None, wait: Callable[[float], object]
    ) -> bool:
        """The same where not all that may happen can wake us, so that it is asked each time: how
        soon that is seen does not depend on the client.
        """
        glance = self._work.session.glance()
        pause = _GLANCE_AT_REST if self._work.resting else _GLANCE
        now = time.monotonic()
        until = now + min(seconds, _LONGEST_ASKING)
        self._telling.turn(now)
        while now < until:
            woken = wait(min(pause, until - now) * 1000)
            if watch is not None and watch.ended():
                return True
            now = time.monotonic()
            try:
                self._work.session.hear(now)
                if woken or glance() != UNASKED or self._signals.quit_asked:
                    return False
            except OSError:
                return False
            self._telling.turn(now)
        return False
