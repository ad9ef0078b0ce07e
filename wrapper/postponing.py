"""Asks the client to start us again later, however full its disk is.

A process that ends without a word counts as a failure of the job, and after a hundred of them the
client gives the job up. So when the word cannot be written down, we wait for room. Knows no state
and no engine: the caller has seen to it that nothing burns meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from wrapper.boinc.slot import SlotTrouble, write_temporary_exit
from wrapper.journal import Journal

_PATIENCE = 600.0
_PAUSE = 0.1
_TRY_AGAIN = 2.0


def postpone(
    slot: Path, journal: Journal, delay: float, why: str, hurry: Callable[[], object]
) -> None:
    """Leave a temporary exit of ``delay`` s with its reason, if need be after a wait for room.

    ``hurry`` is asked all the time whether we are to go at once. Gives up after ten minutes.
    """
    journal.say(f"{why}\nTrying again in {delay:.0f} s.")
    trouble = _not_told(slot, delay, why)
    if trouble is None:
        return
    journal.say(f"The client cannot be told so yet. {trouble}")
    until = time.monotonic() + _PATIENCE
    again = 0.0
    while not hurry() and time.monotonic() < until:
        if time.monotonic() >= again:
            again = time.monotonic() + _TRY_AGAIN
            if _not_told(slot, delay, why) is None:
                return
        time.sleep(_PAUSE)


def _not_told(slot: Path, delay: float, why: str) -> SlotTrouble | None:
    """What is in the way of telling; None once it is told."""
    try:
        write_temporary_exit(slot, delay, why)
    except SlotTrouble as trouble:
        return trouble
    return None
