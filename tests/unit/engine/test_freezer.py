"""Facts about a container's freezer: where its files are, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from wrapper.engine.freezer import Freezer, change, find, frozen, locate
from wrapper.engine.hosts.local import LocalHost

ID = "c1" * 32
V1 = b"30 23 0:26 / /cg/freezer rw - cgroup cgroup rw,freezer\n"
V2 = b"31 23 0:27 / /cg/unified rw - cgroup2 cgroup rw\n"


def test_version_1_has_a_hierarchy_of_its_own_for_it() -> None:
    groups = f"5:freezer:/libpod_parent/libpod-{ID}\n0::/docker/{ID}\n".encode()
    there = f"/cg/freezer/libpod_parent/libpod-{ID}/freezer.state"
    assert locate(groups, V1 + V2, ID) == Freezer(there, (there,), b"FROZEN", b"THAWED")


def test_version_2_tells_and_is_told_by_two_files() -> None:
    groups = f"0::/system.slice/docker-{ID}.scope\n".encode()
    there = f"/cg/unified/system.slice/docker-{ID}.scope"
    assert locate(groups, V2, ID) == Freezer(
        f"{there}/cgroup.events", (f"{there}/cgroup.freeze",), b"1", b"0")


def test_a_first_process_further_down_is_what_tells_and_all_levels_are_told() -> None:
    groups = f"0::/machine.slice/libpod-{ID}.scope/container\n".encode()
    there = f"/cg/unified/machine.slice/libpod-{ID}.scope"
    found = locate(groups, V2, ID)
    assert found is not None
    assert found.state == f"{there}/container/cgroup.events"
    assert found.controls == (f"{there}/cgroup.freeze", f"{there}/container/cgroup.freeze")


@pytest.mark.parametrize("groups", [b"", b"0::/somebody/else\n", b"5:freezer:/\n0::/\n"])
def test_a_cgroup_that_is_not_the_containers_is_never_touched(groups: bytes) -> None:
    assert locate(groups, V1 + V2, ID) is None
    assert locate(groups, V1 + V2, "") is None


@pytest.mark.parametrize(("said", "told"), [
    ("FROZEN\n", True), ("THAWED\n", False), ("FREEZING\n", None), ("", None),
])
def test_what_version_1_says(tmp_path: Path, said: str, told: bool | None) -> None:
    state = tmp_path / "freezer.state"
    state.write_text(said)
    freezer = Freezer(str(state), (str(state),), b"FROZEN", b"THAWED")
    assert frozen(LocalHost(), freezer) is told


@pytest.mark.parametrize(("said", "told"), [
    ("populated 1\nfrozen 1\n", True), ("populated 1\nfrozen 0\n", False), ("populated 1\n", None),
])
def test_what_version_2_says(tmp_path: Path, said: str, told: bool | None) -> None:
    events = tmp_path / "cgroup.events"
    events.write_text(said)
    assert frozen(LocalHost(), Freezer(str(events), (), b"1", b"0")) is told


def test_every_level_is_told_and_a_missing_one_is_no_success(tmp_path: Path) -> None:
    here, missing = tmp_path / "here", tmp_path / "missing"
    here.write_text("")
    told = Freezer("", (str(missing), str(here)), b"1", b"0")
    assert not change(LocalHost(), told, freeze=True)
    assert here.read_text() == "1"
    assert change(LocalHost(), Freezer("", (str(here),), b"1", b"0"), freeze=False)


def test_no_process_has_no_freezer() -> None:
    assert find(LocalHost(), 0, ID) is None
