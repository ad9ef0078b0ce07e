"""From measurements to what stands in a table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

NONE = "-"
"""What stands where nothing could be measured."""


def seconds(value: float) -> str:
    """A time in s with as many digits as mean something: `0.123 s`, `12.3 s`."""
    return f"{value:.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f} s"


def spread(values: Sequence[float]) -> str:
    """Median and worst of some times in s."""
    if not values:
        return NONE
    if len(values) == 1:
        return seconds(values[0])
    return f"{seconds(statistics.median(values))[:-2]} / {seconds(max(values))}"


def a_minute(amount: float, period: float) -> float:
    """How much of something there is in a minute, when ``period`` s had ``amount``."""
    return amount * 60 / period


def mebibytes(size: float) -> str:
    """A size in MiB."""
    return f"{size / (1 << 20):.1f} MiB"


def deviation(told: float, true: float) -> str:
    """How far what was told is from what is true, in per cent."""
    return NONE if not true else f"{(told / true - 1) * 100:+.2f} %"
