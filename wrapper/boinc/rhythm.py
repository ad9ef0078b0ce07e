"""When the client speaks, so that it can be heard with the fewest looks.

The client beats its heart once a second, and what it asks for it mostly asks in the same pass of
its loop (``CLIENT_STATE::poll_slow_events`` in BOINC's ``client/client_state.cpp``). Client 7.20
made all of 36 requests within 2 ms behind a heartbeat, and heartbeats 1.0013 s apart, give or take
1 ms. A CPU limit is kept by a thread of its own, whose requests come at any other time.

So a look a little behind each heartbeat hears nearly all at once, and one halfway between is enough
for the rest; and when a request came at another time, more may. Nothing here looks by itself.
"""

from __future__ import annotations

import math

BEAT = 1.0013
"""Seconds from one heartbeat to the next, as long as nothing else is seen."""
BEHIND = 0.03
"""Seconds that a look comes behind the heartbeat at least: requests come a little behind it too."""
FINE = 0.02
"""Seconds between two looks for a heartbeat that has to be found."""
LONGEST = 0.55
"""Seconds between two looks at most, where more than one is made for a heartbeat."""
LONGEST_WAIT = 0.6
"""Seconds that a heartbeat is waited for; one that is later has lost its time."""
PROOF = 30.0
"""Seconds for which it is believed that the look still comes behind it."""
FAITH = 120.0
"""Seconds for which it is believed that the look does not come long behind it."""
APART = 0.05
"""Seconds from a look for a heartbeat within which a request is taken to belong to it."""
MEMORY = 600.0
"""Seconds for which requests may come at any time after one that did."""
_STEP_BACK = 0.1
_TAKEN = 0.09
# Seconds from now to a look for a heartbeat that may be behind us already.
_STALE = 30.0


class Rhythm:
    """Says when to look at the client next, and learns from what was seen. Times in s, of a clock
    that never goes back.

    ``awaits`` says whether the look that comes next is one for a heartbeat too. Whoever looks takes
    the heartbeat that was found, so that the next one is seen.
    """

    def __init__(self) -> None:
        self.awaits = True
        self._due: float | None = None
        # when to look behind the next heartbeat
        self._again = 0.0
        # when to look once more, since the last may have come before a request; 0: it did not
        self._last = self._behind = self._near = self._any_time_until = -math.inf
        # the last look for a heartbeat; the last that came far enough behind one, and near enough

    def begin(self, now: float) -> None:
        """Looks begin (again); no heartbeat waits, and one that is due at this moment may have been
        taken already.
        """
        self._last, self._again = now, 0.0
        if self._due is None or now - self._due > _STALE:
            self._due = None
        elif self._due < now + _TAKEN:
            self._due += BEAT * math.ceil((now + _TAKEN - self._due) / BEAT)

    def known(self, now: float) -> bool:
        """Whether it is known when the client will speak, if it will."""
        return self._due is not None and now >= self._any_time_until

    def pause(self, now: float, unknown: float, halve: bool) -> float:
        """Seconds until the next look, above 0.

        ``unknown``: the pause where there is no time to expect. ``halve``: also look halfway from
        one heartbeat to the next.
        """
        due = self._due
        self.awaits = True
        if due is None or now < self._any_time_until:
            return unknown
        if self._again:
            return max(self._again - now, 0.001)
        if now >= due:
            return FINE
        early = due - BEHIND if now - self._behind > PROOF else due
        left = (early if now < early else due) - now
        if not halve or left <= LONGEST:
            return left
        self.awaits = False
        return left / 2

    def looked(self, now: float, beats: bool, asked: bool) -> bool:
        """What a look has found: a heartbeat, a request. Whether it is time to see if the client is
        still there: its heartbeat was due and did not come.
        """
        if asked and not beats and (now < self._any_time_until or self._is_apart(now)):
            self._any_time_until = now + MEMORY
        if not self.awaits:
            return False
        last, self._last, due = self._last, now, self._due
        if now >= self._again:
            self._again = 0.0
        if beats:
            self._due = self._next(now, last, due)
        elif due is not None and now > due + LONGEST_WAIT:
            self._due = None
            return True
        return False

    def _next(self, now: float, last: float, due: float | None) -> float:
        """When to look for the next heartbeat; this one came between the last look and now."""
        if now - last <= 2 * FINE:
            self._near = self._behind = now
            self._again = now + BEHIND
            return self._again + BEAT
        if due is None or now < due - BEHIND:
            return last + BEAT  # somewhere from then on
        if now < due:
            self._behind, self._again = now, due
        # It may have come long before: now and then it is looked for from earlier on.
        doubt = now - self._near > FAITH and now >= self._any_time_until
        return due + BEAT - (_STEP_BACK if doubt else 0.0)

    def _is_apart(self, now: float) -> bool:
        """Whether this is a time, known for certain, at which no heartbeat comes."""
        if self._due is None or now - self._near > 2 * FAITH:
            return False
        return abs((now - self._due + BEAT / 2) % BEAT - BEAT / 2) > APART
