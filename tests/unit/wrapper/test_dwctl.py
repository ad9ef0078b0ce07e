"""The facts about ``dwctl``, what people look at jobs with. No client, no engine."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from states.record import Change, Engine, Job, Record, new_record, rfc3339
from states.store import NAME, StateFile
from states.table import Outcome, State
from wrapper import dwctl

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
RUNNING = new_record(Job("example.org_test", "wu", "wu_0"), START)._replace(
    state=State.RUNNING, cpu_time=12.34, engine=Engine("podman", "4.3.1"),
    history=(Change(rfc3339(START), "created", "create", "running", "a note"),),
)


def a_slot(folder: Path, record: Record = RUNNING) -> Path:
    """A slot in which a job has this record."""
    folder.mkdir(parents=True)
    StateFile(folder).save(record)
    return folder


def test_a_job_is_one_line_with_its_state_and_how_long_it_has_been_in_it() -> None:
    told = dwctl.line(Path("slots/3"), RUNNING, START + timedelta(minutes=150))
    assert told == f"{Path('slots/3')}: wu_0: running for 2 h, CPU 12.3 s, podman 4.3.1"


@pytest.mark.parametrize(("seconds", "words"), [
    (-5, "0 s"), (59, "59 s"), (60, "1 min"), (86399, "23 h"), (200000, "2 d"),
])
def test_a_time_is_told_in_its_largest_unit(seconds: int, words: str) -> None:
    told = dwctl.line(Path("0"), RUNNING, START + timedelta(seconds=seconds))
    assert f"running for {words}," in told


def test_a_time_that_makes_no_sense_is_no_reason_to_fail() -> None:
    odd = RUNNING._replace(history=(Change("yesterday", "created", "create", "running"),))
    assert "running for an unknown time" in dwctl.line(Path("0"), odd, START)


def test_a_job_without_an_engine_and_one_with_an_outcome_say_so() -> None:
    done = RUNNING._replace(engine=None, state=State.DONE, outcome=Outcome.JOB_FAILED)
    assert "done (job_failed) for 0 s, CPU 12.3 s, no engine yet" in dwctl.line(
        Path("0"), done, START)


def test_all_slots_of_a_client_are_shown_in_the_order_of_their_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (10, 9, 0):
        a_slot(tmp_path / "slots" / str(number))
    (tmp_path / "slots" / "4").mkdir()
    assert dwctl.main([str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    slots = [Path(line.partition(": ")[0]).name for line in lines]
    assert slots == ["0", "9", "10"]


@pytest.mark.parametrize("name", ["slot", f"slot/{NAME}"])
def test_one_slot_is_named_by_its_folder_or_its_file(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_slot(tmp_path / "slot")
    assert dwctl.main([str(tmp_path / name)]) == 0
    assert "wu_0: running" in capsys.readouterr().out


def test_without_words_the_present_directory_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(a_slot(tmp_path / "slot"))
    assert dwctl.main([]) == 0
    assert capsys.readouterr().out.startswith(".: wu_0: running")


def test_without_words_the_usual_data_directory_is_looked_at_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_slot(tmp_path / "boinc" / "slots" / "0")
    monkeypatch.setattr(dwctl, "DATA_DIRECTORIES", (tmp_path / "none", tmp_path / "boinc"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert dwctl.main([]) == 0
    assert "wu_0: running" in capsys.readouterr().out


def test_the_history_is_shown_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = str(a_slot(tmp_path / "slot"))
    dwctl.main([slot])
    assert "a note" not in capsys.readouterr().out
    dwctl.main([slot, "--history"])
    assert "create -> running  (created)  a note" in capsys.readouterr().out


def test_the_first_line_of_an_error_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = a_slot(tmp_path / "slot", RUNNING._replace(error="it did not build\nstep 3 of 4"))
    assert dwctl.main([str(slot)]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["    it did not build"]


def test_a_job_cannot_give_orders_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = RUNNING._replace(error="\x1b]0;owned\x07", engine=Engine("podman", "\x1b[2J"))
    assert dwctl.main([str(a_slot(tmp_path / "slot", evil)), "--history"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_file_that_makes_no_sense_is_told_of_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_slot(tmp_path / "slots" / "0")
    (a_slot(tmp_path / "slots" / "1") / NAME).write_text("{")
    assert dwctl.main([str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "slots/0: wu_0" in told.out.replace(os.sep, "/")
    assert "not whole JSON" in told.err


@pytest.mark.skipif(sys.platform == "win32", reason="links there need a right of their own")
def test_a_link_in_the_state_file_s_place_is_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_slot(tmp_path / "slot") / NAME
    secret = tmp_path / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    assert dwctl.main([str(tmp_path / "slot")]) == 1
    assert "wu_0" not in capsys.readouterr().out


def test_where_there_is_no_job_the_reader_is_told_what_to_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dwctl.main([str(tmp_path)]) == 1
    assert "name a slot or BOINC's data directory" in capsys.readouterr().err


def test_a_file_that_was_set_aside_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = a_slot(tmp_path / "slot") / NAME
    aside = file.rename(f"{file}.corrupt-1")
    assert dwctl.main([str(aside)]) == 0
    assert "wu_0: running" in capsys.readouterr().out
