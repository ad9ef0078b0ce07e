"""What a wrapper and a client of Windows share, each tried between two processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from states import store
from states.store import NotSaved, StateFile
from states.table import State
from tests.lab.waiting import wait_for
from tests.lab.workunit import CHECKOUT
from tests.unit.states.records import a_record
from tests.windows.client import WindowsClient
from wrapper.boinc.files import replace_file
from wrapper.boinc.slot import Lock, resolve
from wrapper.hosting import deliver, plan

FOLDER = "Bahía Ω data"
HOLD_THE_LOCK = """
import sys
from pathlib import Path
from wrapper.boinc.slot import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.try_take(), flush=True)
sys.stdin.read()
"""
READ_FOR_EVER = """
import sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
read = 0
while not over.is_set():
    try:
        with open(sys.argv[1], "rb") as file:
            content = file.read()
    except (PermissionError, FileNotFoundError):
        continue
    if len(content) != 20000 or content.strip(content[:1]):
        sys.exit("torn")
    read += 1
    if read == 3:
        print("reading", flush=True)
    time.sleep(0.003)
"""
APP = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from wrapper.boinc.init_data import read_init_data
from wrapper.boinc.session import open_session
from wrapper.boinc.status import Status
init = read_init_data(Path("init_data.xml"))
session = open_session(Path.cwd(), init, time.monotonic())
while not session.quit_asked:
    session.poll(time.monotonic())
    session.report(Status(1.5, fraction_done=0.25 if session.suspended else 0.5))
    if session.client_gone(time.monotonic()):
        sys.exit(9)
    time.sleep(0.02)
"""


@contextmanager
def python(program: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, ended at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *words], cwd=CHECKOUT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    folder = tmp_path / FOLDER / "slots" / "0"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def projects_file(slot: Path) -> Path:
    """What a soft link in the slot leads to."""
    file = slot.parents[1] / "projects" / "example.org_a b" / "größe 1.dat"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"forty two")
    return file


@pytest.mark.parametrize("prefix", ["", "Local\\", "Global\\"])
def test_a_client_and_a_wrapper_share_memory_by_name(tmp_path: Path, prefix: str) -> None:
    command = (sys.executable, "-c", APP, str(CHECKOUT))
    client = WindowsClient(tmp_path / FOLDER, prefix=prefix, command=command, wrapper_words=())
    with client.start():
        client.wait_for("0.5 is told", lambda: 0.5 in fractions(client), 30)
        client.suspend()
        client.wait_for("0.25 is told", lambda: 0.25 in fractions(client), 30)
        client.quit()
        assert client.wait_exit() == 0


def fractions(client: WindowsClient) -> list[float]:
    return [told.fraction_done for told in client.statuses]


def test_a_wrapper_sees_that_its_client_has_died(tmp_path: Path) -> None:
    command = (sys.executable, "-c", APP, str(CHECKOUT))
    with python("input()") as dying:
        client = WindowsClient(
            tmp_path / FOLDER, command=command, wrapper_words=(), client_pid=dying.pid
        )
        with client.start():
            client.wait_for("it tells", lambda: bool(client.statuses), 30)
            assert client.alive()
            dying.kill()
            assert client.wait_exit() == 9


def test_a_lock_that_another_process_has_is_had_at_its_death(slot: Path) -> None:
    lock = Lock(slot)
    with python(HOLD_THE_LOCK, str(slot)) as holder:
        assert line(holder) == "True"
        assert not lock.try_take()
        holder.kill()
        wait_for("the lock is free", lock.try_take, 30)
    lock.release()


def test_a_file_is_replaced_whole_while_another_process_reads_it_again_and_again(
    slot: Path,
) -> None:
    file = slot / "boinc_finish_called"
    replace_file(file, b"0" * 20000)
    with python(READ_FOR_EVER, str(file)) as reader:
        assert line(reader) == "reading"
        for number in range(40):
            replace_file(file, str(number % 10).encode() * 20000)
        assert reader.stdin is not None
        reader.stdin.close()
        assert reader.wait(30) == 0
    assert [path.name for path in slot.iterdir()] == [file.name]


def test_a_state_is_saved_as_soon_as_a_scanner_lets_go_of_the_file(slot: Path) -> None:
    state = StateFile(slot)
    state.save(a_record(State.CREATE))
    with state.path.open("rb") as scanner:
        timer = threading.Timer(0.3, scanner.close)
        timer.start()
        state.save(a_record(State.RUNNING))
        timer.join()
    assert b'"running"' in (state.load() or b"")


def test_a_state_is_saved_as_soon_as_a_scanner_lets_go_of_what_a_killed_wrapper_left(
    slot: Path,
) -> None:
    state = StateFile(slot)
    left = state.path.with_name(f"{state.path.name}.new")
    left.write_text("half")
    with left.open("rb") as scanner:
        timer = threading.Timer(0.3, scanner.close)
        timer.start()
        state.save(a_record(State.CREATE))
        timer.join()
    assert b'"create"' in (state.load() or b"")


def test_a_state_that_cannot_be_saved_leaves_the_last_one(
    slot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REPLACE_LIMIT", 0.2)
    state = StateFile(slot)
    state.save(a_record(State.CREATE))
    with state.path.open("rb"), pytest.raises(NotSaved):
        state.save(a_record(State.RUNNING))
    assert b'"create"' in (state.load() or b"")
    assert [path.name for path in slot.iterdir()] == [state.path.name]


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_soft_link_leads_to_a_file_of_the_project(
    slot: Path, projects_file: Path, ending: str
) -> None:
    name = f"../../projects/{projects_file.parent.name}/{projects_file.name}"
    (slot / "in").write_bytes(f"<soft_link>{name}</soft_link>{ending}".encode())
    assert resolve(slot, "in").read_bytes() == b"forty two"
    links = plan(slot, projects_file.parent)
    assert [(name, real.read_bytes()) for name, real in links.inputs] == [("in", b"forty two")]


def test_a_soft_link_may_name_a_drive(slot: Path, projects_file: Path) -> None:
    (slot / "in").write_text(f"<soft_link>{projects_file}</soft_link>\n", encoding="utf-8")
    assert resolve(slot, "in").read_bytes() == b"forty two"


def test_a_soft_link_out_of_the_project_is_left_as_it_is(slot: Path, projects_file: Path) -> None:
    (slot / "in").write_text("<soft_link>C:/windows/win.ini</soft_link>\n", encoding="utf-8")
    links = plan(slot, projects_file.parent)
    assert not links.inputs
    assert not links.outputs
    assert len(links.left) == 1


def test_an_output_is_delivered_where_its_link_led(slot: Path, projects_file: Path) -> None:
    name = f"../../projects/{projects_file.parent.name}/Ergebnis 1"
    (slot / "out").write_text(f"<soft_link>{name}</soft_link>\n", encoding="utf-8")
    links = plan(slot, projects_file.parent)
    (slot / "out").write_bytes(b"done")
    assert deliver(slot, links.outputs).moved == ("out",)
    assert projects_file.with_name("Ergebnis 1").read_bytes() == b"done"


def test_an_output_that_a_scanner_holds_is_delivered_as_soon_as_it_lets_go(slot: Path) -> None:
    target = slot.parents[1] / "result"
    (slot / "out").write_bytes(b"done")
    with (slot / "out").open("rb") as scanner:
        timer = threading.Timer(0.3, scanner.close)
        timer.start()
        assert deliver(slot, (("out", target),)).moved == ("out",)
        timer.join()
    assert target.read_bytes() == b"done"
