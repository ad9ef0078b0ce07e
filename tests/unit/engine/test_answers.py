"""What engines answer, made into values: pure functions on JSON as the engines print it."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wrapper.engine import answers
from wrapper.engine.answers import Checkup, EngineKind, Status

DOCKER, PODMAN = EngineKind.DOCKER, EngineKind.PODMAN
UTC = timezone.utc


def inspected(status: str = "running", **state: Any) -> bytes:
    """As Docker 20.10 and Podman 4.3 print it, without what is not read."""
    return json.dumps([{
        "Id": "a1" * 32, "Name": "/boinc__p__r", "Image": "sha256:" + "b2" * 32,
        "State": {
            "Status": status, "Pid": 5360, "ExitCode": 0, "Error": "", "OOMKilled": False,
            "StartedAt": "2026-11-29T11:47:28.825118351Z",
            "FinishedAt": "0001-01-01T00:00:00Z", **state,
        },
        "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
        "NetworkSettings": {"Ports": {}},
        "Config": {"Labels": {"boinc.docker_wrapper": "r"}},
    }]).encode()


def test_a_running_container_is_read() -> None:
    found = answers.read_inspect(inspected())
    assert found.id == "a1" * 32
    assert found.name == "boinc__p__r"
    assert found.status is Status.RUNNING
    assert found.exit_code is None
    assert found.pid == 5360
    assert found.started_at == datetime(2026, 11, 29, 11, 47, 28, 825118, UTC)
    assert found.finished_at is None
    assert found.labels == {"boinc.docker_wrapper": "r"}
    assert found.image_id == "b2" * 32
    assert found.ports == {80: 8080}


@pytest.mark.parametrize(("word", "status"), [
    ("created", Status.CREATED), ("configured", Status.CREATED), ("initialized", Status.CREATED),
    ("running", Status.RUNNING), ("paused", Status.PAUSED), ("exited", Status.EXITED),
    ("stopped", Status.EXITED), ("dead", Status.EXITED), ("removing", Status.BUSY),
    ("restarting", Status.BUSY), ("stopping", Status.BUSY),
])
def test_every_word_of_both_engines_has_a_status(word: str, status: Status) -> None:
    assert answers.read_inspect(inspected(word)).status is status


@pytest.mark.parametrize("code", [0, 1, 137, 255])
def test_an_ended_container_has_its_code(code: int) -> None:
    found = answers.read_inspect(inspected("exited", ExitCode=code, Pid=0))
    assert (found.exit_code, found.pid) == (code, None)


def test_a_code_the_engine_lost_is_none() -> None:
    assert answers.read_inspect(inspected("exited", ExitCode=-1)).exit_code is None


def test_ports_in_use_win_over_ports_asked_for() -> None:
    whole = json.loads(inspected())
    whole[0]["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] = ""
    whole[0]["NetworkSettings"]["Ports"] = {
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}], "53/udp": [{"HostPort": "53"}],
        "81/tcp": None,
    }
    assert answers.read_inspect(json.dumps(whole).encode()).ports == {80: 32768}


@pytest.mark.parametrize("said", [
    b"", b"all is well", b"{}", b"[]", b"[1]", b"[{}]", b"[{},{}]", b"null", b"[" * 5000,
    b'[{"Id":"a","Name":"b","State":[]}]', b'[{"Id":"a","Name":"b","State":null}]',
    inspected("unknown"), inspected("exited", ExitCode=None), inspected("exited", ExitCode="0"),
    inspected(StartedAt="yesterday"), inspected()[:-20], b"\xff\xfe",
])
def test_rubbish_is_a_value_error(said: bytes) -> None:
    with pytest.raises(ValueError):
        answers.read_inspect(said)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([
            "Id", "Name", "Names", "State", "Status", "ExitCode", "Config", "Labels", "Pid",
            "HostConfig", "PortBindings", "NetworkSettings", "Ports", "80/tcp", "HostPort",
            "ServerVersion", "host", "security", "version", "Version", "SecurityOptions",
        ]), inner, max_size=5,
    ), max_leaves=20,
)


@settings(deadline=None)
@given(JSON, JSON)
def test_no_json_whatever_raises_anything_else(whole: Any, part: Any) -> None:
    candidates = [whole, [whole]]
    for key in ("State", "Config", "HostConfig", "NetworkSettings"):
        odd = json.loads(inspected())
        odd[0][key] = part
        candidates.append(odd)
    for candidate in candidates:
        said = json.dumps(candidate).encode()
        for read in (
            answers.read_inspect, answers.read_image,
            lambda said: answers.read_checkup(said, DOCKER),
            lambda said: answers.read_checkup(said, PODMAN),
            lambda said: answers.read_names(said, DOCKER),
            lambda said: answers.read_names(said, PODMAN),
        ):
            with contextlib.suppress(ValueError):
                read(said)


def test_an_image_is_read() -> None:
    docker = b'[{"Id":"sha256:ab","Config":{"Labels":{"a":"b"}}}]'
    podman = b'[{"Id":"ab","Config":{"Labels":null},"Labels":null}]'
    assert answers.read_image(docker) == answers.Image("ab", {"a": "b"})
    assert answers.read_image(podman) == answers.Image("ab", {})


@pytest.mark.parametrize(("said", "time"), [
    ("2026-11-29T11:47:28Z", datetime(2026, 11, 29, 11, 47, 28, 0, UTC)),
    ("2026-11-29T11:47:28.5Z", datetime(2026, 11, 29, 11, 47, 28, 500000, UTC)),
    ("2026-11-29T11:47:28.123456789+02:00", datetime(2026, 11, 29, 9, 47, 28, 123456, UTC)),
    ("2026-11-29T11:47:28-05:30", datetime(2026, 11, 29, 17, 17, 28, 0, UTC)),
    ("0001-01-01T00:00:00Z", None), ("", None), (None, None),
])
def test_times_of_rfc_3339_are_read(said: str | None, time: datetime | None) -> None:
    assert answers.read_time(said) == time


@pytest.mark.parametrize("said", ["now", 5, "2026-13-29T11:47:28Z", "2026-11-29", "9"])
def test_what_is_no_time_is_a_value_error(said: object) -> None:
    with pytest.raises(ValueError):
        answers.read_time(said)


def docker_info(**more: Any) -> bytes:
    return json.dumps({
        "ServerVersion": "20.10.24", "NCPU": 2, "CgroupVersion": "1",
        "SecurityOptions": ["name=seccomp,profile=default"], **more,
    }).encode()


def podman_info(rootless: bool = False, cgroup: str = "v1") -> bytes:
    return json.dumps({
        "host": {"cpus": 2, "cgroupVersion": cgroup, "security": {"rootless": rootless}},
        "version": {"Version": "4.3.1"},
    }).encode()


def test_checkups_of_root_can_pause() -> None:
    assert answers.read_checkup(docker_info(), DOCKER) == Checkup(True, "20.10.24", True, False, 2)
    assert answers.read_checkup(podman_info(), PODMAN) == Checkup(True, "4.3.1", True, False, 2)


def test_rootless_needs_cgroup_v2_to_pause() -> None:
    options = ["name=seccomp,profile=default", "name=rootless"]
    for able, said, kind in (
        (False, podman_info(True, "v1"), PODMAN), (True, podman_info(True, "v2"), PODMAN),
        (False, docker_info(SecurityOptions=options), DOCKER),
        (True, docker_info(SecurityOptions=options, CgroupVersion="2"), DOCKER),
    ):
        checkup = answers.read_checkup(said, kind)
        assert checkup.answers
        assert checkup.rootless
        assert checkup.can_pause is able
        assert bool(checkup.words) is not able


def test_a_docker_command_without_a_daemon_does_not_answer() -> None:
    said = docker_info(ServerVersion="", ServerErrors=["Cannot connect to the Docker daemon"])
    checkup = answers.read_checkup(said, DOCKER)
    assert not checkup.answers
    assert "Cannot connect" in checkup.words


def test_podman_called_docker_is_told() -> None:
    checkup = answers.read_checkup(podman_info(), DOCKER)
    assert not checkup.answers
    assert "Podman" in checkup.words


def test_names_are_read_whole() -> None:
    docker = b'{"Names":"boinc__a,other/link"}\n{"Names":"/boinc__b"}\n'
    podman = b'[{"Names":["boinc__a"]},{"Names":["boinc__b"]}]'
    assert answers.read_names(docker, DOCKER) == {"boinc__a", "other/link", "boinc__b"}
    assert answers.read_names(podman, PODMAN) == {"boinc__a", "boinc__b"}


def test_nothing_listed_is_an_answer_too() -> None:
    assert answers.read_names(b"", DOCKER) == frozenset()
    assert answers.read_names(b"[]\n", PODMAN) == frozenset()
    assert answers.read_names(b"null\n", PODMAN) == frozenset()
    with pytest.raises(ValueError):
        answers.read_names(b"", PODMAN)
