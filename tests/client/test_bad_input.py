"""What a project, a client or a computer may get wrong: words that help, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.conftest import Play
from tests.client.test_obeys import container, counting, finished, running, status
from tests.client.test_without_engine import program, put_off, refused
from tests.lab import played_client
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.waiting import wait_for
from tests.lab.workunit import (
    CHECKOUT,
    FROM_BUSYBOX,
    Input,
    Output,
    Workunit,
    busybox,
    script_job,
)

pytestmark = [*ENGINE_ROOM, pytest.mark.client]

one_engine = pytest.mark.parametrize("engine_lab", ["docker"], indirect=True)
def with_dockerfile(content: str) -> Workunit:
    inputs = (Input("Dockerfile", content=content.encode()), Input("busybox", source=busybox()))
    return Workunit("built", inputs)


# -- the project's mistakes -----------------------------------------------------------------------


@one_engine
def test_a_job_without_a_dockerfile_is_told_what_is_missing(play: Play, engine_lab: Lab) -> None:
    said = refused(play(Workunit("nothing")))
    assert "there is no Dockerfile in the slot" in said
    assert "image_name" in said
    assert engine_lab.containers() == []


def test_a_build_that_fails_shows_the_words_of_engine_and_step_and_leaves_no_container(
    play: Play, engine_lab: Lab
) -> None:
    step = "echo no such LUCK | tr A-Z a-z; exit 7"  # what it prints, not what is run
    client = play(with_dockerfile(f'{FROM_BUSYBOX}RUN ["/bin/sh", "-c", "{step}"]\n'))
    said = refused(client, 90)
    assert "could not be built from Dockerfile" in said
    assert "no such luck" in said
    assert "7" in said.split("no such luck")[1]
    assert client.state()["outcome"] == "job_failed"
    assert engine_lab.containers() == []


@one_engine
def test_an_instruction_that_does_not_exist_is_shown(play: Play) -> None:
    assert "FORM" in refused(play(with_dockerfile("FORM scratch\n")))


@one_engine
def test_a_dockerfile_elsewhere_is_refused(play: Play) -> None:
    client = play(script_job("j", "exit 0"), wrapper_words=["--dockerfile", "../../etc/passwd"])
    assert "leads out of the slot" in refused(client)


@one_engine
def test_a_program_that_the_image_lacks_is_named(play: Play, engine_lab: Lab) -> None:
    said = refused(play(with_dockerfile(f'{FROM_BUSYBOX}CMD ["/no/such/program"]\n')), 90)
    assert "The container could not be started" in said
    assert "/no/such/program" in said
    assert engine_lab.containers() == []


@one_engine
def test_words_that_the_engine_does_not_know_are_shown_with_its_answer(play: Play) -> None:
    odd = 'create_args = "--no-such-option"\n'
    said = refused(play(script_job("odd", "exit 0", job_toml=odd)), 90)
    assert "The container could not be created" in said
    assert "unknown flag: --no-such-option" in said


# -- the client's mistakes ------------------------------------------------------------------------


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


# -- engines --------------------------------------------------------------------------------------


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


@one_engine
def test_a_client_that_quits_is_obeyed_when_the_engine_hangs_and_the_job_paused_later(
    play: Play, engine_lab: Lab, tmp_path: Path
) -> None:
    client = play(counting())
    hang, real = tmp_path / "hang", shutil.which("docker", path=client.environment["PATH"])
    (tmp_path / "programs").mkdir()
    client.environment["PATH"] = f"{tmp_path / 'programs'}{os.pathsep}{client.environment['PATH']}"
    program(client, "docker", f'while [ -e {hang} ]; do sleep 0.1; done; exec {real} "$@"')
    running(client)
    hang.touch()
    asked = client.quit()
    assert client.wait_exit() == 0
    assert time.monotonic() - asked < 50  # the client would kill it after 60
    assert client.finish() is None
    hang.unlink()
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 60)
    client.start()
    client.wait_for_state("running")
    finished(client)


# -- disks ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Slots, or whatever a test says, on a disk of 8 MB."""
    folder = tmp_path / getattr(request, "param", "slots")
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


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
@pytest.mark.parametrize("small_disk", ["projects"], indirect=True)
def test_an_output_waits_for_room_in_the_project(small_disk: Path, play: Play) -> None:
    script = """
cd /app; echo start >>starts; touch count; until [ -e stop ]; do sleep 0.1; done
head -c 100000 /dev/zero >out
"""
    client = running(play(script_job("large", script, outputs=(Output("out"),))))
    filler = fill(small_disk)
    (client.slot / "stop").touch()
    assert client.wait_exit() == 0, client.story()
    assert client.finish() is None, client.story()
    ending = client.temporary_exit()
    assert ending is not None
    assert "make some" in ending.message
    assert ending.number >= 60
    filler.unlink()
    client.start()
    finished(client)
    assert client.output("out").stat().st_size == 100_000


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
