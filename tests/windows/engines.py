"""Docker and Podman in distros of the stand-in, one of each for each process that runs tests: what
the tests of the engines need, from Windows Python.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from tests.lab.engines import BASE_IMAGE, Lab, Missing
from tests.windows.distro import NO_WINDOW
from wrapper.engine.answers import EngineKind

WORKERS = ("gw0", "gw1")
"""Processes that `make test-windows` runs tests in, by pytest-xdist's names."""
DISTROS = "WSL_STANDIN_ENGINES"
"""The variable that names the folder of these distros; the client of whole jobs knows none of
them.
"""


class DistroLab(Lab):
    """An engine in a distro of this process's own."""

    def __init__(self, kind: EngineKind) -> None:
        """Finds it; it was started on Linux, by ``python -m tests.windows``.

        Raises:
            Missing: there is none.
        """
        self.kind = kind
        self.at_once = ("--time", "0") if kind is EngineKind.PODMAN else ()
        self.name = f"{kind.value}-{os.environ.get('PYTEST_XDIST_WORKER', WORKERS[0])}"
        distros = os.environ.get(DISTROS, "")
        self.environment = {**os.environ, "WSL_STANDIN_DISTROS": distros}
        if not os.path.exists(os.path.join(distros, self.name)):
            raise Missing(f"no distro {self.name} here")

    def cli(
        self, *words: str, check: bool = True, environment: Mapping[str, str] | None = None,
        limit: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Ask the engine by `wsl`, not by the product's code."""
        del environment
        line = ["wsl", "-d", self.name, "-u", "root", "-e", self.kind.value, *words]
        done = subprocess.run(
            line, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=limit, check=False, text=True, encoding="utf-8", creationflags=NO_WINDOW,
        )
        if check and done.returncode:
            raise AssertionError(f"{self.kind.value} {words}: {done.stdout}{done.stderr}")
        return done

    def base_image(self) -> str:
        """It was built when the engine was started."""
        return BASE_IMAGE

    def renew(self) -> None:
        """Whose storage is torn cannot be helped from here."""
        raise AssertionError(f"{self.name} is torn")
