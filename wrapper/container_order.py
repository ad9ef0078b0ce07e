"""What a container is to be, and the words of ``create`` that make it so.

Knows both engines' options and their quirks; asks no engine, and reads neither job.toml nor
init_data.xml: the values come from the caller. The job's arguments and the proxies go by the
environment of the engine's command line, since an argument vector is seen by everybody on the host.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from wrapper.engine.answers import EngineKind
from wrapper.engine.cli import LOG_OPTIONS

MOST_ARGUMENT_BYTES = 131_000
"""Linux passes at most 128 KiB in one string of the environment, its name and NUL included."""

DEFAULT_SHARES = 128
"""``--cpu-shares`` of a job whose priority the client leaves open: an eighth of an ordinary
process' weight. BOINC's own default for such jobs is the lowest priority, so the computer's owner
goes first; still enough that the job's start does not crawl."""

_SHARES = {1: 16, 2: 128, 3: 1024, 4: 2048, 5: 4096}


class TooLong(Exception):
    """The job's arguments do not fit into the environment of a process."""


class BadPath(Exception):
    """A path that cannot be mounted, on either engine."""


class Bind(NamedTuple):
    """A file or folder of the engine's host, and where the container sees it."""

    source: str
    target: str
    readonly: bool = False


class ContainerSpec(NamedTuple):
    """A container, before it is made.

    Paths on the host are absolute and as the engine's host knows them. ``words`` are the job's
    arguments. ``ncpus`` is how many CPUs it may use (0: as many as there are), ``host_ncpus`` how
    many the engine's host has, if known. ``graphics`` is the TCP port in the container and the one
    on 127.0.0.1 (None: the engine chooses). ``proxies`` are variables and their values.
    ``shares`` is for ``--cpu-shares``, None for the engine's own default. ``binds`` are further
    binds, mounted after the slot and so over its files.
    """

    name: str
    image: str
    slot: str
    workdir: str = "/app"
    project_dir: str | None = None
    project_dir_mount: str | None = None
    words: tuple[str, ...] = ()
    ncpus: float = 0.0
    host_ncpus: int | None = None
    shares: int | None = None
    binds: tuple[Bind, ...] = ()
    mounts: tuple[str, ...] = ()
    portmap: tuple[str, ...] = ()
    graphics: tuple[int, int | None] | None = None
    gpu: tuple[str, ...] = ()
    create_args: tuple[str, ...] = ()
    labels: Mapping[str, str] = MappingProxyType({})
    proxies: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"ContainerSpec(name={self.name!r}, image={self.image!r})"  # proxies are secret


def create_words(spec: ContainerSpec, kind: EngineKind) -> tuple[str, ...]:
    """Everything after ``create``.

    No ``--workdir``: the image says where its command starts, ``workdir`` only where the slot is.
    The project's words (``create_args``) come last but for the labels, by which we know our own
    container, and so have the last say.

    Raises:
        BadPath: a path holds a line break or a NUL.
    """
    return (
        "--name", spec.name,
        # A daemon that is stopped must not make a job look as if it had finished by itself: with
        # SIGTERM, a job may exit 0; killed it shows 137, which is known for what it is.
        "--stop-signal", "KILL",
        *LOG_OPTIONS[kind],
        *_cpus(spec),
        *_mounts(spec),
        *_ports(spec),
        *(word for name in create_environment(spec) for word in ("--env", name)),
        *spec.gpu,
        *spec.create_args,
        *_labels(spec),
        spec.image,
    )


def create_environment(spec: ContainerSpec) -> dict[str, str]:
    """The environment of ``create``: what its ``--env NAME`` takes its values from.

    ``ARGS`` is the job's arguments with a space in between, as BOINC's wrapper in C++ gives them;
    ``ARGS_JSON`` is a JSON list of them, from which each comes out as it went in. It is longer,
    and left out where it does not fit: most jobs do without.

    Raises:
        TooLong: ``ARGS`` does not fit.
    """
    args = " ".join(spec.words)
    listed = json.dumps(spec.words, ensure_ascii=False, separators=(",", ":"))
    size = _bytes(args)
    if size > MOST_ARGUMENT_BYTES:
        raise TooLong(f"the job's {len(spec.words)} arguments take {size:,} bytes in ARGS; "
                      f"at most {MOST_ARGUMENT_BYTES:,} fit: put them into an input file")
    values = {**spec.proxies, "ARGS": args}
    return {**values, "ARGS_JSON": listed} if _bytes(listed) <= MOST_ARGUMENT_BYTES else values


def _bytes(value: str) -> int:
    return len(value.encode("utf-8", "replace"))


def cpu_shares(priority: int, fallback: int = -1, no_change: bool = False) -> int | None:
    """The weight of a job for the CPU, from what the client says about priorities.

    ``priority`` and, where it is unset, ``fallback`` are the client's numbers (-1 or 0: unset,
    1 lowest .. 5 highest): ``process_priority_special`` for a job with a GPU, else
    ``process_priority``. ``no_change`` is its ``no_priority_change``: None then.
    """
    if no_change:
        return None
    return _SHARES.get(priority) or _SHARES.get(fallback) or DEFAULT_SHARES


def mount_word(bind: Bind) -> str:
    """The value of ``--mount`` for a bind: one line of CSV, so commas and quotes can be in a path.

    Raises:
        BadPath: a path holds a line break or a NUL, which neither engine takes.
    """
    for path in (bind.source, bind.target):
        if any(letter in path for letter in "\r\n\0"):
            raise BadPath(f"the path {path!r} holds a line break or a NUL, and no engine can "
                          "mount that; rename it")
    fields = ["type=bind", f"source={bind.source}", f"target={bind.target}"]
    return ",".join(_csv(text) for text in [*fields, *(["readonly"] if bind.readonly else [])])


def _csv(text: str) -> str:
    if not any(letter in text for letter in ',"'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _labels(spec: ContainerSpec) -> Iterator[str]:
    for name, value in spec.labels.items():
        yield from ("--label", f"{name}={value}")


def _cpus(spec: ContainerSpec) -> Iterator[str]:
    """Docker refuses more CPUs than the host has, and both refuse less than a hundredth."""
    ncpus = min(spec.ncpus, spec.host_ncpus or spec.ncpus)
    if ncpus > 0:
        yield from ("--cpus", f"{max(ncpus, 0.01):.2f}".rstrip("0").rstrip("."))
    if spec.shares is not None:
        yield from ("--cpu-shares", str(spec.shares))


def _mounts(spec: ContainerSpec) -> Iterator[str]:
    """The slot first: what is mounted into it comes after. The project's folder can be written to,
    as with BOINC's wrapper in C++: jobs keep there what their successors need.
    """
    yield from ("--mount", mount_word(Bind(spec.slot, spec.workdir)))
    if spec.project_dir and spec.project_dir_mount:
        project = Bind(spec.project_dir, spec.project_dir_mount)
        yield from ("--mount", mount_word(project))
    for bind in spec.binds:
        yield from ("--mount", mount_word(bind))
    for mount in spec.mounts:
        yield from ("-v", mount)


def _ports(spec: ContainerSpec) -> Iterator[str]:
    if spec.graphics is not None:
        guest, host = spec.graphics
        yield from ("-p", f"127.0.0.1:{host or ''}:{guest}")
    for port in spec.portmap:
        yield from ("-p", port)
