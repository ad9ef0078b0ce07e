"""Where the kernel and the engine are of two minds about whether the container is frozen.

The engine's word stands, for it is by the engine that the container is paused and let go on: the
kernel is made to agree with it, and then its verbs work again. Only what lasts is touched, since a
pause that somebody else is just carrying out looks the same for a moment.
"""

from __future__ import annotations

import time

from wrapper.engine import freezer
from wrapper.engine.answers import Container, Status
from wrapper.work import Pause, Talk, Work

_LASTS = 2.0
"""Seconds after which two minds are not just a moment between two others."""


def torn(work: Work, container: Container) -> Talk[bool]:
    """Whether they are of two minds, and another look is worth while: it was waited for a moment,
    or the kernel was told. Where it cannot be told, all goes on as if nobody had looked.
    """
    files = freezer.find(work.host, container.pid, container.id) if container.pid else None
    shown = container.status is Status.PAUSED
    if files is None or not _contrary(work, files, shown):
        work.torn_since = None
        return False
    now = time.monotonic()
    if work.torn_since is None:
        work.torn_since = now
    if now - work.torn_since < _LASTS:
        yield Pause(_LASTS / 4)
        return True
    told = freezer.change(work.host, files, shown)
    _say(work, shown, told)
    if not told or _contrary(work, files, shown):
        return False
    work.torn_since = None
    return True


def _contrary(work: Work, files: freezer.Freezer, shown: bool) -> bool:
    """Whether the kernel says for certain the contrary of what the engine shows."""
    frozen = freezer.frozen(work.host, files)
    return frozen is not None and frozen is not shown


def _say(work: Work, shown: bool, told: bool) -> None:
    if work.torn_told:
        return
    work.torn_told = True
    title = work.driver.kind.title
    what = "paused, and it runs" if shown else "running, and it is frozen"
    done = "" if told else " But its freezer cannot be written."
    work.journal.say(f"{title} shows the container as {what}: the kernel is to agree.{done}")
