"""What the wrapper says where it does not get as far as an engine: mistakes of the project in
job.toml, of the client in its files, and computers without an engine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import played_client
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for
from tests.lab.workunit import Input, Workunit

pytestmark = pytest.mark.client  # needs no engine, so not the engines' room either

Alone = Callable[..., PlayedClient]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Alone]:
    """A played client on a computer without any engine."""
    programs = tmp_path / "programs"
    programs.mkdir()
    clients: list[PlayedClient] = []

    def lay_out(work: Workunit, **given: Any) -> PlayedClient:
        environment = {"PATH": str(programs), "HOME": str(tmp_path)}
        clients.append(PlayedClient(tmp_path, work, environment, **given))
        return clients[-1]

    yield lay_out
    for client in clients:
        client.close()


def program(client: PlayedClient, name: str, script: str) -> Path:
    """Put a shell script where the wrapper looks for programs."""
    path = Path(client.environment["PATH"].split(os.pathsep)[0], name)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def described(job_toml: str) -> Workunit:
    """A job with nothing but a job.toml."""
    return Workunit("described", (Input("job.toml", content=job_toml.encode()),))


def refused(client: PlayedClient, limit: float = 60) -> str:
    """See the job finished with 1; the words for the project."""
    assert client.start().wait_exit(limit) == 1, client.story()
    ending = client.finish()
    assert ending is not None
    assert ending.number == 1
    assert ending.message
    assert "Traceback" not in client.stderr()
    assert client.temporary_exit() is None
    return client.stderr()


def put_off(client: PlayedClient, limit: float = 60) -> tuple[float, str]:
    """See the wrapper leave with a temporary exit; its delay in s, and its reason."""
    assert client.start().wait_exit(limit) == 0, client.story()
    assert client.finish() is None, client.story()
    ending = client.temporary_exit()
    assert ending is not None, client.story()
    (client.slot / "boinc_temporary_exit").unlink()  # as the client does
    return ending.number, ending.message


@pytest.mark.parametrize(
    ("job_toml", "words"),
    [
        ("verbose = 1\nworkdir = what\n", ("job.toml: not TOML", "line 2")),
        ("\x00\x01\x02", ("job.toml: not TOML",)),
        ("verbose = \"loud\"", ("job.toml: verbose", "a string", "0, 1 or 2")),
        ("use_gpu = 1\n", ("job.toml: use_gpu", "true or false")),
        ("workdri = \"/app\"", ("job.toml: unknown key", "did you mean workdir?")),
        ("create_args = \"--rm\"", ("job.toml: create_args", "--rm")),
        ("workdir = \"/\"", ("job.toml: workdir", "absolute")),
        ("mount = [\"/a:/b\", 7]", ("job.toml: mount", "list of strings")),
    ],
)
def test_a_mistake_in_job_toml_is_named(
    alone: Alone, job_toml: str, words: tuple[str, ...]
) -> None:
    said = refused(alone(described(job_toml), wrapper_words=[]))
    for word in words:
        assert word in said
    assert said.count("job.toml") == 1


def test_a_mistake_in_job_toml_is_in_the_finish_file_too(alone: Alone) -> None:
    client = alone(described("colour = 1"))
    refused(client)
    ending = client.finish()
    assert ending is not None
    assert "job.toml: unknown key 'colour'" in ending.message
    assert client.state()["outcome"] == "error"
    assert "colour" in client.state()["error"]


def test_an_option_without_its_file_is_named(alone: Alone) -> None:
    said = refused(alone(described(""), wrapper_words=["--config"]))
    assert "--config needs the name of a file" in said


@pytest.mark.parametrize("text", ["", "rubbish", "<app_init_data>\n<wu_name>x</wu_name>", "\0"])
def test_init_data_that_cannot_be_read_starts_nothing(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(played_client, "init_data", lambda *_, **__: text)
    client = alone(Workunit("lost"))
    delay, reason = put_off(client)
    assert delay >= 60
    assert "init_data.xml" in reason
    assert client.state() == {}


def test_a_slot_that_is_taken_is_left_after_35_seconds(alone: Alone) -> None:
    client = alone(Workunit("second"))
    lock = client.slot / "boinc_lockfile"
    hold = f"import fcntl; f = open({str(lock)!r}, 'w'); fcntl.lockf(f, 2); print(1); input()"
    other = subprocess.Popen(
        [sys.executable, "-u", "-c", f"{hold.replace('print(1)', 'print(1, flush=True)')}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        began = time.monotonic()
        delay, reason = put_off(client)
        assert time.monotonic() - began > 34
        assert delay == 600
        assert "slot" in reason
        assert client.state() == {}
        other.communicate(b"\n")


def test_without_an_engine_the_job_is_put_off_for_longer_and_longer(alone: Alone) -> None:
    client = alone(Workunit("nowhere"))
    exits = [put_off(client) for _ in range(3)]
    delays = [delay for delay, _ in exits]
    assert delays == sorted(set(delays))
    assert "Docker" in exits[0][1]
    assert "Podman" in exits[0][1]
    said = client.stderr()
    assert "docker could not be started: there is no such command" in said
    assert "podman could not be started: there is no such command" in said
    assert client.state()["state"] == "discover_distro"


def test_an_engine_that_refuses_is_quoted(alone: Alone) -> None:
    client = alone(Workunit("refused"), docker_type=1, docker_version="1.0")
    program(client, "docker", "echo 'is the daemon running?' >&2; exit 1")
    _, reason = put_off(client)
    assert "Docker" in reason
    assert "is the daemon running?" in client.stderr()
    assert "Podman" not in client.stderr()


@pytest.mark.parametrize(("ask", "code"), [("quit", 0), ("abort", 194)])
def test_a_client_is_obeyed_while_the_engine_hangs(alone: Alone, ask: str, code: int) -> None:
    client = alone(Workunit("hanging"), docker_type=1, docker_version="1.0")
    mark = client.slot.parent / "asked"
    program(client, "docker", f"echo $$ >{mark}.new; /bin/mv {mark}.new {mark}\n/bin/sleep 300")
    client.start()
    client.wait_for("docker was asked", mark.exists, 60)
    asked = client.quit() if ask == "quit" else client.abort()
    assert client.wait_exit() == code
    assert time.monotonic() - asked < 20  # the engine would need five minutes
    pid = int(mark.read_text())
    wait_for("docker's end", lambda: not Path(f"/proc/{pid}").exists(), 30)


def test_a_slot_that_cannot_be_written_is_named(alone: Alone) -> None:
    client = alone(Workunit("readonly"))
    slots = str(client.slot.parent)
    if subprocess.run(["mount", "--bind", slots, slots], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", slots], check=True)
        with subprocess.Popen(
            client.command, cwd=client.slot, env=client.environment, stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            process.terminate()
            rest = process.communicate(timeout=20)[1]
            assert process.returncode == 0
    finally:
        subprocess.run(["umount", "-l", slots], check=True)
    assert str(client.slot) in first
    assert "Read-only file system" in first
    assert "Traceback" not in rest


def test_a_named_engine_is_found_on_the_path_only(alone: Alone) -> None:
    """The lab's own precaution: the tests above must not meet an engine of this computer."""
    client = alone(Workunit("nowhere"))
    assert shutil.which("docker", path=client.environment["PATH"]) is None
