"""Fixtures for tests that run the whole wrapper under a client, played or real."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engines import Lab, engine_lab
from tests.lab.played_client import PlayedClient
from tests.lab.real_client import ClientTrouble, RealClient
from tests.lab.workunit import Workunit

__all__ = ["engine_lab"]

Play = Callable[..., PlayedClient]
Real = Callable[..., RealClient]


@pytest.fixture
def play(engine_lab: Lab, tmp_path: Path) -> Iterator[Play]:
    """Lays out a job for a played client, on each engine in turn; ends it after the test."""
    with ExitStack() as open_clients:

        def lay_out(work: Workunit, **given: Any) -> PlayedClient:
            client = PlayedClient(tmp_path, work, engine_lab.environment, **given)
            return open_clients.enter_context(client)

        yield lay_out


@pytest.fixture
def real(engine_lab: Lab) -> Iterator[Real]:
    """Starts a real client with a job, on each engine in turn; ends it after the test."""
    with ExitStack() as open_clients:

        def start(work: Workunit, **given: Any) -> RealClient:
            try:
                client = RealClient(work, engine_lab.environment, **given)
            except ClientTrouble as trouble:
                if os.environ.get("CI") == "true":
                    raise
                pytest.skip(str(trouble))
            return open_clients.enter_context(client)

        yield start
