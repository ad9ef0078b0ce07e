"""What a job is made of, and how it lies on disk: the examples as the lab's clients lay them out.

Reads the folders of ``job_examples`` (``workunit.toml`` says what goes in and what comes out) and
makes jobs on the fly for tests. Knows nothing of how a client starts or follows a job: the two
clients of the lab do that.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import tomli

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "job_examples"
FROM_BUSYBOX = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
"""A Dockerfile's beginning that needs no network: the host's static busybox, and nothing else."""


class NoSuchExample(Exception):
    """There is no example of that name, or it cannot be laid out on this machine."""


@dataclass(frozen=True)
class Input:
    """A file the job gets.

    ``name`` is what the job calls it, inside its slot. It is ``source``, a file of this machine, or
    ``content``. ``copy`` is BOINC's ``<copy_file/>``: a copy in the slot, not a link into the
    project's directory.
    """

    name: str
    source: Path | None = None
    content: bytes = b""
    copy: bool = False

    def read(self) -> bytes:
        """What is in it."""
        return self.content if self.source is None else self.source.read_bytes()


@dataclass(frozen=True)
class Output:
    """A file the job makes: ``name`` inside its slot. ``copy`` as with inputs, or else linked."""

    name: str
    copy: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Workunit:
    """One job: what goes in, what comes out, and the words it is called with."""

    name: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    arguments: tuple[str, ...] = ()
    ncpus: float = 1.0
    plan_class: str = "docker"
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def command_line(self) -> str:
        """The arguments in one line, quoted in the way BOINC's client takes apart again."""
        return " ".join(shlex.quote(word) for word in self.arguments)

    def named(self, name: str) -> Workunit:
        """The same job under another name."""
        return replace(self, name=name)

    def physical_name(self, file: Input | Output) -> str:
        """The name of a file in the project's directory, where every job's files lie together."""
        return f"{self.name}_{file.name.replace('/', '_')}"


def busybox() -> Path:
    """The static busybox of this machine (Debian's busybox-static).

    Raises:
        NoSuchExample: there is none; says how to get it.
    """
    for folder in ("/usr/bin", "/bin"):
        path = Path(folder, "busybox")
        if path.is_file():
            return path
    found = shutil.which("busybox")
    if found is None:
        raise NoSuchExample("no busybox on this machine: install busybox-static (make setup)")
    return Path(found)


def example(name: str, folder: Path = EXAMPLES) -> Workunit:
    """An example of ``job_examples`` by its folder's name.

    Raises:
        NoSuchExample: there is none of that name; says which there are.
    """
    home = folder / name
    described = home / "workunit.toml"
    if not described.is_file():
        there = ", ".join(sorted(path.parent.name for path in folder.glob("*/workunit.toml")))
        raise NoSuchExample(f"no example {name!r} in {folder}; there are: {there or 'none'}")
    table = tomli.loads(described.read_text(encoding="utf-8"))
    return Workunit(
        name=name,
        inputs=tuple(_input(home, entry) for entry in table.get("input", ())),
        outputs=tuple(Output(**entry) for entry in table.get("output", ())),
        arguments=tuple(table.get("arguments", ())),
        ncpus=float(table.get("ncpus", 1)),
    )


def examples() -> tuple[str, ...]:
    """The names of all examples."""
    return tuple(sorted(path.parent.name for path in EXAMPLES.glob("*/workunit.toml")))


def script_job(
    name: str, script: str, *, outputs: tuple[Output, ...] = (), job_toml: str = "", **fields: Any
) -> Workunit:
    """A job that is a shell script run by busybox in a container built without a network."""
    inputs = [
        Input("Dockerfile", content=f"{FROM_BUSYBOX}COPY job.sh /job.sh\n"
              'CMD ["/bin/sh", "/job.sh"]\n'.encode()),
        Input("busybox", source=busybox()),
        Input("job.sh", content=script.encode()),
    ]
    if job_toml:
        inputs.append(Input("job.toml", content=job_toml.encode()))
    return Workunit(name=name, inputs=tuple(inputs), outputs=outputs, **fields)


def put_into_project(work: Workunit, project: Path) -> None:
    """Lay the job's input files where a client keeps what it has downloaded."""
    for entry in work.inputs:
        path = project / work.physical_name(entry)
        path.write_bytes(entry.read())
        mode = 0o644 if entry.source is None else entry.source.stat().st_mode & 0o755
        path.chmod(mode | 0o644)


def md5(content: bytes) -> str:
    """The checksum BOINC keeps of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def link_into_slot(work: Workunit, project: Path, slot: Path, *, symlinks: bool = False) -> None:
    """Put the job's files into its slot as a client does: copied, or linked in either way."""
    relative = Path(os.path.relpath(project, slot))
    entries: tuple[Input | Output, ...] = (*work.inputs, *work.outputs)
    for entry in entries:
        path = slot / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        target = work.physical_name(entry)
        if not entry.copy:
            _link(path, relative / target, symlinks)
        elif isinstance(entry, Input):
            shutil.copy(project / target, path)


def _link(path: Path, target: Path, symlinks: bool) -> None:
    if symlinks:
        path.symlink_to(target)
    else:
        text = f"<soft_link>{target.as_posix()}</soft_link>\n"
        path.write_text(text, encoding="utf-8", newline="\n")


def _input(home: Path, entry: Mapping[str, Any]) -> Input:
    name = str(entry["name"])
    if entry.get("from_host") == "busybox":
        return Input(name, source=busybox(), copy=bool(entry.get("copy")))
    return Input(name, source=home / entry.get("file", name), copy=bool(entry.get("copy")))
