"""This computer as a host: real child processes, none of them an engine's."""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab.waiting import wait_for
from wrapper.engine.hosts import watching
from wrapper.engine.hosts.base import Order, Reply, Running, Unreachable, carry_out
from wrapper.engine.hosts.local import LocalHost

if sys.platform == "win32":
    pytest.skip("engines live in a distro there", allow_module_level=True)


@pytest.fixture
def host() -> Iterator[LocalHost]:
    host = LocalHost()
    yield host
    host.close()


def sh(
    line: str, *more: str, limit: float = 20.0, head: int = 1 << 20, tail: int = 0,
    build: bool = False,
) -> Order:
    return Order(
        ("/bin/sh", "-c", line, "sh", *more), limit, head=head, tail=tail, build=build
    )


def reply_of(running: Running, limit: float = 10.0) -> Reply:
    """Poll as the loop does, with a limit."""
    give_up = time.monotonic() + limit
    while (reply := running.poll()) is None:
        assert time.monotonic() < give_up, "no reply in time"
        select.select(running.handles(), (), (), 0.05)
    return reply


def lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def dies(pid: int, limit: float = 5.0) -> bool:
    give_up = time.monotonic() + limit
    while lives(pid):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def test_a_reply_has_the_two_streams_and_the_status(host: LocalHost) -> None:
    reply = host.run(sh("echo out; echo err >&2; exit 3"))
    assert reply == Reply(3, b"out\n", b"err\n")
    assert not reply.ok


def test_words_arrive_as_they_are(host: LocalHost) -> None:
    odd = ("$(id)", "`id`", "a b", "", "*", "ä\n", '"', "'", "\\", ";")
    reply = host.run(sh('printf "%s|" "$@"', *odd))
    assert reply.out.decode() == "".join(f"{word}|" for word in odd)


def test_a_command_that_is_not_there_is_told_by_its_reply(host: LocalHost) -> None:
    reply = host.run(Order(("/nowhere/docker", "info")))
    assert reply.status is None
    assert "/nowhere/docker could not be started: there is no such command" in reply.words


def test_a_file_that_may_not_be_run_is_told_by_its_reply(
    host: LocalHost, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    plain.chmod(0o644)
    reply = host.run(Order((str(plain),)))
    assert reply.status is None
    assert "Permission denied" in reply.words


def test_too_many_words_are_told_by_the_reply(host: LocalHost) -> None:
    reply = host.run(Order(("true", "x" * 3_000_000)))
    assert reply.status is None
    assert "too long" in reply.words


def test_a_word_with_a_nul_is_told_by_the_reply(host: LocalHost) -> None:
    assert host.run(Order(("true", "a\0b"))).status is None


def test_the_end_by_a_signal_is_a_negative_status(host: LocalHost) -> None:
    assert host.run(sh("kill -TERM $$")).status == -signal.SIGTERM


def test_standard_input_is_empty(host: LocalHost) -> None:
    assert host.run(Order(("cat",))).ok


@pytest.mark.parametrize("given", [{}, {"PATH": "/bin"}])
def test_an_engine_finds_what_lies_in_the_folders_for_root(given: dict[str, str]) -> None:
    reply = LocalHost(given).run(Order(("/bin/sh", "-c", 'printf "$PATH"')))
    assert "/usr/sbin" in reply.out.decode().split(":")
    assert "/bin" in reply.out.decode().split(":")


@pytest.mark.parametrize("kind", ["directory", "link", "fifo"])
def test_a_guard_is_armed_whatever_a_job_put_in_its_lock_files_place(
    host: LocalHost, tmp_path: Path, kind: str
) -> None:
    lock, mark = tmp_path / "docker_wrapper_guard.lock", tmp_path / "mark"
    if kind == "directory":
        (lock / "full").mkdir(parents=True)
    elif kind == "link":
        lock.symlink_to(tmp_path / "elsewhere")
    elif sys.platform != "win32":
        os.mkfifo(lock)
    switch = host.guard(Order(("touch", str(mark))), tmp_path)
    switch.disarm()
    deadline = time.monotonic() + 10
    while not host.guard_is_over(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert host.guard_is_over(tmp_path)
    assert not mark.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_an_order_adds_to_the_environment() -> None:
    host = LocalHost({"PATH": os.environ["PATH"], "A": "host", "B": "host"})
    order = Order(("/bin/sh", "-c", 'printf "$A $B $HOME"'), environment={"B": "order"})
    assert host.run(order).out == b"host order "


def test_answers_are_in_english_and_no_socket_is_inherited() -> None:
    host = LocalHost({"PATH": os.environ["PATH"], "LC_MESSAGES": "de_DE", "LANGUAGE": "de",
                      "LANG": "de_DE.UTF-8", "NOTIFY_SOCKET": "/x", "LISTEN_FDS": "1"})
    said = host.run(Order(("env",))).out.decode()
    assert "LC_ALL=C\n" in said
    assert "de" not in said.replace("_", " ").split("=")
    for word in ("LC_MESSAGES", "LANG", "NOTIFY_SOCKET", "LISTEN_FDS"):
        assert f"{word}=" not in said


def test_secrets_of_an_order_are_not_in_its_repr() -> None:
    assert "hunter2" not in repr(Order(("true",), environment={"PASSWORD": "hunter2"}))


def test_starting_does_not_wait(host: LocalHost) -> None:
    began = time.monotonic()
    running = host.start(sh("sleep 30"))
    assert running.poll() is None
    assert time.monotonic() - began < 3
    running.end()
    assert reply_of(running).status == -signal.SIGKILL


def test_the_handles_wake_at_output_and_at_the_end(host: LocalHost) -> None:
    running = host.start(sh("echo first; exec sleep 0.2"))
    assert select.select(running.handles(), (), (), 10)[0]
    reply = reply_of(running)
    assert reply.out == b"first\n"
    assert running.handles() == ()


def test_closed_pipes_do_not_spin_the_loop(host: LocalHost) -> None:
    running = host.start(sh("exec >&- 2>&-; exec sleep 30"))
    give_up = time.monotonic() + 10
    while len(running.handles()) > 1 and time.monotonic() < give_up:
        assert running.poll() is None
        time.sleep(0.01)
    assert not select.select(running.handles(), (), (), 0.2)[0]
    running.end()
    reply_of(running)


def test_what_outlasts_its_limit_is_ended_with_its_children(
    host: LocalHost, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    order = sh('sleep 1000 & echo $! > "$1"; echo $$ >> "$1"; wait', str(pids), limit=1.0)
    reply = host.run(order)
    assert reply.status is None
    assert "no end after 1 s" in reply.words
    for pid in pids.read_text().split():
        assert dies(int(pid))


def test_what_ignores_signals_is_ended_too(host: LocalHost) -> None:
    reply = host.run(sh("trap '' TERM INT HUP; while :; do sleep 1; done", limit=0.5))
    assert reply.status is None


def test_ended_by_hand_its_children_are_gone(host: LocalHost) -> None:
    running = host.start(sh('sleep 1000 & echo $!; wait'))
    assert select.select(running.handles(), (), (), 10)[0]
    running.end()
    child = int(reply_of(running).out)
    assert dies(child)
    running.end()


def test_a_grandchild_that_holds_the_pipe_is_not_waited_for(host: LocalHost) -> None:
    began = time.monotonic()
    reply = host.run(sh("sleep 20 & echo $!"))
    assert time.monotonic() - began < 10
    assert reply.ok
    os.kill(int(reply.out), signal.SIGKILL)


def test_a_grandchild_that_never_stops_talking_is_not_waited_for(host: LocalHost) -> None:
    began = time.monotonic()
    reply = host.run(sh("yes & echo $! >&2", head=100))
    assert time.monotonic() - began < 10
    assert reply.ok
    assert dies(int(reply.err))


def test_all_that_a_child_wrote_last_is_kept(host: LocalHost) -> None:
    reply = host.run(sh("head -c 3000000 /dev/zero | tr '\\0' x; echo the end", head=10, tail=10))
    assert reply.out == b"x" * 10 + b"xxthe end\n"
    assert reply.left_out == 3_000_008 - 20


def test_of_errors_the_gap_is_told(host: LocalHost) -> None:
    reply = host.run(sh("echo 0123456789 >&2", head=2, tail=3))
    assert reply.err == b"01\n[... 6 bytes left out ...]\n89\n"


def test_a_build_is_ended_with_what_left_its_session(host: LocalHost) -> None:
    running = host.start(sh("setsid sh -c 'echo $$; exec sleep 1000'; sleep 1000", build=True))
    assert select.select(running.handles(), (), (), 10)[0]
    running.end()
    reply = reply_of(running, 15)
    assert reply.status == -signal.SIGKILL
    assert dies(int(reply.out))


def test_a_build_may_tidy_up_when_its_step_was_ended(host: LocalHost, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    step = f"setsid sh -c 'echo > {begun}; exec sleep 1000'"
    running = host.start(sh(f"{step}; echo tidied", build=True))
    wait_for("the step runs", begun.exists, 15)
    running.end()
    assert reply_of(running).out == b"tidied\n"


def test_closing_the_host_ends_what_runs() -> None:
    host = LocalHost()
    running = host.start(sh("echo $$; sleep 1000"))
    assert select.select(running.handles(), (), (), 10)[0]
    host.close()
    reply = running.poll()
    assert reply is not None
    assert not lives(int(reply.out))


def test_no_descriptor_is_left_open(host: LocalHost) -> None:
    host.run(sh("true"))
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    for _ in range(5):
        host.run(sh("true"))
        host.run(Order(("/nowhere",)))
        watch = host.watch(os.getpid())
        if watch:
            watch.close()
    after = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []
    assert before == after


def test_a_small_file_is_read_up_to_a_bound(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert host.read(str(tmp_path / "a")) == b"x" * 100
    assert host.read(str(tmp_path / "a"), 10) == b"x" * 10


def test_no_file_is_definite_and_trouble_is_not(host: LocalHost, tmp_path: Path) -> None:
    assert host.read(str(tmp_path / "none")) is None
    assert host.read("/proc/999999999/cgroup") is None
    with pytest.raises(Unreachable, match="could not be read"):
        host.read(str(tmp_path))


def test_only_a_file_that_exists_is_written(host: LocalHost, tmp_path: Path) -> None:
    assert not host.write(str(tmp_path / "none"), b"1")
    assert not (tmp_path / "none").exists()
    (tmp_path / "a").write_bytes(b"0")
    assert host.write(str(tmp_path / "a"), b"1")
    assert (tmp_path / "a").read_bytes() == b"1"


@pytest.mark.skipif(sys.platform != "linux", reason="pidfds are Linux's")
def test_a_watch_notices_the_end(host: LocalHost, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    running = host.start(sh('echo $$ > "$1"; echo told; exec sleep 1000', str(told)))
    assert select.select(running.handles(), (), (), 10)[0]
    watch = host.watch(int(told.read_text()))
    assert watch is not None
    assert not watch.ended()
    running.end()
    assert select.select(watch.handles(), (), (), 10)[0]
    assert watch.ended()
    watch.close()
    assert watch.ended()
    assert watch.handles() == ()
    reply_of(running)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_watch_without_pidfds_notices_the_end(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "pidfd", lambda _pid: None)
    told = tmp_path / "pid"
    running = host.start(sh('echo $$ > "$1"; echo told; exec sleep 1000', str(told)))
    assert select.select(running.handles(), (), (), 10)[0]
    watch = host.watch(int(told.read_text()))
    assert watch is not None
    assert watch.handles() == ()
    assert not watch.ended()
    running.end()
    wait_for("its end", watch.ended, 10)
    watch.close()
    assert watch.ended()
    reply_of(running)
    assert host.watch(999_999_999) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_process_that_nobody_has_asked_for_has_ended_for_a_watch_without_pidfds() -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    watch = watching.StatWatch(os.open(f"/proc/{child.pid}/stat", os.O_RDONLY))
    assert not watch.ended()
    child.kill()
    wait_for("its end", watch.ended, 10)
    child.communicate()
    watch.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's files are Linux's")
def test_a_file_that_is_read_often_is_kept_open_and_read_anew(
    host: LocalHost, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    assert host.read(str(counter), often=True) is None
    before = len(os.listdir("/proc/self/fd"))
    for number in (b"1", b"22", b"333"):
        counter.write_bytes(number)
        assert host.read(str(counter), often=True) == number
    assert host.read(str(counter), 2, often=True) == b"33"
    assert len(os.listdir("/proc/self/fd")) == before + 1
    for other in range(20):
        (tmp_path / str(other)).write_bytes(b"x")
        assert host.read(str(tmp_path / str(other)), often=True) == b"x"
    assert len(os.listdir("/proc/self/fd")) == before + 4
    assert host.read(str(counter), often=True) == b"333"
    host.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's files are Linux's")
def test_a_kept_file_of_a_process_that_is_gone_is_gone(host: LocalHost) -> None:
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    path = f"/proc/{child.pid}/stat"
    assert host.read(path, often=True)
    child.communicate()
    assert host.read(path, often=True) is None
    host.close()


def test_what_is_no_process_is_not_watched(host: LocalHost) -> None:
    assert host.watch(0) is None
    assert host.watch(-1) is None
    assert host.watch(999_999_999) is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells")
def test_the_boot_has_an_id(host: LocalHost) -> None:
    assert len(host.boot_id()) == 36
    assert host.boot_id() == LocalHost({}).boot_id()


def test_a_conversation_is_carried_out(host: LocalHost) -> None:
    def asking() -> Generator[Order, Reply, bytes]:
        first = yield sh("echo one")
        second = yield sh('echo "$1 two"', first.out.decode().strip())
        return second.out

    assert carry_out(host, asking()) == b"one two\n"


def test_words_for_a_person_are_bounded() -> None:
    words = Reply(1, err=b"a" * 3000 + b"end").words
    assert len(words) < 2100
    assert words.endswith("end")
    assert Reply(7).words == "exit status 7, and no word"
