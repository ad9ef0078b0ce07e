"""A state file that cannot be used is set aside, and the running container goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import (
    container_id,
    counting,
    counts_on,
    see_through,
    status,
    stop,
    wrongs,
)
from tests.lab.engines import ENGINE_ROOM, Lab
from tests.lab.played_client import STATE_FILE, PlayedClient

pytestmark = [*ENGINE_ROOM]

CODE = 3
GOLDEN = Path(__file__).parents[1] / "unit" / "states" / "golden"


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    shutil.copy(GOLDEN / "empty.json", path)


def garbage(path: Path) -> None:
    shutil.copy(GOLDEN / "garbage.json", path)


def newer(path: Path) -> None:
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({**tree, "schema_version": tree["schema_version"] + 1}))


def older(path: Path) -> None:
    """Of a version before the first: nobody can bring it up to date."""
    tree = json.loads(path.read_text())
    path.write_text(json.dumps({**tree, "schema_version": tree["schema_version"] - 1}))


def of_another_job(path: Path) -> None:
    oldest = min(GOLDEN.glob("v*.json"))
    shutil.copy(oldest, path)


def a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


SPOILT = [torn, empty, garbage, newer, older, of_another_job, a_link, a_folder]


def set_aside(client: PlayedClient) -> list[str]:
    """The state files that were kept for a person to look at."""
    return [path.name for path in client.slot.glob(f"{STATE_FILE}.corrupt-*")]


def interrupted(client: PlayedClient, lab: Lab) -> str:
    """Start the job (again), kill the wrapper, and see the container rest; its id."""
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    client.kill()
    client.wait_for("the pause", lambda: status(lab, client) == "paused", 30)
    return container_id(lab, client)


def test_a_spoilt_state_file_is_set_aside_and_the_container_goes_on(
    play: Play, engine_lab: Lab
) -> None:
    """One kind of damage after the other, all to the same job."""
    client = play(counting("spoilt", CODE))
    identity = interrupted(client, engine_lab)
    kept: set[str] = set()
    for spoil in SPOILT:
        spoil(client.slot / STATE_FILE)
        assert interrupted(client, engine_lab) == identity, spoil.__name__
        assert len(set(set_aside(client)) - kept) == 1, spoil.__name__
        kept.update(set_aside(client))
    assert client.stderr().count("state file cannot be used") == len(SPOILT)
    stop(client)
    see_through(client)
    assert wrongs(engine_lab, client, CODE) == []


def test_without_a_state_file_the_container_is_found_by_its_name(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("nofile", CODE))
    identity = interrupted(client, engine_lab)
    (client.slot / STATE_FILE).unlink()
    client.start()
    counts_on(client)
    assert container_id(engine_lab, client) == identity
    stop(client)
    see_through(client)
    assert wrongs(engine_lab, client, CODE) == []


@pytest.mark.parametrize("spoil", [torn, empty], ids=lambda one: one.__name__)
def test_a_job_that_ended_unseen_is_collected_without_its_state_file(
    play: Play, engine_lab: Lab, spoil: Callable[[Path], None]
) -> None:
    client = play(counting("unseen", CODE))
    identity = interrupted(client, engine_lab)
    engine_lab.cli("unpause", identity)
    stop(client)
    client.wait_for("its end", lambda: status(engine_lab, client) == "exited", 30)
    spoil(client.slot / STATE_FILE)
    see_through(client)
    assert wrongs(engine_lab, client, CODE) == []


def test_a_full_disk_pauses_the_job_and_asks_for_another_try(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("full", CODE), surround={"FAULT_FULL": "paused"})
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    client.suspend()  # which cannot be written down
    assert client.wait_exit(60) == 0
    asked = client.temporary_exit()
    assert asked is not None, client.story()
    assert asked.number >= 60
    assert "disk" in asked.message
    assert client.finish() is None
    client.wait_for("the pause", lambda: status(engine_lab, client) == "paused", 30)
    del client.environment["FAULT_FULL"]
    client.start()
    counts_on(client)
    stop(client)
    see_through(client)
    assert wrongs(engine_lab, client, CODE) == []
