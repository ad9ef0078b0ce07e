"""Fixtures of the fault tests: each engine in turn, and played clients on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.jobs import SEAMS, surroundings
from tests.lab.engines import Lab, engine_lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import Workunit

__all__ = ["engine_lab"]

Play = Callable[..., PlayedClient]


@pytest.fixture
def play(engine_lab: Lab, tmp_path: Path) -> Iterator[Play]:
    """Lays out a job for a played client whose wrapper can be cut at its seams.

    Several may go on at once; ``base`` tells them apart. ``surroundings`` are added to the lab's.
    """
    with ExitStack() as open_clients:

        def lay_out(
            work: Workunit, base: str = "", surround: dict[str, str] | None = None, **given: Any
        ) -> PlayedClient:
            environment = {**surroundings(engine_lab), **(surround or {})}
            client = PlayedClient(tmp_path / (base or "one"), work, environment,
                                  **{"command": SEAMS, **given})
            return open_clients.enter_context(client)

        yield lay_out
