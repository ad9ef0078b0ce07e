"""A BOINC client of Windows, played by the test: shares memory by a name, and knows WSL's distros.

All else is as in the lab's client. Written from the protocol, without the wrapper's own code.
"""

from __future__ import annotations

import itertools
import mmap
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.init_data import Value, init_data
from tests.lab.played_client import CHANNEL, PlayedClient
from tests.lab.workunit import Workunit

_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Distro:
    """A distro as the client names it; ``docker_type`` is 1 (Docker), 2 (Podman) or 0 (none)."""

    name: str
    docker_type: int = 0
    version: int = 0
    disallowed: bool = False
    default: bool = False

    def xml(self) -> str:
        """As it stands in init_data.xml."""
        lines = [f"<distro_name>{self.name}</distro_name>", "<wsl_version>2</wsl_version>"]
        if self.version:
            lines.append(f"<distro_version>{self.version}</distro_version>")
        if self.docker_type:
            lines.append("<docker_version>1.0</docker_version>")
            lines.append(f"<docker_type>{self.docker_type}</docker_type>")
        lines += ["<disallowed/>"] * self.disallowed + ["<is_default/>"] * self.default
        return "<distro>\n" + "\n".join(lines) + "\n</distro>\n"


class WindowsClient(PlayedClient):
    """``prefix`` is put before the mapping's name, as a client that runs as a service does."""

    def __init__(
        self, base: Path, work: Workunit | None = None, *, distros: Sequence[Distro] = (),
        prefix: str = "", **more: Any,
    ) -> None:
        self.distros = tuple(distros)
        self.prefix = prefix
        self.comm_obj_name = f"boinc_{os.getpid()}_{next(_NUMBERS)}"
        super().__init__(base, work, **more)

    def _share_memory(self) -> mmap.mmap:
        if sys.platform == "win32":
            name = f"{self.prefix}shm_{self.comm_obj_name}"
            return mmap.mmap(-1, 8 * CHANNEL, tagname=name)
        raise NotImplementedError("a mapping by name is one of Windows")

    def _init_data(self, fields: Mapping[str, Value]) -> str:
        text = init_data(self.slot, self.project, **fields)
        named = f"<comm_obj_name>{self.comm_obj_name}</comm_obj_name>"
        distros = "".join(distro.xml() for distro in self.distros)
        return text.replace("<shm_key>-1</shm_key>", named).replace(
            "    <coprocs>", f"    <wsl>\n{distros}    </wsl>\n    <coprocs>", 1
        )
