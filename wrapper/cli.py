"""From the command line to the exit status: take the slot, do the work, and fail with words.

Nothing escapes as a traceback that ends a job: a mistake in this program is a temporary exit, with
the traceback in the log, since the container and its work are still there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from states.store import NotLoaded, NotSaved
from wrapper.apart import NoAnswer
from wrapper.beginning import Beginning, Slot, begin
from wrapper.boinc.init_data import INIT_DATA_FILE, BadInitData, InitData, read_init_data
from wrapper.boinc.session import Client, open_session
from wrapper.boinc.slot import Lock, SlotTrouble, finish_written, write_finish
from wrapper.journal import Journal
from wrapper.options import BadOptions, Options, parse
from wrapper.postponing import postpone
from wrapper.proxies import proxy_secrets
from wrapper.signals import Signals

_LOCK_WAIT = 35.0
_LATER = 600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job of the current directory; the exit status is the client's to read."""
    slot = Path.cwd()
    _speak_utf8(sys.stderr)
    journal = Journal(sys.stderr)
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        init = read_init_data(slot / INIT_DATA_FILE)
    except BadOptions as bad:
        return _refused(slot, journal, str(bad))
    except BadInitData as bad:
        return _later(slot, journal, f"{bad}. The job waits: without it nobody knows whose it is.")
    journal.verbose = int(options.verbose)
    if init is not None:
        journal.hide((init.authenticator, *proxy_secrets(init.proxy)))
    return _locked(slot, journal, options, init)


def _speak_utf8(stream: TextIO | None) -> None:
    """The project's server reads UTF-8, whatever this volunteer's system would write."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _locked(slot: Path, journal: Journal, options: Options, init: InitData | None) -> int:
    """The rest, with the slot's lock held until the end of this process."""
    signals = Signals()
    signals.catch()
    try:
        lock = Lock(slot)
        if not _taken(lock, signals):
            if signals.quit_asked:
                return 0
            why = "Another program works in this slot and does not go."
            return _later(slot, journal, f"{why} Please end it, or restart this computer.")
        try:
            return _work(slot, journal, options, init, signals)
        finally:
            lock.release()
    except SlotTrouble as trouble:
        why = f"The slot cannot be used: {trouble}"
        return _later(slot, journal, why, lambda: signals.quit_asked)
    finally:
        signals.close()


def _taken(lock: Lock, signals: Signals) -> bool:
    """Whether the lock could be had before the client's patience ends."""
    until = time.monotonic() + _LOCK_WAIT
    while not lock.try_take():
        if time.monotonic() >= until or signals.quit_asked:
            return False
        time.sleep(0.2)
    return True


def _work(
    slot: Path, journal: Journal, options: Options, init: InitData | None, signals: Signals
) -> int:
    session = open_session(slot, init, time.monotonic())
    try:
        return _job(begin(Slot(slot, options, init, session, journal)), signals)
    except (NotSaved, NotLoaded) as error:
        why = f"The job's state is out of reach: {error}"
        return _later(slot, journal, why, lambda: _hurried(session, signals))
    except NoAnswer as error:
        why = f"The job's files are out of reach: {error}"
        return _later(slot, journal, why, lambda: _hurried(session, signals))
    except Exception as error:
        from traceback import format_exc  # some 0.3 MiB, and hopefully never wanted

        # go at once: the job may run, and is paused when this process is gone
        journal.say(f"A mistake in docker_wrapper: {error!r}\n{format_exc()}")
        why = f"docker_wrapper made a mistake: {type(error).__name__}"
        return _later(slot, journal, why, lambda: True)
    finally:
        session.close()


def _job(beginning: Beginning, signals: Signals) -> int:
    """What was begun, to its end."""
    # Most of the program is imported here, while an engine and a process apart work for us.
    from wrapper.opening import open_work
    from wrapper.supervisor import Supervisor

    work = open_work(beginning)
    try:
        return Supervisor(work, signals).run()
    finally:
        work.host.close()


def _refused(slot: Path, journal: Journal, why: str) -> int:
    """The job cannot be run at all, and never will: finish it with words."""
    journal.say(why)
    if finish_written(slot) is None:
        write_finish(slot, 1, why)
    return 1


def _later(
    slot: Path, journal: Journal, why: str, hurry: Callable[[], object] = lambda: False
) -> int:
    """Ask the client to start us again later; the container, if any, keeps its work."""
    postpone(slot, journal, _LATER, why, hurry)
    return 0


def _hurried(session: Client, signals: Signals) -> bool:
    """Whether somebody wants us to go."""
    now = time.monotonic()
    session.poll(now)
    asked = session.quit_asked or session.abort_asked or signals.quit_asked
    return asked or session.client_gone(now) is not None
