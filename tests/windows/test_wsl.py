"""How WSL is asked, and what is said where it cannot be used: it is off, it hangs, or no distro in
it has an engine that may be used.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.workunit import CHECKOUT
from tests.windows.client import Distro, WindowsClient

HANDED_OVER = [Distro("bare", 2), Distro("podman", 2, disallowed=True)]
NONE_LEFT = [*HANDED_OVER, Distro("docker", 1, disallowed=True)]
pytestmark = pytest.mark.skipif(
    "WSL_STANDIN_DISTROS" not in os.environ, reason="needs the stand-in's distros"
)


def client_with(folder: Path, distros: list[Distro], trouble: str = "") -> WindowsClient:
    """A client whose WSL has some trouble."""
    environment = {**os.environ, "WSL_STANDIN_TROUBLE": trouble}
    return WindowsClient(folder, environment=environment, distros=distros)


def postponed(client: WindowsClient) -> str:
    """Run it; the reason it gives for wanting to be started later."""
    with client.start():
        assert client.wait_exit(90) == 0, client.story()
        ending = client.temporary_exit()
    assert ending is not None, client.story()
    assert 0 < ending.number <= 3600
    assert client.finish() is None
    return ending.message


@pytest.mark.parametrize("distros", [[], [Distro("podman", 2)]], ids=["none told", "one told"])
def test_without_wsl_the_job_waits_and_says_how_to_get_it(
    tmp_path: Path, distros: list[Distro]
) -> None:
    client = client_with(tmp_path / "C", distros, "off")
    assert "wsl --install" in postponed(client)
    assert "not installed. You can install by running" in client.stderr()


def test_a_wsl_that_hangs_is_given_up_with_words_for_the_volunteer(tmp_path: Path) -> None:
    client = client_with(tmp_path / "C", [Distro("podman", 2)], "hang")
    assert "WSL does not answer on this computer: please run `wsl --shutdown`" in postponed(client)
    assert "the WSL distro podman gave no shell within 20 s" in client.stderr()
    assert "wsl -l -v: no end after 20 s" in client.stderr()


def test_a_quit_is_obeyed_while_wsl_hangs(tmp_path: Path) -> None:
    with client_with(tmp_path / "C", HANDED_OVER, "hang").start() as client:
        client.wait_for("the search", lambda: client.state().get("state") is not None, 60)
        client.quit()
        client.wait_for("it has heard", lambda: not client.unread(), 10)
        assert client.wait_exit(15) == 0
    assert client.temporary_exit() is None
    assert client.finish() is None


def test_a_distro_that_is_not_allowed_is_never_entered(tmp_path: Path) -> None:
    client = client_with(tmp_path / "C", NONE_LEFT)
    assert "boinc-buda-runner" in postponed(client)
    said = client.stderr()
    assert "bare" in said
    for name in ("docker", "podman"):
        assert f"The WSL distro {name} is passed over" in said
    assert "WSL distro podman:" not in said


def test_no_window_pops_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    slot = tmp_path / "slot"
    slot.mkdir()
    (slot / "Dockerfile").write_text("no Dockerfile at all")
    if sys.platform == "win32":
        subprocess.run(
            [sys.executable, str(CHECKOUT / "tests" / "lab" / "launch.py")], cwd=slot, check=False,
            env={**os.environ, "WSL_STANDIN_LOG": str(log)}, timeout=120,
            creationflags=subprocess.DETACHED_PROCESS,  # as a service does: with no console
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
    starts = log.read_text().splitlines()
    assert len(starts) > 2  # the list, and shells in distros
    assert {line.partition(", ")[2] for line in starts} == {"window no"}
    # Wine may have failed to make the console of one of them at first.
    assert "console yes, window no" in starts


def test_where_wine_fails_to_make_a_console_the_stand_in_is_as_ever(tmp_path: Path) -> None:
    if sys.platform == "win32":
        done = subprocess.run(
            ["wsl", "-d", "bare"], input=b"echo heard; echo said >&2; exit 3\n",
            capture_output=True, timeout=60, creationflags=subprocess.DETACHED_PROCESS,
            env={**os.environ, "WSL_STANDIN_NOTES": str(tmp_path / "notes")}, check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (3, b"heard\n", b"said\n")
    assert "console" in (tmp_path / "notes").read_text()
