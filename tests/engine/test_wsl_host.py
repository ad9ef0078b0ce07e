"""A WSL distro as a host: real shells in a root of their own, reached through a `wsl`."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.engines import wait_for
from tests.lab.wsl import NAME, InDistro, Windows, wsl_lab_or_skip
from wrapper.engine.answers import EngineKind
from wrapper.engine.hosts import wsl, wsl_command
from wrapper.engine.hosts.base import Order, Reply, Running, Unreachable
from wrapper.engine.hosts.wsl import WslHost

Make = Callable[..., WslHost]
SHELLS = {"sh": ("/bin/sh",), "bash": ("/bin/bash",), "login": ("/bin/bash", "--login"),
          "busybox": ("/bin/busybox", "sh")}


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> InDistro:
    """A distro; its engine is not used here."""
    return wsl_lab_or_skip(EngineKind.PODMAN, request.config)


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    path = tmp_path / "slots of BOINC" / "0 ä"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def windows(lab: InDistro, tmp_path: Path) -> Windows:
    """A `wsl` of this test's own, which knows the lab's distro."""
    assert lab.distro is not None
    windows = Windows(tmp_path / "windows", lab.windows.drive)
    windows.add(NAME, lab.distro)
    return windows


@pytest.fixture
def make(windows: Windows, slot: Path) -> Iterator[Make]:
    """Makes hosts; all are closed in the end."""
    made = []

    def one(name: str = NAME) -> WslHost:
        made.append(WslHost(name, slot, environment=windows.environment))
        return made[-1]

    yield one
    for host in made:
        host.close()


@pytest.fixture
def host(make: Make) -> WslHost:
    return make()


def sh(
    line: str, *more: str, limit: float = 20.0, head: int = 1 << 20, tail: int = 0,
    build: bool = False,
) -> Order:
    return Order(("/bin/sh", "-c", line, "sh", *more), limit, head=head, tail=tail, build=build)


def reply_of(running: Running, limit: float = 15.0) -> Reply:
    give_up = time.monotonic() + limit
    while (reply := running.poll()) is None:
        assert time.monotonic() < give_up, "no reply in time"
        select.select(running.handles(), (), (), 0.05)
    return reply


def somebody_runs(words: str) -> bool:
    """Whether a process has these arguments; the machine sees those of the distro too."""
    def holds(pid: str) -> bool:
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return words.encode() in said.replace(b"\0", b" ")

    return any(holds(pid) for pid in os.listdir("/proc") if pid.isdigit())


def test_a_reply_has_the_two_streams_and_the_status(host: WslHost) -> None:
    assert host.run(sh("echo out; echo err >&2; exit 3")) == Reply(3, b"out\n", b"err\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_whatever_shell_the_user_has_it_is_a_plain_one_for_us(
    shell: str, windows: Windows, lab: InDistro, make: Make
) -> None:
    assert lab.distro is not None
    windows.add("other", lab.distro, SHELLS[shell])
    host = make("other")
    assert host.run(sh('printf "%s|" "$@"', "a b", "$(id)")) == Reply(0, b"a b|$(id)|")
    assert host.read("/etc/passwd") == Path("/etc/passwd").read_bytes()


def test_words_arrive_as_they_are(host: WslHost) -> None:
    odd = ("$(id)", "`id`", "a b", "", "*", "ä\n", '"', "'", "\\", ";", "'; exit 1; '", "\r", "~",
           "!x", "-e", "%s", "\\n", "\x02", "日本語", "a\tb")
    reply = host.run(sh('printf "%s|" "$@"', *odd))
    assert reply.out.decode() == "".join(f"{word}|" for word in odd)


def test_output_of_any_bytes_comes_whole(host: WslHost) -> None:
    reply = host.run(sh("head -c 3000000 /dev/urandom > /tmp/r; cat /tmp/r; sha256sum /tmp/r >&2",
                        head=1 << 22))
    import hashlib
    assert hashlib.sha256(reply.out).hexdigest().encode() == reply.err.split()[0]
    assert len(reply.out) == 3_000_000


def test_a_final_newline_is_neither_added_nor_lost(host: WslHost) -> None:
    for text in ("", "a", "a\n", "\n", "\n\n", "a\r\n"):
        assert host.run(Order(("printf", "%s", text))).out == text.encode()


def test_no_more_is_kept_than_was_asked_for(host: WslHost) -> None:
    reply = host.run(sh("head -c 3000000 /dev/zero | tr '\\0' x; echo the end", head=10, tail=10))
    assert reply.out == b"x" * 10 + b"xxthe end\n"
    assert reply.left_out == 3_000_008 - 20


def test_a_line_of_30_kb_arrives(host: WslHost) -> None:
    words = [f"{number} 'ä'" for number in range(3500)]
    assert len(" ".join(words)) > 29_000
    reply = host.run(Order(("printf", "%s\n", *words)))
    assert reply.out.decode().splitlines() == words


def test_a_token_inside_an_output_is_only_output(
    host: WslHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.run(Order(("true",)))
    host.read("/proc/version")
    known = [b"T" * 16, b"U" * 16]
    monkeypatch.setattr("wrapper.engine.hosts.wsl_shell.os.urandom", lambda _: known[0])
    token = known[0].hex()
    said = f"{token}\n{token[:-1]}> 0\n{token}{token}< {token[:8]}"
    assert host.run(Order(("printf", "%s", said))).out == said.encode()
    monkeypatch.setattr("wrapper.engine.hosts.wsl_shell.os.urandom", lambda _: known[1])
    earlier = f"{token}<\n{token}> 7\n"
    assert host.run(Order(("printf", "%s", earlier))) == Reply(0, earlier.encode())


def test_standard_input_is_empty(host: WslHost) -> None:
    assert host.run(Order(("cat",))) == Reply(0)
    assert host.run(Order(("echo", "still here"))).out == b"still here\n"


def test_a_command_that_is_not_there_is_told_by_its_reply(host: WslHost) -> None:
    for program in ("no-such-engine", "/nowhere/docker"):
        reply = host.run(Order((program, "info")))
        assert (reply.status, reply.missing) == (None, True)
        assert f"{program} could not be started: there is no such command in the WSL distro" in (
            reply.words)


def test_an_exit_status_of_127_is_the_commands_own(host: WslHost) -> None:
    assert host.run(sh("exit 127")).status == 127
    assert host.run(sh("exit 255")).status == 255


def test_the_end_by_a_signal_is_a_negative_status(host: WslHost) -> None:
    assert host.run(sh("kill -TERM $$")).status == -15


@pytest.mark.parametrize("order", [
    Order(("true", "a\0b")), Order(("true", "\ud800")), Order(()),
    Order(("true",), environment={"no name": "x"}), Order(("true",), environment={"A": "\0"}),
])
def test_what_cannot_be_said_is_told_by_the_reply(host: WslHost, order: Order) -> None:
    reply = host.run(order)
    assert reply.status is None
    assert "could not be started" in reply.words


def test_nothing_of_windows_environment_reaches_the_distro(
    host: WslHost, windows: Windows
) -> None:
    said = host.run(Order(("env",))).out.decode()
    assert "LC_ALL=C\n" in said
    for word in ("hunter2", "nowhere", str(windows.drive) + "/"):
        assert word not in said


def test_a_secret_is_in_the_commands_environment_only(host: WslHost) -> None:
    secret = "hunter2 'quoted'\n$(x)"
    order = Order(("sh", "-c", 'printf %s "$A"; exec sleep 1000.25'), environment={"A": secret})
    running = host.start(order)
    assert wait_for(lambda: somebody_runs("sleep 1000.25"))
    assert not somebody_runs("hunter2")
    running.end()
    assert reply_of(running).out == secret.encode()
    assert host.run(sh('printf %s "$A"')).out == b""


def test_starting_does_not_wait(host: WslHost) -> None:
    began = time.monotonic()
    running = host.start(sh("sleep 1000.5"))
    assert running.poll() is None
    assert time.monotonic() - began < 15
    running.end()
    assert reply_of(running).status == -9


def test_the_handles_wake_at_the_end(host: WslHost) -> None:
    host.run(Order(("true",)))
    running = host.start(sh("sleep 0.2"))
    running.poll()
    assert select.select(running.handles(), (), (), 10)[0]
    assert reply_of(running).ok
    assert running.handles() == ()


def test_what_outlasts_its_limit_is_ended_with_all_its_children(host: WslHost) -> None:
    reply = host.run(sh("trap '' TERM; setsid sleep 1000.75 & sleep 1000.75; :", limit=1))
    assert reply.status is None
    assert "no end after 1 s" in reply.words
    assert wait_for(lambda: not somebody_runs("sleep 1000.75"))
    assert host.run(sh("echo next")).out == b"next\n"


def test_while_a_command_runs_others_and_looks_go_on(host: WslHost) -> None:
    running = host.start(sh("sleep 1001"))
    assert host.run(sh("echo meanwhile")).out == b"meanwhile\n"
    assert host.read("/proc/version") is not None
    assert running.poll() is None
    running.end()
    reply_of(running)


def test_a_build_may_tidy_up_when_its_step_was_ended(host: WslHost) -> None:
    reply = host.run(sh("setsid sleep 1002; echo tidied", limit=1, build=True))
    assert reply.out == b"tidied\n"
    assert reply.status is None


def test_a_build_without_steps_is_ended_at_once(
    host: WslHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsl_command, "_TIDY_UP", 60.0)
    running = host.start(sh("echo begun; while :; do :; done", build=True))
    assert wait_for(lambda: somebody_runs("echo begun; while"))
    began = time.monotonic()
    running.end()
    assert reply_of(running, 30).status == -9
    assert time.monotonic() - began < 30


def test_a_shell_that_dies_leaves_everything_unknown(host: WslHost) -> None:
    shell = int(host.run(sh("echo $PPID")).out)
    running = host.start(sh(f"kill -9 {shell}; sleep 1"))
    reply = reply_of(running)
    assert reply.status is None
    assert "the shell in the WSL distro lab ended meanwhile" in reply.words
    assert host.run(sh("echo again")).out == b"again\n"


def test_a_program_that_talks_on_spoils_no_later_answer(host: WslHost) -> None:
    assert host.run(sh("(while :; do echo noise; sleep 0.01; done) & exit 0")).status == 0
    time.sleep(0.1)
    assert host.run(sh("echo clean")).out == b"clean\n"


def test_an_unknown_distro_is_told_in_wsls_own_words(make: Make) -> None:
    host = make("nobody")
    reply = host.run(Order(("true",)))
    assert reply.status is None
    assert not reply.missing
    assert "There is no distribution with the supplied name." in reply.words
    with pytest.raises(Unreachable, match="WSL distro nobody"):
        host.read("/proc/version")


def test_where_there_is_no_shell_it_is_told_how_wsl_ended(windows: Windows, make: Make) -> None:
    windows.add_ending("silent", 7)
    windows.add_ending("talking", 1, "out of\nmemory\n")
    for name, ending in (("silent", "7, and said nothing"), ("talking", "1, and said this: out")):
        how = f"wsl ended with exit status {ending}"
        host = make(name)
        assert f"{name} gave no shell: {how}" in host.run(Order(("true",))).words
        with pytest.raises(Unreachable, match=f"{name} gave no shell: {how}"):
            host.read("/proc/version")
        with pytest.raises(Unreachable, match=f"{name} gives no shell: {how}"):
            host.read("/proc/version")  # too soon to try again


def test_where_wsl_gives_no_shell_it_is_asked_once_more(
    windows: Windows, lab: InDistro, make: Make
) -> None:
    assert lab.distro is not None
    windows.add_waking("waking", lab.distro)
    host = make("waking")
    assert host.run(sh("echo awake")) == Reply(0, b"awake\n")
    assert host.run(sh("echo still")) == Reply(0, b"still\n")
    assert windows.entered("waking") == 2


def test_a_wsl_that_gives_no_shell_is_not_asked_for_ever(windows: Windows, make: Make) -> None:
    windows.add_ending("broken", 1)
    host = make("broken")
    assert host.run(sh("echo never")).status is None
    assert windows.entered("broken") == 2


def test_an_order_can_be_ended_before_wsl_is_asked_once_more(
    windows: Windows, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsl_command, "_SECOND_TRY", 600.0)
    windows.add_ending("broken", 1)
    running = make("broken").start(sh("echo never"))
    assert select.select(running.handles(), (), (), 15)[0]  # it has ended
    assert running.poll() is None
    running.end()
    assert reply_of(running).status == -9


def test_an_order_that_reached_a_shell_is_not_given_again(host: WslHost) -> None:
    shell = int(host.run(sh("echo $PPID")).out)
    assert host.run(sh(f"echo once >>/tmp/given; kill -9 {shell}; sleep 1")).status is None
    assert host.run(sh("cat /tmp/given; rm /tmp/given")).out == b"once\n"


def test_without_wsl_the_reply_says_so(slot: Path) -> None:
    host = WslHost(NAME, slot, environment={"PATH": "/nowhere"})
    assert "wsl" in host.run(Order(("true",))).words
    with pytest.raises(Unreachable):
        host.read("/proc/version")
    host.close()


def test_a_distro_that_hangs_holds_nobody(
    windows: Windows, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsl_command, "OPEN_LIMIT", 1.0)
    monkeypatch.setattr(wsl, "LOOK_LIMIT", 0.5)
    windows.add_hanging("stuck")
    host = make("stuck")
    began = time.monotonic()
    reply = host.run(Order(("true",)))
    assert "gave no shell within 1 s" in reply.words
    with pytest.raises(Unreachable):
        host.read("/proc/version")
    taken = time.monotonic() - began
    for _ in range(20):
        with pytest.raises(Unreachable):
            host.read("/proc/version")
    assert time.monotonic() - began - taken < 5  # asked each time it would be ten
    assert taken < 10


def test_files_are_read_up_to_a_bound(host: WslHost, slot: Path) -> None:
    (slot / "a").write_text("line\n\n  two  \\n *\nend")
    path = host.path(slot / "a")
    assert host.read(path) == b"line\n\n  two  \\n *\nend"
    assert host.read(path, 6) == b"line\n\n"
    (slot / "empty").touch()
    assert host.read(host.path(slot / "empty")) == b""


def test_no_file_is_definite_and_trouble_is_not(host: WslHost) -> None:
    assert host.read("/nowhere/at/all") is None
    assert host.read("/proc/999999999/cgroup") is None
    with pytest.raises(Unreachable, match="could not be read"):
        host.read("/etc")


def test_files_of_the_kernel_come_as_they_are(host: WslHost, lab: InDistro) -> None:
    assert lab.distro is not None
    mounts = Path(f"/proc/{lab.distro.first}/mountinfo").read_bytes()
    assert host.read("/proc/1/mountinfo", 1 << 20) == mounts
    assert (host.read("/proc/self/cgroup") or b"").count(b"\n") > 0


def test_only_a_file_that_exists_is_written(host: WslHost, slot: Path) -> None:
    assert not host.write(host.path(slot / "none"), b"1")
    assert not (slot / "none").exists()
    (slot / "a").write_text("0")
    assert host.write(host.path(slot / "a"), b"FROZEN")
    assert (slot / "a").read_text() == "FROZEN"


def test_paths_are_the_distros(host: WslHost, slot: Path, lab: InDistro) -> None:
    drive = lab.windows.drive
    assert host.path(slot) == f"/mnt/c/{slot.relative_to(drive)}"
    beside = slot.parent.parent / "projects" / "ex ample.org" / "file"
    assert host.path(beside) == f"/mnt/c/{beside.relative_to(drive)}"
    assert host.run(Order(("pwd",))).out.decode() == host.path(slot) + "\n"


def test_the_boot_is_the_distros(host: WslHost, lab: InDistro) -> None:
    assert lab.distro is not None
    kernels = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert host.boot_id().startswith(kernels + "-")
    assert host.boot_id() == host.boot_id()
    began = Path(f"/proc/{lab.distro.first}").stat().st_ctime
    assert abs((host.booted() or 0) - began) < 3


def test_a_watch_notices_the_end(host: WslHost, slot: Path) -> None:
    running = host.start(sh('echo $$ > "$1"; exec sleep 1003', host.path(slot / "pid")))
    assert wait_for(lambda: (slot / "pid").exists() and bool((slot / "pid").read_text()))
    watch = host.watch(int((slot / "pid").read_text()))
    assert watch is not None
    assert not watch.ended()
    running.end()
    assert wait_for(watch.ended, 20)
    assert watch.ended()
    reply_of(running)


def test_a_watch_asks_seldom(host: WslHost) -> None:
    watch = host.watch(1)
    assert watch is not None
    asked = 0
    begin = host.begin_look

    def counted(program: str, most: int = 65536) -> object:
        nonlocal asked
        asked += 1
        return begin(program, most)

    host.begin_look = counted  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    while asked < 3 or time.monotonic() < began + 1.0:
        assert not watch.ended()
        time.sleep(0.005)
    assert asked <= 1 + (time.monotonic() - began) / 0.3


def test_what_is_no_process_is_not_watched(host: WslHost) -> None:
    assert host.watch(0) is None
    assert host.watch(-1) is None
    assert host.watch(999_999_999) is None


def test_after_a_lost_shell_a_watch_calls_for_one_look(host: WslHost) -> None:
    watch = host.watch(1)
    assert watch is not None
    assert not watch.ended()
    pid = host.run(sh("cat /proc/self/stat")).out  # a shell for commands, which is not touched
    assert pid
    kill_looks(host)
    assert wait_for(watch.ended, 15, pause=0.1)
    assert not watch.ended()


def kill_looks(host: WslHost) -> None:
    """The looks' shell dies, as in `wsl --terminate`."""
    shell = host._looks
    assert shell is not None
    host.run(sh(f"kill -9 {shell.pid}"))
    assert wait_for(lambda: shell.ended)


def armed(host: WslHost, slot: Path) -> Path:
    """A host whose switch makes a file."""
    note = slot / "paused"
    host.guard(sh('printf %s "$WORD" > "$1"', host.path(note)), slot)
    return note


def test_the_end_of_this_program_pauses_the_container(make: Make, slot: Path) -> None:
    host, next_one = make(), make()
    order = Order(("sh", "-c", 'sleep 0.3; printf %s "$W" > "$1"', "sh",
                   host.path(slot / "paused")), environment={"W": "by the switch"})
    host.guard(order, slot)
    assert not next_one.guard_is_over(slot)
    assert host._looks is not None
    host._looks.kill()
    assert wait_for(lambda: (slot / "paused").exists() and bool((slot / "paused").read_text()))
    assert (slot / "paused").read_text() == "by the switch"
    if host._main is not None:
        host._main.kill()
    assert wait_for(lambda: next_one.guard_is_over(slot))


def test_a_switch_that_was_disarmed_does_nothing(make: Make, slot: Path) -> None:
    host, next_one = make(), make()
    switch = host.guard(sh('echo > "$1"', host.path(slot / "paused")), slot)
    switch.disarm()
    switch.disarm()
    host.close()
    assert wait_for(lambda: next_one.guard_is_over(slot))
    assert not (slot / "paused").exists()


def test_closing_an_armed_host_pauses(make: Make, slot: Path) -> None:
    host = make()
    note = armed(host, slot)
    host.close()
    assert note.exists()


def test_a_new_looks_shell_is_the_switch_again(
    make: Make, slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsl, "_REOPEN_PAUSE", 0.1)
    host = make()
    note = armed(host, slot)
    kill_looks(host)
    assert not note.exists()  # it was killed, not left

    def answers() -> bool:
        try:
            return host.read("/proc/version") is not None
        except Unreachable:
            return False

    assert wait_for(answers)
    host.close()
    assert note.exists()


def test_another_slots_shells_are_not_waited_for(make: Make, tmp_path: Path, slot: Path) -> None:
    host = make()
    other = tmp_path / "other"
    other.mkdir()
    stranger = WslHost(NAME, other, environment=host._environment)
    assert stranger.read("/proc/version")
    assert host.guard_is_over(slot)
    stranger.close()


def test_a_closed_host_leaves_no_process(make: Make) -> None:
    host = make()
    nonce = host._nonce
    running = host.start(sh("sleep 0.01"))
    host.read("/proc/version")
    reply_of(running)
    host.close()
    assert wait_for(lambda: not somebody_runs(nonce))


@pytest.mark.parametrize("build", [False, True])
def test_closing_a_host_ends_what_runs(make: Make, build: bool) -> None:
    host = make()
    running = host.start(sh("sleep 1004; :", build=build))
    assert wait_for(lambda: somebody_runs("sleep 1004"))
    host.close()
    assert wait_for(lambda: not somebody_runs("sleep 1004"))
    assert running.poll() is not None


def test_a_build_that_nobody_follows_any_more_is_ended_all_the_same(host: WslHost) -> None:
    running = host.start(sh("trap '' TERM; setsid sleep 1005; while :; do :; done", build=True))
    assert wait_for(lambda: somebody_runs("sleep 1005"))
    running.end()

    def gone() -> bool:
        host.run(Order(("true",)))  # the host goes on with what was left to it
        return not somebody_runs("sleep 1005")

    assert wait_for(gone)


def test_no_process_is_started_for_a_reading(host: WslHost) -> None:
    def newest() -> int:
        # the last process number given out in the distro
        return int((host.read("/proc/loadavg") or b"0").split()[-1])

    host.read("/proc/loadavg")
    before = newest()
    for _ in range(50):
        host.read("/proc/self/stat")
        host.watch(1)
    assert newest() == before
