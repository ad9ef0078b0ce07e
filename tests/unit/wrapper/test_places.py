"""The order in which distros are tried, and who one is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from states.record import Engine, Job, Record
from states.table import State
from wrapper.boinc.init_data import Distro, DockerType, InitData, parse_init_data
from wrapper.engine.answers import EngineKind
from wrapper.engine.hosts.local import LocalHost
from wrapper.engine.hosts.mac import MacHost
from wrapper.engine.hosts.wsl import WslHost
from wrapper.engine.hosts.wsl_front import WslFront
from wrapper.places import (
    Candidate,
    candidate_of,
    first_host,
    forbidden,
    ranked,
    recorded_host,
    unranked,
    why_not,
)

DOCKER, PODMAN = DockerType.DOCKER, DockerType.PODMAN


def distro(name: str, kind: DockerType = PODMAN, **more: object) -> Distro:
    return Distro(name, docker_type=kind, **more)  # type: ignore[arg-type]


def names(*distros: Distro) -> list[str]:
    return [candidate.distro for candidate in ranked(distros)]


def test_boincs_own_comes_first_then_podman_then_docker() -> None:
    assert names(distro("docker-desktop", DOCKER), distro("Ubuntu"), distro("boinc-buda-runner"),
                 ) == ["boinc-buda-runner", "Ubuntu", "docker-desktop"]


def test_of_equal_ones_the_default_is_first() -> None:
    assert names(distro("a"), distro("b", is_default=True)) == ["b", "a"]


def test_a_distro_that_is_not_allowed_is_never_tried() -> None:
    assert names(distro("boinc-buda-runner", disallowed=True), distro("b", DOCKER)) == ["b"]


def test_without_an_engine_or_of_wsl_1_it_is_passed_over() -> None:
    assert names(distro("boinc-buda-runner", DockerType.NONE), distro("old", wsl_version=1),
                 distro("docker-desktop-data", DOCKER), distro("")) == []


@pytest.mark.parametrize(("each", "why"), [
    (distro("x", disallowed=True), "the volunteer does not allow it"),
    (distro("x", wsl_version=1), "WSL 1 cannot run containers"),
    (distro("docker-desktop-data"), "it has no shell"), (distro("x", wsl_version=2), ""),
])
def test_a_refusal_has_a_reason(each: Distro, why: str) -> None:
    assert why_not(each) == why


@pytest.mark.parametrize(("name", "version", "user"), [
    ("boinc-buda-runner", "3", None), ("boinc-buda-runner", "1.2", None),
    ("boinc-buda-runner", "4", "root"), ("boinc-buda-runner", "10", "root"),
    ("boinc-buda-runner", "", "root"), ("Ubuntu", "2", "root"), ("Ubuntu", "", "root"),
])
def test_we_are_root_but_in_an_old_distro_of_boincs(
    name: str, version: str, user: str | None
) -> None:
    assert ranked([distro(name, distro_version=version)])[0].user == user


def test_the_engine_that_the_client_saw_is_tried_first() -> None:
    assert ranked([distro("a", DOCKER)])[0].kinds == (EngineKind.DOCKER, EngineKind.PODMAN)
    assert candidate_of("unknown", ()) == Candidate("unknown", "root",
                                                    (EngineKind.PODMAN, EngineKind.DOCKER))


def test_of_distros_that_only_wsl_knows_podmans_come_before_dockers() -> None:
    listed = ["docker-desktop", "Ubuntu", "boinc-buda-runner", "Debian"]
    told = [distro("boinc-buda-runner", DockerType.NONE, distro_version="3")]
    found = unranked(listed, told)
    podman, docker = (EngineKind.PODMAN,), (EngineKind.DOCKER,)
    assert found[0] == Candidate("boinc-buda-runner", None, (*podman, *docker))
    assert [(each.distro, each.kinds) for each in found[1:]] == [
        ("Ubuntu", podman), ("Debian", podman), ("docker-desktop", podman),
        ("Ubuntu", docker), ("Debian", docker), ("docker-desktop", docker),
    ]


CLIENT = b"""<app_init_data>
<major_version>8</major_version><minor_version>2</minor_version>
<gpu_type>NVIDIA</gpu_type><gpu_device_num>0</gpu_device_num>
<host_info><p_ncpus>16</p_ncpus>
<coprocs><coproc_cuda><count>1</count><name>NVIDIA GeForce & friends</name></coproc_cuda></coprocs>
<wsl>
 <distro><distro_name>Ubuntu</distro_name><os_name>Ubuntu</os_name><is_default>1</is_default>
  <wsl_version>2</wsl_version><docker_version>28.1.1</docker_version><docker_type>1</docker_type>
  </distro>
 <distro><distro_name>boinc-buda-runner</distro_name><distro_version>3</distro_version>
  <wsl_version>2</wsl_version><docker_version>4.9.3</docker_version><docker_type>2</docker_type>
  <wsl_gpu/></distro>
 <distro><distro_name>Fedora</distro_name><disallowed>1</disallowed><wsl_version>2</wsl_version>
  <docker_version>5.4.0</docker_version><docker_type>2</docker_type></distro>
</wsl></host_info></app_init_data>"""


def test_a_client_of_windows_with_several_distros_and_a_gpu_is_understood() -> None:
    found = ranked(parse_init_data(CLIENT).distros)
    assert [(each.distro, each.user) for each in found] == [
        ("boinc-buda-runner", None), ("Ubuntu", "root"),
    ]


def record(engine: Engine | None) -> Record:
    return Record(State.RUNNING, Job("p", "w", "r"), "", "", engine=engine)


def test_a_record_leads_back_to_its_distro(tmp_path: Path) -> None:
    init = InitData(distros=(distro("boinc-buda-runner", distro_version="2"),))
    known = record(Engine("podman", "4", "boinc-buda-runner"))
    host = recorded_host(WslFront(tmp_path), tmp_path, known, init, "win32")
    assert isinstance(host, WslHost)
    assert host.distro == "boinc-buda-runner"
    assert "-u" not in host._words
    host.close()


def test_a_record_leads_to_no_distro_that_is_not_allowed_any_more() -> None:
    known = record(Engine("podman", "4", "Ubuntu"))
    now = InitData(distros=(distro("Ubuntu", disallowed=True), distro("other")))
    assert "may not use any more" in forbidden(known, now)
    assert not forbidden(known, InitData(distros=(distro("Ubuntu"), distro("b", disallowed=True))))
    assert not forbidden(known, None)
    assert not forbidden(record(Engine("podman", "4", None)), now)
    assert not forbidden(record(None), now)


def test_each_platform_begins_with_a_host_of_its_own(tmp_path: Path) -> None:
    assert isinstance(first_host(tmp_path, "win32"), WslFront)
    assert isinstance(first_host(tmp_path, "darwin"), MacHost)
    assert type(first_host(tmp_path, "linux")) is LocalHost
    first = LocalHost()
    known = record(Engine("docker", "", None))
    assert recorded_host(first, tmp_path, known, None, "linux") is first
    assert recorded_host(first, tmp_path, record(None), None, "win32") is first
