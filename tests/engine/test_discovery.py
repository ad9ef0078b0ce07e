"""Finding an engine, with real ones and with what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engines import Lab
from wrapper.engine.answers import EngineKind, Unknown
from wrapper.engine.cli import Engine
from wrapper.engine.discovery import Found, NotFound, discover
from wrapper.engine.hosts.base import carry_out
from wrapper.engine.hosts.local import LocalHost

Ask = Callable[[Any], Any]
There = Callable[[Path], str]


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "engine"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_first_that_answers_is_taken(engine: Engine, ask: Ask) -> None:
    absent = Engine(engine.kind, "/nowhere/docker")
    found = ask(discover((absent, engine)))
    assert isinstance(found, Found)
    assert found.engine is engine
    assert found.checkup.version


def test_with_none_at_all_each_is_told_with_its_words(engine_lab: Lab, tmp_path: Path) -> None:
    host = LocalHost({**engine_lab.environment, "DOCKER_HOST": f"unix://{tmp_path}/no.sock"})
    engines = (Engine(EngineKind.DOCKER), Engine(EngineKind.PODMAN, "/nowhere/podman"))
    told = carry_out(host, discover(engines))
    assert isinstance(told, NotFound)
    assert [kind for kind, _ in told.tried] == [EngineKind.DOCKER, EngineKind.PODMAN]
    assert "no.sock" in told.words
    assert "Podman cannot be used: /nowhere/podman could not be started" in told.words
    host.close()


@pytest.mark.parametrize("engine_lab", ["podman"], indirect=True)
def test_podman_under_dockers_name_is_told_apart(ask: Ask) -> None:
    checkup = ask(Engine(EngineKind.DOCKER, "podman").check())
    assert not checkup.answers
    assert "Podman" in checkup.words


def test_a_cli_that_talks_nonsense_is_unknown(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    odd = Engine(engine.kind, there(script(tmp_path, "echo all is well")))
    assert not ask(odd.check()).answers
    container = ask(odd.container("boinc__a"))
    assert isinstance(container, Unknown)
    assert "all is well" in container.words
    assert isinstance(ask(odd.image("boinc__a")), Unknown)


def test_a_cli_that_only_fails_proves_nothing(
    engine: Engine, ask: Ask, tmp_path: Path, there: There
) -> None:
    # 1 is what `podman container exists` says of what does not exist.
    for status in (1, 125):
        odd = Engine(engine.kind, there(script(tmp_path, f"exit {status}")))
        assert isinstance(ask(odd.container("boinc__a")), Unknown)
        assert isinstance(ask(odd.image("boinc__a")), Unknown)
