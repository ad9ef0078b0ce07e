"""Records and sightings that the tests of `states` start from, and strategies that make any."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from states.moves import moves
from states.reconcile import Boot, Shown, Sighting
from states.record import (
    SCHEMA_VERSION,
    Change,
    Container,
    Engine,
    Image,
    Job,
    Record,
    new_record,
    rfc3339,
)
from states.table import Event, Outcome, State

MOVES = moves()
JOB = Job("example.org_test", "wu_1", "wu_1_0")
START = datetime(2026, 3, 4, 5, 6, 7, 250000, tzinfo=timezone.utc)
BOOT = Boot("boot-1", START - timedelta(hours=1))
NAME = "boinc__example.org_test__wu_1_0"


def after(**parts: float) -> datetime:
    """A moment after START."""
    return START + timedelta(**parts)


def a_record(state: State, **changes: Any) -> Record:
    """A record in a state, as it would be a little later in a quiet life, with changes."""
    fields: dict[str, Any] = {
        "state": state,
        "job": JOB,
        "created_at": rfc3339(START),
        "updated_at": rfc3339(START),
        "boot_id": BOOT.id,
        "container": Container(NAME),
    }
    if state in (State.RUNNING, State.PAUSED):
        fields |= {"container": Container(NAME, "c1"), "run_started": rfc3339(after(seconds=1))}
        fields |= {"held": state is State.PAUSED}
    return Record(**{**fields, **changes})


def fresh() -> Record:
    """A record of a job that nothing was done for yet."""
    return new_record(JOB, START, boot_id=BOOT.id, wrapper_pid=4711, container=Container(NAME))


WORDS = st.text(max_size=20)
IDS = st.sampled_from(["", "c1", "c2"])
NAMES = st.text(min_size=1, max_size=20)
MOMENTS = st.datetimes(
    min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(timezone.utc)
)
NEAR = st.integers(-4, 4).map(lambda hours: after(hours=hours))
STAMPS = MOMENTS.map(rfc3339)
SECONDS = st.floats(0, 1e9)
CHANGES = st.builds(
    Change, STAMPS, st.sampled_from(Event).map(lambda event: event.value), WORDS, WORDS, WORDS
)
RECORDS = st.builds(
    Record,
    state=st.sampled_from(State),
    job=st.builds(Job, WORDS, WORDS, WORDS),
    created_at=STAMPS,
    updated_at=STAMPS,
    schema_version=st.just(SCHEMA_VERSION),
    outcome=st.none() | st.sampled_from(Outcome),
    error=st.none() | WORDS,
    engine=st.none()
    | st.builds(Engine, st.sampled_from(["docker", "podman"]), WORDS, st.none() | WORDS),
    image=st.none() | st.builds(Image, NAMES, WORDS),
    container=st.none() | st.builds(Container, NAMES, IDS),
    cpu_time=SECONDS,
    cpu_time_before=SECONDS,
    exit_code=st.none() | st.integers(-1, 255),
    boot_id=st.sampled_from(["", "boot-1", "boot-2"]),
    wrapper_pid=st.integers(0, 1 << 40),
    run_started=st.none() | NEAR.map(rfc3339),
    cut_off_id=st.none() | st.sampled_from(["c1", "c2"]),
    held=st.booleans(),
    engine_away=st.booleans(),
    temporary_exits=st.integers(0, 200),
    graphics_port=st.none() | st.integers(1, 65535),
    web=st.none() | WORDS,
    logged=st.booleans(),
    history=st.lists(CHANGES, max_size=5).map(tuple),
)
SIGHTINGS = st.builds(
    Sighting,
    shown=st.sampled_from(Shown),
    id=IDS,
    exit_code=st.none() | st.sampled_from([0, 1, 137, 139, 143, 255]),
    started_at=st.none() | NEAR,
    finished_at=st.none() | NEAR,
    oom_killed=st.booleans(),
)
BOOTS = st.builds(Boot, st.sampled_from(["", "boot-1", "boot-2"]), st.none() | NEAR)
