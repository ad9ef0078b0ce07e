"""The files by which a job and the client speak with each other."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.boinc.steady import make_fifo, steady
from wrapper.boinc import BoincTrouble
from wrapper.boinc.slot import (
    FINISH_FILE,
    FRACTION_FILE,
    LOCK_FILE,
    SPORADIC_FROM_CLIENT,
    SPORADIC_FROM_JOB,
    TEMPORARY_EXIT_FILE,
    ExitStatus,
    Lock,
    SlotTrouble,
    finish_written,
    one_line,
    read_fraction,
    read_sporadic,
    resolve,
    soft_link_target,
    write_finish,
    write_sporadic,
    write_temporary_exit,
)

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs links and FIFOs of Unix")

HOLDER = """
import sys
from pathlib import Path
from wrapper.boinc.slot import Lock
print(Lock(Path(sys.argv[1])).try_take(), flush=True)
input()
"""


@contextmanager
def another_process(slot: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that tried to take the lock; what came of it is yet to be read."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(slot)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """The next line of a process."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_lock_that_another_process_holds_is_not_ours_until_its_death(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    with another_process(tmp_path) as holder:
        assert said(holder) == "True"
        assert not lock.try_take()
        assert not lock.try_take()
    assert lock.try_take()
    lock.release()


def test_a_lock_of_ours_is_nobody_elses_until_it_is_released(tmp_path: Path) -> None:
    lock = Lock(tmp_path)
    assert lock.try_take()
    assert lock.try_take()
    with another_process(tmp_path) as other:
        assert said(other) == "False"
    lock.release()
    lock.release()
    with another_process(tmp_path) as other:
        assert said(other) == "True"


@unix
def test_the_lock_is_the_one_that_boinc_takes(tmp_path: Path) -> None:
    """A POSIX write lock on the whole of ``boinc_lockfile``, which other kinds do not see."""
    if sys.platform != "win32":
        import fcntl

        lock = Lock(tmp_path)
        with another_process(tmp_path) as holder:
            assert said(holder) == "True"
            with open(tmp_path / LOCK_FILE, "r+b") as file:
                with pytest.raises(OSError):
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 12345)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.release()


def test_a_lock_file_left_behind_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).write_bytes(b"")
    lock = Lock(tmp_path)
    assert lock.try_take()
    lock.release()
    assert (tmp_path / LOCK_FILE).exists()


@unix
@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_the_job_put_in_the_lock_files_place_does_no_harm(tmp_path: Path, kind: str) -> None:
    path = tmp_path / LOCK_FILE
    (tmp_path / "other").write_text("other")
    if kind == "link":
        path.symlink_to("other")
    elif kind == "fifo":
        make_fifo(path)
    else:
        path.mkdir()
    lock = Lock(tmp_path)
    assert lock.try_take()
    assert stat.S_ISREG(os.lstat(path).st_mode)
    with another_process(tmp_path) as other:
        assert said(other) == "False"
    lock.release()
    assert (tmp_path / "other").read_text() == "other"


def test_a_slot_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "none")
    with pytest.raises(SlotTrouble, match="locking"):
        lock.try_take()
    assert issubclass(SlotTrouble, BoincTrouble)


def test_exit_statuses_are_those_of_boinc() -> None:
    assert [int(status) for status in ExitStatus] == [194, 196, 197, 198]


@pytest.mark.parametrize(
    ("code", "message", "notice", "content"),
    [
        (0, "", False, "0\n"),
        (1, "", True, "1\n"),
        (-5, "it broke", False, "-5\nit broke\n\n"),
        (194, "out of\r\nmemory", True, "194\nout of memory\nnotice\n"),
    ],
)
def test_the_finish_file_has_the_lines_of_the_client(
    tmp_path: Path, code: int, message: str, notice: bool, content: str
) -> None:
    write_finish(tmp_path, code, message, notice)
    assert (tmp_path / FINISH_FILE).read_text() == content
    assert finish_written(tmp_path) == code
    assert os.listdir(tmp_path) == [FINISH_FILE]


def test_the_finish_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is removed after it may be removed for good, even if the power fails then."""
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def syncing(descriptor: int) -> None:
        sync(descriptor)
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("the folder is synced" if is_folder else "the file is synced")

    def replacing(source: Path, target: Path) -> None:
        replace(source, target)
        done.append("it has its name")

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    write_finish(tmp_path, 3)
    folder = [] if sys.platform == "win32" else ["the folder is synced"]
    assert done == ["the file is synced", "it has its name", *folder]
    assert finish_written(tmp_path) == 3


@pytest.mark.parametrize("content", [b"", b"\n", b"garbage\n", b"\xff\xfe", b"\0\0\0\0"])
def test_a_finish_file_without_a_code_is_none(tmp_path: Path, content: bytes) -> None:
    assert finish_written(tmp_path) is None
    (tmp_path / FINISH_FILE).write_bytes(content)
    assert finish_written(tmp_path) is None


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [(600, 600), (0, 0), (-1, 0), (86401, 86400), (float("inf"), 86400), (59.9, 59)],
)
def test_the_delay_of_a_temporary_exit_is_one_the_client_takes(
    tmp_path: Path, delay: float, seconds: int
) -> None:
    write_temporary_exit(tmp_path, delay, "the engine does not answer")
    content = (tmp_path / TEMPORARY_EXIT_FILE).read_text()
    assert content == f"{seconds}\nthe engine does not answer\n"


def test_a_temporary_exit_can_be_a_notice_and_its_reason_is_one_line(tmp_path: Path) -> None:
    write_temporary_exit(tmp_path, 1, "no\nengine\there\0", notice=True)
    assert (tmp_path / TEMPORARY_EXIT_FILE).read_text() == "1\nno engine here\nnotice\n"


@steady
@given(st.text(st.characters(), max_size=600))
def test_a_message_is_one_line_of_200_bytes_whatever_it_was(message: str) -> None:
    line = one_line(message)
    assert len(line.encode()) <= 200
    assert line.isprintable()
    assert line == line.strip()


def test_a_message_that_is_cut_says_so() -> None:
    assert one_line("x" * 200) == "x" * 200
    assert one_line("x" * 201) == "x" * 197 + "..."
    assert one_line("ö" * 150) == "ö" * 98 + "..."


def test_a_file_that_cannot_be_written_is_told_with_what_was_said_back(tmp_path: Path) -> None:
    with pytest.raises(SlotTrouble, match="No such file or directory") as caught:
        write_finish(tmp_path / "none", 0)
    assert FINISH_FILE in str(caught.value)
    assert caught.value.errno == 2


@unix
def test_nothing_is_written_through_a_link_of_the_job(tmp_path: Path) -> None:
    slot, outside = tmp_path / "slot", tmp_path / "outside"
    slot.mkdir()
    outside.write_text("precious")
    for name in (FINISH_FILE, TEMPORARY_EXIT_FILE, SPORADIC_FROM_CLIENT):
        (slot / name).symlink_to(outside)
    write_finish(slot, 3)
    write_temporary_exit(slot, 1, "why")
    write_sporadic(slot, 2)
    assert outside.read_text() == "precious"
    assert finish_written(slot) == 3
    assert (slot / SPORADIC_FROM_CLIENT).read_text() == "2\n"


@unix
def test_nothing_is_read_through_a_link_or_from_a_fifo_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("1\n")
    for name in (FRACTION_FILE, SPORADIC_FROM_JOB, FINISH_FILE):
        (tmp_path / name).symlink_to("outside")
    assert read_fraction(tmp_path) is None
    assert read_sporadic(tmp_path) is None
    assert finish_written(tmp_path) is None
    for name in (FRACTION_FILE, SPORADIC_FROM_JOB, FINISH_FILE):
        (tmp_path / name).unlink()
        make_fifo(tmp_path / name)
    assert read_fraction(tmp_path) is None
    assert read_sporadic(tmp_path) is None
    assert finish_written(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "fraction"),
    [
        (b"0.5\n", 0.5),
        (b" 1 ", 1.0),
        (b"0", 0.0),
        (b"2.5e-1", 0.25),
        (b"0.75\n" + b"x" * 10_000_000, 0.75),
        (b"", None),
        (b"1.01", None),
        (b"-0.1", None),
        (b"nan", None),
        (b"inf", None),
        (b"half", None),
        (b"50%", None),
        (b"\xff", None),
        (b"0." + b"1" * 1000, 0.1111111111111111),
    ],
)
def test_a_fraction_is_a_number_from_0_to_1(
    tmp_path: Path, content: bytes, fraction: float | None
) -> None:
    assert read_fraction(tmp_path) is None
    (tmp_path / FRACTION_FILE).write_bytes(content)
    assert read_fraction(tmp_path) == fraction


@pytest.mark.parametrize(
    ("content", "state"), [(b"3\n", 3), (b"-1", -1), (b"3.5", None), (b"", None), (b"x", None)]
)
def test_the_state_of_a_sporadic_job_is_a_whole_number(
    tmp_path: Path, content: bytes, state: int | None
) -> None:
    assert read_sporadic(tmp_path) is None
    (tmp_path / SPORADIC_FROM_JOB).write_bytes(content)
    assert read_sporadic(tmp_path) == state


def test_a_soft_link_stands_for_the_file_it_names(tmp_path: Path) -> None:
    slot = tmp_path / "slots" / "0"
    project = tmp_path / "projects" / "P"
    slot.mkdir(parents=True)
    project.mkdir(parents=True)
    (project / "input_17").write_text("data")
    (slot / "in").write_text("<soft_link>../../projects/P/input_17</soft_link>\n")
    target = soft_link_target(slot / "in")
    assert target is not None
    assert target.read_text() == "data"
    assert resolve(slot, "in") == target


@unix
def test_a_symbolic_link_stands_for_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "projects").mkdir()
    (tmp_path / "slot").mkdir()
    (tmp_path / "slot" / "in").symlink_to("../projects/f")
    assert soft_link_target(tmp_path / "slot" / "in") == tmp_path / "slot" / "../projects/f"
    (tmp_path / "slot" / "in").unlink()
    (tmp_path / "slot" / "in").symlink_to("/etc/f")
    assert resolve(tmp_path / "slot", "in") == Path("/etc/f")


def test_a_soft_link_in_a_folder_of_the_slot_leads_from_the_slot(tmp_path: Path) -> None:
    slot = tmp_path / "slots" / "0"
    (slot / "data").mkdir(parents=True)
    (slot / "data" / "in").write_text("<soft_link>../../projects/P/input_17</soft_link>\n")
    assert resolve(slot, "data/in") == slot / "../../projects/P/input_17"


def test_a_copy_is_the_file_itself(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("data")
    assert soft_link_target(tmp_path / "in") is None
    assert resolve(tmp_path, "in") == tmp_path / "in"
    assert resolve(tmp_path, "missing") == tmp_path / "missing"


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("<soft_link>a&amp;b</soft_link>", "a&b"),
        ("\n <soft_link>  f </soft_link>", "f"),
        ("<soft_link></soft_link>", None),
        ("<soft_link>f", None),
        ("<soft_link>" + "f" * 5000 + "</soft_link>", None),
        ("<soft_link>f\0g</soft_link>", None),
        ("text <soft_link>f</soft_link>", None),
        ("", None),
    ],
)
def test_only_a_small_whole_soft_link_is_one(
    tmp_path: Path, content: str, target: str | None
) -> None:
    (tmp_path / "in").write_text(content)
    found = soft_link_target(tmp_path / "in")
    assert found == (None if target is None else tmp_path / target)


@unix
def test_a_fifo_or_a_directory_is_no_soft_link(tmp_path: Path) -> None:
    make_fifo(tmp_path / "fifo")
    assert soft_link_target(tmp_path / "fifo") is None
    assert soft_link_target(tmp_path) is None
