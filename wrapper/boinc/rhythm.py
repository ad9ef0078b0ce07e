"""When the client speaks, so that it can be heard with the fewest looks.

The client beats its heart once a second, and what it asks for it mostly asks in the same pass of
its loop (``CLIENT_STATE::poll_slow_events`` in BOINC's ``client/client_state.cpp``). Client 7.20
made all of 36 requests within 2 ms behind a heartbeat; heartbeats were 1.0013 s apart, give or take
1 ms: a second's sleep, and what a pass takes, which is more where there are many tasks. A CPU limit
is kept by a thread of its own, whose requests come at any other time.

So a look a little behind each heartbeat hears nearly all at once, and one halfway between is enough
for the rest; and when a request came at another time, more may. Nothing here looks by itself.
"""

from __future__ import annotations

import math

BEAT = 1.0013
"""Seconds from one heartbeat to the next, as long as nothing else was seen."""
SHORTEST_BEAT, LONGEST_BEAT = 0.99, 1.6
"""Seconds within which a client's own beat is learned."""
BEHIND = 0.03
"""Seconds that a look comes behind the heartbeat at least: requests come a little behind it too."""
FINE = 0.02
"""Seconds between the first looks for a heartbeat that has to be found; later they are rarer."""
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
"""Seconds for which requests may come at any time after one that did, or after three in a row; and
for which a beat that is too uneven is not looked for."""
IN_A_ROW = 30.0
"""Seconds within which three requests are those of a CPU limit."""
MOST_FINE = 100.0
"""How many looks may have been spent on finding heartbeats, above one for each."""
_STEP_BACK = 0.1
_FINELY = 0.22
# Seconds for which a heartbeat that is due is looked for finely.
_TAKEN = 0.09
# Seconds from now to a look for a heartbeat that may be behind us already.
_STALE = 30.0
_EXACT, _ERROR, _SOON = 0.0005, 0.05, 10.0
# Seconds a beat to which it is learned; how far it may be out, in s, until that is looked into; and
# how long, in s, it is believed at least, once it is known roughly.
_ROUGH = 0.04
_VAGUE = 0.005
# Seconds within which an even beat is known.
_SURE = 0.4
# Of a beat: within how much it has to be known which one it is that came.


class Rhythm:
    """Says when to look at the client next, and learns from what was seen. Times in s, of a clock
    that never goes back.

    ``awaits`` says whether the look that comes next is one for a heartbeat too. Whoever looks takes
    the heartbeat that was found, so that the next one is seen.
    """

    def __init__(self) -> None:
        self.awaits = True
        self._beat = BEAT
        # seconds from one heartbeat to the next
        self._due: float | None = None
        # when to look behind the next heartbeat
        self._again = 0.0
        # when to look once more, since the last may have come before a request; 0: it did not
        self._anchor, self._exact = (-math.inf, 0.0), 0.3
        # an earlier heartbeat: when it came, and within how many s; and within how many s the beat
        # is known
        self._searching = False
        # whether the last look for a heartbeat that was due found none
        self._spent = 0.0
        self._last = self._behind = self._near = -math.inf
        # the last look for a heartbeat; the last that came far enough behind one, and near enough
        self._any_time_until = self._uneven_until = -math.inf
        self._requests = [-math.inf] * 3

    def begin(self, now: float) -> None:
        """Looks begin (again); no heartbeat waits, and one that is due at this moment may have been
        taken already.
        """
        self._last, self._again, self._searching = now, 0.0, False
        if self._due is None or now - self._due > _STALE:
            self._due = None
        elif self._due < now + _TAKEN:
            self._due += self._beat * math.ceil((now + _TAKEN - self._due) / self._beat)

    def known(self, now: float) -> bool:
        """Whether it is known when the client beats its heart."""
        return self._due is not None and now >= self._uneven_until

    def pause(self, now: float, unknown: float, halve: bool) -> float:
        """Seconds until the next look, above 0.

        ``unknown``: the longest pause while requests may come at any time. ``halve``: also look
        halfway from one heartbeat to the next, which is done anyhow for an uneven one.
        """
        self.awaits = True
        due = self._due
        if due is None or now < self._uneven_until:
            return unknown
        if self._again:
            return max(self._again - now, 0.001)
        if now >= due:
            return FINE if now < due + _FINELY else min((now - due) / 4, LONGEST)
        early = due - BEHIND if now - self._behind > PROOF else due
        left = (early if now < early else due) - now
        halve = halve or self._exact > _VAGUE
        most = left / math.ceil(left / LONGEST) if halve else left
        if now < self._any_time_until:
            most = min(most, unknown)
        self.awaits = most == left
        return most

    def looked(self, now: float, beats: bool, asked: bool) -> bool:
        """What a look has found: a heartbeat, a request. Whether it is time to see if the client is
        still there: its heartbeat was due and did not come.
        """
        if asked:
            self._heard(now, beats)
        if not self.awaits:
            return False
        last, self._last, due = self._last, now, self._due
        if self._again:  # nothing is to be learned of this look
            self._again = 0.0
        elif beats:
            self._due = self._next(now, last, due)
            self._spent = max(0.0, self._spent - 1)
            self._searching = False
        elif due is not None and now >= due:
            return self._missed(now, due)
        return False

    def _heard(self, now: float, beats: bool) -> None:
        """A request: from one at another time than a heartbeat's on, more are expected."""
        self._requests = [*self._requests[1:], now]
        often = now - self._requests[0] <= IN_A_ROW
        if often or (not beats and (now < self._any_time_until or self._is_apart(now))):
            self._any_time_until = now + MEMORY

    def _missed(self, now: float, due: float) -> bool:
        """A heartbeat was due. Whether it is late enough to be missed."""
        self._searching = True
        self._spent += 1 if now >= self._uneven_until else 0
        if self._spent > MOST_FINE:
            self._spent, self._uneven_until = 0.0, now + MEMORY
        if now <= due + LONGEST_WAIT:
            return False
        self._due = None
        return True

    def _next(self, now: float, last: float, due: float | None) -> float:
        """When to look for the next heartbeat; this one came between the last look and now."""
        vague = due is None or self._searching or now < due - BEHIND
        if due is None or vague or now - last <= 2 * FINE or now < self._uneven_until:
            self._learn(now - (now - last) / 2, now - last)
            self._again = now + BEHIND
            if now - last > 2 * FINE:
                return last + self._beat  # somewhere from then on
            self._near = self._behind = now
            return self._again + self._beat
        if now < due:
            self._behind, self._again = now, due
        # It may have come long before: now and then it is looked for from earlier on.
        least = _SOON if self._exact <= _ROUGH else 0.0
        doubt = now - self._near > min(FAITH, max(least, _ERROR / self._exact))
        return due + self._beat - (_STEP_BACK if doubt else 0.0)

    def _learn(self, at: float, span: float) -> None:
        """The client's own beat, from a heartbeat that came at that time, give or take half a span.
        """
        before, known = self._anchor
        beats = round(min(at - before, 1e6) / self._beat)
        if beats < 1 or beats * self._exact > _SURE:
            self._anchor = (at, span)
            return
        exact = ((span + known) / 2 + FINE) / beats
        seen = (at - before) / beats
        nearest = min(max(self._beat, seen - exact), seen + exact)
        wrong = abs(nearest - self._beat)
        if wrong > FINE:
            self._uneven_until = -math.inf  # it was another, and not uneven
        self._beat = min(max(nearest, SHORTEST_BEAT), LONGEST_BEAT)
        self._exact = max(min(exact, self._exact), _EXACT, wrong)
        if exact <= _EXACT:
            self._anchor = (at, span)

    def _is_apart(self, now: float) -> bool:
        """Whether this is a time, known for certain, at which no heartbeat comes."""
        if self._due is None or now - self._near > 2 * FAITH:
            return False
        return abs((now - self._due + self._beat / 2) % self._beat - self._beat / 2) > APART
