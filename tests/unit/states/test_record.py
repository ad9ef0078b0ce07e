"""Facts about the record, its times and its JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given

from states.record import Change, Container, Image, Record, moment, new_record, rfc3339, to_json
from states.table import Outcome, State
from tests.unit.states.records import JOB, MOMENTS, NAME, START, a_record

PUBLIC_KEYS = {
    "schema_version", "state", "outcome", "error", "engine", "image", "container", "job",
    "cpu_time", "boot_id", "wrapper_pid", "created_at", "updated_at", "history",
}


def test_a_moment_is_written_in_utc_to_the_millisecond() -> None:
    berlin = datetime(2026, 7, 1, 12, 0, 0, 123999, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(berlin) == "2026-07-01T10:00:00.123Z"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 7, 1))


@given(MOMENTS)
def test_a_moment_survives_being_written_and_read(at: datetime) -> None:
    assert timedelta() <= at - moment(rfc3339(at)) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-04T05:06:07Z", START.replace(microsecond=0)),
        ("2026-03-04T05:06:07.25Z", START),
        ("2026-03-04T05:06:07.250000000Z", START),
        ("2026-03-04T05:06:07.2500009999Z", START),
        ("2026-03-04T07:06:07.25+02:00", START),
        ("2026-03-04t02:36:07.25-02:30", START),
        ("2026-03-04 05:06:07.25z", START),
    ],
)
def test_the_ways_to_write_a_moment_are_read(text: str, at: datetime) -> None:
    assert moment(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-03-04", "2026-03-04T05:06:07", "2026-13-04T05:06:07Z",
        "2026-03-04T25:06:07Z", "2026-03-04T05:06:07Z\n", "٢٠٢٦-03-04T05:06:07Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text)


def test_a_new_record_begins_at_the_beginning() -> None:
    record = new_record(
        JOB, START, boot_id="b", wrapper_pid=3, image=Image("i"), container=Container(NAME)
    )
    assert (record.state, record.outcome, record.history) == (State.DISCOVER_DISTRO, None, ())
    assert record.created_at == record.updated_at == "2026-03-04T05:06:07.250Z"
    assert (record.image, record.container) == (Image("i"), Container(NAME))


def test_a_new_record_can_tell_why_there_was_no_older_one() -> None:
    record = new_record(JOB, START, note="the last one was torn")
    assert [(line.event, line.note) for line in record.history] == [
        ("new_record", "the last one was torn")
    ]


def test_the_json_has_the_keys_that_others_rely_on() -> None:
    tree = json.loads(to_json(a_record(State.RUNNING)))
    assert tree.keys() >= PUBLIC_KEYS
    assert tree["state"] == "running"
    assert tree["schema_version"] == 1
    assert tree["container"] == {"name": NAME, "id": "c1"}
    assert tree["job"] == {
        "project": "example.org_test", "workunit": "wu_1", "result": "wu_1_0",
    }


def test_every_field_of_the_record_is_in_the_json() -> None:
    tree = json.loads(to_json(a_record(State.DONE, outcome=Outcome.SUCCESS)))
    assert list(tree)[:4] == ["schema_version", "state", "outcome", "error"]
    assert set(tree) == set(Record._fields)
    assert tree["outcome"] == "success"


def test_a_line_of_the_history_says_from_and_to() -> None:
    line = Change("2026-03-04T05:06:07Z", "lost", "running", "create", "gone")
    tree = json.loads(to_json(a_record(State.CREATE, history=(line,))))
    assert tree["history"] == [
        {
            "at": "2026-03-04T05:06:07Z", "event": "lost", "from": "running", "to": "create",
            "note": "gone",
        }
    ]


def test_the_json_is_indented_ascii_and_ends_its_last_line() -> None:
    text = to_json(a_record(State.CREATE, error="zu früh"))
    assert text.isascii()
    assert text.startswith('{\n  "schema_version": 1,\n  "state": "create",\n')
    assert text.endswith("\n}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_refused(number: float) -> None:
    with pytest.raises(ValueError):
        to_json(a_record(State.RUNNING, cpu_time=number))
