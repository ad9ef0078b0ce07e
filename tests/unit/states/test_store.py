"""Facts about the state file on a real disk: killed writers, full disks, and what a job may put
there.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from states import store
from states.record import to_json
from states.schema import BadRecord, read_record
from states.store import ASIDE_KEPT, MOST, NAME, NotLoaded, NotSaved, StateFile
from states.table import State
from tests.unit.states.records import START, a_record, after, fresh

ROOT = Path(__file__).parents[3]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")

WRITER = """
import sys
from pathlib import Path
from states.store import StateFile
from states.table import State
from tests.unit.states.records import a_record
file = StateFile(Path(sys.argv[1]))
for number in range(1_000_000):
    file.save(a_record(State.RUNNING, cpu_time=float(number), error="x" * (number * 997 % 20000)))
"""


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_a_saved_record_is_loaded_byte_for_byte(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(fresh())
    assert file.path == tmp_path / "docker_wrapper_state.json"
    assert file.load() == to_json(fresh()).encode()
    assert names(tmp_path) == [NAME]


def test_the_last_record_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(a_record(State.RUNNING, error="x" * 10_000))
    file.save(fresh())
    content = file.load()
    assert content is not None
    assert read_record(content) == fresh()


def test_no_file_is_none(tmp_path: Path) -> None:
    assert StateFile(tmp_path).load() is None


def test_a_file_that_is_far_too_large_is_not_read_whole(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    with file.path.open("wb") as large:
        large.truncate(50 * MOST)
    content = file.load()
    assert content is not None
    assert len(content) == MOST + 1
    with pytest.raises(BadRecord, match="larger"):
        read_record(content)


@posix_only
def test_others_may_read_the_file_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        StateFile(tmp_path).save(fresh())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o644


def ended_writers(directory: Path, count: int) -> Iterator[None]:
    """Start a writer, let it write a while, kill it; as often as asked."""
    path = directory / NAME
    for number in range(count):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], cwd=ROOT) as writer:
            limit = time.monotonic() + 60
            while not path.exists():
                assert writer.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.005)
            time.sleep(0.003 * number)  # not waited for: only spreads the moment of the kill
            writer.kill()
        yield


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    deaths = 4 if sys.platform == "win32" else 20  # a Python starts slowly there
    for _ in ended_writers(tmp_path, deaths):
        content = file.load()
        assert content is not None
        assert read_record(content).state is State.RUNNING
        file.save(fresh())
        assert names(tmp_path) == [NAME]


@pytest.mark.parametrize("failing", ["open", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_failed_write_leaves_the_last_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, number: int
) -> None:
    monkeypatch.setattr(store, "REPLACE_LIMIT", 0.1)
    file = StateFile(tmp_path)
    file.save(fresh())

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, fail)
        with pytest.raises(NotSaved, match=os.strerror(number)) as trouble:
            file.save(a_record(State.RUNNING))
    assert str(file.path) in str(trouble.value)
    assert file.load() == to_json(fresh()).encode()
    assert names(tmp_path) == [NAME]


@posix_only
def test_a_full_disk_is_told_and_leaves_the_last_file(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(fresh())
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from states.store import NotSaved, StateFile\n"
        "from states.table import State\n"
        "from tests.unit.states.records import a_record\n"
        "record = a_record(State.RUNNING)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    StateFile(Path(sys.argv[1])).save(record)\n"
        "except NotSaved as trouble:\n"
        "    print(trouble)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    assert f"cannot write the state file {file.path}: File too large" in done.stdout
    assert file.load() == to_json(fresh()).encode()
    assert names(tmp_path) == [NAME]


def test_advice_is_given_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(NotSaved, match="free some space on the disk"):
        StateFile(tmp_path).save(fresh())


def test_a_directory_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotSaved):
        StateFile(tmp_path / "gone").save(fresh())
    assert StateFile(tmp_path / "gone").load() is None


@posix_only
@pytest.mark.skipif(
    sys.platform != "win32" and os.getuid() == 0, reason="root may write everywhere"
)
def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(NotSaved, match="must belong to the user"):
            StateFile(tmp_path).save(fresh())
    finally:
        tmp_path.chmod(0o755)


@posix_only
def test_a_file_system_without_directory_sync_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = os.fsync

    def refuse_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_directories)
    StateFile(tmp_path).save(fresh())
    assert StateFile(tmp_path).load() == to_json(fresh()).encode()


def test_file_and_directory_are_synced_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    StateFile(tmp_path).save(fresh())
    expected = ["file", "replace"] if sys.platform == "win32" else ["file", "replace", "directory"]
    assert steps == expected


@posix_only
@pytest.mark.parametrize("name", [NAME, NAME + ".new"])
def test_a_link_that_a_job_left_there_is_replaced_and_not_followed(
    tmp_path: Path, name: str
) -> None:
    slot, victim = tmp_path / "slot", tmp_path / "victim"
    slot.mkdir()
    victim.write_text("precious")
    (slot / name).symlink_to(victim)
    StateFile(slot).save(fresh())
    assert victim.read_text() == "precious"
    assert StateFile(slot).load() == to_json(fresh()).encode()
    assert names(slot) == [NAME]


@posix_only
def test_a_link_in_the_place_of_the_file_is_not_read(tmp_path: Path) -> None:
    slot, secret = tmp_path / "slot", tmp_path / "secret"
    slot.mkdir()
    secret.write_text(to_json(fresh()))
    (slot / NAME).symlink_to(secret)
    assert StateFile(slot).load() == b""


@posix_only
def test_a_link_that_a_job_puts_there_at_the_last_moment_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, victim = tmp_path / "slot", tmp_path / "victim"
    slot.mkdir()
    victim.write_text("precious")
    genuine = os.open

    def late(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).name == NAME + ".new":
            Path(path).symlink_to(victim)
        return genuine(path, flags, mode)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(NotSaved, match="File exists"):
        StateFile(slot).save(fresh())
    assert victim.read_text() == "precious"
    assert names(slot) == []


@posix_only
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_takes_the_place_of_the_file_between_two_steps_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file, secret = StateFile(tmp_path), tmp_path / "secret"
    secret.write_text("precious")
    if kind == "link":
        file.path.symlink_to(secret)
    elif sys.platform != "win32":
        os.mkfifo(file.path)
    regular = os.lstat(secret)
    monkeypatch.setattr(os, "lstat", lambda _: regular)
    if kind == "link":
        with pytest.raises(NotLoaded):
            file.load()
    else:
        assert file.load() == b""


@pytest.mark.parametrize("name", [NAME, f"{NAME}.new"])
def test_a_directory_that_a_job_put_there_does_not_keep_us_from_saving(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name / "in").mkdir(parents=True)
    file = StateFile(tmp_path)
    file.save(fresh())
    assert file.load() == to_json(fresh()).encode()
    aside = [path for path in tmp_path.iterdir() if path.name.startswith(f"{name}.was_a_directory")]
    assert [(path / "in").is_dir() for path in aside] == [True]


@posix_only
def test_a_fifo_or_a_directory_in_the_place_of_the_file_is_no_record(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    if sys.platform != "win32":
        os.mkfifo(file.path)
    assert file.load() == b""
    file.path.unlink()
    file.path.mkdir()
    assert file.load() == b""
    assert file.set_aside(START).is_dir()
    assert file.load() is None


def test_a_file_that_cannot_be_read_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path)
    file.save(fresh())

    def fail(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(NotLoaded, match="Input/output error"):
        file.load()


def test_a_file_set_aside_is_kept_for_a_person(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.path.write_bytes(b"torn")
    aside = file.set_aside(START)
    assert aside.name == "docker_wrapper_state.json.corrupt-20260304T050607.250000Z"
    assert aside.read_bytes() == b"torn"
    assert file.load() is None


def test_only_the_newest_files_set_aside_are_kept(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    kept = []
    for number in range(ASIDE_KEPT + 4):
        file.path.write_text(str(number))
        kept.append(file.set_aside(after(seconds=number)).name)
    assert names(tmp_path) == kept[-ASIDE_KEPT:]


def test_nothing_to_set_aside_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="cannot set the state file"):
        StateFile(tmp_path).set_aside(START)


def test_windows_waits_for_a_reader_that_holds_the_file_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = tmp_path / "new", tmp_path / "old"
    source.write_text("new")
    genuine, calls = os.replace, []

    def held(first: Path, second: Path) -> None:
        calls.append(first)
        if len(calls) < 3:
            raise PermissionError(errno.EACCES, "Access is denied")
        genuine(first, second)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(sys, "platform", "win32")
    store._replace(source, place)
    assert (place.read_text(), len(calls)) == ("new", 3)
    calls.clear()
    monkeypatch.setattr(store, "REPLACE_LIMIT", -1.0)
    with pytest.raises(PermissionError):
        store._replace(source, place)
    assert len(calls) == 1
