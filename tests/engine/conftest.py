"""What the tests on real engines share: each engine in turn, a host that reaches it, and its CLI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.lab.engines import Lab, engine_lab
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Asking, carry_out
from wrapper.engine.hosts.local import LocalHost

__all__ = ["engine_lab"]

T = TypeVar("T")
Ask = Callable[[Asking[T]], T]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need an engine, and share one room of engines."""
    for item in items:
        if "tests/engine/" in item.path.as_posix():
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.xdist_group("engine-room"))


@pytest.fixture
def host(engine_lab: Lab) -> Iterator[LocalHost]:
    """This computer, with the lab's environment."""
    host = LocalHost(engine_lab.environment)
    yield host
    host.close()


@pytest.fixture
def engine(engine_lab: Lab) -> Engine:
    """The lab's engine, as the product reaches it."""
    return Engine(engine_lab.kind)


@pytest.fixture
def ask(host: LocalHost) -> Callable[[Asking[T]], T]:
    """Has a whole conversation with the engine."""
    return lambda asking: carry_out(host, asking)
