"""A CPU limit is told from a suspension by how long the last one was."""

from __future__ import annotations

from wrapper.throttling import SHORT, Throttle


def suspended(throttle: Throttle, since: float, until: float) -> Throttle:
    """A suspension, seen at each tick."""
    for now in (since, (since + until) / 2, until):
        throttle.held(now)
    throttle.going(until)
    return throttle


def test_the_first_suspension_ends_a_build_at_once() -> None:
    throttle = Throttle()
    throttle.going(1.0)
    throttle.held(2.0)
    assert throttle.patience == 0


def test_after_a_short_one_a_build_may_go_on_for_a_while() -> None:
    assert suspended(Throttle(), 10.0, 11.0).patience == SHORT


def test_after_a_long_one_a_suspension_ends_a_build_at_once_again() -> None:
    throttle = suspended(Throttle(), 10.0, 11.0)
    assert suspended(throttle, 20.0, 20.0 + SHORT).patience == 0
