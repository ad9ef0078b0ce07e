"""Whether a process lives, and is still the same one."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

import pytest

from wrapper.boinc import client_process
from wrapper.boinc.client_process import ClientProcess

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")


def until_true(condition: object) -> bool:
    """Ask a callable until it says yes, for 30 s at most."""
    assert callable(condition)
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.mark.usefixtures("_with_and_without")
def test_this_process_lives() -> None:
    assert ClientProcess(os.getpid()).alive()


@pytest.mark.usefixtures("_with_and_without")
def test_a_process_that_never_was_does_not_live() -> None:
    assert not ClientProcess(2**22 + 1).alive()


@pytest.mark.usefixtures("_with_and_without")
def test_a_process_does_not_live_after_its_end() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        client = ClientProcess(process.pid)
        assert client.alive()
        process.kill()
        process.wait()
        assert until_true(lambda: not client.alive())


@linux
@pytest.mark.usefixtures("_with_and_without")
def test_a_dead_process_that_nobody_asked_for_does_not_live() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        client = ClientProcess(process.pid)
        process.kill()
        assert until_true(lambda: not client.alive())
        assert process.returncode is None


@linux
def test_the_end_of_the_process_wakes_whoever_waits() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        client = ClientProcess(process.pid)
        assert client.handle is not None
        assert select.select((client.handle,), (), (), 0)[0] == []
        process.kill()
        assert select.select((client.handle,), (), (), 30)[0] == [client.handle]
        assert not client.alive()
        client.close()
        assert client.handle is None


@pytest.fixture(params=[True, False], ids=["pidfd", "no pidfd"])
def _with_and_without(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(client_process, "pidfd", lambda _pid: None)


@linux
def test_a_pid_given_to_another_process_is_not_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_process, "pidfd", lambda _pid: None)
    client = ClientProcess(os.getpid())
    client._started = "1"
    assert not client.alive()


@pytest.mark.skipif(sys.platform == "win32", reason="rights are asked otherwise there")
def test_a_process_we_may_not_signal_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError(pid, signal)

    monkeypatch.setattr("os.kill", refuse)
    assert ClientProcess(os.getpid()).alive()


@linux
def test_a_system_that_hides_start_times_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    client = ClientProcess(os.getpid())

    def nothing(pid: int) -> list[str]:  # noqa: ARG001
        return []

    monkeypatch.setattr(client_process, "_stat_words", nothing)
    assert client.alive()
    assert ClientProcess(os.getpid()).alive()
