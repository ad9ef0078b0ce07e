"""The step of ensure_image: the job's image exists, by reuse, pull or build.

A build or a pull is work of minutes that the loop may end at any time; it is begun again then.
A refused build is only the job's mistake when the engine answers, has room, and refuses it again
without its cache (a build killed earlier can leave a layer there that spoils every later one).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from states.record import Image as ImageRecord
from states.table import Event, Outcome
from wrapper.build_context import (
    ContextTrouble,
    NoDockerfile,
    make_context,
    make_scratch,
    remove_context,
)
from wrapper.engine.answers import Absent, EngineKind, Image, Unknown
from wrapper.engine.hosts.base import Reply, Unreachable
from wrapper.looking import LABEL, Patience, wait_for_engine
from wrapper.work import Leave, Pause, Step, Talk, Turn, Work

_PATIENCE = 60.0
_STEPS = 1500
"""Bytes of a builder's last steps that are shown when it failed."""
_ROOM = 100 << 20
"""Bytes that must be free on the slot's disk before a refused build is the job's own mistake."""


def imaging(work: Work) -> Step:
    """Have the image, and say under which ID."""
    patience = Patience(_PATIENCE)
    while True:
        image = yield from work.driver.image(work.image_name)
        if isinstance(image, Image):
            clear_build(work)
            return _ready(work, image)
        if isinstance(image, Unknown):
            leave = yield from wait_for_engine(work, patience, image.words)
            if leave is not None:
                # nothing of this job stands there yet: another engine will do
                return Turn(Event.ENGINE_LOST, leave.reason, {"engine": None})
            continue
        last = yield from _get(work)
        if last is not None:
            return last


def _ready(work: Work, image: Image) -> Turn:
    known = ImageRecord(work.image_name, image.id)
    return Turn(Event.IMAGE_READY, work.image_name, {"image": known})


def _get(work: Work) -> Talk[Turn | Leave | None]:
    """Build or pull; None when it went well and the image is to be looked at."""
    try:
        context = make_context(work.slot, work.project_dir, work.options.dockerfile)
    except NoDockerfile as missing:
        if work.config.image_name:
            return (yield from _fetch(work, work.config.image_name))
        return failed(str(missing))
    except ContextTrouble as trouble:
        return failed(str(trouble))
    except OSError as error:
        return Leave(f"The build's files cannot be laid out: {error}. Is the disk full?")
    for told in context.left:
        work.journal.say(f"Not in the build's context: {told}")
    for base in context.bases:
        leave = yield from _have_base(work, base)
        if leave is not None:
            return leave
    try:
        there = work.host.path(context.dockerfile_path), work.host.path(context.path)
    except Unreachable as trouble:
        return Leave(f"The build's files cannot be shown to the engine: {trouble}")
    return (yield from _build(work, *there))


def _have_base(work: Work, base: str) -> Talk[Turn | Leave | None]:
    image = yield from work.driver.image(base)
    if isinstance(image, Absent):
        return (yield from _fetch(work, base))
    return None


def _fetch(work: Work, image: str) -> Talk[Turn | Leave | None]:
    """Pull an image; a refusal may be the network's, so it is tried again later."""
    leave = yield from _network(work)
    if leave is not None:
        return leave
    work.journal.say(f"Fetching the image {image}")
    work.wants_network = True
    reply = yield from work.driver.pull(image, work.proxies)
    work.wants_network = False
    if reply.ok:
        return None
    work.journal.say(f"The image {image} could not be fetched.\n{reply.words}")
    return Leave(
        f"The image {image} could not be fetched; is the network there, and is the name right?"
    )


def _network(work: Work) -> Talk[Leave | None]:
    """Wait until the volunteer lets us use the network; the client hears that we want it."""
    patience = Patience()
    while work.session.network_suspended:
        work.wants_network = True
        pause = patience.next()
        if pause is None:
            return Leave("The job's image has to be fetched: please let BOINC use the network.")
        yield Pause(pause)
    return None


def _build(work: Work, dockerfile: str, context: str) -> Talk[Turn | Leave | None]:
    """``dockerfile`` and ``context`` are as the engine's host knows them."""
    work.journal.say(f"Building the image {work.image_name}")
    refused: Reply | None = None
    for cached in (True, False):
        reply = yield from _ordered(work, dockerfile, context, cached)
        if reply.ok:
            image = yield from work.driver.image(work.image_name)
            if not isinstance(image, Absent):
                return None
            reply = Reply(None, trouble="the engine said it was built, and does not have it")
        refused = reply
        checkup = yield from work.driver.check()
        if not checkup.answers:
            yield Pause(1.0)
            return None
        if disk_free(work.slot) < _ROOM:
            return Leave("The image could not be built: the disk is full. Please make room.")
        work.journal.detail(f"The build was refused; once more without its cache.\n{reply.words}")
    assert refused is not None
    why = f"The image could not be built from {work.options.dockerfile}."
    return failed(why, f"{_last_steps(refused)}\n{refused.words}")


def _last_steps(refused: Reply) -> str:
    """What a builder tells of its steps, where it does so apart from the words of its failure."""
    if not refused.err.strip():
        return ""
    return refused.out[-_STEPS:].decode("utf-8", "replace").strip()


def _ordered(work: Work, dockerfile: str, context: str, cached: bool) -> Talk[Reply]:
    reply = yield from work.driver.build(
        work.image_name,
        dockerfile,
        context,
        args=build_words(work),
        labels={LABEL: work.label},
        environment={**work.proxies, **_scratch(work)},
        cached=cached,
    )
    return reply


def clear_build(work: Work) -> None:
    """Take away what the build needed in the slot; what resists goes with the slot."""
    try:
        remove_context(work.slot)
    except OSError as error:
        work.journal.detail(f"What the build needed stays in the slot: {error}")


def _scratch(work: Work) -> dict[str, str]:
    """Where Podman keeps what it needs while it builds: what a build that was ended leaves behind
    goes with the slot, instead of staying in /var/tmp.
    """
    if work.driver.kind is not EngineKind.PODMAN or work.host.distro is not None:
        return {}
    return {"TMPDIR": str(make_scratch(work.slot))}


def build_words(work: Work) -> tuple[str, ...]:
    """Options of the build: the proxies by name, then the project's own."""
    proxies = (word for name in work.proxies for word in ("--build-arg", name))
    return (*proxies, *work.config.build_args)


def failed(why: str, said: str = "", outcome: Outcome = Outcome.JOB_FAILED) -> Turn:
    """The turn of a job that cannot be run: ``why`` in one line, then what was said back."""
    error = f"{why}\n{said}".strip()
    return Turn(Event.FAILED, why, {"outcome": outcome, "error": error, "exit_code": 1})


def disk_free(path: Path) -> int:
    """Bytes free for us on the disk of ``path``; plenty when nobody can say."""
    try:
        if sys.platform == "win32":
            import shutil  # not at the top: with its packers it is half a MiB, for a wrapper's life

            return shutil.disk_usage(path).free
        room = os.statvfs(path)
        return room.f_bavail * room.f_frsize
    except OSError:
        return 1 << 62
