"""Facts about a container that the kernel and the engine see differently."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from wrapper.engine import freezer
from wrapper.engine.answers import Container, Status
from wrapper.engine.freezer import Freezer
from wrapper.engine.hosts.local import LocalHost
from wrapper.mending import torn
from wrapper.work import Pause


class Told:
    """A journal that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def work() -> Any:
    return SimpleNamespace(
        host=LocalHost(), torn_since=None, torn_told=False, journal=Told(),
        driver=SimpleNamespace(kind=SimpleNamespace(title="Podman")),
    )


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's word about a container that is always found; it takes what it is told."""
    path = tmp_path / "freezer.state"
    found = Freezer(str(path), (str(path),), b"FROZEN", b"THAWED")
    monkeypatch.setattr(freezer, "find", lambda *_given: found)
    return path


RUNNING = Container("c1", "job", Status.RUNNING, pid=1)
PAUSED = Container("c1", "job", Status.PAUSED, pid=1)


def looked(work: Any, container: Container) -> tuple[list[Pause], bool]:
    """What was waited for, and the answer."""
    asking, pauses = torn(work, container), []
    try:
        while True:
            asked = next(asking)
            assert isinstance(asked, Pause)
            pauses.append(asked)
    except StopIteration as stop:
        return pauses, stop.value


@pytest.mark.parametrize(("container", "word"), [
    (RUNNING, "THAWED"), (PAUSED, "FROZEN"), (PAUSED, "FREEZING"), (RUNNING, ""),
])
def test_of_one_mind_or_none_nothing_is_done(
    work: Any, state: Path, container: Container, word: str
) -> None:
    state.write_text(word)
    assert looked(work, container) == ([], False)
    assert state.read_text() == word


@pytest.mark.parametrize(("container", "word", "other"), [
    (RUNNING, "FROZEN", "THAWED"), (PAUSED, "THAWED", "FROZEN"),
])
def test_only_what_lasts_is_touched(
    work: Any, state: Path, container: Container, word: str, other: str
) -> None:
    state.write_text(word)
    pauses, again = looked(work, container)
    assert (len(pauses), again, state.read_text()) == (1, True, word)
    work.torn_since -= 60
    assert looked(work, container) == ([], True)
    assert state.read_text() == other
    assert looked(work, container) == ([], False)
    assert len(work.journal.lines) == 1


def test_where_the_kernel_cannot_be_told_all_goes_on_and_is_said_once(
    work: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.write_text("FROZEN")
    monkeypatch.setattr(freezer, "change", lambda *_given: False)
    looked(work, RUNNING)
    work.torn_since -= 60
    assert looked(work, RUNNING) == ([], False)
    assert looked(work, RUNNING) == ([], False)
    (said,) = work.journal.lines
    assert "cannot be written" in said
