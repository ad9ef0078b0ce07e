"""``init_data.xml`` as clients of several versions write it, and as no client does."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.boinc.steady import make_fifo, steady
from wrapper.boinc import BoincTrouble
from wrapper.boinc.init_data import (
    LARGEST,
    BadInitData,
    DockerType,
    InitData,
    parse_init_data,
    read_init_data,
)

DATA = Path(__file__).parent / "data"
unix = pytest.mark.skipif(sys.platform == "win32", reason="a file of Unix")


def read(name: str) -> InitData:
    """A sample file; there is one."""
    found = read_init_data(DATA / name)
    assert found is not None
    return found


def parse(body: str) -> InitData:
    """The content of the root element, as a client would write it."""
    return parse_init_data(f"<app_init_data>\n{body}\n</app_init_data>\n".encode())


def test_a_file_of_7_16_is_read_with_values_that_are_not_escaped() -> None:
    data = read("linux-7.16.xml")
    assert data.client_version == (7, 16, 6)
    assert data.project_dir == "/var/lib/boinc-client/projects/hadrons.example.org_r&d"
    assert (data.wu_name, data.result_name) == ("run_12_a<b_7", "run_12_a<b_7_1")
    assert data.user_name == "Björn & Co <home>"
    assert (data.slot, data.client_pid, data.shm_key) == (4, 1234, -1)
    assert (data.wu_cpu_time, data.starting_elapsed_time) == (86.25, 99.123456)
    assert (data.rsc_memory_bound, data.rsc_disk_bound) == (512e6, 1e9)
    assert data.computation_deadline == 1606728322
    assert (data.gpu_type, data.gpu_device_num) == ("", -1)
    assert data.authenticator == "0123456789abcdef0123456789abcdef"


def test_a_client_before_8_1_names_no_engine() -> None:
    assert read("linux-7.16.xml").docker_type is DockerType.NONE
    assert read("linux-7.20.xml").docker_type is DockerType.NONE
    assert read("linux-7.20.xml").docker_version == ""
    assert read("linux-7.20.xml").distros == ()


def test_preferences_are_the_plain_values_of_this_host() -> None:
    preferences = read("linux-7.16.xml").global_preferences
    assert preferences["cpu_usage_limit"] == "50.000000"
    assert preferences["run_on_batteries"] == "1"
    assert "day_prefs" not in preferences
    assert "start_hour" not in preferences


def test_a_file_of_7_20_is_read() -> None:
    data = read("linux-7.20.xml")
    assert (data.plan_class, data.app_name) == ("docker", "worker")
    assert data.team_name == "Team \"Ever's\""
    assert (data.gpu_type, data.gpu_device_num, data.gpu_usage) == ("NVIDIA", 1, 0.5)
    assert (data.fraction_done_start, data.fraction_done_end) == (0.25, 0.75)
    assert (data.wu_cpu_time, data.ncpus, data.checkpoint_period) == (150.0, 0.981, 120.0)
    assert data.no_priority_change
    assert data.vm_extensions_disabled
    assert (data.process_priority, data.process_priority_special) == (-1, 3)
    assert data.app_files == ("docker_wrapper_20", "job_5.toml", "Dockerfile_5")


def test_proxies_are_read() -> None:
    proxy = read("linux-7.20.xml").proxy
    assert proxy.use_http_proxy
    assert proxy.use_http_auth
    assert not proxy.use_socks_proxy
    assert (proxy.http_server_name, proxy.http_server_port) == ("proxy.example.edu", 3128)
    assert (proxy.http_user_name, proxy.http_user_passwd) == ("lab", 'p<ss&w"rd')
    assert proxy.no_proxy == "localhost,.example.edu"
    socks = read("linux-8.2.xml").proxy
    assert socks.use_socks_proxy
    assert socks.socks5_remote_dns
    assert (socks.socks_server_name, socks.socks_server_port) == ("socks.example.org", 1080)
    assert (socks.socks5_user_name, socks.socks5_user_passwd) == ("me", "sesame")


def test_a_client_of_8_2_names_the_engine_of_the_host() -> None:
    data = read("linux-8.2.xml")
    assert (data.docker_type, data.docker_version) == (DockerType.PODMAN, "5.4.2")
    assert (data.gpu_type, data.ncpus, data.process_priority) == ("ATI", 2.0, 1)


def test_distros_are_read_in_the_order_of_the_file() -> None:
    data = read("windows-8.2.xml")
    assert [distro.distro_name for distro in data.distros] == [
        "Ubuntu-22.04",
        "boinc-buda-runner",
        "docker-desktop",
        "Old & Gray",
    ]
    ubuntu, buda, desktop, old = data.distros
    assert ubuntu.is_default
    assert not buda.is_default
    assert (buda.distro_version, buda.docker_version, buda.wsl_gpu) == ("4", "5.2.0", True)
    assert (ubuntu.distro_version, ubuntu.wsl_gpu) == ("", False)
    assert desktop.disallowed
    assert desktop.docker_type is DockerType.DOCKER
    assert (old.wsl_version, old.docker_type) == (1, DockerType.NONE)


def test_a_windows_file_has_the_name_of_a_mapping_and_no_engine_of_the_host() -> None:
    data = read("windows-8.2.xml")
    assert (data.comm_obj_name, data.shm_key) == ("boinc_2", -1)
    assert data.docker_type is DockerType.NONE
    assert data.project_dir == r"C:\ProgramData\BOINC/projects/boinc.example.edu_dock"


@pytest.mark.parametrize("name", ["linux-7.20.xml", "linux-8.2.xml"])
def test_no_secret_is_in_a_representation(name: str) -> None:
    data = read(name)
    shown = repr(data) + str(data) + repr(data.proxy)
    secrets = (data.authenticator, data.proxy.http_user_passwd, data.proxy.socks5_user_passwd)
    assert not [secret for secret in secrets if secret and secret in shown]


def test_what_project_preferences_hold_is_no_field_of_the_job() -> None:
    assert read("linux-7.16.xml").slot != 99


def test_missing_fields_have_their_defaults() -> None:
    assert parse("") == InitData()
    assert InitData().ncpus == 1.0
    assert (InitData().fraction_done_start, InitData().fraction_done_end) == (0.0, 1.0)


@pytest.mark.parametrize(
    "body",
    [
        "<ncpus>many</ncpus>",
        "<ncpus>-1.000000</ncpus>",
        "<ncpus>0.000000</ncpus>",
        "<ncpus/>",
        "<client_pid>-1</client_pid>",
        "<client_pid>0</client_pid>",
        "<client_pid>99999999999</client_pid>",
        "<slot></slot>",
        "<wu_cpu_time>nan</wu_cpu_time>",
        "<checkpoint_period>1e999</checkpoint_period>",
        "<fraction_done_start>0.5</fraction_done_start><fraction_done_end>0.5</fraction_done_end>",
        "<fraction_done_end>7</fraction_done_end>",
        "<host_info><docker_type>7</docker_type></host_info>",
        "<host_info><docker_type>podman</docker_type></host_info>",
        "<host_info/><proxy_info/><global_preferences/>",
        "<process_priority_special>high</process_priority_special>",
        "<no_priority_change>perhaps</no_priority_change>",
    ],
)
def test_garbage_in_a_field_is_as_if_the_field_was_not_there(body: str) -> None:
    assert parse(body) == InitData()


def test_of_a_field_given_twice_the_last_one_counts_as_it_does_for_the_client() -> None:
    assert parse("<slot>1</slot><slot>2</slot>").slot == 2


@unix
def test_a_path_keeps_bytes_that_are_not_utf_8() -> None:
    data = parse_init_data(b"<app_init_data><boinc_dir>/b\xff</boinc_dir></app_init_data>")
    assert os.fsencode(data.boinc_dir) == b"/b\xff"


def test_a_name_can_always_be_printed() -> None:
    data = parse_init_data(b"<app_init_data><wu_name>b\xff</wu_name></app_init_data>")
    assert data.wu_name.encode() == "b\ufffd".encode()


def test_no_file_means_standalone(tmp_path: Path) -> None:
    assert read_init_data(tmp_path / "init_data.xml") is None
    assert read_init_data(tmp_path / "no" / "init_data.xml") is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (bytes(4096), "NUL"),
        (b"MZ\x90\x01garbage", "no <app_init_data>"),
        (b"<app_init_data><slot>1</slot>", "cut short"),
        (b"</app_init_data><app_init_data>", "cut short"),
        (b"<app_init_data>" + b"<a>" * 5000 + b"</app_init_data>", "without an end"),
        (b"<app_init_data>" + b" " * LARGEST + b"</app_init_data>", "larger than 4 MiB"),
    ],
)
def test_a_file_no_client_wrote_is_refused_with_a_reason(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "init_data.xml"
    path.write_bytes(content)
    with pytest.raises(BadInitData, match=why) as caught:
        read_init_data(path)
    assert isinstance(caught.value, BoincTrouble)
    assert str(path) in str(caught.value)
    assert "restart the client" in str(caught.value)


def test_a_directory_by_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "init_data.xml").mkdir()
    with pytest.raises(BadInitData, match="cannot be read"):
        read_init_data(tmp_path / "init_data.xml")


@unix
def test_a_fifo_by_that_name_is_refused_at_once(tmp_path: Path) -> None:
    make_fifo(tmp_path / "init_data.xml")
    with pytest.raises(BadInitData, match="no regular file"):
        read_init_data(tmp_path / "init_data.xml")


@unix
def test_a_link_by_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "init_data.xml").symlink_to(DATA / "linux-8.2.xml")
    with pytest.raises(BadInitData, match="no regular file"):
        read_init_data(tmp_path / "init_data.xml")


PIECES = st.sampled_from(
    [
        b"<", b">", b"</", b"/>", b"&", b"&amp;", b"&#", b";", b"<slot>", b"</slot>", b"<wsl>",
        b"</wsl>", b"<distro>", b"</distro>", b"<host_info>", b"</host_info>", b"<ncpus>", b"-1",
        b"1e5", b"</ncpus>", b"<proxy_info>", b"<client_pid>", b"</client_pid>", b"\xff", b"\0",
        b"<docker_type>", b"</docker_type>", b"<is_default/>", b"<project_dir>", b"</project_dir>",
    ]
)


@steady
@given(st.one_of(st.binary(max_size=2000), st.lists(PIECES, max_size=200).map(b"".join)))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    for content in (junk, b"<app_init_data>" + junk + b"</app_init_data>"):
        with contextlib.suppress(ValueError):
            data = parse_init_data(content)
            assert data.ncpus > 0
            assert 0 <= data.client_pid < 2**31
            assert 0 <= data.fraction_done_start < data.fraction_done_end <= 1
