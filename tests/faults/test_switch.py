"""The dead man's switch: it acts within two seconds of a death, costs next to nothing, and lets the
next wrapper take over.

Most of it needs no engine: what the switch does at a death is any order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import count, counting, counts_on, see_through, status, stop, wrongs
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.waiting import wait_for
from tests.lab.workunit import CHECKOUT
from wrapper.engine.hosts.guard import Guard, is_over, orders_are_over

if sys.platform == "win32":
    pytest.skip("there is no such switch on Windows", allow_module_level=True)

_SOON = 2.0
_WATCHER = """
import os, sys
sys.path[0] = sys.argv[1]
from pathlib import Path
from wrapper.engine.hosts.guard import Guard
guard = Guard(tuple(sys.argv[3:]), dict(os.environ), Path(sys.argv[2]))
print("armed", flush=True)
if sys.stdin.readline():
    guard.disarm()
"""

Watcher = subprocess.Popen[bytes]
Arm = Callable[..., Watcher]


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[Arm]:
    """Starts a process that arms a switch in ``tmp_path`` and lives until it is told to go."""
    with ExitStack() as ended:

        def start(*words: str) -> Watcher:
            watcher = subprocess.Popen(
                [sys.executable, "-c", _WATCHER, str(CHECKOUT), str(tmp_path), *words],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
            ended.enter_context(watcher)
            ended.callback(watcher.kill)
            assert watcher.stdout is not None
            assert watcher.stdout.readline() == b"armed\n"
            return watcher

        yield start
    wait_for("no switch is left", lambda: is_over(tmp_path), 40)


def switches(slot: Path) -> list[int]:
    """The processes of switches that are armed in a slot."""
    mark = f"\0docker_wrapper_guard\0{slot}\0".encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def processor_time(pid: int) -> int:
    """Ticks of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def mark(tmp_path: Path) -> tuple[str, ...]:
    """An order that leaves a trace."""
    return ("/bin/touch", str(tmp_path / "acted"))


def acted(tmp_path: Path, since: float) -> float:
    """Wait for the trace; how long it took, in s."""
    wait_for("the switch acts", (tmp_path / "acted").exists, 20, every=0.01)
    return time.monotonic() - since


def test_it_acts_within_two_seconds_of_a_death(arm: Arm, tmp_path: Path) -> None:
    watcher = arm(*mark(tmp_path))
    since = time.monotonic()
    watcher.kill()
    assert acted(tmp_path, since) < _SOON


def test_it_is_not_killed_with_the_process_group(arm: Arm, tmp_path: Path) -> None:
    watcher = arm(*mark(tmp_path))
    since = time.monotonic()
    os.killpg(watcher.pid, signal.SIGKILL)
    assert acted(tmp_path, since) < _SOON


def test_it_is_no_descendant_that_a_client_would_end(arm: Arm, tmp_path: Path) -> None:
    watcher = arm(*mark(tmp_path))
    armed = switches(tmp_path)
    assert len(armed) == 1
    parent = int(Path(f"/proc/{armed[0]}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent not in (watcher.pid, os.getpid())
    assert os.getsid(armed[0]) != watcher.pid


def test_a_normal_exit_disarms_it(arm: Arm, tmp_path: Path) -> None:
    watcher = arm(*mark(tmp_path))
    watcher.communicate(b"go\n", 20)
    # A process that ends loses its arguments first, and its lock a moment later.
    wait_for("it is over", lambda: not switches(tmp_path) and is_over(tmp_path), 10)
    assert not (tmp_path / "acted").exists()


def test_it_costs_less_than_a_mebibyte_and_no_processor_time(arm: Arm, tmp_path: Path) -> None:
    arm(*mark(tmp_path))
    pid, = switches(tmp_path)
    before = processor_time(pid)
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss < 1024, rollup
    time.sleep(1)  # long enough for a hundred ticks, were it not asleep
    assert processor_time(pid) == before


def test_it_tries_again_when_the_engine_refuses(arm: Arm, tmp_path: Path) -> None:
    there, seen = tmp_path / "engine", tmp_path / "acted"
    script = f"test -e {there} || {{ touch {seen}.not; exit 1; }}; touch {seen}"
    watcher = arm("/bin/sh", "-c", script)
    watcher.kill()
    wait_for("the first refusal", (tmp_path / "acted.not").exists, 10)
    there.touch()
    wait_for("the next attempt", seen.exists, 10)


def test_the_next_wrapper_calls_off_one_that_is_refused_for_ever(
    arm: Arm, tmp_path: Path
) -> None:
    watcher = arm("/bin/sh", "-c", f"touch {tmp_path}/tried; exit 1")
    watcher.kill()
    wait_for("the first refusal", (tmp_path / "tried").exists, 10)
    began = time.monotonic()
    wait_for("it is over", lambda: is_over(tmp_path), 20)
    assert time.monotonic() - began < 20  # by itself it would try for half a minute
    assert not switches(tmp_path)


def test_what_it_has_begun_is_waited_for(arm: Arm, tmp_path: Path) -> None:
    begun, go, done = (tmp_path / name for name in ("begun", "go", "done"))
    script = f"touch {begun}; until test -e {go}; do sleep 0.05; done; touch {done}"
    arm("/bin/sh", "-c", script).kill()
    wait_for("the order has begun", begun.exists, 10)
    assert not is_over(tmp_path)
    go.touch()
    wait_for("it is over", lambda: is_over(tmp_path), 10)
    assert done.exists()


def test_one_of_another_slot_is_left_alone(arm: Arm, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    arm(*mark(tmp_path))
    assert is_over(other)
    assert len(switches(tmp_path)) == 1


def test_one_that_is_armed_in_another_slot_is_no_order_to_wait_for(tmp_path: Path) -> None:
    name = f"container_{os.urandom(8).hex()}"
    guard = Guard(("/bin/true", "pause", name), dict(os.environ), tmp_path)
    try:
        assert orders_are_over(name, tmp_path / "other")
        assert not orders_are_over(name, tmp_path)  # whatever has become of its lock
    finally:
        guard.disarm()
    wait_for("it is over", lambda: orders_are_over(name, tmp_path), 10)


def test_an_order_at_work_is_waited_for_whoever_gave_it(arm: Arm, tmp_path: Path) -> None:
    name = f"container_{os.urandom(8).hex()}"
    begun, go = tmp_path / "begun", tmp_path / "go"
    script = f"touch {begun}; until test -e {go}; do sleep 0.05; done"
    arm("/bin/sh", "-c", script, "an engine", "pause", name).kill()
    wait_for("the order has begun", begun.exists, 10)
    slots = (tmp_path, tmp_path / "other")
    assert not any(orders_are_over(name, slot) for slot in slots)
    go.touch()
    wait_for("it is over", lambda: all(orders_are_over(name, slot) for slot in slots), 10)


@pytest.mark.parametrize("engine_lab", [
    pytest.param("docker", marks=ENGINE_ROOM), pytest.param("podman", marks=ENGINE_ROOM),
], indirect=True)
def test_a_container_without_a_wrapper_is_paused_and_the_next_start_resumes_it(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("switch"))
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    os.killpg(client.pid, signal.SIGKILL)
    client.wait_exit()
    wait_for("the pause", lambda: status(engine_lab, client) == "paused", 20)
    stood = count(client)
    time.sleep(0.3)
    assert count(client) == stood
    client.start()
    counts_on(client)
    stop(client)
    see_through(client)
    assert wrongs(engine_lab, client, 0) == []
