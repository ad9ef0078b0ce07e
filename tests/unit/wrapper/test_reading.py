"""What a start reads, and how it comes back from the process that read it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given

from states.moves import moves
from states.record import Record, from_json, to_json
from states.store import NAME, StateFile
from states.table import State
from tests.unit.states.records import RECORDS, a_record
from wrapper.job_config import JobConfig
from wrapper.reading import Known, reading


def test_an_empty_slot_has_the_defaults_and_no_record(tmp_path: Path) -> None:
    known = reading(tmp_path / "job.toml", (), None)()
    assert known == Known(JobConfig(), "", None, moves())


def test_a_description_comes_back_as_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text('workdir = "/w"\ncreate_args = "--memory 1g"\nmount = ["/d:/d"]\n', "utf-8")
    known = reading(path, (), None)()
    assert known.config == JobConfig("/w", create_args=("--memory", "1g"), mount=("/d:/d",))


def test_a_mistake_comes_back_in_words_with_the_record(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text("workdirr = 1\n", "utf-8")
    StateFile(tmp_path).save(a_record(State.RUNNING))
    known = reading(path, (), (tmp_path / NAME).read_bytes())()
    assert "did you mean workdir" in known.mistake
    assert (known.config, known.recorded) == (JobConfig(), a_record(State.RUNNING))


def test_a_file_that_is_no_record_comes_back_with_why(tmp_path: Path) -> None:
    known = reading(tmp_path / "job.toml", (), b"{}")()
    assert isinstance(known.recorded, str)
    assert "schema_version" in known.recorded


def test_an_empty_file_is_not_the_same_as_none(tmp_path: Path) -> None:
    assert isinstance(reading(tmp_path / "job.toml", (), b"")().recorded, str)


@given(RECORDS)
def test_a_record_that_was_written_is_the_same_when_it_is_taken_back(record: Record) -> None:
    assert from_json(to_json(record)) == record
