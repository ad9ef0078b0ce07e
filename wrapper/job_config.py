"""What a project may say about its job in ``job.toml``, as plain values.

Reading the file is :mod:`wrapper.job_schema`'s, which is costly to import: only
:func:`load_job_config` does so, in a process of its own. Knows no engine, except which words of
``create`` would undo what the wrapper relies on.

What is trusted: the file is an input of the application, signed by the project or sent with its
jobs, as are the Dockerfile and the program inside. ``create_args``, ``mount`` and ``portmap`` are
handed to the engine as they stand, and can give the container more than a container has (a host's
folder, its network, privileges), as with BOINC's wrapper in C++. :func:`reaching_out` names those,
for the log. Not trusted is the running job: it can write into the slot, so the supervisor must not
let it write this file (see :func:`wrapper.hosting.guarded`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class BadJobConfig(Exception):
    """``job.toml`` cannot be used. First line: file, key, what was given, what is allowed."""


class JobConfig(NamedTuple):
    """The keys of ``job.toml`` and what they mean when they are not given.

    ``workdir`` is where the slot is mounted. ``project_dir_mount`` is where the project's directory
    is, if anywhere. ``image_name`` is an image to use as it is, instead of building one.
    ``build_args`` and ``create_args`` are words for the engine's ``build`` and ``create``;
    ``mount`` and ``portmap`` are values of its ``-v`` and ``-p``. ``web_graphics_guest_port`` is
    the TCP port in the container where the job shows itself. ``verbose`` is 0, 1 or 2.
    """

    workdir: str = "/app"
    project_dir_mount: str | None = None
    image_name: str | None = None
    build_args: tuple[str, ...] = ()
    create_args: tuple[str, ...] = ()
    use_gpu: bool = False
    web_graphics_guest_port: int | None = None
    mount: tuple[str, ...] = ()
    portmap: tuple[str, ...] = ()
    verbose: int = 0


def load_job_config(path: Path, roots: Sequence[Path] = ()) -> JobConfig:
    """Read a ``job.toml``; all defaults where there is none.

    ``roots`` are folders, besides the file's own, into which a link that stands for the file may
    lead: the project's directory. Imports pydantic (some 19 MiB): call it in a process that ends
    soon.

    Raises:
        BadJobConfig: the file is there and cannot be used.
    """
    from wrapper.job_schema import read

    return read(path, roots)


_REACHING = {
    "--privileged", "--cap-add", "--device", "--device-cgroup-rule", "--security-opt", "--volume",
    "-v", "--mount", "--volumes-from", "--cgroup-parent", "--group-add",
}
_SHARING = {"--pid", "--net", "--network", "--ipc", "--uts", "--userns", "--cgroupns"}


def reaching_out(config: JobConfig) -> tuple[str, ...]:
    """What lets the job reach out of its container, each in its own words, for the log."""
    args = tuple(f"create_args: {words}" for words in _reaching_args(config.create_args))
    return args + tuple(f"mount: {mount}" for mount in config.mount)


def _reaching_args(words: Sequence[str]) -> Iterator[str]:
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        whole = equals or name == "--privileged"
        said = word if whole else f"{word} {following}".strip()
        if name in _REACHING or (name in _SHARING and _is_shared(value or following)):
            yield said
        elif word.startswith("-v") and len(word) > 2:
            yield word


def _is_shared(namespace: str) -> bool:
    return namespace.startswith(("host", "container:", "ns:"))


IMPOSSIBLE = {
    "--rm": "a finished container must stay until its outputs are collected",
    "--rmi": "the image must stay until the job has ended",
    "--restart": "a finished job would be run again",
    "--name": "the name is fixed by the job, or nobody could find the container again",
    "--replace": "a container of this name is the job itself",
    "--pull": "the image is at hand before a container is made of it",
    "--cidfile": "the file would be in the way when the container is made anew",
}
"""Words of ``create`` that would undo what the wrapper relies on, and why."""


def impossible(words: Sequence[str]) -> str | None:
    """The first word that cannot be allowed in ``create_args``, and why; None where all can."""
    for word in words:
        name = word.partition("=")[0]
        if name in IMPOSSIBLE:
            return f"{word}: {IMPOSSIBLE[name]}"
    return None
