"""Fixtures of the fault tests: each engine in turn, and played clients on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.jobs import SEAMS, counting, surroundings
from tests.lab.engines import DockerLab, Lab, Missing, PodmanLab, engine_lab
from tests.lab.played_client import PlayedClient
from tests.lab.workunit import Workunit

__all__ = ["engine_lab"]

Play = Callable[..., PlayedClient]
CODE = 6
"""What the jobs on torn engines end with."""
KINDS: dict[str, type[Lab]] = {"docker": DockerLab, "podman": PodmanLab}


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


@pytest.fixture(scope="session")
def labs() -> Iterator[dict[str, Lab]]:
    """Labs that may be torn, opened when they are asked for; shared with no other tests."""
    opened: dict[str, Lab] = {}
    yield opened
    for lab in opened.values():
        lab.close()


@pytest.fixture
def own_lab(request: pytest.FixtureRequest, labs: dict[str, Lab]) -> Lab:
    """A lab that may be torn; which, says the test."""
    kind = str(request.param)
    if kind not in labs:
        try:
            labs[kind] = KINDS[kind]()
        except Missing as reason:
            if os.environ.get("CI") == "true":
                pytest.fail(f"no {kind} for tests: {reason}")
            pytest.skip(f"no {kind} for tests: {reason}")
    labs[kind].base_image()
    return labs[kind]


@pytest.fixture
def job(own_lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[PlayedClient]:
    """A job that counts, on that lab; seen to be gone at the end."""
    name = request.node.name.partition("[")[0].removeprefix("test_")[:40]
    with ExitStack() as stack:
        client = PlayedClient(tmp_path / "client", counting(name, CODE), surroundings(own_lab),
                              command=SEAMS)
        yield stack.enter_context(client)
        stack.close()
        own_lab.clear()
