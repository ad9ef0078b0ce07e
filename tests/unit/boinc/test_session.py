"""A session with a client: in memory for the rules, with a client of its own for the whole."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wrapper.boinc import client_process
from wrapper.boinc.channels import (
    CHANNEL_SIZE,
    MMAP_FILE,
    SEGMENT_SIZE,
    UNASKED,
    Channel,
    Segment,
)
from wrapper.boinc.init_data import InitData
from wrapper.boinc.session import Session, Standalone, open_session
from wrapper.boinc.status import Status, scaled

unix = pytest.mark.skipif(sys.platform == "win32", reason="a segment of Unix")


class Table:
    """A session and, on the other side of the same memory, what the client can do."""

    def __init__(self, client_pid: int = 0) -> None:
        self.memory = bytearray(SEGMENT_SIZE)
        self.client = Segment(self.memory)
        self.session = Session(Segment(self.memory), client_pid, 0.0)

    def ask(self, text: str, now: float = 1.0) -> Session:
        """The client asks something, and the session polls."""
        assert self.client.process_control_request.write(text)
        self.session.poll(now)
        return self.session

    def beat(self, text: str = "<heartbeat/>", now: float = 1.0) -> Session:
        """The client gives a heartbeat, and the session polls."""
        assert self.client.heartbeat.write(text)
        self.session.poll(now)
        return self.session


@pytest.fixture
def table() -> Table:
    """A client without a pid, at second 0."""
    return Table()


def test_a_fresh_session_asks_for_nothing(table: Table) -> None:
    session = table.session
    session.poll(0.1)
    assert not session.standalone
    assert not session.suspended
    assert not session.quit_asked
    assert not session.abort_asked
    assert not session.network_suspended
    assert session.sporadic_ca is None
    assert session.max_wss is None
    assert not session.take_reread()


def test_suspend_lasts_until_resume(table: Table) -> None:
    assert table.ask("<suspend/>").suspended
    table.session.poll(2.0)
    assert table.session.suspended
    assert not table.ask("<resume/>").suspended


def test_a_request_is_seen_at_a_glance_and_a_heartbeat_is_not(table: Table) -> None:
    assert table.session.glance()() == UNASKED
    assert table.client.heartbeat.write("<heartbeat/>")
    assert table.session.glance()() == UNASKED
    assert table.client.process_control_request.write("<suspend/>")
    assert table.session.glance()() != UNASKED
    table.session.poll(1.0)
    assert table.session.glance()() == UNASKED


def test_quit_and_abort_are_told_apart(table: Table) -> None:
    assert table.ask("<quit/>").quit_asked
    assert not table.session.abort_asked
    assert table.ask("<abort/>").abort_asked


def test_each_request_to_reread_is_told_once(table: Table) -> None:
    assert table.ask("<reread_app_info/>").reread_asked
    assert table.session.take_reread()
    assert not table.session.take_reread()
    assert table.ask("<reread_app_info/>").take_reread()


def test_a_request_is_taken_out_even_if_nobody_knows_it(table: Table) -> None:
    """A request that nobody takes makes the client kill the job after 180 s."""
    session = table.ask("<dance/>")
    assert not table.client.process_control_request.waiting
    asked = (session.suspended, session.quit_asked, session.abort_asked, session.reread_asked)
    assert asked == (False,) * 4


def test_a_heartbeat_carries_limits(table: Table) -> None:
    session = table.beat(
        "<heartbeat/><wss>1.0e+06</wss><max_wss>2.500000e+09</max_wss><network_suspended/>"
        "<sporadic_ca>3</sporadic_ca>"
    )
    assert session.max_wss == 2.5e9
    assert session.network_suspended
    assert session.sporadic_ca == 3


def test_the_network_is_back_with_the_first_heartbeat_that_says_nothing_of_it(
    table: Table,
) -> None:
    assert table.beat("<heartbeat/><network_suspended/>").network_suspended
    assert table.beat("<heartbeat/><suspend_network>1</suspend_network>").network_suspended
    session = table.beat("<heartbeat/><max_wss>1e9</max_wss>")
    assert not session.network_suspended
    assert not table.beat("<heartbeat/><suspend_network>0</suspend_network>").network_suspended


@pytest.mark.parametrize("text", ["<", "<a>" * 300, "<max_wss>nan</max_wss>", "\x7f\x01"])
def test_a_heartbeat_of_garbage_changes_nothing(table: Table, text: str) -> None:
    session = table.beat(text)
    assert (session.max_wss, session.sporadic_ca) == (None, None)
    assert not session.network_suspended


def test_news_in_trickle_down_is_noted(table: Table) -> None:
    table.client.trickle_down.write("<have_trickle_down/>\n")
    table.session.poll(1.0)
    assert table.session.trickle_down_asked
    assert not table.session.upload_status_asked
    table.client.trickle_down.write("<upload_file_status/>\n")
    table.session.poll(1.1)
    assert table.session.upload_status_asked


def test_a_status_has_the_form_that_the_client_reads() -> None:
    assert Status(1.5, 1.25, 0.5).text() == (
        "<current_cpu_time>1.500000e+00</current_cpu_time>\n"
        "<checkpoint_cpu_time>1.250000e+00</checkpoint_cpu_time>\n"
        "<fraction_done>5.000000e-01</fraction_done>\n"
    )


def test_a_status_tells_more_only_where_there_is_more() -> None:
    assert Status(0, 0, None, 3e6, True, 2, 77).text() == (
        "<current_cpu_time>0.000000e+00</current_cpu_time>\n"
        "<checkpoint_cpu_time>0.000000e+00</checkpoint_cpu_time>\n"
        "<wss>3.000000e+06</wss>\n"
        "<want_network>1</want_network>\n"
        "<sporadic_ac>2</sporadic_ac>\n"
        "<other_pid>77</other_pid>\n"
    )


def test_a_status_never_tells_what_no_client_can_reckon_with() -> None:
    text = Status(float("nan"), 1e308, float("inf"), float("-inf")).text()
    assert text == "<checkpoint_cpu_time>1.000000e+308</checkpoint_cpu_time>\n"


def test_the_longest_status_fits_into_a_channel() -> None:
    status = Status(1e308, 1e308, 1e308, 1e308, True, -(2**63), 2**31)
    assert len(status.text()) < CHANNEL_SIZE - 2


def test_of_several_reports_the_newest_waits_for_the_channel(table: Table) -> None:
    session, app_status = table.session, table.client.app_status
    assert session.report(Status(1))
    assert not session.report(Status(2))
    assert not session.report(Status(3))
    assert app_status.read() == Status(1).text()
    session.poll(1.0)
    assert app_status.read() == Status(3).text()
    session.poll(1.1)
    assert not app_status.waiting


def test_the_last_word_waits_for_the_channel_too(table: Table) -> None:
    session, app_status = table.session, table.client.app_status
    session.report(Status(1))
    assert not session.last(Status(9))
    app_status.read()
    assert session.last(Status(9))
    assert app_status.read() == Status(9).text()


def test_the_last_word_takes_the_place_of_an_unread_one_when_it_must(table: Table) -> None:
    session = table.session
    session.report(Status(1))
    assert session.last(Status(9), insist=True)
    assert table.client.app_status.read() == Status(9).text()


def test_after_the_last_word_nothing_is_reported(table: Table) -> None:
    session, app_status = table.session, table.client.app_status
    assert session.last(Status(9))
    app_status.read()
    assert not session.report(Status(10))
    session.poll(1.0)
    assert not app_status.waiting


def test_graphics_are_told_once_the_channel_is_free(table: Table) -> None:
    reply = table.client.graphics_reply
    reply.write("<older/>")
    table.session.tell_graphics("http://localhost:8080/?a=1&b=<2>")
    reply.read()
    table.session.poll(1.0)
    assert reply.read() == (
        "<web_graphics_url>http://localhost:8080/?a=1&amp;b=&lt;2></web_graphics_url>"
    )
    table.session.poll(1.1)
    assert not reply.waiting


def test_an_address_too_long_for_a_channel_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="cannot be told"):
        table.session.tell_graphics("http://localhost/" + "x" * 1000)
    assert not table.client.graphics_reply.waiting


def test_a_trickle_is_told_once_the_channel_is_free(table: Table) -> None:
    trickle_up = table.client.trickle_up
    table.session.tell_trickle_up()
    table.session.tell_trickle_up()
    assert trickle_up.read() == "<have_new_trickle_up/>\n"
    table.session.poll(1.0)
    assert trickle_up.read() == "<have_new_trickle_up/>\n"
    table.session.poll(1.1)
    assert not trickle_up.waiting


def test_without_a_pid_a_client_is_gone_after_30_s_of_silence(table: Table) -> None:
    for second in range(31):
        table.session.poll(float(second))
    assert table.session.client_gone(30.0) is None
    table.session.poll(31.0)
    assert table.session.client_gone(31.0) == "no heartbeat of the client for 31 s"


def test_a_heartbeat_starts_the_count_again(table: Table) -> None:
    for second in range(26):
        table.session.poll(float(second))
    table.beat(now=26.0)
    for second in range(27, 57):
        table.session.poll(float(second))
        assert table.session.client_gone(float(second)) is None
    table.session.poll(57.0)
    assert table.session.client_gone(57.0) is not None


def test_time_that_we_slept_through_is_not_the_clients_silence(table: Table) -> None:
    table.session.poll(1.0)
    table.session.poll(5000.0)
    assert table.session.client_gone(5000.0) is None
    table.session.poll(5009.0)
    assert table.session.client_gone(5009.0) is None


def test_a_client_that_lives_is_not_gone_however_silent() -> None:
    session = Table(os.getpid()).session
    for second in range(120):
        session.poll(float(second))
        assert session.client_gone(float(second)) is None


@pytest.mark.parametrize("woken", [True, False])
def test_a_client_is_gone_within_5_s_of_the_death_of_its_process(
    woken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not woken:
        monkeypatch.setattr(client_process, "pidfd", lambda _pid: None)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        table = Table(process.pid)
        session = table.session
        assert session.client_gone(0.0) is None
        handles = session.handles()
        process.kill()
        process.wait()
    # the heart of a new client may beat in the same memory
    assert table.client.heartbeat.write("<heartbeat/>")
    assert session.hear(4.0)
    if handles:
        assert select.select(handles, (), (), 30)[0] == [*handles]
    else:
        assert session.client_gone(4.9) is None
    told = session.client_gone(5.0)
    assert told == f"the client's process {process.pid} is gone"
    assert session.client_gone(5.1) == told
    assert session.handles() == ()
    session.close()


def test_a_heartbeat_is_taken_by_itself_and_what_it_says_is_noted() -> None:
    table = Table()
    assert not table.session.hear(1.0)
    for said, suspended, wss in (
        ("<heartbeat/><max_wss>1e6</max_wss>", False, 1e6),
        ("<heartbeat/><max_wss>1e6</max_wss>", False, 1e6),
        ("<heartbeat/><network_suspended/><max_wss>2e6</max_wss>", True, 2e6),
        ("<heartbeat/>", False, 2e6),
    ):
        assert table.client.heartbeat.write(said)
        assert table.client.process_control_request.write("<suspend/>")
        assert table.session.hear(2.0)
        assert not table.session.hear(2.0)
        assert (table.session.network_suspended, table.session.max_wss) == (suspended, wss)
        assert table.session.glance()() != UNASKED, "the request is for poll() to take"
        table.session.poll(3.0)


def test_to_a_client_that_is_gone_nothing_is_told() -> None:
    table = Table(2**22 + 1)
    assert table.session.client_gone(0.0) is not None
    assert not table.session.report(Status(1))
    assert not table.session.last(Status(1), insist=True)
    table.session.tell_graphics("http://localhost")
    table.session.poll(1.0)
    assert not any(table.memory)


def test_a_poll_decodes_nothing_while_no_flag_is_set(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Channel] = []
    read = Channel.read

    def noted(channel: Channel) -> str | None:
        reads.append(channel)
        return read(channel)

    monkeypatch.setattr(Channel, "read", noted)
    for tick in range(100):
        table.session.poll(tick / 10)
    assert reads == []
    table.ask("<quit/>", 10.1)
    assert reads == [table.session._segment.process_control_request]


@unix
@pytest.mark.parametrize("left", [0, 100])
def test_a_segment_cut_short_by_the_job_ends_the_session_and_not_the_process(
    tmp_path: Path, left: int
) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    session = open_session(tmp_path, InitData(client_pid=os.getpid()), 0.0)
    assert not session.standalone
    os.truncate(tmp_path / MMAP_FILE, left)
    assert (session.glance()() != UNASKED) is (left == 0)
    assert not session.hear(1.0)
    session.poll(1.0)
    assert session.glance()() == UNASKED
    assert not session.report(Status(1))
    assert not session.last(Status(1), insist=True)
    session.tell_graphics("http://localhost")
    assert session.client_gone(1.0) == "the memory shared with the client was cut short"
    session.close()


@unix
def test_a_closed_session_touches_no_memory(tmp_path: Path) -> None:
    (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    session = open_session(tmp_path, InitData(client_pid=os.getpid()), 0.0)
    session.close()
    session.poll(1.0)
    assert session.glance()() == UNASKED
    assert not session.hear(1.0)
    session.close()
    assert not session.report(Status(1))


@pytest.mark.skipif(sys.platform != "win32", reason="a segment of Windows")
def test_on_windows_a_client_is_met_by_the_name_of_its_mapping(tmp_path: Path) -> None:
    if sys.platform == "win32":
        import mmap

        name = f"boinc_session_{os.getpid()}"
        data = InitData(comm_obj_name=name, client_pid=os.getpid())
        assert open_session(tmp_path, data, 0.0).standalone
        with mmap.mmap(-1, SEGMENT_SIZE, tagname=f"shm_{name}") as memory:
            memory[:8] = b"\x01<quit/>"
            session = open_session(tmp_path, data, 0.0)
            session.poll(0.1)
            assert session.quit_asked
            assert memory[0] == 0
            assert session.client_gone(0.1) is None
            session.close()


@pytest.mark.parametrize("init_data", [None, InitData(client_pid=1)])
def test_without_init_data_or_segment_a_job_is_standalone(
    tmp_path: Path, init_data: InitData | None
) -> None:
    if init_data is None:
        (tmp_path / MMAP_FILE).write_bytes(bytes(SEGMENT_SIZE))
    session = open_session(tmp_path, init_data, 0.0)
    assert session.standalone
    assert isinstance(session, Standalone)


def test_standalone_nobody_asks_and_everything_is_told() -> None:
    session = Standalone()
    session.poll(0.0)
    session.poll(1e9)
    assert session.client_gone(1e9) is None
    assert session.report(Status(1))
    assert session.last(Status(1))
    session.tell_graphics("http://localhost")
    session.tell_trickle_up()
    session.close()
    assert not session.suspended
    assert not session.take_reread()


@pytest.mark.parametrize(
    ("fraction", "whole"),
    [(0.0, 0.25), (0.5, 0.5), (1.0, 0.75), (-3.0, 0.25), (7.0, 0.75)],
)
def test_a_part_of_a_job_is_scaled_into_the_whole(fraction: float, whole: float) -> None:
    assert scaled(fraction, 0.25, 0.75) == whole


class PlayedClient:
    """The client in its own process, asked over its standard streams."""

    def __init__(self, slot: Path) -> None:
        program = Path(__file__).with_name("played_client.py")
        self.process = subprocess.Popen(
            [sys.executable, str(program), str(slot / MMAP_FILE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def do(self, line: str) -> str:
        """Have it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Let it end, however it is doing."""
        with self.process:
            self.process.kill()


@pytest.fixture
def played(tmp_path: Path) -> Iterator[PlayedClient]:
    """A played client with a segment in ``tmp_path``."""
    client = PlayedClient(tmp_path)
    yield client
    client.end()


@unix
def test_a_client_in_another_process_is_obeyed_and_told(
    played: PlayedClient, tmp_path: Path
) -> None:
    session = open_session(tmp_path, InitData(client_pid=played.process.pid), 0.0)
    for request in ("<suspend/>", "<reread_app_info/>", "<quit/>", "<abort/>"):
        assert played.do(f"put 0 {request}") == "ok"
        assert played.do("put 0 <resume/>") == "full"
        session.poll(0.1)
    assert session.suspended
    assert session.quit_asked
    assert session.abort_asked
    assert session.take_reread()
    assert played.do("put 4 <heartbeat/><max_wss>1.000000e+09</max_wss>") == "ok"
    session.poll(0.2)
    assert session.max_wss == 1e9
    assert session.report(Status(2.0, 1.0, 0.25, 4096.0))
    assert played.do("get 5") == (
        "text <current_cpu_time>2.000000e+00</current_cpu_time>"
        "|<checkpoint_cpu_time>1.000000e+00</checkpoint_cpu_time>"
        "|<fraction_done>2.500000e-01</fraction_done>|<wss>4.096000e+03</wss>|"
    )
    assert played.do("get 5") == "empty"
    session.close()


@unix
def test_the_death_of_a_client_in_another_process_is_noticed(
    played: PlayedClient, tmp_path: Path
) -> None:
    session = open_session(tmp_path, InitData(client_pid=played.process.pid), 0.0)
    assert session.client_gone(0.0) is None
    played.process.kill()
    now = 0.0
    limit = time.monotonic() + 30
    while session.client_gone(now) is None and time.monotonic() < limit:
        now += 5.0
        session.poll(now)
        time.sleep(0.01)
    told = session.client_gone(now)
    assert told is not None
    assert str(played.process.pid) in told
    session.close()


def test_the_last_word_that_a_poll_has_sent_is_not_sent_twice(table: Table) -> None:
    session = table.session
    assert session.report(Status(1))
    assert not session.last(Status(9))
    assert table.client.app_status.read() is not None
    session.poll(2.0)
    assert "9.0" in (table.client.app_status.read() or "")
    assert session.last(Status(9))
    assert table.client.app_status.read() is None
