"""The labs themselves: they touch nobody else and leave nothing behind, killed or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab import leftovers
from tests.lab.engines import ROOM, DockerLab, Lab, PodmanLab, reserve, wait_for

OWNER = """
import sys
from tests.lab.engines import DockerLab, PodmanLab
lab = {"docker": DockerLab, "podman": PodmanLab}[sys.argv[1]]()
lab.cli("run", "--detach", "--name", "left", lab.base_image(), "sleep", "1000")
pid = lab.cli("inspect", "--format", "{{.State.Pid}}", "left").stdout.strip()
print(lab.path, pid, flush=True)
sys.stdin.read()
"""


def left(folder: Path) -> list[object]:
    """What there still is of a lab."""
    net = f"/sys/class/net/{folder.name.replace('-d', '')}"
    return [
        *folder.glob("*"), *leftovers.processes_of(folder), *leftovers.mounts_below(folder),
        *([net] if os.path.exists(net) else []),
    ]


def test_two_labs_at_once_do_not_see_each_other(engine_lab: Lab) -> None:
    engine_lab.cli("create", "--name", "mine", engine_lab.base_image(), "true")
    with type(engine_lab)() as other:
        other.cli("run", "--detach", "--name", "theirs", other.base_image(), "sleep", "1000")
        assert other.containers() == ["theirs"]
        assert engine_lab.containers() == ["mine"]
        folder, inode = other.path, other.path.stat().st_ino
    assert not folder.exists() or folder.stat().st_ino != inode
    assert engine_lab.containers() == ["mine"]


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_what_a_killed_run_left_is_cleaned_up(engine_lab: Lab, how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, engine_lab.kind.value], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout is not None
        told, pid = owner.stdout.readline().split()
        folder = Path(told)
        assert folder.parent == ROOM
        owner.send_signal(signal.Signals[how])
        owner.wait(60)
    subprocess.run(
        [sys.executable, "-m", "tests.lab.engines", "clean"], check=True, timeout=120
    )
    assert wait_for(lambda: not leftovers.lives(int(pid)))
    # Another run may have taken the number by now; reserved by us it must be swept clean.
    lock = reserve(folder.with_suffix(".lock"))
    if lock is not None:
        assert left(folder) == []
        folder.with_suffix(".lock").unlink()
        os.close(lock)


def test_a_port_of_a_container_is_reached_at_127_0_0_1(engine_lab: Lab) -> None:
    assert isinstance(engine_lab, (DockerLab, PodmanLab))
    job = "echo hello > /index.html; httpd -f -h /"
    engine_lab.cli("run", "--detach", "--name", "web", "--publish", "127.0.0.1::80",
                   engine_lab.base_image(), "sh", "-c", job)
    place = engine_lab.cli("port", "web", "80/tcp").stdout.split()[0]

    def answers() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", "import sys, urllib.request as u; "
             "print(u.build_opener(u.ProxyHandler({})).open(sys.argv[1], timeout=5).read())",
             f"http://{place}/"], capture_output=True, text=True, check=False,
        )
        return "hello" in done.stdout

    assert wait_for(answers, 20)


def test_a_torn_lab_is_begun_anew_and_works(engine_lab: Lab) -> None:
    with type(engine_lab)() as lab:
        lab.cli("run", "--detach", "--name", "left", lab.base_image(), "sleep", "1000")
        lab.renew()
        assert lab.containers() == []
        assert lab.cli("run", "--rm", lab.base_image(), "echo", "works").stdout == "works\n"
