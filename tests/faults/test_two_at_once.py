"""Two wrappers in one slot, and containers of others with names like ours."""

from __future__ import annotations

import pytest

from tests.faults.conftest import Play
from tests.faults.jobs import (
    container_name,
    count,
    counting,
    counts_on,
    see_through,
    stop,
    wrongs,
)
from tests.lab.engines import BASE_IMAGE, ENGINE_ROOM, Lab

pytestmark = [*ENGINE_ROOM]


def stand_in(lab: Lab, name: str, *words: str) -> str:
    """A container of somebody else's, by a name; its id."""
    return lab.cli("create", "--name", name, *words, BASE_IMAGE, "/bin/sleep", "60").stdout.strip()


def test_a_second_wrapper_waits_for_the_first_and_carries_on(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("two"))
    client.start()
    counts_on(client)
    client.wait_for_state("running")
    first = client.process
    client.start()
    second = client.process
    far = count(client)
    client.wait_for("the first goes on", lambda: count(client) > far, 30)
    assert client.state()["wrapper_pid"] == first.pid
    assert second.poll() is None
    first.kill()
    first.wait(30)
    client.wait_for("the second's turn",
                    lambda: client.state().get("wrapper_pid") == second.pid, 60)
    counts_on(client)
    stop(client)
    assert see_through(client) == 0
    assert wrongs(engine_lab, client, 0) == []


def test_a_second_wrapper_leaves_in_the_end_and_asks_for_a_later_start(
    play: Play, engine_lab: Lab
) -> None:
    client = play(counting("later"), surround={"FAULT_LOCK_WAIT": "1"})
    client.start()
    counts_on(client)
    first = client.process
    client.start()
    assert client.wait_exit(30) == 0
    asked = client.temporary_exit()
    assert asked is not None
    assert asked.number == 600
    assert client.finish() is None
    far = count(client)
    client.wait_for("the first goes on", lambda: count(client) > far, 30)
    stop(client)
    assert first.wait(60) == 0
    assert wrongs(engine_lab, client, 0) == []


@pytest.mark.parametrize("words", [
    (), ("--label", "boinc.docker_wrapper=another_0"),
], ids=["no label", "another job's label"])
def test_a_container_of_the_same_name_that_is_not_ours_is_not_touched(
    play: Play, engine_lab: Lab, words: tuple[str, ...]
) -> None:
    client = play(counting("foreign"))
    theirs = stand_in(engine_lab, container_name(client), *words)
    client.start()
    code = client.wait_exit(60)
    ending = client.finish()
    assert code != 0
    assert ending is not None
    assert "does not belong to this job" in client.stderr()
    said = engine_lab.cli("inspect", "--type", "container", "--format", "{{.Id}}",
                          container_name(client))
    assert said.stdout.strip().startswith(theirs[:12])


def test_a_name_that_merely_starts_the_same_is_not_ours(play: Play, engine_lab: Lab) -> None:
    client = play(counting("same"))
    longer = f"{container_name(client)}0"
    stand_in(engine_lab, longer, "--label", "boinc.docker_wrapper=same_0")
    client.start()
    counts_on(client)
    stop(client)
    assert see_through(client) == 0
    assert wrongs(engine_lab, client, 0) == []
    assert engine_lab.containers() == [longer]
