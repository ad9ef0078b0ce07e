"""The step of collecting: outputs whole and the client's, log told, finish file, nothing left.

In this order, so that a death between two lines loses nothing: log, ownership, outputs, finish
file, and only then the container and the image. Each part may be done twice without harm.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path

from states.reconcile import Shown
from states.table import Event, Outcome
from wrapper.boinc.slot import ExitStatus, write_finish
from wrapper.engine.answers import Absent, Image, Unknown
from wrapper.engine.hosts.base import Reply, Unreachable
from wrapper.hosting import deliver, remembered
from wrapper.imaging import clear_build
from wrapper.looking import Patience, checked, look, restart_it, wait_for_engine, words_of
from wrapper.work import Leave, Pause, Step, Talk, Turn, Work

_LOG_HEAD, _LOG_TAIL = 8192, 24576
_LOG_MOST = _LOG_HEAD + _LOG_TAIL + 1024
"""Bytes of the job's log that are told in all, as they are shown."""
_TIDY_TRIES = 8
_STOPS = 20


def collecting(work: Work) -> Step:
    """Collect what the job made and finish; then tidy up, as well as can be.

    A finish file that stands is no sign that all was collected: the job can write one as well.
    """
    leave = yield from _collect(work)
    if leave is not None:
        return leave
    yield from _tidy(work)
    return Turn(Event.COLLECTED, work.record.outcome.value if work.record.outcome else "")


def _collect(work: Work) -> Talk[Leave | None]:
    """All that must be safe before anything is removed, the finish file last."""
    if work.engine is not None:
        shown = yield from _stopped(work)
        if isinstance(shown, Leave):
            return shown
        yield from _tell_log(work, shown in (Shown.EXITED, Shown.CREATED))
        yield from give_back(work)
    try:
        finish(work)
    except OSError as error:
        return Leave(f"There is no room for what the job made: {error.strerror}. Please make some.")
    return None


def finish(work: Work) -> None:
    """What collecting does at last, and does without the engine.

    Raises:
        OSError: the disk is too full for the outputs of a job that went well.
    """
    if work.engine is not None:
        open_folders(work.slot)
    _deliver(work)
    _finish(work)
    work.finished = True


def _stopped(work: Work) -> Talk[Leave | Shown]:
    """The container runs no more; it may be gone. What there is of it. What was seen to have ended
    does not run again.
    """
    if work.ended_id:
        return Shown.EXITED
    patience, stops = Patience(), 0
    while True:
        seen, answer = yield from look(work)
        if seen.shown in (Shown.EXITED, Shown.ABSENT, Shown.CREATED, Shown.FOREIGN):
            work.stop_watching()
            return seen.shown
        if seen.shown is Shown.UNKNOWN:
            leave = yield from wait_for_engine(work, patience, words_of(answer))
            if leave is not None or work.leaving:
                return leave or Leave()
            continue
        stops += 1
        if stops > _STOPS:
            who = work.driver.kind.title
            return Leave(f"{who} cannot end the job's container. {restart_it(who)}")
        yield from work.driver.kill(work.container_name)
        if seen.shown is Shown.PAUSED:
            # a frozen process dies only when it thaws, and Docker refuses to kill a paused one
            yield from work.driver.unpause(work.container_name)
            yield from work.driver.kill(work.container_name)
        yield Pause(0.1 * stops, work.watch)


def _tell_log(work: Work, stands: bool) -> Talk[None]:
    """The job's log into our standard error, bounded, once. ``stands``: there is a container."""
    if work.record.logged or work.record.container is None:
        return
    reply, out = yield from _read_log(work)
    if reply.status is None:
        work.journal.say(f"The job's log could not be had.\n{reply.words}")
        return
    if reply.ok:
        work.journal.raw(out, "stdout of the job")
        if reply.err.strip():
            work.journal.raw(reply.err, "stderr of the job")
    elif stands:
        # a log driver of the project's, or a damaged log: what could be read of it is shown
        work.journal.say(f"The job's log could not be read.\n{reply.words}")
        if out.strip():
            work.journal.raw(out, "what could be read of the job's stdout")
    work.machine.note(logged=True)


def _read_log(work: Work) -> Talk[tuple[Reply, bytes]]:
    """The log, and its standard output with a line for what is left out.

    It is read again, and less of it, where both streams are long or much of them has to be escaped:
    the client passes on the last 64 KiB of our standard error.
    """
    for part in (1, 2, 4, 8):
        head = _LOG_HEAD // part
        reply = yield from work.driver.logs(work.container_name, head, _LOG_TAIL // part)
        out = with_gap(reply.out, head, reply.left_out)
        shown = sum(len(work.journal.shown(stream).encode()) for stream in (out, reply.err))
        if shown <= _LOG_MOST:
            break
    return reply, out


def with_gap(kept: bytes, head: int, left_out: int) -> bytes:
    """What was kept of a stream, with a line in the place of what was not."""
    if not left_out:
        return kept
    return kept[:head] + f"\n[... {left_out} bytes left out ...]\n".encode() + kept[head:]


def give_back(work: Work) -> Talk[None]:
    """Make everything in the slot the client's own, through a container where root made it."""
    if sys.platform == "win32" or not foreign_files(work.slot, os.getuid()):
        return
    checkup = yield from checked(work)
    uid, gid = (0, 0) if checkup.rootless else (os.getuid(), os.getgid())
    if os.getuid() == 0:
        owner = os.stat(work.slot)
        uid, gid = owner.st_uid, owner.st_gid
    image = yield from work.driver.image(work.image_name)
    if not isinstance(image, Image):
        work.journal.say("Files of the job stay root's: the image to give them back with is gone.")
        return
    reply = yield from _given_back(work, uid, gid)
    if not reply.ok:
        work.journal.say(f"Files of the job could not be given to the client.\n{reply.words}")


def _given_back(work: Work, uid: int, gid: int) -> Talk[Reply]:
    try:
        slot = work.host.path(work.slot)
    except Unreachable as trouble:
        return Reply(None, trouble=str(trouble))
    return (yield from work.driver.give_back(work.image_name, slot, uid, gid))


def open_folders(slot: Path) -> None:
    """Let their owner into all folders below ``slot``: in one with mode 0 nobody but root can
    delete anything, so the client would keep it for ever. Follows no link.
    """
    pending = [str(slot)]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                    _open_folder(entry)


def _open_folder(entry: os.DirEntry[str]) -> None:
    mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with contextlib.suppress(OSError):  # it is somebody else's
            os.chmod(entry.path, mode | stat.S_IRWXU)


def foreign_files(slot: Path, uid: int) -> bool:
    """Whether anything below ``slot`` belongs to another user; follows no link."""
    pending = [str(slot)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.stat(follow_symlinks=False).st_uid != uid:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            return True
    return False


def _deliver(work: Work) -> None:
    if work.project_dir is None:
        return
    links = remembered(work.slot, work.project_dir)
    try:
        delivered = deliver(work.slot, links.outputs if links else ())
    except OSError as error:
        if work.record.outcome is Outcome.SUCCESS:
            raise
        work.journal.say(f"Output not delivered: {error}")
        return
    for trouble in delivered.refused:
        work.journal.say(f"Output not delivered: {trouble}")


def _finish(work: Work) -> None:
    """The finish file, synced: from here on the job's end is known to the client."""
    record = work.record
    if record.outcome is Outcome.ABORTED:
        write_finish(work.slot, ExitStatus.ABORTED_BY_CLIENT)
    elif record.outcome is Outcome.SUCCESS:
        write_finish(work.slot, 0)
    else:
        write_finish(work.slot, finish_code(work), (record.error or "").split("\n")[0][:200])


def finish_code(work: Work) -> int:
    """The exit status that the client is told."""
    record = work.record
    if record.outcome is Outcome.ABORTED:
        return ExitStatus.ABORTED_BY_CLIENT
    if record.outcome is Outcome.SUCCESS:
        return 0
    return record.exit_code if record.exit_code else 1


def _tidy(work: Work) -> Talk[None]:
    """Remove container, image and build context; the client's own cleanup gets what resists."""
    clear_build(work)
    if work.engine is None:
        return
    yield from _gone(work)
    if not work.config.image_name:
        yield from _image_gone(work)


def _gone(work: Work) -> Talk[None]:
    if work.ended_id:
        yield from work.driver.remove(work.ended_id)
    for attempt in range(_TIDY_TRIES):
        seen, answer = yield from look(work, expected=attempt > 0 or not work.ended_id)
        if seen.shown in (Shown.ABSENT, Shown.FOREIGN):
            return
        if seen.shown is Shown.UNKNOWN:
            yield Pause(0.25 * (attempt + 1))
            continue
        reply = yield from work.driver.remove(seen.id)
        if not reply.ok:
            yield Pause(0.25 * (attempt + 1))
    said = words_of(answer)
    work.journal.say(f"The container {work.container_name} could not be removed.\n{said}")


def _image_gone(work: Work) -> Talk[None]:
    for attempt in range(_TIDY_TRIES):
        image = yield from work.driver.image(work.image_name)
        if isinstance(image, Absent):
            return
        if isinstance(image, Image):
            reply = yield from work.driver.remove_image(work.image_name)
            if reply.ok or (yield from _used_by_others(work, image.id)):
                return
        yield Pause(0.25 * (attempt + 1))
    work.journal.say(f"The image {work.image_name} could not be removed.")


def _used_by_others(work: Work, identity: str) -> Talk[bool]:
    """Whether another result of this workunit runs here; the last of them removes the image."""
    users = yield from work.driver.image_users(identity)
    if isinstance(users, Unknown) or not users - {work.container_name}:
        return False
    work.journal.detail(f"The image {work.image_name} stays for {', '.join(sorted(users))}")
    return True
