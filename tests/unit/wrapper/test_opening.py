"""How a slot is opened, and what is taken of an ``init_data.xml`` that is written anew later."""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from states.store import NAME, NotSaved, StateFile
from tests.faults.model import ModelHost, World
from wrapper import beginning
from wrapper.beginning import Slot, begin
from wrapper.boinc.init_data import DockerType, InitData
from wrapper.boinc.session import Standalone
from wrapper.engine.hosts.base import Order
from wrapper.journal import Journal
from wrapper.opening import open_work, reread
from wrapper.options import Options
from wrapper.work import Work

BEFORE = InitData(project_dir="/p", wu_name="w", result_name="w_0", fraction_done_end=0.5)


def read_again(slot: Path, body: str) -> Work:
    (slot / "init_data.xml").write_text(f"<app_init_data>\n{body}\n</app_init_data>\n")
    journal = Journal(io.StringIO())
    work = cast(Work, SimpleNamespace(slot=slot, init=BEFORE, journal=journal, proxies={}))
    reread(work)
    return work


def test_what_changed_is_taken(tmp_path: Path) -> None:
    work = read_again(tmp_path, "<fraction_done_end>0.75</fraction_done_end>\n<proxy_info>"
                      "<use_http_proxy/><http_server_name>h</http_server_name></proxy_info>")
    assert work.init is not None
    assert work.init.fraction_done_end == 0.75
    assert work.proxies["http_proxy"] == "http://h"


def test_whose_job_it_is_and_where_its_files_lie_stays_as_it_was(tmp_path: Path) -> None:
    work = read_again(tmp_path, "<project_dir>/</project_dir><result_name>evil</result_name>")
    assert work.init is not None
    assert (work.init.project_dir, work.init.result_name) == ("/p", "w_0")


def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "init_data.xml").mkdir()
    work = cast(Work, SimpleNamespace(slot=tmp_path, init=BEFORE, journal=Journal(io.StringIO())))
    reread(work)
    assert work.init is BEFORE


class Computer(ModelHost):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__(World([]))
        self.asked: list[Order] = []
        self.ended: list[Order] = []
        self.closed = False

    def run(self, order: Order) -> object:  # type: ignore[override]
        raise AssertionError(f"{order} holds the loop")

    def start(self, order: Order) -> SimpleNamespace:  # type: ignore[override]
        self.asked.append(order)
        return SimpleNamespace(order=order, end=lambda: self.ended.append(order))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer()
    monkeypatch.setattr(beginning, "first_host", lambda *_given: made)
    return made


def opened(slot: Path, **told: object) -> Work:
    init = InitData(project_dir="/p", wu_name="w", result_name="w_0", **told)  # type: ignore[arg-type]
    journal = Journal(io.StringIO())
    return open_work(begin(Slot(slot, Options(), init, Standalone(), journal), "linux"))


@pytest.mark.parametrize("kind", [DockerType.DOCKER, DockerType.PODMAN])
def test_a_new_jobs_engine_is_asked_while_its_description_is_read(
    tmp_path: Path, computer: Computer, kind: DockerType
) -> None:
    (tmp_path / "job.toml").write_text('image_name = "theirs"\n')
    work = opened(tmp_path, docker_type=kind)
    name = kind.name.lower()
    assert [order.words[:2] for order in computer.asked] == [(name, "info"), (name, "image")]
    assert computer.asked[1].words[-1] == work.image_name
    assert work.is_new
    first, second = computer.asked
    for order in (first, second):
        assert cast(SimpleNamespace, work.started(order)).order is order
    assert len(computer.asked) == 2
    work.started(first)
    assert len(computer.asked) == 3, "it is asked anew when somebody asks once more"
    assert computer.ended == []


def test_another_order_than_the_one_begun_is_started(tmp_path: Path, computer: Computer) -> None:
    work = opened(tmp_path)
    begun = list(computer.asked)
    work.started(begun[0])
    work.started(Order(("docker", "ps"), 5.0))
    assert [order.words[1] for order in computer.asked] == ["info", "image", "ps"]
    assert computer.ended == begun[1:]


def test_of_a_job_that_cannot_be_run_no_image_is_looked_for(
    tmp_path: Path, computer: Computer
) -> None:
    (tmp_path / "job.toml").write_text("nonsense = 1\n")
    assert opened(tmp_path).mistake
    assert [order.words[1] for order in computer.asked] == ["info"]


def test_an_answer_of_some_time_ago_is_no_news(
    tmp_path: Path, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = opened(tmp_path)
    begun = list(computer.asked)
    now = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: now)
    work.started(begun[0])
    assert len(computer.asked) == 3
    assert computer.ended == begun


def test_a_job_that_has_a_record_is_not_new(tmp_path: Path, computer: Computer) -> None:
    opened(tmp_path)
    work = opened(tmp_path)
    assert not work.is_new
    assert len(computer.asked) == 2


def test_a_job_whose_record_is_lost_or_spoilt_is_not_new(
    tmp_path: Path, computer: Computer
) -> None:
    assert not opened(tmp_path, wu_cpu_time=5.0).is_new
    (tmp_path / NAME).write_bytes(b"{")
    assert not opened(tmp_path).is_new
    assert computer.asked == []


def test_what_was_begun_is_ended_when_the_slot_cannot_be_opened(
    tmp_path: Path, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_self: StateFile, _record: object) -> None:
        raise NotSaved("no room")

    monkeypatch.setattr(StateFile, "save", full)
    with pytest.raises(NotSaved):
        opened(tmp_path)
    assert computer.asked
    assert computer.closed


@pytest.mark.usefixtures("computer")
def test_a_bad_description_does_not_lose_the_record(tmp_path: Path) -> None:
    before = opened(tmp_path).record
    (tmp_path / "job.toml").write_text("nonsense = 1\n")
    work = opened(tmp_path)
    assert "nonsense" in work.mistake
    assert work.record.created_at == before.created_at
