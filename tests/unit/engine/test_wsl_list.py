"""What `wsl -l -v` says, in the languages and the encodings it says it in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wrapper.engine.hosts.base import Order, Unreachable
from wrapper.engine.hosts.wsl_front import Listed, WslFront, list_order, read_list

ENGLISH = ("  NAME                 STATE           VERSION\r\n"
           "* Ubuntu-22.04         Running         2\r\n"
           "  boinc-buda-runner    Stopped         2\r\n"
           "  old                  Stopped         1\r\n")
FRENCH = ("  NOM                  ÉTAT                     VERSION\r\n"
          "  boinc-buda-runner    En cours d’exécution     2\r\n"
          "* Ubuntu-22.04         Arrêté                   2\r\n"
          "  old                  Arrêté                   1\r\n")
CHINESE = ("  NAME                 状态            版本\r\n"
           "* Ubuntu-22.04         正在运行        2\r\n"
           "  boinc-buda-runner    已停止          2\r\n"
           "  old                  已停止          1\r\n")
THREE = {"Ubuntu-22.04": 2, "boinc-buda-runner": 2, "old": 1}


@pytest.mark.parametrize("text", [ENGLISH, FRENCH, CHINESE])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-8"])
def test_distros_are_found_in_any_language(text: str, encoding: str) -> None:
    found = read_list(text.encode(encoding))
    assert {each.name: each.wsl_version for each in found} == THREE
    assert [each.name for each in found if each.is_default] == ["Ubuntu-22.04"]
    assert found[0].is_default


def test_a_name_may_hold_spaces_or_be_long() -> None:
    text = ("  NAME             STATE      VERSION\n"
            "* My own Linux     Running    2\n"
            "  A name that is longer than its column Running    2\n")
    assert read_list(text.encode())[0] == Listed("My own Linux", True, 2)


@pytest.mark.parametrize("said", [
    b"", b"\xff\xfe", "Windows Subsystem for Linux has no installed distributions.\r\n".encode(
        "utf-16-le"),
    b"The Windows Subsystem for Linux must be updated. Please run 'wsl.exe --update'.\r\n",
    b"\x00\x01\x02garbage", b"  NAME   STATE   VERSION\r\n",
])
def test_what_is_no_list_has_no_distros(said: bytes) -> None:
    assert read_list(said) == ()


def test_the_list_has_its_time() -> None:
    assert list_order() == Order(("wsl", "-l", "-v"), 20.0)


@pytest.fixture
def front(tmp_path: Path) -> WslFront:
    return WslFront(tmp_path)


def python(code: str, limit: float = 20.0, head: int = 1 << 20) -> Order:
    return Order((sys.executable, "-c", code), limit, head=head)


def test_a_program_of_windows_is_run_with_its_streams_apart(front: WslFront) -> None:
    reply = front.run(python("import sys; print('out', end=''); sys.stderr.write('err'); exit(3)"))
    assert (reply.status, reply.out, reply.err) == (3, b"out", b"err")


def test_what_is_not_installed_is_missing(front: WslFront) -> None:
    reply = front.run(Order(("no-such-wsl", "-l", "-v")))
    assert (reply.status, reply.missing) == (None, True)
    assert "no-such-wsl could not be started" in reply.words


def test_what_hangs_is_ended(front: WslFront) -> None:
    reply = front.run(python("import time; time.sleep(1000)", limit=0.5))
    assert reply.status is None
    assert "no end after 0.5 s" in reply.words


def test_a_long_answer_is_bounded(front: WslFront) -> None:
    reply = front.run(python("print('x' * 1000000)", head=10))
    assert (reply.status, reply.out) == (0, b"x" * 10)


def test_starting_and_closing_do_not_wait(front: WslFront) -> None:
    running = front.start(python("import time; time.sleep(1000)"))
    assert running.poll() is None
    front.close()
    assert running.poll() is not None


def test_nothing_of_an_engine_is_here(front: WslFront, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        front.read("/proc/1/stat")
    with pytest.raises(OSError, match="no distro"):
        front.guard(Order(("true",)), tmp_path)
    assert front.watch(1) is None
    assert not front.write("/x", b"")
    assert front.guard_is_over(tmp_path)
    assert (front.boot_id(), front.booted(), front.distro) == ("", None, None)
