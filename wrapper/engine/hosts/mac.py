"""A Mac as a host: commands run here, but the engine and its containers live in a Linux virtual
machine (`podman machine`).

So no process number and no file under /proc means anything here, and a file is only seen in the
machine by its real, absolute name. Written by what Podman documents; it has not been run on a Mac.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from wrapper.engine.hosts.base import Order, Watch
from wrapper.engine.hosts.local import LocalHost

# Where the installers put `podman` and `docker`; the BOINC client's own PATH has none of them.
_PLACES = "/opt/podman/bin:/opt/homebrew/bin:/usr/local/bin"


class MacHost(LocalHost):
    """A Mac, with the engine in a virtual machine."""

    name = "this Mac"

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment`` is what commands get, instead of the wrapper's own."""
        base = dict(os.environ if environment is None else environment)
        base["PATH"] = f"{base.get('PATH', '/usr/bin:/bin')}:{_PLACES}"
        super().__init__(base)

    def path(self, local: Path) -> str:
        """Its real name: /tmp and /var are links on a Mac, and the machine does not have them."""
        return os.path.realpath(local)

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        """The engine's files are in the machine: none of them is here."""
        del path, most, often
        return None

    def write(self, path: str, content: bytes) -> bool:
        """See :meth:`read`."""
        del path, content
        return False

    def watch(self, pid: int) -> Watch | None:
        """The process is the machine's: that number is somebody else's here, or nobody's."""
        del pid
        return None

    def boot_id(self) -> str:
        """The machine's boot is not known here."""
        return ""

    def booted(self) -> float | None:
        """The Mac's boot: the machine's was later."""
        if sys.platform == "darwin":
            return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        return None


MACHINES = Order(("podman", "machine", "list", "--format", "json"), 20.0)
"""Asks for Podman's virtual machines."""
