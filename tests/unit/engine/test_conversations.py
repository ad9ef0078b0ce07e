"""What is asked of an engine, in which order and with which bounds; replies are written here."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from typing import Any, TypeVar

import pytest

from wrapper.engine.answers import Absent, Checkup, Container, EngineKind, Status, Unknown
from wrapper.engine.cli import LOG_OPTIONS, Engine
from wrapper.engine.discovery import Found, NotFound, candidates, discover
from wrapper.engine.hosts.base import Order, Reply

DOCKER, PODMAN = EngineKind.DOCKER, EngineKind.PODMAN
T = TypeVar("T")


def converse(asking: Generator[Order, Reply, T], *replies: Reply) -> tuple[list[Order], T]:
    """Send replies one after the other; the orders asked, and what was learnt."""
    orders: list[Order] = []
    waiting = list(replies)
    try:
        orders.append(next(asking))
        while True:
            orders.append(asking.send(waiting.pop(0)))
    except StopIteration as stop:
        assert not waiting, "not all replies were asked for"
        learnt: T = stop.value
        return orders, learnt


def shown(name: str) -> Reply:
    state = {"Status": "exited", "ExitCode": 3}
    return Reply(0, json.dumps([{"Id": "ab", "Name": name, "State": state}]).encode())


NO = Reply(1, b"[]\n", b"Error: no such container")


@pytest.mark.parametrize(("kind", "nothing"), [(DOCKER, b""), (PODMAN, b"[]\n")])
def test_absence_takes_a_listing_that_went_well(kind: EngineKind, nothing: bytes) -> None:
    orders, learnt = converse(Engine(kind).container("boinc__a"), NO, Reply(0, nothing))
    assert learnt == Absent()
    assert [order.words[1] for order in orders] == ["inspect", "ps"]
    _, learnt = converse(Engine(kind).container("boinc__a"), NO, Reply(1, nothing, b"down"))
    assert learnt == Unknown("down")
    late = Reply(None, trouble="no end after 30 s")
    _, learnt = converse(Engine(kind).container("boinc__a"), late, late)
    assert learnt == Unknown("no end after 30 s")


def test_what_is_listed_but_not_shown_is_unknown_with_the_first_words() -> None:
    listed = Reply(0, b'{"Names":"boinc__a"}\n')
    _, learnt = converse(Engine(DOCKER).container("boinc__a"), NO, listed)
    assert learnt == Unknown("Error: no such container")


def test_words_never_decide() -> None:
    """An engine that says "no such container" and fails its listing has proven nothing."""
    _, learnt = converse(Engine(PODMAN).container("boinc__a"), NO, Reply(125, b"", NO.err))
    assert isinstance(learnt, Unknown)


def test_a_shown_container_needs_no_second_question() -> None:
    orders, learnt = converse(Engine(DOCKER).container("boinc__a"), shown("/boinc__a"))
    assert isinstance(learnt, Container)
    assert (learnt.status, learnt.exit_code) == (Status.EXITED, 3)
    assert not orders[0].changes


def test_another_name_shown_means_absent() -> None:
    _, learnt = converse(Engine(DOCKER).container("boinc__a"), shown("/boinc__abc"))
    assert learnt == Absent()


def test_the_name_is_a_literal_in_the_filter() -> None:
    orders, _ = converse(Engine(DOCKER).container("a.b+c"), NO, Reply(0))
    assert r"name=^/?a\.b\+c$" in orders[1].words


def test_docker_without_buildx_uses_the_builder_it_comes_with() -> None:
    engine = Engine(DOCKER)
    orders, _ = converse(engine.build("boinc__i", "D", "."), Reply(1), Reply(0))
    assert orders[0].words == ("docker", "buildx", "version")
    assert orders[1].environment == {"DOCKER_BUILDKIT": "0"}
    assert "--force-rm" in orders[1].words
    assert orders[1].build
    again, _ = converse(engine.build("boinc__i", "D", "."), Reply(0))
    assert len(again) == 1


def test_docker_with_buildx_is_left_alone() -> None:
    orders, _ = converse(Engine(DOCKER).build("boinc__i", "D", "."), Reply(0), Reply(0))
    assert "DOCKER_BUILDKIT" not in orders[1].environment
    assert "--force-rm" not in orders[1].words


def test_no_value_of_an_environment_is_among_the_words() -> None:
    engine = Engine(PODMAN)
    secret = {"http_proxy": "http://me:hunter2@proxy"}
    asked = [
        *converse(engine.create(("--env", "http_proxy", "image"), secret), Reply(0))[0],
        *converse(engine.build("i", "D", ".", ("--build-arg", "http_proxy"), {}, secret),
                  Reply(0))[0],
    ]
    for order in asked:
        assert order.environment["http_proxy"].endswith("proxy")
        assert "hunter2" not in " ".join(order.words)
        assert "hunter2" not in repr(order)


def verbs(engine: Engine) -> dict[str, Generator[Order, Reply, Any]]:
    return {
        "create": engine.create(("image",)), "start": engine.start("a"),
        "pause": engine.pause("a"), "unpause": engine.unpause("a"), "kill": engine.kill("a"),
        "rm": engine.remove("a"), "rmi": engine.remove_image("a"), "tag": engine.tag("a", "b"),
        "pull": engine.pull("a"),
    }


@pytest.mark.parametrize("kind", EngineKind)
def test_what_changes_something_says_so_and_has_a_limit(kind: EngineKind) -> None:
    for verb, asking in verbs(Engine(kind)).items():
        orders, learnt = converse(asking, Reply(5, b"", b"said"))
        assert learnt == Reply(5, b"", b"said")
        assert orders[0].words[1] == verb
        assert orders[0].changes
        assert 0 < orders[0].limit <= 3600


def test_words_before_the_verb_are_kept() -> None:
    engine = Engine(PODMAN, "/opt/podman", ("--root", "/r"))
    orders, _ = converse(engine.start("a"), Reply(0))
    assert orders[0].words == ("/opt/podman", "--root", "/r", "start", "a")


@pytest.mark.parametrize("name", ["", "-a", "--all"])
def test_a_name_that_would_be_an_option_is_refused(name: str) -> None:
    engine = Engine(DOCKER)
    for asking in (engine.remove(name), engine.container(name), engine.tag("a", name)):
        with pytest.raises(ValueError):
            converse(asking, Reply(0))


@pytest.mark.parametrize("kind", EngineKind)
def test_logs_of_each_engine_are_bounded(kind: EngineKind) -> None:
    assert any(word.startswith("max-size=") for word in LOG_OPTIONS[kind])


def test_give_back_mounts_only_what_the_host_has() -> None:
    there = Reply(1, b"/usr\n/lib\n/usr/bin/chown\n/bin/chown\n")
    orders, _ = converse(Engine(DOCKER).give_back("i", "/slot", 5, 6), there, Reply(0))
    words = orders[1].words
    assert "/usr:/usr:ro" in words
    assert "/lib64:/lib64:ro" not in words
    assert words[-4:] == ("i", "-hR", "5:6", "/s")
    old = Reply(1, b"/usr\n/lib\n/lib64\n/bin/chown\n")
    orders, _ = converse(Engine(DOCKER).give_back("i", "/slot", 5, 6), old, Reply(0))
    assert "/bin:/bin:ro" in orders[1].words
    assert "/bin/chown" in orders[1].words


@pytest.mark.parametrize(("named", "platform", "kinds"), [
    (None, "linux", (DOCKER, PODMAN)), (None, "darwin", (DOCKER, PODMAN)),
    (None, "win32", (PODMAN, DOCKER)), (PODMAN, "linux", (PODMAN,)), (DOCKER, "win32", (DOCKER,)),
])
def test_the_named_engine_is_the_only_candidate(
    named: EngineKind | None, platform: str, kinds: tuple[EngineKind, ...]
) -> None:
    assert candidates(named, platform) == kinds


def info(rootless: bool) -> Reply:
    return Reply(0, json.dumps({
        "host": {"cpus": 1, "cgroupVersion": "v1", "security": {"rootless": rootless}},
        "version": {"Version": "4.3.1"},
    }).encode())


def test_an_engine_that_cannot_pause_is_passed_over() -> None:
    engines = (Engine(PODMAN, "a"), Engine(PODMAN, "b"))
    _, learnt = converse(discover(engines), info(True), info(False))
    assert learnt == Found(engines[1], Checkup(True, "4.3.1", True, False, 1))
    _, none = converse(discover(engines[:1]), info(True))
    assert isinstance(none, NotFound)
    assert "rootless under cgroup v1" in none.words


def test_the_resident_part_imports_nothing_heavy() -> None:
    import subprocess
    code = (
        "import sys, wrapper.engine.cli, wrapper.engine.usage, wrapper.engine.discovery, "
        "wrapper.engine.hosts.local; "
        "print([m for m in ('pydantic', 'transitions', 'logging', 'argparse', 'asyncio', "
        "'tomllib', 'tomli', 'xml', 'wrapper.boinc', 'states') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("kind", "nothing"), [(DOCKER, b""), (PODMAN, b"[]\n")])
def test_what_is_not_expected_takes_one_question(kind: EngineKind, nothing: bytes) -> None:
    orders, learnt = converse(Engine(kind).container("boinc__a", False), Reply(0, nothing))
    assert learnt == Absent()
    assert [order.words[1] for order in orders] == ["ps"]


def test_what_is_there_or_not_told_of_is_asked_for_by_its_name() -> None:
    listed = Reply(0, b'{"Names":"boinc__a"}\n')
    _, learnt = converse(Engine(DOCKER).container("boinc__a", False), listed, shown("/boinc__a"))
    assert isinstance(learnt, Container)
    late = Reply(None, trouble="no end after 30 s")
    orders, learnt = converse(Engine(DOCKER).container("boinc__a", False), late, late, late)
    assert learnt == Unknown("no end after 30 s")
    assert [order.words[1] for order in orders] == ["ps", "inspect", "ps"]
