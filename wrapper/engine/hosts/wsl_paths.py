"""What a WSL distro calls the files of Windows.

WSL shares the drives, usually below /mnt, and a shell of it starts in the directory that `wsl` was
started in: so one pair is known for certain, the slot, and what lies on the same drive follows from
it. For other drives `wslpath` is asked. Trusts no rule of thumb as long as somebody can be asked.
"""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from types import ModuleType
from typing import Protocol

from wrapper.engine.hosts import wsl_words
from wrapper.engine.hosts.base import Unreachable
from wrapper.engine.hosts.wsl_shell import Frame


class Asked(Protocol):
    """Who knows the slot by both its names and can ask the distro."""

    @property
    def slot(self) -> Path: ...
    def shell_directory(self) -> str: ...
    def look(self, program: str) -> Frame: ...


class PathsOf:
    """The names of files in a distro; remembers what it learnt."""

    def __init__(self, host: Asked) -> None:
        self._host = host
        self._known: dict[Path, str] = {}

    def translated(self, local: Path) -> str:
        """The distro's name for a file of this computer.

        Raises:
            Unreachable: the distro does not say.
        """
        if local not in self._known:
            self._known[local] = self._found(local)
        return self._known[local]

    def _found(self, local: Path) -> str:
        here, slot = os.path.realpath(local), os.path.realpath(self._host.slot)
        there = self._host.shell_directory()
        if not there:
            raise Unreachable("the shell does not say where it is")
        if posixpath.basename(there).casefold() != os.path.basename(slot).casefold():
            # `wsl` goes on in the user's home then, which is not to be taken for the slot.
            raise Unreachable(f"it does not share {slot} with Windows: its shell is in {there}. "
                              "Its /etc/wsl.conf may forbid that (automount)")
        beside = below(slot, there, here)
        if beside is not None:
            return beside
        said = self._host.look(f"wslpath -a {wsl_words.quoted(here)} 2>/dev/null </dev/null;s=$?")
        if said.status == "0" and said.out.kept.startswith(b"/"):
            return said.out.kept.decode("utf-8", "surrogateescape").rstrip("\r\n")
        return guessed(slot, there, here)


def below(slot: str, there: str, here: str, rules: ModuleType = os.path) -> str | None:
    """A file's name by the way that leads to it from the slot; None where it is on another drive.

    ``rules`` are those of this side's paths, as :mod:`ntpath` or :mod:`posixpath`.
    """
    try:
        way: str = rules.relpath(here, slot).replace(rules.sep, "/")
    except ValueError:
        return None
    name = posixpath.normpath(posixpath.join(there, way))
    # More steps up than the shared part has: the way would lead out of what is shared.
    climbs = way.split("/").count("..")
    return name if climbs <= there.count("/") else None


def guessed(slot: str, there: str, here: str) -> str:
    """By the slot's drive: /mnt/c is C: here, so /mnt/d is D:."""
    drive, rest = here[:1].lower(), here[2:].replace("\\", "/")
    root = there[: len(there) - len(slot[2:])] if len(there) > len(slot) - 2 else "/mnt/c"
    return f"{posixpath.dirname(root) or '/mnt'}/{drive}{rest}"
