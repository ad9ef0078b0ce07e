"""What a project, a client or a computer may get wrong: words that help, and nothing lost."""

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

from tests.client.conftest import Play
from tests.client.test_obeys import container, counting, finished, running, status
from tests.lab import played_client
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import PlayedClient
from tests.lab.waiting import wait_for
from tests.lab.workunit import CHECKOUT, FROM_BUSYBOX, Input, Workunit, busybox, script_job

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

one_engine = pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
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
    return script_job("described", "exit 0", job_toml=job_toml)


def with_dockerfile(content: str) -> Workunit:
    inputs = (Input("Dockerfile", content=content.encode()), Input("busybox", source=busybox()))
    return Workunit("built", inputs)


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


# -- the project's mistakes -----------------------------------------------------------------------


@one_engine
def test_a_job_without_a_dockerfile_is_told_what_is_missing(play: Play, engine_lab: Lab) -> None:
    said = refused(play(Workunit("nothing")))
    assert "there is no Dockerfile in the slot" in said
    assert "image_name" in said
    assert engine_lab.containers() == []


def test_a_build_that_fails_shows_the_words_of_engine_and_step(play: Play) -> None:
    step = "echo no such LUCK | tr A-Z a-z; exit 7"  # what it prints, not what is run
    client = play(with_dockerfile(f'{FROM_BUSYBOX}RUN ["/bin/sh", "-c", "{step}"]\n'))
    said = refused(client, 90)
    assert "could not be built from Dockerfile" in said
    assert "no such luck" in said
    assert "7" in said.split("no such luck")[1]
    assert client.state()["outcome"] == "job_failed"


@one_engine
def test_an_instruction_that_does_not_exist_is_shown(play: Play) -> None:
    assert "FORM" in refused(play(with_dockerfile("FORM scratch\n")))


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


@one_engine
def test_a_dockerfile_elsewhere_is_refused(play: Play) -> None:
    client = play(script_job("j", "exit 0"), wrapper_words=["--dockerfile", "../../etc/passwd"])
    assert "leads out of the slot" in refused(client)


def test_a_program_that_the_image_lacks_is_named(play: Play, engine_lab: Lab) -> None:
    said = refused(play(with_dockerfile(f'{FROM_BUSYBOX}CMD ["/no/such/program"]\n')), 90)
    assert "The container could not be started" in said
    assert "/no/such/program" in said
    assert engine_lab.containers() == []


def test_words_that_the_engine_does_not_know_are_shown_with_its_answer(play: Play) -> None:
    said = refused(play(described('create_args = "--no-such-option"\n')), 90)
    assert "The container could not be created" in said
    assert "unknown flag: --no-such-option" in said


# -- the client's mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "rubbish", "<app_init_data>\n<wu_name>x</wu_name>", "\0"])
def test_init_data_that_cannot_be_read_starts_nothing(
    alone: Alone, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(played_client, "init_data", lambda *_, **__: text)
    client = alone(script_job("lost", "exit 0"))
    delay, reason = put_off(client)
    assert delay >= 60
    assert "init_data.xml" in reason
    assert client.state() == {}


@one_engine
def test_init_data_cut_short_leaves_the_container_of_an_earlier_start_alone(
    play: Play, engine_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = running(play(counting()))
    client.quit()
    assert client.wait_exit() == 0
    before, state = container(engine_lab, client), client.state()
    with monkeypatch.context() as broken:
        broken.setattr(played_client, "init_data", lambda *_, **__: "<app_init_data>\n<wu_na")
        put_off(client)
    assert len(engine_lab.containers()) == 1
    assert container(engine_lab, client)["State"] == before["State"]
    assert client.state() == state
    client.start()
    client.wait_for_state("running")
    finished(client)


def test_a_slot_that_is_taken_is_left_after_35_seconds(alone: Alone) -> None:
    client = alone(script_job("second", "exit 0"))
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


# -- engines --------------------------------------------------------------------------------------


def test_without_an_engine_the_job_is_put_off_for_longer_and_longer(alone: Alone) -> None:
    client = alone(script_job("nowhere", "exit 0"))
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
    client = alone(script_job("refused", "exit 0"), docker_type=1, docker_version="1.0")
    program(client, "docker", "echo 'is the daemon running?' >&2; exit 1")
    _, reason = put_off(client)
    assert "Docker" in reason
    assert "is the daemon running?" in client.stderr()
    assert "Podman" not in client.stderr()


@one_engine
def test_a_daemon_that_is_away_at_the_start_is_waited_for(play: Play, engine_lab: Lab) -> None:
    client = play(script_job("later", "exit 0"), docker_type=1, docker_version="1.0")
    there = client.environment["DOCKER_HOST"]
    client.environment["DOCKER_HOST"] = f"unix://{client.slot}/none"
    put_off(client)
    client.environment["DOCKER_HOST"] = there
    assert client.start().wait_exit() == 0
    assert client.finish() is not None
    assert engine_lab.containers() == []


@pytest.mark.parametrize(("ask", "code"), [("quit", 0), ("abort", 194)])
def test_a_client_is_obeyed_while_the_engine_hangs(alone: Alone, ask: str, code: int) -> None:
    client = alone(script_job("hanging", "exit 0"), docker_type=1, docker_version="1.0")
    mark = client.slot.parent / "asked"
    program(client, "docker", f"echo $$ >{mark}.new; /bin/mv {mark}.new {mark}\n/bin/sleep 300")
    client.start()
    client.wait_for("docker was asked", mark.exists, 60)
    asked = client.quit() if ask == "quit" else client.abort()
    assert client.wait_exit() == code
    assert time.monotonic() - asked < 20  # the engine would need five minutes
    pid = int(mark.read_text())
    wait_for("docker's end", lambda: not Path(f"/proc/{pid}").exists(), 30)


# -- disks ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Slots on a disk of 8 MB."""
    slots = tmp_path / "slots"
    slots.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(slots)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield slots
    subprocess.run(["umount", "-l", str(slots)], check=True)


def fill(disk: Path) -> Path:
    """Use up all of a disk."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 512):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return path


@one_engine
def test_a_full_disk_pauses_the_job_which_goes_on_when_there_is_room(
    small_disk: Path, play: Play, engine_lab: Lab
) -> None:
    still = "cd /app; echo start >>starts; touch count; until [ -e stop ]; do sleep 0.1; done"
    client = running(play(script_job("cramped", still)))
    filler = fill(small_disk)
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 60)
    assert client.alive()  # nothing can be told to the client before there is room
    filler.unlink()
    assert client.wait_exit() == 0
    ending = client.temporary_exit()
    assert ending is not None
    assert "space" in ending.message
    assert client.finish() is None
    client.start()
    client.wait_for("it runs", lambda: status(engine_lab, client) == "running", 60)
    finished(client)


@one_engine
def test_a_full_disk_does_not_keep_the_client_from_quitting(
    small_disk: Path, play: Play, engine_lab: Lab
) -> None:
    still = "cd /app; touch count; until [ -e stop ]; do sleep 0.1; done"
    client = running(play(script_job("cramped", still)))
    fill(small_disk)
    client.suspend()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 60)
    client.quit()
    assert client.wait_exit() == 0


def test_a_slot_that_cannot_be_written_is_named(alone: Alone) -> None:
    client = alone(script_job("readonly", "exit 0"))
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


# -- our own mistakes -----------------------------------------------------------------------------

BOOM = f"""
import importlib, os, sys
sys.path[0] = {str(CHECKOUT)!r}
running = importlib.import_module("wrapper.running")
honest = running.reconcile
def reconcile(*given):
    if os.path.exists("boom"):
        raise RuntimeError("out of wits")
    return honest(*given)
running.reconcile = reconcile
sys.exit(importlib.import_module("wrapper.__main__").main())
"""


@one_engine
def test_a_mistake_in_the_wrapper_leaves_the_job_paused_for_the_next_start(
    play: Play, engine_lab: Lab, tmp_path: Path
) -> None:
    launcher = tmp_path / "launch_boom.py"
    launcher.write_text(BOOM)
    client = running(play(counting(), command=[sys.executable, str(launcher)]))
    (client.slot / "boom").touch()
    client.suspend()
    assert client.wait_exit() == 0
    ending = client.temporary_exit()
    assert ending is not None
    assert "mistake" in ending.message
    assert "out of wits" in client.stderr()
    wait_for("the pause", lambda: status(engine_lab, client) == "paused", 60)
    (client.slot / "boom").unlink()
    client.start()
    client.wait_for_state("running")
    finished(client)


def test_a_named_engine_is_found_on_the_path_only(alone: Alone) -> None:
    """The lab's own precaution: the tests above must not meet an engine of this computer."""
    client = alone(script_job("nowhere", "exit 0"))
    assert shutil.which("docker", path=client.environment["PATH"]) is None
