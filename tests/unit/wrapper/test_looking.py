"""When an engine counts as one that was stopped between two looks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from wrapper.looking import restarted_since

ENDED = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def test_an_engine_that_was_started_after_the_end_was_stopped_before() -> None:
    assert restarted_since(ENDED, ENDED + SECOND, ENDED + 2 * SECOND)


def test_one_that_was_there_before_the_end_was_not_stopped() -> None:
    assert not restarted_since(ENDED, ENDED - HOUR, ENDED + SECOND)


def test_one_that_does_not_tell_proves_nothing() -> None:
    assert not restarted_since(ENDED, None, ENDED + SECOND)


def test_a_start_in_the_future_proves_that_the_clock_was_set_back_and_no_more() -> None:
    assert not restarted_since(ENDED, ENDED + HOUR, ENDED + SECOND)


def test_a_clock_that_is_a_little_ahead_is_believed() -> None:
    assert restarted_since(ENDED, ENDED + 5 * SECOND, ENDED + SECOND)
