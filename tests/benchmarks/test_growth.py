"""A wrapper that lives long does not grow."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.growth import day

_NOISE = 256 * 1024
"""Bytes: what an allocator may take between any two moments."""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_piles_up_from_hour_to_hour() -> None:
    grown = day(7)
    assert 7 * 3600 < grown["turns"] < 7 * 3600 * 3
    assert grown["files"] == 0
    assert abs(grown["state"]) < 100
    assert grown["memory"] < _NOISE
