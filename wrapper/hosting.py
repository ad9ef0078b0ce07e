"""Soft links in the slot, seen from inside a container.

The client puts links into the slot that stand for files in the project's directory: symbolic links,
or text files ``<soft_link>../../projects/P/F</soft_link>``. Inside the container they lead nowhere.
So an input is mounted, read-only, over its link; and for an output the link is taken away, so that
the job makes a plain file, which is moved to its place afterwards. Knows no engine. Trusts nothing
that the job could have written: no link of the job is followed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from wrapper.boinc.files import open_regular, put_in_place, read_regular, replace_file
from wrapper.boinc.slot import soft_link_target

OUTPUTS_FILE = "docker_wrapper_outputs.json"
"""Where the slot remembers what its links stood for, once they are gone."""

_MOST_NOTE = 1 << 20
_CHUNK = 1 << 20
_OWN = ("docker_wrapper",)

Pair = tuple[str, Path]
"""A file's name in the slot (with "/" where it is in a folder of it), and the file in the project's
directory that it stands for.
"""


class Links(NamedTuple):
    """The links of a slot. ``left`` are those that lead elsewhere, with the reason in words."""

    inputs: tuple[Pair, ...] = ()
    outputs: tuple[Pair, ...] = ()
    left: tuple[str, ...] = ()


class Delivered(NamedTuple):
    """What became of outputs: names moved (now or earlier), names not made, refusals in words."""

    moved: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def inside(path: Path, folder: Path) -> Path | None:
    """The real path, all links resolved, if it lies in the folder (and is not it); else None."""
    real, root = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    return real if real != root and real.is_relative_to(root) else None


def plan(slot: Path, project_dir: Path, own: Collection[str] = ("Dockerfile", "job.toml")) -> Links:
    """Make the slot's links ready for the container, and tell what to mount and what to deliver.

    A link to an existing file becomes an input (a symbolic link is replaced by a text file, which
    can be mounted over). A link to a file that is not there yet is an output; the link is removed.
    Links named in ``own``, and our own program's, stay as they are.

    The plan is made once, before the job has run, and written down before anything is changed.
    Run again, it carries on with what was written: a link that is new was made by the job.

    Raises:
        OSError: the slot cannot be written.
    """
    links = remembered(slot, project_dir)
    if links is None:
        links = _found(slot, project_dir, own)
        replace_file(slot / OUTPUTS_FILE, _note(links))
    for name, target in links.inputs:
        place = in_slot(slot, name)
        if place is not None:
            _make_mountable(place, target)
    for name, _ in links.outputs:
        link = in_slot(slot, name)
        if link is not None and soft_link_target(link) is not None:
            os.unlink(link)
    return links


def remembered(slot: Path, project_dir: Path) -> Links | None:
    """The plan that was made for this slot; None where none was.

    A target outside the project's directory was not written by us, and is left out.
    """
    try:
        note = json.loads(read_regular(slot / OUTPUTS_FILE, _MOST_NOTE) or b"null")
        inputs, outputs = (tuple(_pairs(note[key], project_dir)) for key in ("inputs", "outputs"))
        return Links(inputs, outputs, tuple(map(str, note["left"])))
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None


def _found(slot: Path, project_dir: Path, own: Collection[str]) -> Links:
    """What the slot's links mean, before anything was changed."""
    sorts: dict[str, list[Pair]] = {"inputs": [], "outputs": []}
    left: list[str] = []
    for name, target in _links(slot, own):
        real = inside(target, project_dir)
        if real is None:
            left.append(f"{name} leads to {target}, outside the project's directory")
        elif os.path.lexists(real) and not real.is_file():
            left.append(f"{name} leads to {real}, which is no plain file")
        else:
            sorts["inputs" if real.is_file() else "outputs"].append((name, real))
    return Links(tuple(sorts["inputs"]), tuple(sorts["outputs"]), tuple(left))


def _links(slot: Path, own: Collection[str]) -> Iterator[Pair]:
    for name in sorted(_names(slot)):
        target = None if name in own else soft_link_target(slot / name, slot)
        if target is not None:
            yield name, target


def _names(slot: Path) -> Iterator[str]:
    """The files of the slot and of the folders in it, which a logical name may hold; not ours."""
    for folder, folders, files in os.walk(slot):
        at = Path(folder).relative_to(slot)
        if folder == str(slot):
            folders[:] = [name for name in folders if not name.startswith(_OWN)]
            files = [name for name in files if not name.startswith(_OWN)]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from ((at / name).as_posix() for name in (*files, *links))


def in_slot(slot: Path, name: str) -> Path | None:
    """A file of the slot by its name, whose folder is in the slot and really there; else None.

    The job can have put a link to anywhere in the folder's place.
    """
    root, path = Path(os.path.realpath(slot)), slot / name
    if Path(name).is_absolute():
        return None
    there = root.joinpath(*PurePosixPath(name).parts[:-1])
    return path if Path(os.path.realpath(path.parent)) == there and there.is_dir() else None


def _note(links: Links) -> bytes:
    values = {
        "inputs": {name: str(target) for name, target in links.inputs},
        "outputs": {name: str(target) for name, target in links.outputs},
        "left": links.left,
    }
    return json.dumps(values, indent=1).encode()


def _pairs(note: dict[str, str], project_dir: Path) -> Iterator[Pair]:
    for name, target in note.items():
        real = inside(Path(target), project_dir)
        parts = name.split("/")
        if real is not None and not {"", ".", ".."}.intersection(parts):
            yield name, real


def _make_mountable(link: Path, target: Path) -> None:
    """A symbolic link cannot be mounted over (the mount goes to its target); a text file can."""
    if link.is_symlink():
        target = Path(os.readlink(link))
    elif os.path.lexists(link):
        return
    replace_file(link, os.fsencode(f"<soft_link>{target}</soft_link>\n"))


def seal(slot: Path, name: str, empty: bool = False) -> None:
    """See to it that a file can be guarded: put a text that leads to the same place where a
    symbolic link is, and, with ``empty``, an empty file where there is none.

    Raises:
        OSError: the slot cannot be written.
    """
    path = slot / name
    if path.is_symlink():
        _make_mountable(path, path)
    elif empty and name == os.path.basename(name) and not os.path.lexists(path):
        replace_file(path, b"")


def guarded(slot: Path, names: Collection[str]) -> tuple[Pair, ...]:
    """Files of ours in the slot to be mounted read-only over themselves, so that the job cannot
    change them.

    For what is read again after the job has begun and decides what happens on the host: job.toml,
    the Dockerfile, the note of outputs. What is replaced while the job runs cannot be guarded so.
    """
    places = ((name, in_slot(slot, name)) for name in (*names, OUTPUTS_FILE))
    return tuple(
        (PurePosixPath(name).as_posix(), path)
        for name, path in places
        if path is not None and path.is_file() and not path.is_symlink()
    )


def deliver(slot: Path, outputs: Collection[Pair]) -> Delivered:
    """Move what the job made to the places its links stood for. May be run again after a kill in
    the middle.

    Only plain files are moved: a link, FIFO or directory in an output's place is refused, and so is
    a target where a different file stands by now. An output that was not made is for the client to
    judge.

    Raises:
        OSError: the disk is full. It is to be tried again when there is room.
    """
    sorts: dict[str, list[str]] = {"moved": [], "missing": [], "refused": []}
    for name, target in outputs:
        sort, words = _delivered(in_slot(slot, name), name, target)
        sorts[sort].append(words)
    return Delivered(**{sort: tuple(words) for sort, words in sorts.items()})


def _delivered(source: Path | None, name: str, target: Path) -> tuple[str, str]:
    """``source`` is where it is, if the folder that its name tells is still there."""
    if source is None:
        return ("moved" if target.is_file() else "missing"), name
    try:
        mode = os.lstat(source).st_mode
    except FileNotFoundError:
        return ("moved" if target.is_file() else "missing"), name
    if not stat.S_ISREG(mode):
        return "refused", f"{name} is not a plain file, so it was not taken for {target.name}"
    if os.path.lexists(target) and not _same(source, target):
        return "refused", f"{name}: another file stands at {target} by now"
    try:
        _move(source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return "refused", f"{name} cannot be moved to {target}: {error.strerror}"
    return "moved", name


def _same(one: Path, other: Path) -> bool:
    """Whether two plain files hold the same: an earlier delivery ended before its last step."""
    try:
        with _opened(one) as first, _opened(other) as second:
            while True:
                chunk = first.read(_CHUNK)
                if chunk != second.read(_CHUNK):
                    return False
                if not chunk:
                    return True
    except OSError:
        return False


def _opened(path: Path) -> BinaryIO:
    return open(open_regular(path, os.O_RDONLY), "rb")


def _move(source: Path, target: Path) -> None:
    """Rename, or copy where the project is on another device; on the disk at the end."""
    with _opened(source) as file:
        if sys.platform != "win32":
            os.fsync(file.fileno())
    try:
        put_in_place(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
        os.unlink(source)
    _sync_folder(target.parent)


def _copy(source: Path, target: Path) -> None:
    """A whole copy or none: it has another name until it is on the disk."""
    temporary = target.with_name(f"{target.name}.docker_wrapper")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)
    copy_plain(source, temporary)
    put_in_place(temporary, target)


def copy_plain(source: Path, target: Path) -> None:
    """Copy a plain file with its mode, following no link; the copy is on the disk at the end.

    Not by ``shutil``, whose import costs the resident process more than all this module.

    Raises:
        FileExistsError: there is something by the target's name.
        OSError: the source is no plain file, or reading or writing failed.
    """
    with _opened(source) as whole, open(target, "xb") as copy:
        while chunk := whole.read(_CHUNK):
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
        os.chmod(target, stat.S_IMODE(os.fstat(whole.fileno()).st_mode) & 0o777)


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
