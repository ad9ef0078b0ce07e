"""Where a cgroup's files are and what is in them, for layouts this machine does not have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wrapper.engine.hosts.base import Unreachable
from wrapper.engine.hosts.local import LocalHost
from wrapper.engine.usage import (
    CgroupFiles,
    Usage,
    find,
    locate,
    read,
    read_duration,
    read_size,
    read_stats,
)

ID = "4897be3fd42e722c99a915bada320edf3ecc63b4dd7e71daf074687fed92081a"
V1 = b"""31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
"""
V2 = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
UNIFIED = b"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"


def v2(cgroup: str) -> CgroupFiles:
    return CgroupFiles(f"{cgroup}/cpu.stat", f"{cgroup}/memory.current", f"{cgroup}/memory.stat")


def v1(cgroup: str) -> CgroupFiles:
    return CgroupFiles(
        f"/sys/fs/cgroup/cpu,cpuacct{cgroup}/cpuacct.usage",
        f"/sys/fs/cgroup/memory{cgroup}/memory.usage_in_bytes",
        f"/sys/fs/cgroup/memory{cgroup}/memory.stat",
    )


def groups_v1(path: str) -> bytes:
    return f"4:memory:{path}\n2:cpu,cpuacct:{path}\n0::{path}\n".encode()


def test_version_1_has_a_hierarchy_for_each_controller() -> None:
    path = f"/docker/{ID}"
    assert locate(groups_v1(path), V1, ID) == v1(path)


def test_mixed_the_counters_are_where_their_controllers_are() -> None:
    path = f"/libpod_parent/libpod-{ID}"
    assert locate(groups_v1(path), V1 + UNIFIED, ID) == v1(path)


def test_version_2_has_one_hierarchy() -> None:
    path = f"/system.slice/docker-{ID}.scope"
    assert locate(f"0::{path}\n".encode(), V2, ID) == v2(f"/sys/fs/cgroup{path}")


@pytest.mark.parametrize("deeper", ["/container", "/init.scope", "/a/b"])
def test_a_first_process_that_moved_down_does_not_hide_the_rest(deeper: str) -> None:
    path = f"/machine.slice/libpod-{ID}.scope"
    found = locate(f"0::{path}{deeper}\n".encode(), V2, ID)
    assert found == v2(f"/sys/fs/cgroup{path}")


def test_a_cgroup_without_the_containers_id_is_not_its_own() -> None:
    assert locate(b"0::/user.slice/user-1000.slice/session-1.scope\n", V2, ID) is None
    assert locate(groups_v1("/docker/other"), V1, ID) is None
    found = locate(b"0::/user.slice/session-1.scope\n", V2)
    assert found == v2("/sys/fs/cgroup/user.slice/session-1.scope")


def test_a_mount_that_shows_a_part_only_is_reckoned_with() -> None:
    part = b"31 23 0:28 /outer /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert locate(f"0::/outer/{ID}\n".encode(), part, ID) == v2(f"/sys/fs/cgroup/{ID}")
    assert locate(f"0::/other/{ID}\n".encode(), part, ID) is None
    assert locate(f"0::/../{ID}\n".encode(), V2, ID) is None


def test_without_the_memory_controller_cpu_is_still_told() -> None:
    cpu = b"33 31 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
    found = locate(f"2:cpuacct:/{ID}\n".encode(), cpu, ID)
    assert found == CgroupFiles(f"/sys/fs/cgroup/cpuacct/{ID}/cpuacct.usage", "", "")


@pytest.mark.parametrize("groups", [b"", b"rubbish", b"::\n", b"\xff:\xff:\xff\n"])
def test_rubbish_is_no_place(groups: bytes) -> None:
    assert locate(groups, V2, ID) is None
    assert locate(f"0::/{ID}".encode(), groups, ID) is None


def test_no_process_has_no_files() -> None:
    host = LocalHost()
    assert find(host, 0) is None
    assert find(host, 999_999_999) is None


def test_files_of_version_2_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 1000\nactive_file 5\n")
    assert read(LocalHost(), v2(str(tmp_path))) == Usage(2.5, 2000)


def test_files_of_version_1_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpuacct.usage").write_text("2500000000\n")
    (tmp_path / "memory.usage_in_bytes").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("inactive_file 7\ntotal_inactive_file 4000\n")
    files = CgroupFiles(
        f"{tmp_path}/cpuacct.usage", f"{tmp_path}/memory.usage_in_bytes", f"{tmp_path}/memory.stat"
    )
    assert read(LocalHost(), files) == Usage(2.5, 0)


def test_without_a_counter_nothing_is_told(tmp_path: Path) -> None:
    assert read(LocalHost(), v2(str(tmp_path))) is None
    (tmp_path / "cpu.stat").write_text("user_usec 2000000\n")
    assert read(LocalHost(), v2(str(tmp_path))) is None
    (tmp_path / "cpu.stat").write_text("usage_usec lots\n")
    assert read(LocalHost(), v2(str(tmp_path))) is None
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\n")
    assert read(LocalHost(), v2(str(tmp_path))) == Usage(1.0, 0)


@pytest.mark.parametrize(("said", "seconds"), [
    ("147.426373ms", 0.147426373), ("1h2m3.5s", 3723.5), ("2m0s", 120.0), ("12µs", 12e-6),
    ("0s", 0.0), ("5ns", 5e-9),
])
def test_durations_of_go_are_read(said: str, seconds: float) -> None:
    assert read_duration(said) == pytest.approx(seconds)


@pytest.mark.parametrize(("said", "size"), [
    ("499.7kB", 499_700), ("1.5MiB", 1_572_864), ("0B", 0), ("25.28GB ", 25_280_000_000),
    ("12KiB", 12_288), ("640 kB", 640_000),
])
def test_sizes_of_both_engines_are_read(said: str, size: int) -> None:
    assert read_size(said) == size


def test_what_is_neither_is_a_value_error() -> None:
    for said in ("", "--", "5", "5 days", "1.2.3kB", "MiB"):
        with pytest.raises(ValueError):
            read_size(said)
        with pytest.raises(ValueError):
            read_duration(said)


def test_stats_of_both_engines_are_read() -> None:
    docker = read_stats({"CPUPerc": "150.50%", "MemUsage": "1.5MiB / 23.54GiB"})
    assert (docker.cpu, docker.rate, docker.wss) == (None, 1.505, 1_572_864)
    podman = read_stats({"cpu_time": "1.5s", "cpu_percent": "99%", "mem_usage": "4kB / 25GB"})
    assert (podman.cpu, podman.rate, podman.wss) == (1.5, 0.99, 4000)
    for row in ({}, {"CPUPerc": "--", "MemUsage": "-- / --"}):
        with pytest.raises(ValueError):
            read_stats(row)


class Hidden(LocalHost):
    """A computer whose /proc shows nobody's processes but one's own (`hidepid`, proc(5))."""

    def __init__(self, refuses: bool) -> None:
        super().__init__()
        self._refuses = refuses

    def read(self, path: str, most: int = 65536, often: bool = False) -> bytes | None:
        if path.startswith("/proc/") and not path.startswith("/proc/self/"):
            if self._refuses:
                raise Unreachable(f"{path} could not be read: Operation not permitted")
            return None
        return super().read(path, most, often)


@pytest.mark.parametrize("refuses", [True, False], ids=["hidepid=1", "hidepid=2"])
def test_where_processes_are_hidden_there_is_no_cgroup_to_read(refuses: bool) -> None:
    if find(LocalHost(), os.getpid()) is None:
        pytest.skip("there is none here anyhow")
    assert find(Hidden(refuses), os.getpid()) is None


def test_of_a_remote_daemon_the_number_of_a_process_here_says_nothing() -> None:
    assert find(LocalHost(), os.getpid(), "c" * 64) is None
