"""An order that was given to a shell of a WSL distro, from its start to its reply.

Its limit and its end are kept here: what hangs is ended by another shell, and the shell it was
given to is not used again then. Knows no engine.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from wrapper.engine.hosts import wsl_words
from wrapper.engine.hosts.base import Order, Reply, Unreachable
from wrapper.engine.hosts.wsl_shell import Frame, Shell

if TYPE_CHECKING:
    from wrapper.engine.hosts.wsl import WslHost

OPEN_LIMIT = 20.0
"""How long a shell may take to answer first, in seconds: the virtual machine may have to start."""
# How long to wait before `wsl` is asked once more for a shell, in seconds.
_SECOND_TRY = 1.0
# How long a build may tidy up after its step was ended, in seconds.
_TIDY_UP = 2.0
# How long what was ended may take to be gone before nobody waits for it, in seconds.
_END_LIMIT = 5.0


class NotStarted:
    """An order that could not be given to any shell."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def poll(self) -> Reply | None:
        return self._reply

    def end(self) -> None:
        pass

    def handles(self) -> tuple[int, ...]:
        return ()


class Command:
    """An order that was given to a shell."""

    def __init__(self, host: WslHost, shell: Shell, frame: Frame, order: Order) -> None:
        self._host, self._shell, self._order, self._frame = host, shell, order, frame
        self._end_by = time.monotonic() + order.limit
        self._late = False
        self._endings = 0
        self._strays: Frame | None = None
        self._reply: Reply | None = None
        self._try_at = 0.0
        self._has_tried = False
        shell.busy = True

    def poll(self) -> Reply | None:
        if self._reply is not None:
            return self._reply
        self._host.hush()
        if self._frame.complete:
            return None if self._tries_again() else self._conclude()
        now = time.monotonic()
        if not self._shell.is_open and now - self._shell.began > OPEN_LIMIT:
            return self._give_up(f"{self._host.name} gave no shell within {OPEN_LIMIT:g} s")
        if self._endings and self._order.build and self._no_strays():
            self._end_all()
        if now >= self._end_by:
            if self._endings > 1:
                return self._give_up("")
            self._late = self._late or not self._endings
            self.end()
        return None

    def end(self, at_once: bool = False) -> None:
        if self._reply is not None or self._endings > 1:
            return
        if self._order.build and not self._endings and self._shell.pid and not at_once:
            self._endings = 1
            self._end_by = time.monotonic() + _TIDY_UP
            with contextlib.suppress(Unreachable):
                # `podman build` fails with its RUN, and removes its half-made container then.
                self._strays = self._host.begin_look(wsl_words.end_strays(self._shell.pid))
        else:
            self._end_all()

    def handles(self) -> tuple[int, ...]:
        return () if self._reply is not None else self._host.handles()

    def _tries_again(self) -> bool:
        """Whether another shell is awaited, since `wsl` ended without giving one.

        That happens when the computer has just started or woken up. The order was said to nobody
        then, so it is not carried out twice.
        """
        if self._has_tried or self._endings or self._shell.pid or not self._frame.lost:
            return False
        self._try_at = self._try_at or time.monotonic() + _SECOND_TRY
        if time.monotonic() < self._try_at:
            return True
        self._has_tried = True
        try:
            self._shell, self._frame = self._host.given_anew(self._shell, self._order)
        except OSError:
            return False
        self._shell.busy = True
        return True

    def _no_strays(self) -> bool:
        """Whether it is known that nothing was there whose end the build could notice."""
        asked = self._strays
        return asked is not None and asked.complete and asked.out.kept.strip() in (b"", b"0")

    def _end_all(self) -> None:
        """The looks' shell ends the other with all that it started."""
        self._endings, self._strays = 2, None
        self._end_by = time.monotonic() + _END_LIMIT
        if not self._shell.pid:
            self._shell.kill()
            return
        with contextlib.suppress(Unreachable):
            self._host.begin_look(wsl_words.end_all(self._shell.pid))

    def _conclude(self) -> Reply:
        frame, status = self._frame, self._frame.status
        self._finish(healthy=bool(status) and not self._endings)
        trouble = ""
        if self._late:
            trouble = f"{self._too_long()}, so it was ended"
        elif status == wsl_words.ABSENT:
            trouble = (f"{self._order.words[0]} could not be started: there is no such command in "
                       f"{self._host.name}")
        elif not status and not self._endings:
            trouble = self._lost()
        number = None if trouble else _status(status, bool(self._endings))
        self._reply = Reply(number, frame.out.kept, frame.err.told(), trouble, frame.out.left_out,
                            missing=status == wsl_words.ABSENT)
        return self._reply

    def _lost(self) -> str:
        how = self._host.how_lost(self._shell)
        return f"{shown(self._order)}: {how}" if self._shell.pid else how

    def _give_up(self, trouble: str) -> Reply:
        """It cannot be ended, or was never begun: whatever it does, nobody will know."""
        if self._late:
            trouble = self._too_long()
        self._finish(healthy=False)
        trouble = trouble or f"{shown(self._order)} was ended"
        said = f". It said: {self._shell.words}" if self._shell.words else ""
        self._reply = Reply(None, trouble=trouble + said)
        return self._reply

    def _too_long(self) -> str:
        return f"{shown(self._order)}: no end after {self._order.limit:g} s"

    def _finish(self, healthy: bool) -> None:
        self._shell.busy = False
        self._host.finished_with(self._shell, healthy)


def _status(said: str, was_ended: bool) -> int | None:
    """An exit status; a shell tells the end by a signal as 128 and the signal's number."""
    if not said.isdigit():
        return -9 if was_ended else None
    number = int(said)
    return 128 - number if 128 < number <= 128 + 64 else number


def shown(order: Order) -> str:
    """Its first words, for a person."""
    return " ".join(order.words[:3]) or "(nothing)"
