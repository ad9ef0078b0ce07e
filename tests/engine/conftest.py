"""What the tests on real engines share: each engine in turn, here and in a WSL distro, a host that
reaches it, and its CLI. Windows Python knows distros only (`make test-windows`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.lab.engines import Lab, Missing, lab_or_skip
from tests.lab.wsl import NAME, InDistro, wsl_lab_or_skip
from tests.windows.engines import DistroLab
from wrapper.engine.answers import EngineKind
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Asking, Host, carry_out
from wrapper.engine.hosts.local import LocalHost
from wrapper.engine.hosts.wsl import WslHost

T = TypeVar("T")
Ask = Callable[[Asking[T]], T]
IN_WSL = "-in-wsl"
# What does not depend on the way to the engine, and takes long.
ONLY_HERE = frozenset({
    "test_processes_that_ended_still_count", "test_a_talkative_job_cannot_fill_the_disk",
    "test_the_exit_code_is_the_jobs", "test_a_pull_that_fails_says_why",
    "test_no_end_is_told_before_its_code_is_known", "test_memory_is_what_the_job_holds",
})
collect_ignore_glob = ["test_[dlw]*.py"] if sys.platform == "win32" else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each engine; what asks by a host, or with a host's environment, on each host too."""
    own = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "engine_lab" in metafunc.fixturenames and "engine_lab" not in own:
        kinds = [kind.value for kind in EngineKind]
        if "host" in metafunc.fixturenames and metafunc.function.__name__ not in ONLY_HERE:
            kinds += [kind + IN_WSL for kind in kinds]
        if sys.platform == "win32":
            kinds = [kind for kind in kinds if kind.endswith(IN_WSL)]
        metafunc.parametrize("engine_lab", kinds, indirect=True)


def _is_linux(item: pytest.Function) -> bool:
    """Whether a test reaches into the engine's own files, or looks at who owns a file."""
    return "engine_lab" in inspect.signature(item.function).parameters or "give" in item.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need an engine, and share a room of engines; those in a distro have their own.
    """
    for item in items:
        if "tests/engine/" in item.path.as_posix():
            room = "wsl-room" if IN_WSL in item.name or "wsl" in item.path.name else "engine-room"
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.xdist_group(room))
            if sys.platform == "win32" and isinstance(item, pytest.Function) and _is_linux(item):
                item.add_marker(pytest.mark.skip(reason="needs what only Linux shows"))


@pytest.fixture
def engine_lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """An engine with no containers and the base image only."""
    kind = EngineKind(request.param.removesuffix(IN_WSL))
    is_here = not request.param.endswith(IN_WSL)
    if sys.platform == "win32":
        lab: Lab = distro_lab_or_skip(kind)
    elif is_here:
        lab = lab_or_skip(kind, request.config)
    else:
        lab = wsl_lab_or_skip(kind, request.config)
    lab.base_image()
    yield lab
    lab.clear()


def distro_lab_or_skip(kind: EngineKind) -> DistroLab:
    """A lab for a test under Windows Python."""
    try:
        return DistroLab(kind)
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def host(engine_lab: Lab, tmp_path: Path) -> Iterator[Host]:
    """This computer, with the lab's environment, or the lab's distro with a slot."""
    host: Host
    if isinstance(engine_lab, InDistro):
        host = WslHost(NAME, tmp_path, environment=engine_lab.environment)
    elif isinstance(engine_lab, DistroLab):
        host = WslHost(engine_lab.name, tmp_path, environment=engine_lab.environment)
    else:
        host = LocalHost(engine_lab.environment)
    yield host
    host.close()


@pytest.fixture
def there(host: Host) -> Callable[[Path], str]:
    """What the host calls a file."""
    return host.path


@pytest.fixture
def engine(engine_lab: Lab) -> Engine:
    """The lab's engine, as the product reaches it."""
    return Engine(engine_lab.kind)


@pytest.fixture
def ask(host: Host) -> Callable[[Asking[T]], T]:
    """Has a whole conversation with the engine."""
    return lambda asking: carry_out(host, asking)
