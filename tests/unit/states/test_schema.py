"""Facts about reading a state file, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states import schema
from states.machine import HISTORY_KEPT, JobMachine
from states.record import Change, Container, Engine, Image, Job, Record, to_json
from states.schema import BadRecord, read_record
from states.table import Event, Outcome, State
from tests.unit.states.records import MOVES, RECORDS, START, a_record

GOLDEN = Path(__file__).parent / "golden" / "v1.json"
GOLDEN_RECORD = Record(
    state=State.PAUSED,
    job=Job("example.org_test", "wu_1", "wu_1_0"),
    created_at="2026-03-04T05:06:07.250Z",
    updated_at="2026-03-04T06:06:07.250Z",
    outcome=None,
    error=None,
    engine=Engine("podman", "4.3.1", "boinc-buda-runner"),
    image=Image("boinc__example.org_test__wu_1", "sha256:00ff"),
    container=Container("boinc__example.org_test__wu_1_0", "c1"),
    cpu_time=12.5,
    cpu_time_before=2.25,
    boot_id="5cb1bbd4-1f0d-4d7c-a5bb-8a6a0a3c9b1a",
    wrapper_pid=4711,
    run_started="2026-03-04T05:06:09.000Z",
    held=True,
    temporary_exits=2,
    graphics_port=40123,
    web="http://127.0.0.1:40123",
    history=(
        Change("2026-03-04T05:06:07.500Z", "engine_found", "discover_distro", "ensure_image"),
        Change("2026-03-04T06:06:07.250Z", "suspend", "running", "paused", "über Nacht"),
    ),
)


def tree_of(**changes: Any) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(to_json(a_record(State.RUNNING)))
    return {**tree, **changes}


def test_a_file_of_version_1_is_read_for_ever() -> None:
    assert read_record(GOLDEN.read_bytes()) == GOLDEN_RECORD


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("torn", "not whole JSON"),
        ("empty", "not whole JSON"),
        ("garbage", "not whole JSON"),
        ("newer", "written by a newer program"),
        ("older", "schema version 0, which nobody can read any more"),
    ],
)
def test_a_file_that_cannot_be_gone_on_from_says_why(name: str, why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        read_record((GOLDEN.parent / f"{name}.json").read_bytes())


def test_a_record_of_version_1_is_written_as_ever() -> None:
    assert to_json(GOLDEN_RECORD) == GOLDEN.read_text("utf-8")


@given(RECORDS)
def test_a_record_survives_being_written_and_read(record: Record) -> None:
    assert read_record(to_json(record)) == record


def test_every_field_of_the_record_is_in_the_schema() -> None:
    fields = set(Record._fields)
    assert set(schema._Record.model_fields) == fields


def test_what_the_machine_writes_can_be_read_however_long_it_goes_on() -> None:
    machine = JobMachine(a_record(State.RUNNING), lambda _: None, lambda: START, MOVES)
    for number in range(2 * HISTORY_KEPT):
        event = Event.SUSPEND if machine.state is State.RUNNING else Event.RESUME
        machine.fire(event, f"{number} " + "ü\ud800\x00" * 1000)
    machine.fire(Event.FAILED, "\N{PILE OF POO}" * 1_000_000)
    text = to_json(machine.record)
    assert len(text) < schema.MOST / 2
    assert read_record(text).outcome is Outcome.ERROR


def test_a_torn_file_is_a_bad_record_wherever_it_was_torn() -> None:
    whole = GOLDEN.read_bytes().rstrip()
    for length in range(len(whole)):
        with pytest.raises(BadRecord):
            read_record(whole[:length])


def test_a_file_with_a_hole_of_zeros_is_a_bad_record() -> None:
    whole = GOLDEN.read_bytes().rstrip()
    for start in range(0, len(whole), 16):
        with pytest.raises(BadRecord):
            read_record(whole[:start] + bytes(len(whole) - start))


@given(st.binary(max_size=200))
def test_garbage_is_a_bad_record(garbage: bytes) -> None:
    with pytest.raises(BadRecord):
        read_record(garbage)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_a_changed_byte_gives_a_record_or_a_bad_record(place: int, piece: bytes) -> None:
    whole = bytearray(GOLDEN.read_bytes())
    place %= len(whole)
    whole[place : place + len(piece)] = piece
    try:
        record = read_record(bytes(whole))
    except BadRecord:
        return
    assert isinstance(record, Record)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "not whole JSON"),
        (b"\xff\xfe{}", "not whole JSON"),
        (b"[" * 100_000, "not whole JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not whole JSON"),
        (b'{"schema_version": ' + b"1" * 5000 + b"}", "not whole JSON"),
        (b"[]", "list"),
        (b"null", "NoneType"),
        (b"{}", "schema_version"),
        (b'{"schema_version": "1"}', "schema_version"),
        (b'{"schema_version": true}', "schema_version"),
        (b'{"schema_version": 1.0}', "schema_version"),
        (b'{"schema_version": 0}', "nobody can read any more"),
        (b'{"schema_version": -5}', "nobody can read any more"),
        (b'{"schema_version": 1}', "Field required"),
        (b" " * ((1 << 20) + 1), "larger than"),
    ],
)
def test_what_is_no_record_says_why(text: bytes, why: str) -> None:
    with pytest.raises(BadRecord, match=why):
        read_record(text)


def test_a_file_of_a_newer_program_is_not_guessed_at() -> None:
    with pytest.raises(BadRecord, match=r"newer program: it has schema version 2"):
        read_record(json.dumps(tree_of(schema_version=2)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state", "flying"),
        ("state", None),
        ("state", 3),
        ("outcome", "splendid"),
        ("error", 5),
        ("engine", {"type": "lxc"}),
        ("engine", "podman"),
        ("image", {"name": ""}),
        ("container", {"id": "c1"}),
        ("job", None),
        ("job", {"project": "p", "workunit": "w"}),
        ("cpu_time", "12"),
        ("cpu_time", -1.0),
        ("cpu_time", float("nan")),
        ("cpu_time", float("inf")),
        ("exit_code", "0"),
        ("exit_code", 0.5),
        ("exit_code", True),
        ("exit_code", 1 << 40),
        ("wrapper_pid", -1),
        ("boot_id", 1),
        ("created_at", "yesterday"),
        ("run_started", "0"),
        ("held", 1),
        ("held", "yes"),
        ("graphics_port", 65536),
        ("history", {}),
        ("history", [{}]),
        ("history", [None]),
        ("history", [{"at": "", "event": "", "from": "", "to": ""}] * 1001),
    ],
)
def test_a_wrong_value_is_a_bad_record_that_names_the_key(key: str, value: object) -> None:
    with pytest.raises(BadRecord, match=f"not valid: {key}"):
        read_record(json.dumps(tree_of(**{key: value})))


def test_a_bad_record_does_not_tell_what_the_file_held() -> None:
    with pytest.raises(BadRecord) as bad:
        read_record(json.dumps(tree_of(engine={"type": "hunter2" * 1000})))
    assert "hunter2" not in str(bad.value)
    assert bad.value.__cause__ is None


@pytest.mark.parametrize("key", ["state", "job", "history", "boot_id", "cpu_time", "container"])
def test_a_missing_key_that_others_rely_on_is_a_bad_record(key: str) -> None:
    tree = tree_of()
    del tree[key]
    with pytest.raises(BadRecord, match=key):
        read_record(json.dumps(tree))


def test_keys_that_a_later_program_added_are_passed_over() -> None:
    tree = tree_of(mood="fine", container={"name": "n", "id": "i", "colour": "blue"})
    assert read_record(json.dumps(tree)).container == Container("n", "i")


def test_a_line_of_the_history_may_hold_an_event_of_a_later_program() -> None:
    line = {"at": "then", "event": "frozen", "from": "running", "to": "ice", "note": ""}
    assert read_record(json.dumps(tree_of(history=[line]))).history[0].event == "frozen"


def test_an_older_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_0(tree: dict[str, Any]) -> dict[str, Any]:
        return {**tree, "schema_version": 1, "boot_id": tree["boot"]}

    monkeypatch.setitem(schema.MIGRATIONS, 0, from_0)
    old = tree_of(schema_version=0, boot="b7")
    del old["boot_id"]
    assert read_record(json.dumps(old)).boot_id == "b7"


def test_a_migration_that_meets_garbage_gives_a_bad_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def from_0(tree: dict[str, Any]) -> dict[str, Any]:
        return {**tree, "boot_id": tree["boot"]}

    monkeypatch.setitem(schema.MIGRATIONS, 0, from_0)
    with pytest.raises(BadRecord, match=r"version 0 cannot be brought .*KeyError\('boot'\)"):
        read_record(json.dumps({"schema_version": 0}))


def test_a_lone_surrogate_does_not_make_a_file_unreadable() -> None:
    record = a_record(State.CREATE, error="caf\udce9")
    assert read_record(to_json(record)).error == "caf?"
