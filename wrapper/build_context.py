"""What ``build`` gets to see of the slot.

The slot holds the client's files, one with the authenticator in it, and links that stand for files
in the project's directory. So a folder of hard links is made in the slot: it has the files that the
Dockerfile takes, under the names they have in the slot, and none of the client's. Knows no engine.
Engines only read a context, so that no file that has a second name in it is ever changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from wrapper.boinc.files import read_regular
from wrapper.boinc.slot import soft_link_target
from wrapper.dockerfile import Uncertain, copied_names
from wrapper.dockerfile import base_images as base_images
from wrapper.hosting import copy_plain, inside

CONTEXT_DIR = "docker_wrapper_context"
SCRATCH_DIR = "docker_wrapper_scratch"
MOST_FILES = 100_000
"""More files than this are no context, but a mistake."""

_MOST_DOCKERFILE = 1 << 20
_PRIVATE = {
    "boinc_finish_called", "boinc_lockfile", "boinc_mmap_file", "boinc_task_state.xml",
    "boinc_temporary_exit", "trickle_up.xml", "stderr.txt", "stdout.txt", "fraction_done",
    "ac", "ca",
}
_PRIVATE_BEGINNINGS = (
    "init_data.xml", "boinc_ufr_", "boinc_ufs_", "docker_wrapper", ".docker_wrapper",
)


class ContextTrouble(Exception):
    """No context can be made for the build; says why."""


class NoDockerfile(ContextTrouble):
    """There is no Dockerfile, or it is none that can be used."""


class TooManyFiles(ContextTrouble):
    """The slot holds more files than a context should."""


class Context(NamedTuple):
    """A context on the disk. ``left`` are files left out that may be missed, with the reason."""

    path: Path
    dockerfile_path: Path
    bases: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def make_context(slot: Path, project_dir: Path | None, dockerfile: str = "Dockerfile") -> Context:
    """Make the context anew, whatever is left of an earlier one.

    It holds what the Dockerfile names in COPY and ADD, or all the slot's files where it does not
    say, and the soft links' targets in their places. Files on another device are copied, which may
    take its time.

    The client counts what is in it to the slot's disk use: remove it as soon as the image is built.

    Raises:
        NoDockerfile: there is none, or it is a link to a place outside of slot and project.
        TooManyFiles: there are more than ``MOST_FILES``.
        OSError: the slot cannot be written.
    """
    roots = (slot, project_dir) if project_dir else (slot,)
    text = _dockerfile(slot, dockerfile, roots)
    remove_context(slot)
    work = _Gathering(slot, roots)
    work.gather(slot, slot / CONTEXT_DIR, _wanted(text, dockerfile))
    path = slot / CONTEXT_DIR
    return Context(path, path / dockerfile, base_images(text), tuple(work.left))


def remove_context(slot: Path) -> None:
    """Take the context away, and the builder's scratch, if there are any.

    Raises:
        OSError: one cannot be removed.
    """
    for path in (slot / CONTEXT_DIR, slot / SCRATCH_DIR):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            _remove_tree(path)


def make_scratch(slot: Path) -> Path:
    """A folder in the slot for what a builder leaves lying about; see :func:`remove_context`."""
    path = slot / SCRATCH_DIR
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _remove_tree(path: Path) -> None:
    for folder, folders, files in os.walk(path, topdown=False):
        for name in files:
            os.unlink(os.path.join(folder, name))
        for name in folders:
            _remove_folder(os.path.join(folder, name))
    os.rmdir(path)


def _remove_folder(path: str) -> None:
    """A folder that is empty by now, or a link to one, which ``os.walk`` takes for a folder."""
    if os.path.islink(path):
        os.unlink(path)
    else:
        os.rmdir(path)


def _dockerfile(slot: Path, name: str, roots: Collection[Path]) -> str:
    path = slot / name
    real = _real(soft_link_target(path, slot) or path, roots)
    if Path(name).is_absolute() or ".." in Path(name).parts or real is None:
        raise NoDockerfile(f"{name} leads out of the slot and of the project's directory")
    try:
        content = read_regular(real, _MOST_DOCKERFILE + 1)
    except OSError as error:
        raise NoDockerfile(f"{name} cannot be read: {error.strerror} ({real})") from error
    if content is None:
        raise NoDockerfile(f"there is no {name} in the slot, and job.toml names no image to use "
                           "instead (image_name)")
    if not content.strip():
        raise NoDockerfile(f"{name} is empty")
    if len(content) > _MOST_DOCKERFILE:
        raise NoDockerfile(f"{name} is larger than {_MOST_DOCKERFILE:,} bytes")
    return content.decode("utf-8", "replace")


def _wanted(text: str, dockerfile: str) -> frozenset[str] | None:
    """The names at the top of the slot that the build may need; None: all."""
    try:
        names = copied_names(text)
    except Uncertain:
        return None
    ignore_files = (".dockerignore", ".containerignore", f"{dockerfile}.dockerignore")
    return names.union(ignore_files, [Path(dockerfile).parts[0]])


def _real(path: Path, roots: Collection[Path]) -> Path | None:
    found = (inside(path, root) for root in roots)
    return next((real for real in found if real is not None), None)


def _private(name: str) -> bool:
    return name in _PRIVATE or name.startswith(_PRIVATE_BEGINNINGS)


class _Gathering:
    """A context while it is being made."""

    def __init__(self, slot: Path, roots: Collection[Path]) -> None:
        self.slot = slot
        self.roots = roots
        self.left: list[str] = []
        self.files = 0

    def gather(self, source: Path, target: Path, wanted: frozenset[str] | None) -> None:
        """Gather a folder; ``wanted`` are the names to take, None for all."""
        os.mkdir(target, 0o755)
        for name in sorted(os.listdir(source)):
            if wanted is not None and name not in wanted:
                continue
            if source == self.slot and _private(name):
                if wanted is not None:
                    self.left.append(f"{name} is between the client and us, and no image gets it")
                continue
            self._gather_one(source / name, target / name)

    def _gather_one(self, source: Path, target: Path) -> None:
        mode = os.lstat(source).st_mode
        link = soft_link_target(source, self.slot)
        if link is not None:
            self._gather_link(source, link, target)
        elif stat.S_ISDIR(mode):
            self.gather(source, target, None)
        elif stat.S_ISREG(mode):
            self._take(source, target)
        else:
            self.left.append(f"{self._named(source)} is no plain file")

    def _gather_link(self, source: Path, link: Path, target: Path) -> None:
        real = _real(link, self.roots)
        if real is None or self._is_private(real):
            self.left.append(f"{self._named(source)} leads to {link}, which no image gets")
        elif not os.path.lexists(real):
            return  # An output, which the job has yet to make.
        elif not real.is_file():
            self.left.append(f"{self._named(source)} leads to {real}, which is no plain file")
        else:
            self._take(real, target)

    def _is_private(self, real: Path) -> bool:
        slot = os.path.realpath(self.slot)
        return real.is_relative_to(slot) and _private(real.relative_to(slot).parts[0])

    def _take(self, source: Path, target: Path) -> None:
        self.files += 1
        if self.files > MOST_FILES:
            raise TooManyFiles(f"the slot holds more than {MOST_FILES:,} files for the image; "
                               "name in the Dockerfile's COPY those that it needs")
        try:
            _link_or_copy(source, target)
        except OSError as error:
            self.left.append(f"{self._named(source)} cannot be read: {error.strerror}")

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self.slot)) if path.is_relative_to(self.slot) else str(path)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for the file; where that cannot be (another device, not ours), a copy."""
    try:
        os.link(source, target)
    except OSError:
        copy_plain(source, target)
