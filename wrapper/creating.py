"""The step of create: the job's container exists, with our label, and is not started yet.

The container's name was written before, so one that a killed wrapper created is found here. A
container of an earlier run that was cut off is removed before the next is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from states.reconcile import Act, Shown, Sighting, reconcile
from states.table import Event
from wrapper.container_order import BadPath, TooLong, create_environment, create_words
from wrapper.engine.answers import Absent, Container, Unknown
from wrapper.engine.hosts.base import Reply, Unreachable
from wrapper.engine.remains import remains
from wrapper.gpu import UnknownGpu
from wrapper.imaging import failed
from wrapper.job_config import reaching_out
from wrapper.looking import (
    Patience,
    checked,
    heard_of_restart,
    look,
    restart_it,
    wait_for_engine,
    words_of,
)
from wrapper.ordering import container_spec
from wrapper.running import turn_of
from wrapper.work import Leave, Pause, Step, Talk, Turn, Work

_ID = re.compile(rb"[0-9a-f]{64}")
_TRIES = 3
_WAITS = 3
"""How often a name that is taken by a create which is not done is waited for."""
_ROUNDS = 20
"""How often a container is created at most, though each time it is not there when looked for."""


def creating(work: Work) -> Step:
    """Look, remove what is left of an earlier run, create what is missing."""
    patience, refused = Patience(), 0
    # in a boot that is known: without its id it is the look that gives it to the record
    first, work.is_new = work.is_new and bool(work.boot.id), False
    while True:
        seen, answer = yield from _seen(work, first and not refused, expected=refused > 0)
        yield from heard_of_restart(work, seen)
        verdict = reconcile(work.record, seen, work.boot)
        if verdict.event is not None:
            return turn_of(work, verdict, seen)
        work.machine.note(**verdict.changes)
        if verdict.act is Act.WAIT:
            leave = yield from wait_for_engine(work, patience, words_of(answer))
            if leave is not None:
                return leave
        elif verdict.act is Act.REMOVE:
            leave = yield from _remove_old(work, patience, seen.id, verdict.note)
            if leave is not None:
                return leave
        else:
            refused += 1
            last = yield from _create(work, patience, refused, first)
            if last is not None:
                return last
            if refused > _ROUNDS:
                who = work.driver.kind.title
                return Leave(f"{who} makes a container that is not there. {restart_it(who)}")


def _seen(
    work: Work, first: bool, expected: bool
) -> Talk[tuple[Sighting, Container | Absent | Unknown]]:
    """A look; not for the first container of a new job, which is taken to be absent: should there
    be one all the same, its name is taken, and the next look finds it.
    """
    if first:
        return Sighting(Shown.ABSENT), Absent()
    return (yield from look(work, expected))


def _remove_old(
    work: Work, patience: Patience, identity: str, note: str
) -> Talk[Leave | None]:
    work.journal.say(f"Removing the container of an earlier run: {note}")
    reply = yield from work.driver.remove(identity)
    if reply.ok and not patience.waited:
        yield Pause(patience.next() or 0.0)  # gone by the next look, as a rule
        return None
    return (yield from wait_for_engine(work, patience, " ".join(reply.words.split())[:300]))


def _create(
    work: Work, patience: Patience, attempt: int, first: bool
) -> Talk[Turn | Leave | None]:
    """Create it; None when that went well, or is worth another look and another attempt.

    Only of a job's first container is the engine believed without a look: an engine whose
    containers are not there is found out by the second.
    """
    checkup = yield from checked(work)
    try:
        spec = container_spec(work, checkup.ncpus)
        words, environment = create_words(spec, work.driver.kind), create_environment(spec)
    except (BadPath, TooLong, UnknownGpu) as error:
        return failed(str(error))
    except Unreachable as trouble:
        work.journal.detail(f"The container could not be created yet.\n{trouble}")
        yield Pause(1.0)
        return None if attempt < _TRIES else Leave(f"The container could not be created: {trouble}")
    except OSError as error:
        return Leave(f"The slot's files could not be prepared: {error}. Is the disk full?")
    if attempt == 1:
        _tell(work, environment)
    reply = yield from work.driver.create(words, environment)
    if reply.ok:
        return _created(work, reply) if first and attempt == 1 else None
    image = yield from work.driver.image(work.image_name)
    if isinstance(image, Absent):
        return Turn(Event.IMAGE_LOST, "the image is gone", {"image": None})
    if isinstance(image, Unknown):
        return (yield from wait_for_engine(work, patience, " ".join(image.words.split())[:300]))
    if (yield from _name_freed(work, attempt)):
        return None
    if attempt < _TRIES:
        work.journal.detail(f"The container could not be created yet.\n{reply.words}")
        return None
    return failed("The container could not be created.", reply.words)


def _created(work: Work, reply: Reply) -> Turn | None:
    """The turn of a container that the engine has just made; None where it does not tell its id."""
    told = reply.out.split()[-1:]
    if not told or not _ID.fullmatch(told[0]):
        return None
    seen = Sighting(Shown.CREATED, id=told[0].decode())
    verdict = reconcile(work.record, seen, work.boot)
    return turn_of(work, verdict, seen) if verdict.event is Event.CREATED else None


def _name_freed(work: Work, attempt: int) -> Talk[bool]:
    """Whether the name was taken by what is left of a create that was killed; in the end it is
    removed. At first it is waited for: that create may be an earlier wrapper's, and still at work.
    """
    left = yield from remains(work.driver, work.container_name)
    if left is None:
        return False
    if isinstance(left, Unknown) or attempt <= _WAITS:
        yield Pause(float(attempt))
        return True
    work.journal.say(f"Removing what a create that was killed has left in the storage: {left}")
    removed = yield from work.driver.remove(left)
    if not removed.ok:
        work.journal.detail(f"It could not be removed.\n{removed.words}")
        yield Pause(1.0)
    return True


def _tell(work: Work, environment: Mapping[str, str]) -> None:
    """What a person may want to know about the container that is made."""
    for said in reaching_out(work.config):
        work.journal.say(f"job.toml lets the job reach out of its container: {said}")
    if "ARGS_JSON" not in environment:
        work.journal.say("The job's arguments do not fit into ARGS_JSON; it has them in ARGS only.")
