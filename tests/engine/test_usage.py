"""CPU time and memory of a real container, by its cgroup and by `stats`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.engines import BASE_IMAGE, Lab, wait_for
from wrapper.engine import usage
from wrapper.engine.answers import Container, EngineKind, Unknown
from wrapper.engine.cli import Engine
from wrapper.engine.hosts.base import Host

Ask = Callable[[Any], Any]
NAME = "boinc__example.org__busy"
BUSY = "while :; do :; done"


def started(ask: Ask, engine: Engine, job: str) -> Container:
    assert ask(engine.create(("--name", NAME, BASE_IMAGE, "sh", "-c", job))).ok
    assert ask(engine.start(NAME)).ok
    found = ask(engine.container(NAME))
    assert isinstance(found, Container)
    return found


def files_of(host: Host, found: Container) -> usage.CgroupFiles:
    files = usage.find(host, found.pid or 0, found.id)
    assert files is not None
    return files


def seconds(host: Host, files: usage.CgroupFiles) -> float:
    told = usage.read(host, files)
    return -1.0 if told is None else told.cpu


def test_cpu_time_grows_with_the_work(engine: Engine, ask: Ask, host: Host) -> None:
    found = started(ask, engine, f"({BUSY}) & {BUSY}")
    files = files_of(host, found)
    assert wait_for(lambda: seconds(host, files) > 1.0, 30)
    # runc gives up on a busy machine ("unable to freeze", cgroups v1); whoever pauses tries again.
    assert wait_for(lambda: bool(ask(engine.pause(NAME)).ok), 30)
    frozen = seconds(host, files)
    assert not wait_for(lambda: seconds(host, files) > frozen + 0.05, 0.5)


def test_processes_that_ended_still_count(engine: Engine, ask: Ask, host: Host) -> None:
    found = started(ask, engine, "yes | head -c 300000000 > /dev/null; sleep 1000")
    files = files_of(host, found)
    # The shell becomes the last command; the first two have ended then.
    assert wait_for(lambda: host.read(f"/proc/{found.pid}/comm") == b"sleep\n", 30)
    own = int((host.read(f"/proc/{found.pid}/stat") or b"").split()[13]) / 100
    assert seconds(host, files) > own + 0.01


def test_memory_is_what_the_job_holds(engine: Engine, ask: Ask, host: Host) -> None:
    found = started(ask, engine, "(head -c 100000000 /dev/zero; sleep 1000) | sort > /dev/null")
    files = files_of(host, found)
    most = 0

    def is_large() -> bool:
        nonlocal most
        told = usage.read(host, files)
        most = max(most, told.wss if told else 0)
        return most > 50_000_000

    assert wait_for(is_large, 30, pause=0.005)
    assert most < 1_000_000_000


def test_after_its_end_nothing_is_told(engine: Engine, ask: Ask, host: Host) -> None:
    found = started(ask, engine, "sleep 1000")
    files = files_of(host, found)
    assert ask(engine.kill(NAME)).ok
    assert wait_for(lambda: usage.read(host, files) is None)


def test_a_process_outside_the_container_is_not_taken_for_it(
    engine: Engine, ask: Ask, host: Host
) -> None:
    found = started(ask, engine, "sleep 1000")
    assert usage.find(host, 1, found.id) is None
    assert usage.find(host, found.pid or 0, "0" * 64) is None


def test_stats_is_a_rough_guide(engine: Engine, ask: Ask) -> None:
    started(ask, engine, BUSY)
    sample = ask(usage.usage_by_stats(engine, NAME))
    assert isinstance(sample, usage.Sample)
    assert 0.05 < sample.rate < 4
    assert 0 < sample.wss < 100_000_000
    assert (sample.cpu is None) == (engine.kind is EngineKind.DOCKER)


def test_stats_of_nothing_is_unknown(engine: Engine, ask: Ask) -> None:
    told = ask(usage.usage_by_stats(engine, "boinc__nobody"))
    assert isinstance(told, Unknown)
    assert told.words


def test_a_cgroup_parent_of_somebodys_choice_is_found(
    engine_lab: Lab, engine: Engine, ask: Ask, host: Host
) -> None:
    if not Path("/sys/fs/cgroup/cpuacct").exists():
        pytest.skip("systemd owns the tree here")
    engine_lab.cli("run", "--detach", "--name", NAME, "--cgroup-parent", "/dwlab/deep", BASE_IMAGE,
                   "sh", "-c", BUSY)
    found = ask(engine.container(NAME))
    assert isinstance(found, Container)
    files = files_of(host, found)
    assert "/dwlab/deep/" in files.cpu
    assert wait_for(lambda: seconds(host, files) > 0.1, 30)
    assert json.dumps(found.ports) == "{}"
