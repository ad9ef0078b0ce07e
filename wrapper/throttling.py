"""Tells a client that limits the CPU time from one that wants the job to stand still.

With a CPU limit below 100 % the client suspends and resumes a job every second or two, for ever. A
build cannot be frozen, only ended and begun again; ended at each of these it would never be done.
So the first suspension ends it at once, and when that turns out to have been a short one, later
suspensions must last a while before they do.
"""

from __future__ import annotations

SHORT = 10.0
"""Seconds: a suspension below that is one of a CPU limit's."""


class Throttle:
    """Remembers how long the last suspension was. Times are monotonic, in s."""

    def __init__(self) -> None:
        self._held_since: float | None = None
        self._short = False

    def held(self, now: float) -> None:
        """The client wants the job to stand still."""
        if self._held_since is None:
            self._held_since = now

    def going(self, now: float) -> None:
        """The client lets the job go on."""
        if self._held_since is not None:
            self._short = now - self._held_since < SHORT
            self._held_since = None

    @property
    def patience(self) -> float:
        """How long, in s, a suspension may last before it ends a build."""
        return SHORT if self._short else 0.0
