"""The engine in a WSL distro, asked as a person on Windows does: by `wsl`, not by our own code."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.windows.client import Distro

if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    NO_WINDOW = 0
DOCKER_TYPES = {"docker": 1, "podman": 2}


class DistroEngine:
    """Docker or Podman in the distro of that name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.distro = Distro(kind, DOCKER_TYPES[kind])

    def cli(self, *words: str, check: bool = True) -> str:
        """What the engine says to an order. With ``check``, a failure is an error."""
        done = subprocess.run(
            ["wsl", "-d", self.kind, "-u", "root", "-e", self.kind, *words],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
            creationflags=NO_WINDOW,
        )
        said = done.stdout.decode("utf-8", "replace")
        if check and done.returncode:
            raise AssertionError(f"{self.kind} {words}: {said}{done.stderr.decode()}")
        return said

    def inspect(self, name: str) -> dict[str, Any]:
        """What `inspect` says of a container; empty where there is none."""
        if name not in self.cli("ps", "--all", "--format", "{{.Names}}").split():
            return {}
        found: dict[str, Any] = json.loads(self.cli("inspect", "--type", "container", name))[0]
        return found

    def status(self, name: str) -> str:
        """A container's status in the engine's word; ``gone`` where there is none."""
        return str(self.inspect(name).get("State", {}).get("Status", "gone"))

    def remove(self, name: str) -> None:
        """Remove a container, if it is there; other tests have theirs in the same engine."""
        at_once = ("--time", "0") if self.kind == "podman" else ()
        if self.status(name) != "gone":
            self.cli("rm", "--force", *at_once, name)
