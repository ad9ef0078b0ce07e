"""A Mac as a host: what is asked of Podman's virtual machine, without one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from wrapper.container_order import Bind, ContainerSpec, create_words
from wrapper.discovering_mac import advice, why_not
from wrapper.engine.answers import EngineKind
from wrapper.engine.hosts.base import Order, Reply, carry_out
from wrapper.engine.hosts.mac import MACHINES, MacHost

if sys.platform == "win32":
    pytest.skip("a Mac is a Unix", allow_module_level=True)


def test_the_slot_is_mounted_by_its_real_absolute_name(tmp_path: Path) -> None:
    data = tmp_path / "Library" / "Application Support" / "BOINC Data"
    (data / "slots" / "0").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    host = MacHost({})
    slot = host.path(tmp_path / "link" / "slots" / "0")
    assert slot == os.path.realpath(data) + "/slots/0"
    words = create_words(ContainerSpec(
        "boinc__p__r", "boinc__p__w", slot,
        binds=(Bind(f"{slot}/in, put", "/app/in, put", readonly=True),),
    ), EngineKind.PODMAN)
    assert f"type=bind,source={slot},target=/app" in words
    assert f'type=bind,"source={slot}/in, put","target=/app/in, put",readonly' in words
    assert all(not word.startswith("./") for word in words)


def test_programs_are_found_where_installers_put_them() -> None:
    host = MacHost({"PATH": "/usr/bin:/bin"})
    said = host.run(Order(("/usr/bin/env",))).out.decode().splitlines()
    path = next(line for line in said if line.startswith("PATH="))
    places = "PATH=/usr/bin:/bin:/opt/podman/bin:/opt/homebrew/bin:/usr/local/bin"
    assert path == f"{places}:/usr/local/sbin:/usr/sbin:/sbin"


def test_nothing_of_the_machine_is_looked_for_here() -> None:
    host = MacHost({})
    assert host.watch(os.getpid()) is None
    assert host.read("/proc/self/stat") is None
    assert not host.write("/dev/null", b"x")
    assert host.boot_id() == ""


def test_podman_is_asked_for_its_machines() -> None:
    assert MACHINES.words == ("podman", "machine", "list", "--format", "json")
    assert not MACHINES.changes


@pytest.mark.parametrize(("said", "words"), [
    (b'[{"Name": "podman-machine-default", "Running": false}]', "is stopped"),
    (b"[]", "`podman machine init`"), (b'[{"Running": false}, {"Running": true}]', ""),
    (b"nonsense", ""), (b'[{"Name": "x"}]', ""), (b"{}", "init"), (b"null", ""),
])
def test_a_stopped_machine_is_told(said: bytes, words: str) -> None:
    told = advice(said)
    assert words in told
    assert bool(words) == bool(told)


def test_a_podman_that_is_not_there_gives_no_advice() -> None:
    class Silent(MacHost):
        def run(self, order: Order) -> Reply:
            del order
            return Reply(None, trouble="no such command", missing=True)

    assert carry_out(Silent({}), why_not()) == ""
