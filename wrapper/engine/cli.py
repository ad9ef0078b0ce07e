"""An engine by its command line: the verbs a job needs, as conversations that can be carried out on
any host.

Knows the words and options of Docker's and Podman's CLIs and how to learn from them that something
definitely does not exist. Knows no job and no state, starts no process, and never reads words meant
for people to decide anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from wrapper.engine.answers import (
    Absent,
    Checkup,
    Container,
    EngineKind,
    Image,
    Unknown,
    read_checkup,
    read_created,
    read_image,
    read_inspect,
    read_names,
    read_rows,
)
from wrapper.engine.hosts.base import Asking, Order, Reply

# How long each verb may take, in seconds. Looking is quick; the first word to an engine may have to
# wake it; whatever writes layers depends on the disk.
LOOK_LIMIT = 30.0
CHECK_LIMIT = 60.0
CREATE_LIMIT = 300.0
START_LIMIT = 120.0
PAUSE_LIMIT = 60.0
KILL_LIMIT = 60.0
REMOVE_LIMIT = 120.0
TAG_LIMIT = 60.0
LOGS_LIMIT = 120.0
GIVE_BACK_LIMIT = 600.0
BUILD_LIMIT = 3600.0

# What bounds a container's log on disk. Docker's json-file grows without bound and Podman's default
# may be journald, which drops lines of a talkative job.
LOG_OPTIONS: Mapping[EngineKind, tuple[str, ...]] = {
    EngineKind.DOCKER: (
        "--log-driver", "json-file", "--log-opt", "max-size=16m", "--log-opt", "max-file=2",
    ),
    EngineKind.PODMAN: ("--log-driver", "k8s-file", "--log-opt", "max-size=16mb"),
}

# What `chown` of the host needs of the host, and where it may be.
_CHOWN_NEEDS: tuple[str, ...] = ("/usr", "/lib", "/lib64", "/usr/bin/chown", "/bin/chown")
# It runs as root with the three capabilities it cannot do without (the last one for files with the
# set-user-ID bit), whatever the image says, and sees nothing of the world. An image's variables
# must not reach the host's loader.
_CHOWN_ALONE = (
    "--network", "none", "--read-only", "--user", "0:0", "--workdir", "/",
    "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "DAC_READ_SEARCH",
    "--cap-add", "FOWNER", "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
    "--env", "LD_PRELOAD=", "--env", "LD_LIBRARY_PATH=", "--log-driver", "none",
)

# How often a question is asked that an engine refuses although it answers others.
_TRIES = 2

# What is kept of a build's or a pull's output, in bytes.
_LONG_HEAD = 8192
_LONG_TAIL = 24576
# How much of a failed build's output goes with its errors, in bytes.
_LAST_STEPS = 900
_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


class Engine:
    """Docker or Podman, reached by its command line.

    Every method is a conversation: run it with :func:`wrapper.engine.hosts.base.carry_out`, or send
    its orders to a host one by one. The verbs do as they are told and say what was said back; they
    are not idempotent by themselves (pausing what is paused fails), so whoever uses them looks
    first. Names are taken as they are: a container's name or an image's, never an id's beginning.
    """

    def __init__(
        self, kind: EngineKind, program: str | None = None, root_args: Sequence[str] = ()
    ) -> None:
        """``program`` is the command (its kind's own by default), ``root_args`` options in front of
        every verb.
        """
        self.kind = kind
        self.program = program or kind.value
        self.root_args = tuple(root_args)
        self._root = (self.program, *self.root_args)
        self._buildx: bool | None = None

    def __repr__(self) -> str:
        return f"Engine({self.kind.value}, {' '.join(self._root)})"

    def check(self) -> Asking[Checkup]:
        """Whether it answers, and what it can do. Never fails: what is wrong is in the answer's
        words.
        """
        form = "{{json .}}" if self.kind is EngineKind.DOCKER else "json"
        reply = yield self._look("info", "--format", form, limit=CHECK_LIMIT)
        if not reply.ok:
            return Checkup(False, words=_complaint(reply), missing=reply.missing)
        try:
            return read_checkup(reply.out, self.kind)
        except ValueError as error:
            return Checkup(False, words=_nonsense(reply, error))

    def started(self) -> Asking[datetime | Unknown | None]:
        """When the engine's daemon was started last; None where it has none, or does not tell.

        Docker makes its default network anew at each start (moby, `initBridgeDriver`), unless
        containers have lived on meanwhile (live-restore), which then were not stopped.
        """
        if self.kind is EngineKind.PODMAN:
            return None
        for _ in range(_TRIES):
            reply = yield self._look("network", "inspect", "bridge")
            if reply.ok:
                try:
                    return read_created(reply.out)
                except ValueError as error:
                    return Unknown(_nonsense(reply, error))
            if not (yield from self.check()).answers:
                return Unknown(_complaint(reply))
        return None

    def container(
        self, name: str, expected: bool = True
    ) -> Asking[Container | Absent | Unknown]:
        """What the engine shows of the container of exactly this name.

        Where it is not ``expected`` to be there the listing is asked first, which alone can prove
        that: one question instead of two.
        """
        if not expected and isinstance((yield from self._lack_of_container(name)), Absent):
            return Absent()
        reply = yield self._look("inspect", "--type", "container", _name(name))
        if not reply.ok:
            return (yield from self._lack_of_container(name)) or Unknown(_complaint(reply))
        try:
            found = read_inspect(reply.out)
        except ValueError as error:
            return Unknown(_nonsense(reply, error))
        # Both engines look for a whole name before they take the words for the beginning of an id:
        # with another name found there is none of this name.
        return found if found.name == name else Absent()

    def image(self, name: str) -> Asking[Image | Absent | Unknown]:
        """What the engine shows of the image that a name (with or without a tag) stands for."""
        reply = yield self._look("image", "inspect", _name(name))
        if not reply.ok:
            return (yield from self._is_image_absent(name, reply))
        try:
            return read_image(reply.out)
        except ValueError as error:
            return Unknown(_nonsense(reply, error))

    def build(
        self, tag: str, dockerfile: str, context: str, args: Sequence[str] = (),
        labels: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None,
        cached: bool = True,
    ) -> Asking[Reply]:
        """Build an image from a directory on the engine's host.

        ``args`` are further options of `build`, as they are; ``environment`` is where `--build-arg
        NAME` without a value takes it from. ``cached`` False begins from nothing. May be ended at
        any time and begun again.
        """
        surroundings = dict(environment or {})
        tidy: tuple[str, ...] = ()
        if self.kind is EngineKind.DOCKER and not (yield from self._has_buildx()):
            # Docker 23 and later refuse to build without buildx, unless told to use the builder
            # they come with.
            surroundings["DOCKER_BUILDKIT"] = "0"
            # That builder leaves the container of a step that failed behind, unlike all others.
            tidy = ("--force-rm",)
        words = ["build", *tidy, "--tag", _name(tag), "--file", dockerfile]
        if self.kind is EngineKind.PODMAN:
            # In its own format Podman drops SHELL, HEALTHCHECK and ONBUILD, which the same
            # Dockerfile has with Docker.
            words += ["--format", "docker"]
        if not cached:
            words.append("--no-cache")
        words += _label_words(labels)
        reply = yield self._long_order([*words, *args, context], surroundings)
        return reply if reply.ok else _with_the_steps(reply)

    def pull(self, image: str, environment: Mapping[str, str] | None = None) -> Asking[Reply]:
        """Fetch an image from where it is published. Podman heeds proxies of ``environment``;
        Docker's daemon has its own.
        """
        return (yield self._long_order(["pull", _name(image)], environment or {}))

    def tag(self, image: str, name: str) -> Asking[Reply]:
        """Give an image a further name."""
        return (yield self._change("tag", _name(image), _name(name), limit=TAG_LIMIT))

    def create(
        self, words: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Asking[Reply]:
        """Create a container; ``words`` is everything after the verb.

        An option `--env NAME` without a value takes it, byte for byte, from ``environment``: so
        nothing of it is seen in the list of processes.
        """
        order = self._change("create", *words, limit=CREATE_LIMIT, environment=environment)
        return (yield order)

    def start(self, name: str) -> Asking[Reply]:
        """Start a container that was created."""
        return (yield self._change("start", _name(name), limit=START_LIMIT))

    def pause(self, name: str) -> Asking[Reply]:
        """Freeze a running container. Fails when it is paused already."""
        return (yield self._change("pause", _name(name), limit=PAUSE_LIMIT))

    def unpause(self, name: str) -> Asking[Reply]:
        """Let a paused container go on. Fails when it is not paused."""
        return (yield self._change("unpause", _name(name), limit=PAUSE_LIMIT))

    def kill(self, name: str) -> Asking[Reply]:
        """End a running or paused container by SIGKILL. Fails when it has ended."""
        return (yield self._change("kill", "--signal", "KILL", _name(name), limit=KILL_LIMIT))

    def remove(self, name: str) -> Asking[Reply]:
        """Remove a container, whatever it is doing, and the volumes that are nobody else's.

        Whether a container that does not exist is an error differs between versions: look first.
        """
        words = ("rm", "--force", "--volumes", _name(name))
        return (yield self._change(*words, limit=REMOVE_LIMIT))

    def remove_image(self, name: str) -> Asking[Reply]:
        """Remove an image's name, and the image with its last name. Fails while a container uses
        it.
        """
        return (yield self._change("rmi", _name(name), limit=REMOVE_LIMIT))

    def image_users(self, identity: str) -> Asking[frozenset[str] | Unknown]:
        """The names of all containers, running or not, that are made of an image; by its whole id,
        since Podman finds nothing by a name without its registry.
        """
        form = "{{json .}}" if self.kind is EngineKind.DOCKER else "json"
        used = f"ancestor={_name(identity)}"
        reply = yield self._look("ps", "--all", "--no-trunc", "--filter", used, "--format", form)
        if not reply.ok:
            return Unknown(_complaint(reply))
        try:
            return read_names(reply.out, self.kind)
        except ValueError as error:
            return Unknown(_nonsense(reply, error))

    def logs(self, name: str, head: int = 8192, tail: int = 24576) -> Asking[Reply]:
        """What the job wrote: its standard output in the reply's ``out``, its standard error in
        ``err``.

        Of each the first ``head`` and the last ``tail`` bytes are kept.
        """
        words = (*self._root, "logs", _name(name))
        return (yield Order(words, LOGS_LIMIT, head=head, tail=tail))

    def give_back(self, image: str, slot: str, uid: int, gid: int) -> Asking[Reply]:
        """Make everything below a directory of the engine's host the given user's, by a short-lived
        container.

        For files that a job running as root made under an engine that runs as root. The image may
        hold nothing at all: `chown` is the host's. Symbolic links are changed themselves and not
        followed. Under a rootless engine the user who runs it is 0:0 inside, so those are the
        numbers to give then.
        """
        there = yield Order(("stat", "-L", "-c", "%n", "--", *_CHOWN_NEEDS), LOOK_LIMIT)
        found = there.out.decode("utf-8", "replace").split()
        chown = "/usr/bin/chown" if "/usr/bin/chown" in found else "/bin/chown"
        mounts = [path for path in _CHOWN_NEEDS[:3] if path in found]
        if not chown.startswith("/usr/"):
            mounts.append("/bin")
        words = ["run", "--rm", *_CHOWN_ALONE]
        for path in mounts:
            words += ["--volume", f"{path}:{path}:ro"]
        words += [*_bind_words(slot, "/s"), "--entrypoint", chown, _name(image)]
        return (yield self._change(*words, "-hR", f"{uid}:{gid}", "/s", limit=GIVE_BACK_LIMIT))

    def _look(self, *words: str, limit: float = LOOK_LIMIT) -> Order:
        return Order((*self._root, *words), limit)

    def _change(
        self, *words: str, limit: float, environment: Mapping[str, str] | None = None
    ) -> Order:
        return Order((*self._root, *words), limit, environment or {}, changes=True)

    def _long_order(self, words: Sequence[str], environment: Mapping[str, str]) -> Order:
        return Order(
            (*self._root, *words), BUILD_LIMIT, environment, _LONG_HEAD, _LONG_TAIL,
            changes=True, build=True,
        )

    def _has_buildx(self) -> Asking[bool]:
        if self._buildx is None:
            reply = yield self._look("buildx", "version")
            self._buildx = reply.ok
        return self._buildx

    def _lack_of_container(self, name: str) -> Asking[Absent | Unknown | None]:
        """Whether there is no such container, by the listing; None where it is listed.

        A listing that went well and does not have it is proof. An exit status alone is none
        (`podman container exists` says 1, but so does a launcher that cannot find Podman).
        """
        form = "{{json .}}" if self.kind is EngineKind.DOCKER else "json"
        pattern = f"name=^/?{re.escape(name)}$"
        reply = yield self._look(
            "ps", "--all", "--no-trunc", "--filter", pattern, "--format", form
        )
        if not reply.ok:
            return Unknown(_complaint(reply))
        try:
            names = read_names(reply.out, self.kind)
        except ValueError as error:
            return Unknown(_nonsense(reply, error))
        return None if name in names else Absent()

    def _does_not_exist(self, name: str) -> Asking[bool]:
        """Whether Podman, which answers, says silently that there is no such image.

        A `podman build` that is killed while it commits can leave an image without a manifest, and
        then `podman images` fails for all images (Podman 4.3).
        """
        reply = yield self._look("image", "exists", name)
        silent_no = reply.status == 1 and not reply.err.strip()
        return silent_no and (yield from self.check()).answers

    def _is_image_absent(self, name: str, refusal: Reply) -> Asking[Absent | Unknown]:
        form = "{{json .}}" if self.kind is EngineKind.DOCKER else "json"
        reply = yield self._look(
            "images", "--no-trunc", "--filter", f"reference={name}", "--format", form
        )
        if not reply.ok:
            if self.kind is EngineKind.PODMAN and (yield from self._does_not_exist(name)):
                return Absent()
            return Unknown(_complaint(reply))
        try:
            rows = read_rows(reply.out, self.kind)
        except ValueError as error:
            return Unknown(_nonsense(reply, error))
        return Unknown(_complaint(refusal)) if rows else Absent()


def _name(name: str) -> str:
    """A name as an argument; never one that would be taken for an option.

    Raises:
        ValueError: it is empty or begins with a dash.
    """
    if not name or name.startswith("-"):
        raise ValueError(f"{name!r} cannot be the name of a container or an image")
    return name


def _bind_words(source: str, target: str) -> list[str]:
    """A directory of the host seen at a place inside; `--volume` cannot say a colon."""
    if ":" not in source:
        return ["--volume", f"{source}:{target}"]
    quoted = source.replace('"', '""')
    return ["--mount", f'type=bind,"source={quoted}",target={target}']


def _label_words(labels: Mapping[str, str] | None) -> list[str]:
    return [word for key, value in (labels or {}).items() for word in ("--label", f"{key}={value}")]


def _with_the_steps(reply: Reply) -> Reply:
    """The reply of a failed build, with the last of its output in front of the errors.

    The words of the step that failed are among the output with Docker's own builder, which begins
    its errors with a notice that it is deprecated, and colours them.
    """
    err = reply.err
    if err.startswith(b"DEPRECATED: The legacy builder"):
        err = err.partition(b"\n\n")[2]
    said = b"\n".join((reply.out[-_LAST_STEPS:].strip(), err.strip())).strip()
    return reply._replace(err=_COLOUR.sub(b"", said) + b"\n")


def _complaint(reply: Reply) -> str:
    return reply.words


def _nonsense(reply: Reply, error: ValueError) -> str:
    said = reply.out[:200].decode("utf-8", "replace").strip()
    return f"it answered, but not sensibly ({error}); it said: {said}"
