"""Waiting for a fact with a limit: what every test of the lab does instead of sleeping for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TooLong(AssertionError):
    """Something did not become true in its time."""


def wait_for(
    what: str, look: Callable[[], T], limit: float, *, every: float = 0.05,
    tell: Callable[[], str] = lambda: "",
) -> T:
    """Look again and again until ``look`` gives something true; give that.

    ``limit`` is in seconds. ``tell`` adds what a person needs to understand why it did not come.

    Raises:
        TooLong: it never did.
    """
    end = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TooLong(f"not within {limit:g} s: {what}\n{tell()}".rstrip())
        time.sleep(every)
